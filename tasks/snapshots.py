"""
Copies of volumes' snapshots: a volume of the snapshot's bytes, and a snapshot of that.

At the source the bytes are read from a temporary volume that is made of the snapshot.
"""

from collections.abc import Callable
from functools import partial

from pumphouse import snapshots
from pumphouse.checks import own_free
from pumphouse.errors import RequestFailed, WaitFailed
from pumphouse.models import SOURCE_ID
from pumphouse.tables import Row
from pumphouse.tasks import images, volumes
from pumphouse.tasks.api import Api
from pumphouse.tasks.carrying import Carrier, Moved
from pumphouse.tasks.waiting import poll

TEMPORARY = "pumphouse:temporary"
"""Metadata key of a volume of the source that is only there to be read: of which snapshot."""


def copy(carrier: Carrier, row: Row, project_id: str) -> Moved:
    """Make the snapshot *row* exist at the target; what an earlier run began is gone on with."""
    target = carrier.target
    if found := find_copy(target, row):
        if found["status"] == "available":
            return Moved(found["id"])
        delete_snapshot(target, found["id"], carrier.timeout_s)
    moved = _carry(carrier, row, project_id)
    body = {
        "volume_id": moved.target_id,
        "name": row["name"] or "",
        "description": row["description"],
        "metadata": {**own_free(row["metadata"]), SOURCE_ID: row["id"]},
        # A killed run's volume may be in use by now; its tenant knows what it does.
        "force": True,
    }
    asked = {"snapshot": body}
    made = carrier.acting.call("POST", "block-storage", "/snapshots", json=asked).json()[
        "snapshot"
    ]
    what = f"snapshot {row['name']} ({made['id']}) to be available"
    poll(what, partial(_read, target, made["id"]), _available(what), carrier.timeout_s,
         carrier.stop)  # fmt: skip
    return Moved(made["id"], moved.checksum, moved.bytes)


def _carry(carrier: Carrier, row: Row, project_id: str) -> Moved:
    """Make the volume that the copy will be a snapshot of."""
    source, target, mark = carrier.source, carrier.target, volumes.temporary_name(row["id"])
    if (found := volumes.find_copy(target, row["id"])) and volumes.has_its_bytes(found):
        images.delete_copies(target, mark)
        _fold(source, row["id"], carrier.timeout_s)
        volumes.complete(target, found, snapshots.carrier(row))
        return Moved(found["id"])
    if found:
        volumes.delete_volume(target, found["id"], carrier.timeout_s)
    images.delete_copies(target, mark)
    unfolded = _unfold(carrier, row)
    try:
        image_id = volumes.upload(
            source, unfolded, carrier.timeout_s, carrier.stop, carrier.migrate.volume_format
        )
        image = images.read_image(source, image_id)
        image |= {"visibility": "private", "is_protected": False}
        copy_id, checksum = images.copy_image(
            source, target, image, project_id, carrier.progress, carrier.stop, mark
        )
        made = volumes.create(
            target, carrier.acting, snapshots.carrier(row), copy_id, carrier.timeout_s,
            carrier.stop,
        )  # fmt: skip
    finally:
        images.delete_copies(target, mark)
        _fold(source, row["id"], carrier.timeout_s)
    volumes.describe(target, volumes.read_volume(target, made), snapshots.carrier(row))
    return Moved(made, checksum, int(image["size_bytes"]))


def _unfold(carrier: Carrier, row: Row) -> Row:
    """Return a temporary volume of the source, made of the snapshot."""
    source = carrier.source
    _fold(source, row["id"], carrier.timeout_s)
    body = {
        "name": volumes.temporary_name(row["id"]),
        "snapshot_id": row["id"],
        "size": row["size_gib"],
        "metadata": {TEMPORARY: row["id"]},
    }
    answer = source.call("POST", "block-storage", "/volumes", json={"volume": body})
    made = answer.json()["volume"]["id"]
    what = f"volume {body['name']} ({made}) to be available"
    read = partial(volumes.read_volume, source, made)
    return poll(what, read, _available(what), carrier.timeout_s, carrier.stop)


def _fold(source: Api, snapshot_id: str, timeout_s: float) -> None:
    """Delete what was made at the source to read a snapshot, by an earlier run too."""
    for left in volumes.listed(source, TEMPORARY, snapshot_id):
        volumes.delete_uploads(source, left["id"])
        volumes.delete_volume(source, left["id"], timeout_s)


def _available(what: str) -> Callable[[Row], bool]:
    def done(raw: Row) -> bool:
        if raw["status"].startswith("error"):
            raise WaitFailed(what, f"It became {raw['status']}.")
        return bool(raw["status"] == "available")

    return done


def _read(api: Api, snapshot_id: str) -> Row:
    found: Row = api.get("block-storage", f"/snapshots/{snapshot_id}")["snapshot"]
    return found


def find_copy(target: Api, row: Row) -> Row | None:
    """Return the target's snapshot that carries the id of *row*, or None."""
    params = {"all_tenants": 1} | ({"name": row["name"]} if row["name"] else {})
    found = target.list("block-storage", "/snapshots/detail", "snapshots", params=params)
    marked = [raw for raw in found if (raw["metadata"] or {}).get(SOURCE_ID) == row["id"]]
    return marked[0] if marked else None


def delete_snapshot(api: Api, snapshot_id: str, timeout_s: float) -> None:
    """Delete a snapshot and wait until it is gone; one that is gone already is fine."""

    def gone() -> bool:
        try:
            status = _read(api, snapshot_id)["status"]
        except RequestFailed as failed:
            if failed.status == 404:
                return True
            raise
        if status == "error_deleting":
            raise WaitFailed(f"snapshot {snapshot_id} to be deleted", f"It became {status}.")
        return False

    api.delete("block-storage", f"/snapshots/{snapshot_id}")
    poll(f"snapshot {snapshot_id} to be deleted", gone, bool, timeout_s)
