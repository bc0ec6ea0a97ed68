"""
The mover `rbd`: from one Ceph to another by snapshots, most of it while the server runs.

Snapshots that both images have are the journal: the next pass sends what changed since the
newest of them, whoever made it. The last pass is read back while the target's server boots: the
snapshot stays as it arrived, whatever the server writes. Until then the target's volume carries
the mark of an unfinished copy, and a run that was killed is made good by the next one.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pumphouse.checks import WITH_SERVER
from pumphouse.errors import Unverified
from pumphouse.models import Mover
from pumphouse.rbd_diffs import DiffDigest
from pumphouse.rbd_options import looked_up
from pumphouse.tables import Row
from pumphouse.tasks.carrying import Carrier, Moved, forget_mover
from pumphouse.tasks.empty_volumes import HOST, image_name, make_empty
from pumphouse.tasks.rbd import Image, Rbd, gib, read_back, send
from pumphouse.tasks.volumes import delete_volume, describe, find_copy, read_volume, unfinished
from pumphouse.tasks.volumes import finish as set_flags

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
        twins = _ensure(carrier, volume)
        changed = _send(carrier, twins).data_bytes
        _require_same(carrier, volume, twins)
        twins.keep_newest()
        carrier.known[volume["id"]] = twins
        sent += changed
        if changed <= carrier.migrate.rbd.remainder_mib << 20:
            break
    return sent


def finish(carrier: Carrier, volume: Row) -> Moved:
    """
    Copy what changed since the last pass of a volume that nobody writes to; `prove` is to follow.

    Raises:
        CephFailed, CopyFailed, Unverified: It is not whole; `discard` takes it back.
    """
    twins: Twins | None = carrier.known.get(volume["id"])
    if twins is None:
        found = find_copy(carrier.target, volume["id"])
        if found and not _is_unfinished(found, volume):
            return Moved(found["id"])
        twins = carrier.known[volume["id"]] = _ensure(carrier, volume)
    sent = _send(carrier, twins)
    if differing := _longer(twins, sent):
        raise Unverified("volumes", _label(volume), twins.copy["id"], differing)
    set_flags(carrier.target, twins.copy["id"], volume)
    return Moved(twins.copy["id"], f"rbd:{sent.size}", sent.data_bytes)


def prove(carrier: Carrier, volume: Row) -> None:
    """
    Compare the last pass with what arrived, whoever sent it, and call the copy whole.

    Raises:
        CephFailed, CopyFailed, Unverified: It is not whole; `discard` takes it back.
    """
    twins: Twins | None = carrier.known.pop(volume["id"], None)
    if twins is None:
        found = find_copy(carrier.target, volume["id"])
        if not found or not _is_unfinished(found, volume):
            return
        twins = _twins(carrier, volume, found)
    _require_same(carrier, volume, twins)
    describe(carrier.target, twins.copy, volume)


def tidy(carrier: Carrier, volume: Row) -> None:
    """
    Remove our snapshots of a volume that arrived, at both ends; its server is up already.

    Cinder could delete neither with them.
    """
    _remove_snapshots(carrier, volume, find_copy(carrier.target, volume["id"]))


def tidy_late(carrier: Carrier, volume_id: str) -> None:
    """Do what `tidy` could not: the source's volume is about to be deleted."""
    raw = read_volume(carrier.source, volume_id)
    if looked_up(carrier.migrate.rbd.source.pools, raw.get(HOST)):
        _remove_snapshots(carrier, raw | {"host": raw[HOST]}, find_copy(carrier.target, volume_id))


def discard(carrier: Carrier, volume: Row) -> None:
    """Delete the copy of a volume, and our snapshots of it at both ends."""
    carrier.known.pop(volume["id"], None)
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


@dataclass
class Twins:
    """
    The image of a volume and that of its copy, with our snapshots of each, oldest first.

    Looked up by the last pass ahead and kept for the one after the stop, which sends and compares:
    each question to Cinder or Ceph takes a share of a second, and the server is down. Nobody else
    makes or removes our snapshots meanwhile, since the run has the server to itself.
    """

    source: Rbd
    target: Rbd
    image: Image
    twin: Image
    copy: Row
    here: list[str]
    there: list[str]
    sent: DiffDigest | None = None

    @property
    def shared(self) -> list[str]:
        """The snapshots that both have."""
        return [name for name in self.here if name in self.there]

    @property
    def since(self) -> str | None:
        """The newest of them: what the next pass begins at."""
        return self.shared[-1] if self.shared else None

    @property
    def next(self) -> str:
        """The name of the next snapshot."""
        numbers = [int(name.removeprefix(PREFIX)) for name in self.here + self.there]
        return f"{PREFIX}{1 + max(numbers, default=0)}"

    def keep_newest(self) -> None:
        """Remove all of our snapshots but the newest, at both ends."""
        for rbd, image, names in (
            (self.source, self.image, self.here),
            (self.target, self.twin, self.there),
        ):
            for name in names[:-1]:
                rbd.remove_snapshot(image, name)
            del names[:-1]


def _twins(carrier: Carrier, volume: Row, copy: Row) -> Twins:
    source, target = carrier.source_rbd, carrier.target_rbd
    image, twin = _source_image(carrier, volume), _target_image(carrier, copy)
    with ThreadPoolExecutor(2) as pool:
        here, there = pool.map(
            lambda end: _ours(end[0].snapshots(end[1])), [(source, image), (target, twin)]
        )
    return Twins(source, target, image, twin, copy, here, there)


def _ensure(carrier: Carrier, volume: Row) -> Twins:
    """Return the images, the target's made empty by Cinder where there is none to be used."""
    found = find_copy(carrier.target, volume["id"])
    # One of another size was made by an earlier run, before the volume was extended.
    if found and found["status"] == "available" and found["size"] == volume["size_gib"]:
        twins = _twins(carrier, volume, found)
        if twins.since or not carrier.target_rbd.call("diff", twins.twin.spec).strip():
            return twins
        # It holds a part of a first pass, which the next would not clean.
    if found:
        _remove_snapshots(carrier, volume, found)
        delete_volume(carrier.target, found["id"], carrier.timeout_s)
    return _twins(carrier, volume, make_empty(carrier, volume | {"as_of": WITH_SERVER}, Mover.RBD))


def _ours(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(PREFIX)]


def _send(carrier: Carrier, twins: Twins) -> DiffDigest:
    """Send what changed since the newest common snapshot."""
    since, snapshot = twins.since, twins.next
    twins.source.change("snap", "create", twins.image.at(snapshot))
    twins.here.append(snapshot)
    twins.sent = send(
        twins.source,
        twins.target,
        twins.image,
        twins.twin,
        snapshot,
        since,
        carrier.progress,
        carrier.stop,
    )
    twins.there.append(snapshot)
    return twins.sent


def _require_same(carrier: Carrier, volume: Row, twins: Twins) -> None:
    """Raise `Unverified` if the newest common snapshot differs: by its bytes, or its size."""
    if differing := _differing(carrier, twins):
        raise Unverified("volumes", _label(volume), twins.copy["id"], differing)


def _differing(carrier: Carrier, twins: Twins) -> list[str]:
    if not twins.shared:
        return [f"{twins.image.spec} and {twins.twin.spec} have no snapshot in common"]
    *before, newest = twins.shared
    since = before[-1] if before else None
    sent = twins.sent or read_back(twins.source, twins.image, newest, since, carrier.stop)
    if differing := _longer(twins, sent):
        return differing
    if carrier.migrate.rbd.verify == "checksum":
        arrived = read_back(twins.target, twins.twin, newest, since, carrier.stop)
        size = arrived.size
        if arrived.hexdigest() != sent.hexdigest():
            return [f"what was sent and what was read back of {twins.twin.at(newest)} differ"]
    else:
        size = (twins.target.info(twins.twin) or {}).get("size")
    return [] if size == sent.size else [f"size: {sent.size} bytes != {size} bytes"]


def _longer(twins: Twins, sent: DiffDigest) -> list[str]:
    """
    Return that what was sent is not as long as Cinder says of the copy; nothing if it is.

    It gave the image its own length, of which the target's Cinder knows nothing: to extend such a
    volume there could cut it off.
    """
    long, known = gib(sent.size or 0), twins.copy["size"]
    return [] if long == known else [f"size: {long} GiB was sent != {known} GiB of the copy"]


def _remove_snapshots(carrier: Carrier, volume: Row, copy: Row | None) -> None:
    """Remove our snapshots at both ends; images that are not there have none."""
    ends = [(carrier.source_rbd, _source_image(carrier, volume))]
    if copy and looked_up(carrier.migrate.rbd.target.pools, copy.get(HOST)):
        ends.append((carrier.target_rbd, _target_image(carrier, copy)))
    for rbd, image in ends:
        if rbd.info(image):
            for name in _ours(rbd.snapshots(image)):
                rbd.remove_snapshot(image, name)
