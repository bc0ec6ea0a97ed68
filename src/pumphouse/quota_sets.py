"""A project's limits in one service: read together, under the target's names, and compared."""

from collections.abc import Iterable, Mapping

from pumphouse.comparison import Match, mark
from pumphouse.estate import Estate
from pumphouse.models import Action
from pumphouse.tables import Row

UNLIMITED = -1

OF_TYPES = ("volumes", "snapshots", "gigabytes")
"""Cinder's limits that each volume type has too, as ``gigabytes_TYPE``."""


def added(one: int | None, other: int | None) -> int:
    """Return two limits that become one: added up, and unlimited if either is."""
    if one is None or other is None or UNLIMITED in (one, other):
        return UNLIMITED
    return one + other


def grouped(rows: Iterable[Row]) -> list[Row]:
    """Return a row for each project and service, with all its ``limits``."""
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = (row["project_id"], row["service"])
        entry = found.setdefault(
            key, {"id": ":".join(key), "project_id": key[0], "service": key[1], "limits": {}}
        )
        name, limits = row["resource"], entry["limits"]
        # Two volume types that are one at the target have one limit there.
        limits[name] = added(limits[name], row["limit"]) if name in limits else row["limit"]
    return list(found.values())


def of_type(name: str) -> list[str]:
    """Return what Cinder calls the limits of the volume type *name*."""
    return [f"{what}_{name}" for what in OF_TYPES]


def renamed(rows: Iterable[Row], types: Mapping[str, str]) -> list[Row]:
    """Return *rows* with the limits of volume types under the names *types* give these."""
    names = {
        old: new
        for was, now in types.items()
        for old, new in zip(of_type(was), of_type(now), strict=True)
    }
    return [
        {**row, "resource": names[row["resource"]]}
        if row["service"] == "volume" and row["resource"] in names
        else row
        for row in rows
    ]


def match(
    row: Row,
    there: Row | None,
    target: Estate,
    coming: frozenset[str],
    keeps_larger: bool = False,
) -> Match:
    """
    Return what is to be done about the limits of *row*.

    there: The target's project that they are of; None when it is new.
    coming: Limits that the target gets with the volume types that are made: at first unlimited.
    keeps_larger: Whether none is lowered, since the target's are also those of other projects.
    """
    if there is None:
        return Match(Action.CREATE, None, "The project is new.")
    id_ = f"{there['id']}:{row['service']}"
    found = dict.fromkeys(coming, UNLIMITED) if row["service"] == "volume" else {}
    found |= {
        q["resource"]: q["limit"]
        for q in target.where("quotas", "project_id", there["id"])
        if q["service"] == row["service"]
    }
    differing = sorted(k for k, v in row["limits"].items() if k in found and found[k] != v)
    if not differing:
        return Match(Action.SKIP, id_, "The limits are equal.")
    if mark(there) != row["project_id"]:
        return Match(Action.ADOPT, id_, "The project was there before; its limits are kept.")
    limits = row["limits"]
    todo = [k for k in differing if not (keeps_larger and _is_larger(found[k], limits[k]))]
    kept = sorted(set(differing) - set(todo))
    said = [f"Differing: {', '.join(todo)}."] if todo else []
    said += [f"Larger, for other projects merged there, and kept: {', '.join(kept)}."] * bool(kept)
    return Match(Action.UPDATE if todo else Action.SKIP, id_, " ".join(said), tuple(todo))


def _is_larger(one: int | None, other: int | None) -> bool:
    """Tell whether a limit lets through more than another one."""
    if other is None or other == UNLIMITED:
        return False
    return one is None or one == UNLIMITED or one > other


def losses(row: Row, target: Estate, coming: frozenset[str]) -> list[str]:
    """Return which limits the target has no name for; of an unread service nothing is known."""
    service = row["service"]
    if not target.where("quotas", "service", service):
        return []
    known = target.grouped("quotas", "name", lambda q: (q["service"], q["resource"]))
    lost = sorted(
        name
        for name, limit in row["limits"].items()
        if (service, name) not in known and name not in coming and limit != UNLIMITED
    )
    shown = ", ".join(f"{name} {row['limits'][name]}" for name in lost)
    return [f"Limits that the target does not know: {shown}."] if lost else []


def join(leader: Row, other: Row) -> None:
    """Add the limits of a project to those of the one that it is merged with."""
    limits = leader["limits"]
    for name, limit in other["limits"].items():
        limits[name] = added(limits.get(name, 0), limit)
