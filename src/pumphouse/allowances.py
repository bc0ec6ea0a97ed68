"""What a plan counts against the quotas of the target's projects, and whether that fits."""

from collections import Counter
from collections.abc import Iterator, Mapping

from pumphouse.checks import quota_problems
from pumphouse.drafts import Draft, project_there
from pumphouse.estate import Estate
from pumphouse.models import Action
from pumphouse.plan import Cost
from pumphouse.tables import Row

Key = tuple[str, str]
"""Service and resource, as the table quotas has them."""

Numbers = dict[Key, int]


def quotas(every: list[Draft], source: Estate, target: Estate) -> list[Cost]:
    """
    Return what each project needs of its quotas; block the quotas that are too small.

    Where a plan does not have the quotas, what needs too much of them is blocked.
    """
    needed = _needed(every)
    limits: dict[str, tuple[Numbers, Numbers]] = {}
    for draft in every:
        is_asked = draft.kind == "quotas" or draft.project in needed
        if is_asked and draft.project and draft.project not in limits:
            limits[draft.project] = _limits(draft, source, target)
    for draft in every:
        if draft.kind == "quotas" and draft.match.action in (Action.CREATE, Action.UPDATE):
            changed = draft.match.missing or draft.row["limits"]
            own = draft.row["limits"].items()
            mine = {(draft.row["service"], k): v for k, v in own if k in changed}
            limits[draft.project][0].update(mine)
    costs = []
    for project, (limit, used) in limits.items():
        costs += list(_costs(project, needed.get(project, {}), limit, used))
    for draft in every:
        if draft.kind == "quotas" and not draft.merged_into:
            limit, used = limits[draft.project]
            service = draft.row["service"]
            of_all = needed.get(draft.project, {})
            mine = {key: value for key, value in of_all.items() if key[0] == service}
            draft.problems += quota_problems(mine, limit, used)
    _unquoted(every, needed, limits)
    _each(every, limits, source, target)
    return costs


def _unquoted(
    every: list[Draft],
    needed: Mapping[str, Numbers],
    limits: Mapping[str, tuple[Numbers, Numbers]],
) -> None:
    """Block what needs more than there is of quotas that are not in the plan themselves."""
    planned = {(d.project, d.row["service"]) for d in every if d.kind == "quotas"}
    lacking = {
        project: {
            key: problems
            for key, amount in sorted(needed.get(project, {}).items())
            if (project, key[0]) not in planned
            and (problems := quota_problems({key: amount}, *of_project))
        }
        for project, of_project in limits.items()
    }
    for draft in every:
        if (too_small := lacking.get(draft.project)) and _is_counted(draft):
            mine = {(service, resource) for service, resource, n in _counted(draft) if n}
            draft.problems += [p for key in too_small if key in mine for p in too_small[key]]


def _each(
    every: list[Draft],
    limits: Mapping[str, tuple[Numbers, Numbers]],
    source: Estate,
    target: Estate,
) -> None:
    """Block what is beyond a limit that holds for each: a volume's size, a group's members."""
    groups = {draft.row["id"]: draft for draft in every if draft.kind == "server_groups"}
    crowd = Counter(_seat(d, source) for d in every if d.kind == "servers" and d.is_moved)
    for draft in every:
        limit = limits.get(draft.project, ({}, {}))[0]
        if draft.kind in ("volumes", "snapshots") and draft.is_moved:
            most, size = limit.get(("volume", "per_volume_gigabytes"), -1), draft.row["size_gib"]
            if 0 <= most < (size or 0):
                draft.problems.append(
                    f"It has {size} GiB, and the volume quota per_volume_gigabytes is {most}; "
                    f"raise it to {size}."
                )
        group = groups.get(draft.row.get("group_id") or "") if draft.kind == "servers" else None
        if group and draft.is_moved:
            most = limit.get(("compute", "server_group_members"), -1)
            seat = _seat(draft, source)
            count = crowd[seat] + _seated(group.match.target_id, seat[1], target)
            if 0 <= most < count:
                draft.problems.append(
                    f"Its server group {group.label} would have {count} servers of its user, and "
                    f"the compute quota of server_group_members is {most}; raise it to {count}."
                )


def _seat(draft: Draft, source: Estate) -> tuple[str | None, str | None]:
    """Return the group and the user of a server: Nova counts a group's members by user."""
    return draft.row.get("group_id"), source.label("users", draft.row["user_id"])


def _seated(group_id: str | None, user: str | None, target: Estate) -> int:
    """Return how many servers of a user are in a group of the target."""
    group = target.get("server_groups", group_id)
    ids = (group["member_ids"] or ()) if group else ()
    members = (target.get("servers", id_) for id_ in ids)
    return sum(target.label("users", m["user_id"]) == user for m in members if m)


def _limits(draft: Draft, source: Estate, target: Estate) -> tuple[Numbers, Numbers]:
    project = draft.row.get("project_id") or draft.row["owner_id"]
    there = project_there(project, source, target)
    rows = target.where("quotas", "project_id", there["id"]) if there else []
    limits = {(q["service"], q["resource"]): q["limit"] for q in rows}
    used = {(q["service"], q["resource"]): q["used"] or 0 for q in rows}
    return limits, used


def _costs(project: str, needed: Numbers, limits: Numbers, used: Numbers) -> Iterator[Cost]:
    for key, amount in sorted(needed.items()):
        limit = limits.get(key, -1)
        free = None if limit is None or limit < 0 else limit - used.get(key, 0)
        yield Cost(scope=project, resource=" ".join(key), needed=amount, free=free)


def _needed(every: list[Draft]) -> dict[str, Numbers]:
    total: dict[str, Numbers] = {}
    for draft in every:
        if not _is_counted(draft):
            continue
        numbers = total.setdefault(draft.project, {})
        for service, resource, amount in _counted(draft):
            numbers[service, resource] = numbers.get((service, resource), 0) + amount
    return total


def _is_counted(draft: Draft) -> bool:
    return draft.is_moved and not (draft.match.target_id and draft.kind != "servers")


NETWORK = {
    "networks": "network",
    "subnets": "subnet",
    "routers": "router",
    "ports": "port",
    "floating_ips": "floatingip",
    "security_groups": "security_group",
    # That of its address.
    "load_balancers": "port",
}


def _counted(draft: Draft) -> Iterator[tuple[str, str, int]]:
    row = draft.row
    if draft.kind == "servers" and not draft.match.target_id:
        yield "compute", "instances", 1
        yield "compute", "cores", row["vcpus"] or 0
        yield "compute", "ram", row["ram_mib"] or 0
    elif draft.kind == "server_groups":
        yield "compute", "server_groups", 1
    elif draft.kind in ("volumes", "snapshots"):
        yield from _stored(row, 1 if draft.kind == "volumes" else 2)
        if draft.kind == "snapshots":
            yield "volume", "snapshots", 1
            if row["volume_type"]:
                yield "volume", f"snapshots_{row['volume_type']}", 1
    elif draft.kind in NETWORK:
        # Every project has its group default from the beginning.
        is_there = draft.kind == "security_groups" and row["name"] == "default"
        yield "network", NETWORK[draft.kind], 0 if is_there else 1
        if draft.kind == "security_groups":
            yield "network", "security_group_rule", len(row.get("rules", ()))


def _stored(row: Row, times: int) -> Iterator[tuple[str, str, int]]:
    """Yield what a volume counts; a snapshot is as large once more."""
    size = (row["size_gib"] or 0) * times
    yield "volume", "volumes", 1
    yield "volume", "gigabytes", size
    if row["volume_type"]:
        yield "volume", f"volumes_{row['volume_type']}", 1
        yield "volume", f"gigabytes_{row['volume_type']}", size
