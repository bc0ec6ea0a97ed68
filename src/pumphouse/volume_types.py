"""What belongs to a volume type beside its name: QoS specs, encryption, and who may use it."""

from collections.abc import Iterable, Iterator

from pumphouse.comparison import differences, match
from pumphouse.estate import Estate
from pumphouse.models import Action
from pumphouse.tables import Row

BACKEND = "volume_backend_name"
MULTIATTACH = "multiattach"
"""Extra spec of the types whose volumes several servers may share."""


def needed_qos(rows: Iterable[Row], types: list[Row], source: Estate, target: Estate) -> list[Row]:
    """Return those of *rows*, QoS specs, that no type asked for, or one that will be made."""
    made = {
        each["qos_specs_id"]
        for each in types
        if match("volume_types", each, source, target).action in (Action.CREATE, Action.UPDATE)
    }
    used = {each["qos_specs_id"] for each in types}
    return [row for row in rows if row["id"] in made or row["id"] not in used]


def for_users(row: Row, projects: Iterable[str]) -> Row:
    """Return a type that *projects* may use too: their volumes have it, and are made as theirs."""
    access = row["access_project_ids"] or []
    added = [] if row["is_public"] else [p for p in sorted(projects) if p not in access]
    return {**row, "access_project_ids": [*access, *added]} if added else row


def specs(row: Row) -> dict[str, str]:
    """Return a type's extra specs without the back end, which is its cloud's own."""
    return {k: v for k, v in (row["extra_specs"] or {}).items() if k != BACKEND}


def losses(row: Row, source: Estate) -> Iterator[str]:
    """Yield what a new type will not have."""
    if (row["extra_specs"] or {}).get(BACKEND):
        yield "The backend that it names: the target's scheduler chooses one."
    if row["qos_specs_id"] and not source.get("qos_specs", row["qos_specs_id"]):
        yield "Its QoS specs: the source does not show them."
    if row["encryption"]:
        yield (
            "The keys of its volumes: how it encrypts is carried, and new volumes there get new "
            "keys, if the target has a key manager."
        )


def instead(row: Row, found: Row, source: Estate, target: Estate) -> Iterator[str]:
    """Yield in what the target's type of that name, which is taken as it is, differs."""
    wanted = {**specs(row), "qos": _qos(row, source), "encryption": row["encryption"]}
    there = {**specs(found), "qos": _qos(found, target), "encryption": found["encryption"]}
    if differing := differences(wanted, there):
        yield f"What the target's has instead: {'; '.join(differing)}."


def _qos(row: Row, estate: Estate) -> object:
    found = estate.get("qos_specs", row["qos_specs_id"])
    return {"consumer": found["consumer"], **(found["specs"] or {})} if found else None


def is_shareable(volume: Row, source: Estate, target: Estate) -> bool:
    """Tell whether the type that a volume has at the target lets several servers share it."""
    name = volume["volume_type"]
    types = target.where("volume_types", "name", name) or source.where(
        "volume_types", "name", name
    )
    return any("true" in str(specs(each).get(MULTIATTACH, "")).lower() for each in types)
