"""
Volume snapshots, which travel when asked for: each becomes a snapshot of a volume of its own.

Cinder writes into no volume but a new one, so the copy of a volume cannot be given the states
that it had before. What a snapshot is for, a new volume with those bytes, it is for at the
target too.
"""

from collections.abc import Iterable, Iterator

from pumphouse.estate import Estate
from pumphouse.tables import Row

OF_VOLUME = ("host", "volume_type", "is_bootable", "is_encrypted", "image_metadata", "target_zone")
"""What a snapshot has of its volume."""


def wanted(estate: Estate, volumes: Iterable[Row], alone: Iterable[Row]) -> list[Row]:
    """Return the snapshots of *volumes*, and *alone*, oldest first, with `OF_VOLUME`."""
    every = [r for v in volumes for r in estate.where("snapshots", "volume_id", v["id"])]
    unique = {row["id"]: row for row in [*every, *alone]}
    by_age = sorted(unique.values(), key=lambda row: (str(row["created_at"] or ""), row["id"]))
    return [_with_volume(row, estate) for row in by_age]


def _with_volume(row: Row, estate: Estate) -> Row:
    volume = estate.get("volumes", row["volume_id"]) or {}
    return {
        **row,
        **{name: volume.get(name) for name in OF_VOLUME},
        "volume_name": volume.get("name") or row["volume_id"],
        "user_id": row["user_id"] or volume.get("user_id"),
    }


def waves(rows: Iterable[Row]) -> list[list[str]]:
    """Return the ids of *rows*, oldest first, so that no two of one volume are in one wave."""
    before: dict[str, int] = {}
    found: list[list[str]] = []
    for row in rows:
        place = before.get(row["volume_id"], 0)
        before[row["volume_id"]] = place + 1
        found += [[] for _ in range(place + 1 - len(found))]
        found[place].append(row["id"])
    return found


def carrier(row: Row) -> Row:
    """Return the volume that is the copy of a snapshot's volume as it was then."""
    name = row["name"] or row["id"]
    return {
        **row,
        "name": f"{name} (snapshot)",
        "description": f"What volume {row['volume_name']} was at its snapshot {name}.",
        "metadata": {},
    }


def problems(row: Row) -> Iterator[str]:
    """Yield why a snapshot cannot be copied, each with what would help."""
    if row["status"] != "available":
        yield (f"It is {row['status']}; wait until it is available, or delete it if it is broken.")
    if row["is_encrypted"]:
        yield "Its volume is encrypted, and keys do not travel; leave it out."


def losses(row: Row, source: Estate) -> Iterator[str]:
    """Yield what the copy of a snapshot is not."""
    yield (
        f"That it is of volume {row['volume_name']}: it is of a volume of its own, to which that "
        "one's copy cannot be reverted."
    )


def left(volume: Row, source: Estate) -> int:
    """Return how many snapshots of a volume are not carried."""
    every = source.where("snapshots", "volume_id", volume["id"])
    return len(every) - int(volume.get("carried_snapshots", 0))
