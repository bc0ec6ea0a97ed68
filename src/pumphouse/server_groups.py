"""
Server groups: which of the target each of the source's is, and which are made.

Nova lets several groups of a project have one name, and takes neither tags nor metadata for them.
So a group is known by its project, name, policy and rule, and among equals by its members.
"""

import re
from collections.abc import Hashable, Sequence

from pumphouse.comparison import Match, differences, mark
from pumphouse.estate import Estate
from pumphouse.mappings import GroupMapping
from pumphouse.models import Action
from pumphouse.tables import Row

_ID = re.compile(r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def says(row: Row) -> dict[str, Hashable]:
    """Return what a group demands: its policy, and how many of it a host may have."""
    most = (row["rules"] or {}).get("max_server_per_host", 1)
    return {"policy": row["policy"], "max_server_per_host": int(most)}


def translated(source: Estate, so_far: Estate, target: Estate, places: GroupMapping) -> list[Row]:
    """
    Return the source's groups as they are at the target; those without a place there are left out.

    so_far: The source with its projects under the names that they have at the target.

    Each has beside its columns ``target_group_id``, None when it is made, and ``mapping``: the
    entry of the configuration that speaks of it.
    """
    there = target.grouped("server_groups", "home", lambda row: _home(row, target))
    found: dict[str, Row] = {}
    rivals: dict[tuple[Hashable, Hashable], list[Row]] = {}
    for row in source.rows("server_groups"):
        entry = _entry(row, source, places)
        if entry is not None:
            if named := _named(row, entry, so_far, target, places):
                found[row["id"]] = named
        elif places.unnamed != "drop":
            key = (_home(row, so_far), tuple(says(row).values()))
            rivals.setdefault(key, []).append(row)
    for (home, demand), rows in rivals.items():
        same = [g for g in there.get(home, []) if tuple(says(g).values()) == demand]
        pairs = _paired(rows, same, target)
        for row in rows:
            if row["id"] in pairs or places.unnamed == "create":
                placed = {"target_group_id": pairs.get(row["id"]), "mapping": ""}
                found[row["id"]] = {**row, **placed}
    return [found[row["id"]] for row in source.rows("server_groups") if row["id"] in found]


def _home(row: Row, estate: Estate) -> Hashable:
    return estate.label("projects", row["project_id"]), row["name"]


def _entry(row: Row, source: Estate, places: GroupMapping) -> str | None:
    """Return the key of the mapping that means *row*: its id, its path, or its name."""
    keys = (row["id"], source.label("server_groups", row["id"]), row["name"])
    return next((key for key in keys if key in places.names), None)


def _named(
    row: Row, entry: str, so_far: Estate, target: Estate, places: GroupMapping
) -> Row | None:
    """Return *row* as an entry of the configuration says: the target's, or under another name."""
    wanted = places.names[entry]
    there = target.grouped("server_groups", "home", lambda each: _home(each, target))
    found = target.where("server_groups", "id", wanted)
    found = found or there.get((so_far.label("projects", row["project_id"]), wanted), [])
    mapping = f"mappings.server_groups.names: {entry} → {wanted}"
    if found:
        return {**row, "target_group_id": found[0]["id"], "mapping": mapping}
    if places.unnamed == "create" and not _ID.match(wanted):
        return {**row, "name": wanted, "target_group_id": None, "mapping": mapping}
    return None


def _paired(rows: Sequence[Row], there: Sequence[Row], target: Estate) -> dict[str, str]:
    """Return, by id, which of *there* each of *rows* is: all of them demand the same."""
    pairs: dict[str, str] = {}
    free = list(there)
    for row in rows:
        mine = set(row["member_ids"] or ())
        for group in free:
            members = (target.get("servers", id_) for id_ in group["member_ids"] or ())
            if mine & {mark(member) for member in members if member}:
                pairs[row["id"]] = group["id"]
                free.remove(group)
                break
    # Groups without members that have moved are as good as each other.
    left = [row for row in rows if row["id"] not in pairs]
    return pairs | {row["id"]: group["id"] for row, group in zip(left, free, strict=False)}


def match(row: Row, target: Estate) -> Match:
    """Return what is to be done about a group that has its place."""
    found = target.get("server_groups", row["target_group_id"])
    if found is None:
        return Match(Action.CREATE, None, "The target has none.")
    home = target.get("projects", found["project_id"]) or {}
    if mark(home) == row["project_id"] and says(found) == says(row):
        # Nobody but us can have made it there before its servers came.
        return Match(Action.SKIP, found["id"], "Copied before.")
    if row["mapping"]:
        return Match(Action.ADOPT, found["id"], "The target's is taken, as it is.")
    return Match(Action.ADOPT, found["id"], "An equal one exists.")


def losses(row: Row, target: Estate) -> list[str]:
    """Return what a group of the target that a mapping names has instead."""
    found = target.get("server_groups", row["target_group_id"])
    differing = differences(says(row), says(found)) if found else []
    return [f"What the target's has instead: {'; '.join(differing)}."] if differing else []


def body(row: Row) -> Row:
    """Return the body of a group, as Nova takes it since microversion 2.64."""
    rules = {"rules": row["rules"]} if row["rules"] else {}
    return {"name": row["name"], "policy": row["policy"], **rules}
