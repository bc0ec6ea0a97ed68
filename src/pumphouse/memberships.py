"""Who is in which group and has which role where, and the parents of projects."""

from collections import deque
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping

from pumphouse.estate import Estate
from pumphouse.tables import Row


def with_parents(estate: Estate, ids: Iterable[str]) -> list[Row]:
    """Return the projects *ids*, each after the projects that it is below."""
    found: dict[str, Row] = {}
    for id_ in ids:
        line = []
        row = estate.get("projects", id_)
        while row and row["id"] not in found and row not in line:
            line.append(row)
            row = estate.get("projects", row["parent_id"])
        found.update((each["id"], each) for each in reversed(line))
    return list(found.values())


def parent(row: Row, estate: Estate) -> str | None:
    """Return the label of the project that *row* is below; None right below its domain."""
    above = estate.get("projects", row["parent_id"])
    return estate.label("projects", above["id"]) if above else None


def add(
    estate: Estate,
    found: dict[str, list[Row]],
    homes: set[str],
    named: Mapping[str, list[Row]],
    is_everything: bool,
) -> None:
    """
    Add the assignments, groups, members, roles and implied roles that belong to what is found.

    A project brings what is assigned on it, and what it inherits from the projects above it and
    from its domain. A user, group or domain that was chosen brings its other assignments too.
    """
    chosen = {kind: {row["id"] for row in rows} for kind, rows in named.items()}
    # Owners of shared things are found too, and nothing inherits from these.
    above = {row["id"] for row in with_parents(estate, sorted(homes))}
    domains = {row["domain_id"] for row in found["projects"] if row["id"] in homes}

    def belongs(row: Row) -> bool:
        if is_everything or (row["project_id"] in homes):
            return True
        if row["is_inherited"] and (row["project_id"] in above or row["domain_id"] in domains):
            return True
        if row["domain_id"] in chosen["domains"]:
            return True
        is_ours = row["user_id"] in chosen["users"] or row["group_id"] in chosen["groups"]
        return is_ours and not row["project_id"]

    found["assignments"] = [
        {**row, "id": assignment_id(row)}
        for row in estate.rows("assignments")
        if belongs(row) and _holder(row, estate) and _is_there(row, estate)
    ]
    groups = [estate.get("groups", row["group_id"]) for row in found["assignments"]]
    every = [row for row in groups if row] + named["groups"]
    found["groups"] = list({row["id"]: row for row in every}.values())
    found["group_members"] = [
        {**row, "id": f"{row['group_id']}:{row['user_id']}"}
        for group in found["groups"]
        for row in estate.where("group_members", "group_id", group["id"])
        if estate.get("users", row["user_id"])
    ]
    _add_roles(estate, found, named["roles"])


def _add_roles(estate: Estate, found: dict[str, list[Row]], named: list[Row]) -> None:
    """Add the roles that are assigned, and again and again those that they imply."""
    left = deque([*(r["role_id"] for r in found["assignments"]), *(r["id"] for r in named)])
    roles: dict[str, Row] = {}
    implied = []
    while left:
        row = estate.get("roles", left.popleft())
        if row is None or row["id"] in roles:
            continue
        roles[row["id"]] = row
        for rule in estate.where("implied_roles", "prior_role_id", row["id"]):
            key = f"{rule['prior_role_id']}:{rule['implied_role_id']}"
            implied.append({**rule, "id": key})
            left.append(rule["implied_role_id"])
    found["roles"], found["implied_roles"] = list(roles.values()), implied


def _holder(row: Row, estate: Estate) -> Row | None:
    """Return the user or group of an assignment; None when Keystone forgot who it was."""
    return estate.get("users", row["user_id"]) or estate.get("groups", row["group_id"])


def _is_there(row: Row, estate: Estate) -> bool:
    if row["project_id"]:
        return estate.get("projects", row["project_id"]) is not None
    return bool(row["domain_id"] or row["system"])


def assignment_id(row: Row) -> str:
    """Return the key of an assignment as one text."""
    scope = row["project_id"] or row["domain_id"] or row["system"]
    end = ":inherited" if row["is_inherited"] else ""
    return f"{row['role_id']}:{row['user_id'] or row['group_id']}:{scope}{end}"


def role(id_: str | None, estate: Estate) -> Hashable:
    """Return what a role is called: a domain may have one of a global role's name."""
    row = estate.get("roles", id_) or {}
    return estate.label("domains", row.get("domain_id")), estate.label("roles", id_)


def assignment_key(row: Row, estate: Estate) -> Hashable:
    """Return who has which role where, in labels."""
    return (
        role(row["role_id"], estate),
        estate.label("users", row["user_id"]),
        estate.label("groups", row["group_id"]),
        estate.label("projects", row["project_id"]),
        estate.label("domains", row["domain_id"]),
        row["system"],
        bool(row["is_inherited"]),
    )


def member_key(row: Row, estate: Estate) -> Hashable:
    """Return who is in which group, in labels."""
    return estate.label("groups", row["group_id"]), estate.label("users", row["user_id"])


def implied_key(row: Row, estate: Estate) -> Hashable:
    """Return which role implies which, in labels."""
    return role(row["prior_role_id"], estate), role(row["implied_role_id"], estate)


NAMED = 10
"""How many users or rights a loss names at most."""


def shared_losses(row: Row, group: Row, source: Estate, target: Estate) -> Iterator[str]:
    """Yield that the target's *group* has members who get the role *row* only there."""
    if names := _members(group["id"], target) - _members(row["group_id"], source):
        yield (
            f"That only the source's members have it: the target's group {group['name']} has "
            f"others too ({_listed(names)})."
        )


def joining_losses(row: Row, group: Row, source: Estate, target: Estate) -> Iterator[str]:
    """Yield what the members of *row* get by joining the target's *group*, as a sentence."""
    ours = {_right(each, source) for each in source.where("assignments", "group_id", row["id"])}
    theirs = {
        _right(each, target) for each in target.where("assignments", "group_id", group["id"])
    }
    joining = _members(row["id"], source) - _members(group["id"], target)
    if joining and theirs - ours:
        yield (
            f"That its members have no other rights: the target's group {group['name']} has more "
            f"({_listed(theirs - ours)}), now also for who joins it ({_listed(joining)})."
        )


def _listed(names: Collection[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(sorted(names)[:NAMED])}{more}"


def _members(group_id: str, estate: Estate) -> set[str]:
    rows = estate.where("group_members", "group_id", group_id)
    return {estate.label("users", row["user_id"]) or "" for row in rows}


def widening_loss(row: Row, source: Estate) -> str:
    """Return that a role which the target has already comes to mean more there."""
    prior = source.label("roles", row["prior_role_id"])
    implied = source.label("roles", row["implied_role_id"])
    return (
        f"That the target's role {prior} does not imply {implied}: everybody who has {prior} "
        f"there gets {implied} too, in every project."
    )


def name(kind: str, row: Row, source: Estate) -> str:
    """Return how a plan calls a row that has no name of its own."""
    if kind == "implied_roles":
        prior = source.label("roles", row["prior_role_id"])
        return f"{prior} implies {source.label('roles', row['implied_role_id'])}"
    if kind == "group_members":
        user = source.label("users", row["user_id"])
        return f"{user} in {source.label('groups', row['group_id'])}"
    holder = source.label("users", row["user_id"])
    if holder is None:
        holder = f"group {source.label('groups', row['group_id'])}"
    # Its project is in a column of its own.
    return f"{holder} is {_right(row | {'project_id': None}, source)}"


def _right(row: Row, estate: Estate) -> str:
    """Return which role where an assignment gives."""
    said = estate.label("roles", row["role_id"]) or ""
    if row["project_id"]:
        said += f" on project {estate.label('projects', row['project_id'])}"
    elif row["domain_id"]:
        said += f" on domain {estate.label('domains', row['domain_id'])}"
    elif row["system"]:
        said += " on the system"
    return f"{said}, inherited" if row["is_inherited"] else said
