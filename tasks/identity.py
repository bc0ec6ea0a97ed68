"""Copies of domains, projects, roles, users and assignments."""

from pumphouse import bodies
from pumphouse.bodies import Ids
from pumphouse.plan import Item
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import Effect


def make_domain(api: Api, item: Item, ids: Ids) -> str:
    """Create a domain. Its name is unique, so a second one cannot come to be."""
    row = item.row
    body = {
        "name": row["name"],
        "description": row["description"] or "",
        "enabled": bool(row["is_enabled"]),
    }
    return _made(api, "domain", body)


def make_project(api: Api, item: Item, ids: Ids) -> str:
    """Create a project with its mark. Its name is unique in the domain."""
    return _made(api, "project", bodies.project(item.row, ids))


def make_role(api: Api, item: Item, ids: Ids) -> str:
    """Create a role."""
    row = item.row
    body = {"name": row["name"], "description": row["description"] or ""}
    if row["domain_id"]:
        body["domain_id"] = ids["domains"][row["domain_id"]]
    return _made(api, "role", body)


def make_user(api: Api, item: Item, ids: Ids) -> str:
    """Create a user without a password."""
    return _made(api, "user", bodies.user(item.row, ids))


def make_assignment(api: Api, item: Item, ids: Ids) -> str:
    """Give a role to a user on a project. Keystone takes a second time as the first."""
    row = item.row
    project = ids["projects"][row["project_id"]]
    user, role = ids["users"][row["user_id"]], ids["roles"][row["role_id"]]
    path = f"/projects/{project}/users/{user}/roles/{role}"
    api.call("PUT", "identity", path, retry=True)
    return f"{role}:{user}:{project}"


def _made(api: Api, what: str, body: dict[str, object]) -> str:
    answer = api.call("POST", "identity", f"/{what}s", json={what: body}).json()
    return str(answer[what]["id"])


EFFECTS: dict[str, Effect] = {
    "domains": make_domain,
    "projects": make_project,
    "roles": make_role,
    "users": make_user,
    "assignments": make_assignment,
}
