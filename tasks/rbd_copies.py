"""
The mover `rbd`: from one Ceph to another by snapshots, most of it while the server runs.

Snapshots that both images have are the journal: the next pass sends what changed since the
newest of them, whoever made it. The target's volume carries the mark of an unfinished copy until
the last pass has arrived, was read back, and the snapshots are gone at both ends.
"""

from pumphouse.errors import Unverified
from pumphouse.models import Mover
from pumphouse.rbd_options import looked_up
from pumphouse.tables import Row
from pumphouse.tasks.carrying import (
    Carrier,
    Moved,
    complete,
    forget_mover,
    unfinished,
)
from pumphouse.tasks.empty_volumes import HOST, image_name, make_empty
from pumphouse.tasks.rbd import Image, read_back, send
from pumphouse.tasks.volumes import delete_volume, find_copy, read_volume

PREFIX = "pumphouse-"
"""What the names of our snapshots start with, then a number."""


def problems(carrier: Carrier, volume: Row) -> list[str]:
    """Return what of its image keeps a volume from being copied, as sentences; only reads."""
    image = _source_image(carrier, volume)
    if carrier.source_rbd.info(image) is None:
        return [f"Its image {image.spec} does not exist; look at its pool."]
    return []


def bulk(carrier: Carrier, volume: Row) -> int:
    """
    Copy a volume that is in use, again and again, until little has changed; return the bytes.

    Safe to repeat: a pass sends what changed since the last one that arrived.
    """
    found = find_copy(carrier.target, volume["id"])
    if found and not _is_unfinished(found, volume):
        return 0
    sent = 0
    for _ in range(carrier.migrate.rbd.rounds):
        changed = _pass(carrier, volume, _ensure(carrier, volume))
        sent += changed
        if changed <= carrier.migrate.rbd.remainder_mib << 20:
            break
    return sent


def finish(carrier: Carrier, volume: Row) -> Moved:
    """
    Copy what changed since the last pass of a volume that nobody writes to, and make it whole.

    Raises:
        CephFailed, CopyFailed, Unverified: It is not whole; `discard` takes it back.
    """
    found = find_copy(carrier.target, volume["id"])
    if found and not _is_unfinished(found, volume):
        return Moved(found["id"])
    copy = _ensure(carrier, volume)
    sent = _pass(carrier, volume, copy)
    here = carrier.source_rbd.info(_source_image(carrier, volume)) or {}
    there = carrier.target_rbd.info(_target_image(carrier, copy)) or {}
    if here.get("size") != there.get("size"):
        differing = [f"size: {here.get('size')} bytes != {there.get('size')} bytes"]
        raise Unverified("volumes", _label(volume), copy["id"], differing)
    _remove_snapshots(carrier, volume, copy)
    complete(carrier.target, copy, volume)
    return Moved(copy["id"], f"rbd:{here.get('size')}", sent)


def discard(carrier: Carrier, volume: Row) -> None:
    """Delete the copy of a volume, and our snapshots of it at both ends."""
    copy = find_copy(carrier.target, volume["id"])
    _remove_snapshots(carrier, volume, copy)
    if copy:
        delete_volume(carrier.target, copy["id"], carrier.timeout_s)
    forget_mover(carrier.source, volume["id"])


def _label(volume: Row) -> str:
    return f"{volume['name']} ({volume['id']})"


def _is_unfinished(copy: Row, volume: Row) -> bool:
    return bool(copy.get("description") == unfinished(volume, Mover.RBD)["description"])


def _source_image(carrier: Carrier, volume: Row) -> Image:
    pool = carrier.source_rbd.pool(volume["host"])
    return Image(pool, image_name(read_volume(carrier.source, volume["id"])))


def _target_image(carrier: Carrier, copy: Row) -> Image:
    pool = carrier.target_rbd.pool(copy.get(HOST))
    return Image(pool, image_name(copy))


def _ensure(carrier: Carrier, volume: Row) -> Row:
    """Return the target's volume, made empty by Cinder where there is none that can be used."""
    found = find_copy(carrier.target, volume["id"])
    if found and (found["status"] != "available" or _is_soiled(carrier, volume, found)):
        _remove_snapshots(carrier, volume, found)
        delete_volume(carrier.target, found["id"], carrier.timeout_s)
        found = None
    if found:
        return found
    return make_empty(carrier, volume, Mover.RBD)


def _is_soiled(carrier: Carrier, volume: Row, copy: Row) -> bool:
    """Tell whether a copy holds a part of a first pass, which the next would not clean."""
    common = _common(carrier, volume, copy)
    return common is None and bool(
        carrier.target_rbd.call("diff", _target_image(carrier, copy).spec).strip()
    )


def _common(carrier: Carrier, volume: Row, copy: Row) -> str | None:
    """Return the newest of our snapshots that both images have."""
    here = _ours(carrier.source_rbd.snapshots(_source_image(carrier, volume)))
    there = _ours(carrier.target_rbd.snapshots(_target_image(carrier, copy)))
    shared = [name for name in here if name in there]
    return shared[-1] if shared else None


def _ours(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(PREFIX)]


def _pass(carrier: Carrier, volume: Row, copy: Row) -> int:
    """Send what changed since the last common snapshot, compare, and keep only the new one."""
    source, target = carrier.source_rbd, carrier.target_rbd
    image, twin = _source_image(carrier, volume), _target_image(carrier, copy)
    since = _common(carrier, volume, copy)
    names = _ours(source.snapshots(image) + target.snapshots(twin))
    number = 1 + max((int(name.removeprefix(PREFIX)) for name in names), default=0)
    snapshot = f"{PREFIX}{number}"
    source.change("snap", "create", image.spec + "@" + snapshot)
    sent = send(source, target, image, twin, snapshot, since, carrier.progress, carrier.stop)
    if carrier.migrate.rbd.verify == "checksum":
        arrived = read_back(target, twin, snapshot, since, carrier.stop)
        if arrived.hexdigest() != sent.hexdigest():
            differing = [f"what was sent and what was read back of {twin.at(snapshot)} differ"]
            raise Unverified("volumes", _label(volume), copy["id"], differing)
    for rbd, each in ((source, image), (target, twin)):
        for name in _ours(rbd.snapshots(each)):
            if name != snapshot:
                rbd.change("snap", "rm", each.at(name))
    return sent.data_bytes


def _remove_snapshots(carrier: Carrier, volume: Row, copy: Row | None) -> None:
    """Remove our snapshots at both ends; images that are not there have none."""
    ends = [(carrier.source_rbd, _source_image(carrier, volume))]
    if copy and looked_up(carrier.migrate.rbd.target.pools, copy.get(HOST)):
        ends.append((carrier.target_rbd, _target_image(carrier, copy)))
    for rbd, image in ends:
        if rbd.info(image):
            for name in _ours(rbd.snapshots(image)):
                rbd.change("snap", "rm", image.at(name))
