"""Copies of domains, projects, roles, users, groups and assignments."""

from pumphouse import bodies
from pumphouse.bodies import Ids
from pumphouse.errors import PasswordsFailed, RequestFailed
from pumphouse.plan import Item
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import Effect

INVALID, UNEXPECTED = 400, 500
"""Statuses of what Keystone does not take, and of what it breaks at."""

NO_EMPTY_ONE = (
    "The user was not made: with change_password_upon_first_use and password_regex the target's "
    "Keystone takes nobody without a password; unset one of them there until the user is made, "
    "or set passwords.mode to random."
)


def make_domain(api: Api, item: Item, ids: Ids) -> str:
    """Create a domain. Its name is unique, so a second one cannot come to be."""
    row = item.row
    body = {
        "name": row["name"],
        "description": row["description"] or "",
        "enabled": bool(row["is_enabled"]),
        "tags": row["tags"] or None,
        "options": row["options"] or None,
    }
    return _made(api, "domain", bodies.present(body))


def make_project(api: Api, item: Item, ids: Ids) -> str:
    """Create a project with its mark, after its parent. Its name is unique in the domain."""
    return _made(api, "project", bodies.project(item.row, ids))


def make_role(api: Api, item: Item, ids: Ids) -> str:
    """Create a role."""
    row = item.row
    body = {
        "name": row["name"],
        "description": row["description"] or "",
        "domain_id": ids["domains"][row["domain_id"]] if row["domain_id"] else None,
        "options": row["options"] or None,
    }
    return _made(api, "role", bodies.present(body))


def make_user(api: Api, item: Item, ids: Ids, password: str | None = None) -> str:
    """
    Create a user, who can log in if there is a *password*.

    Raises:
        PasswordsFailed: The target takes nobody without a password.
    """
    body = bodies.user(item.row, ids)
    if password:
        return _made(api, "user", body | {"password": password})
    try:
        return _made(api, "user", body)
    except RequestFailed as failed:
        if failed.status != UNEXPECTED:
            raise
    # A Keystone that wants passwords changed upon first use breaks when it finds none to expire,
    # whatever the user's options are; an empty one it takes.
    try:
        return _made(api, "user", body | {"password": None})
    except RequestFailed as failed:
        if failed.status != INVALID:
            raise
        raise PasswordsFailed(item.label, failed.reason, NO_EMPTY_ONE) from None


def user_there(api: Api, item: Item, ids: Ids) -> str | None:
    """Return the id of the target's user of that domain and name; None while there is none."""
    row = item.row
    domain = ids["domains"].get(row["domain_id"], row["domain_id"])
    found = api.get("identity", "/users", {"domain_id": domain, "name": row["name"]})["users"]
    return str(found[0]["id"]) if found else None


def make_group(api: Api, item: Item, ids: Ids) -> str:
    """Create a group. Its name is unique in the domain."""
    row = item.row
    domain = ids["domains"].get(row["domain_id"], row["domain_id"])
    body = {"name": row["name"], "description": row["description"] or "", "domain_id": domain}
    return _made(api, "group", body)


def add_member(api: Api, item: Item, ids: Ids) -> str:
    """Put a user into a group. Keystone takes a second time as the first."""
    group, user = ids["groups"][item.row["group_id"]], ids["users"][item.row["user_id"]]
    api.call("PUT", "identity", f"/groups/{group}/users/{user}", retry=True)
    return f"{group}:{user}"


def imply_role(api: Api, item: Item, ids: Ids) -> str:
    """Let one role imply another. Keystone takes a second time as the first."""
    roles = ids["roles"]
    prior, implied = roles[item.row["prior_role_id"]], roles[item.row["implied_role_id"]]
    api.call("PUT", "identity", f"/roles/{prior}/implies/{implied}", retry=True)
    return f"{prior}:{implied}"


def make_assignment(api: Api, item: Item, ids: Ids) -> str:
    """Give a role to a user or group. Keystone takes a second time as the first."""
    row = item.row
    scope = "/system"
    if row["project_id"]:
        scope = f"/projects/{ids['projects'][row['project_id']]}"
    elif row["domain_id"]:
        scope = f"/domains/{ids['domains'][row['domain_id']]}"
    holder = f"/groups/{ids['groups'][row['group_id']]}" if row["group_id"] else ""
    holder = holder or f"/users/{ids['users'][row['user_id']]}"
    role = ids["roles"][row["role_id"]]
    path = f"{scope}{holder}/roles/{role}"
    if row["is_inherited"]:
        path = f"/OS-INHERIT{path}/inherited_to_projects"
    api.call("PUT", "identity", path, retry=True)
    end = ":inherited" if row["is_inherited"] else ""
    return f"{role}:{holder.rsplit('/', 1)[1]}:{scope.rsplit('/', 1)[1]}{end}"


def _made(api: Api, what: str, body: dict[str, object]) -> str:
    answer = api.call("POST", "identity", f"/{what}s", json={what: body}).json()
    return str(answer[what]["id"])


EFFECTS: dict[str, Effect] = {
    "domains": make_domain,
    "projects": make_project,
    "roles": make_role,
    "implied_roles": imply_role,
    "users": make_user,
    "groups": make_group,
    "group_members": add_member,
    "assignments": make_assignment,
}
