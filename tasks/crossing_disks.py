"""The disks of a server on its way: copied, several at once, or taken back."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial

from pumphouse import bonds
from pumphouse.comparison import is_unfinished
from pumphouse.errors import Conflict
from pumphouse.images import translated
from pumphouse.models import Mover
from pumphouse.tables import Row
from pumphouse.tasks import images, servers, volume_movers, volumes
from pumphouse.tasks.carrying import Moved
from pumphouse.tasks.crossing import Crossing
from pumphouse.tasks.volumes import find_copy


def copy_disks(crossing: Crossing) -> None:
    """Copy root disk and volumes, as the mover says."""
    jobs = [_volume_job(crossing, volume) for volume in crossing.row["attached"]]
    if crossing.row["image_id"] and crossing.item.mover is not Mover.REBUILD:
        jobs.insert(0, partial(_root, crossing))
    elif crossing.row["image_id"]:
        crossing.image_id = crossing.ids["images"][crossing.row["image_id"]]
    _at_once(crossing, jobs)


def prove_copies(crossing: Crossing) -> None:
    """Compare copies that are not compared yet; the server that uses them is booting."""
    _at_once(crossing, [partial(_prove, crossing, volume) for volume in crossing.on_ceph])


def _prove(crossing: Crossing, volume: Row) -> None:
    volume_movers.prove(crossing.carrier(volume), volume, crossing.mover_of(volume))


def _at_once(crossing: Crossing, jobs: Sequence[Callable[[], None]]) -> None:
    if len(jobs) < 2:
        for job in jobs:
            job()
        return
    with ThreadPoolExecutor(min(crossing.parallel, len(jobs))) as pool:
        # With the context of this task, so that progress is shown as this task's.
        results = [pool.submit(copy_context().run, job) for job in jobs]
    for result in results:
        result.result()


def _root(crossing: Crossing) -> None:
    image = servers.snapshot(
        crossing.source, crossing.id, crossing.timeouts.image_s, crossing.stop
    )
    row = translated(image, crossing.ids) | {
        "name": f"{crossing.row['name']} disk",
        "visibility": "private",
        "is_protected": False,
    }
    crossing.image_id, crossing.checksums["root"] = images.copy_image(
        crossing.source,
        crossing.target,
        row,
        crossing.project_id,
        lambda done, size: crossing.told("root disk", done, size),
        crossing.stop,
        crossing.id,
    )
    crossing.bytes += int(image["size_bytes"])


def _volume_job(crossing: Crossing, volume: Row) -> Callable[[], None]:
    def copy() -> Moved:
        moved = volume_movers.move(
            crossing.carrier(volume),
            volume,
            crossing.ids["projects"][volume["project_id"]],
            crossing.mover_of(volume),
        )
        crossing.bytes += moved.bytes
        return moved

    def note() -> None:
        # One that several servers share is copied by the first of them.
        moved = crossing.meeting.once(volume["id"], copy)
        crossing.volume_ids[volume["id"]] = moved.target_id
        crossing.checksums[volume["id"]] = moved.checksum

    return note


def copy_ahead(crossing: Crossing) -> None:
    """Copy what can be copied of the volumes while the server runs."""
    for volume in crossing.on_ceph:
        mover = crossing.mover_of(volume)
        crossing.bytes += volume_movers.before(crossing.carrier(volume), volume, mover)


def discard_old(crossing: Crossing) -> None:
    """
    Discard what was copied of its volumes before: that may lack what was written since.

    What `rbd` has not finished, it goes on with; what was handed over is no copy.

    Raises:
        Conflict: A server of the target uses one.
    """
    for volume in crossing.row["attached"]:
        if crossing.mover_of(volume) is not Mover.MANAGE:
            what = f"discard {volume['id']}"
            crossing.meeting.once(what, partial(_discard_old, crossing, volume))


def _discard_old(crossing: Crossing, volume: Row) -> None:
    copy, mover = find_copy(crossing.target, volume["id"]), crossing.mover_of(volume)
    if copy is None or (mover is Mover.RBD and is_unfinished(copy)):
        return
    if users := volumes.users(crossing.target, copy["id"]):
        raise Conflict("volumes", f"{volume['name']} ({volume['id']})", [
            f"its copy {copy['id']} was made before its server is cut over, and server "
            f"{', '.join(users)} of the target uses it; detach it there and save or delete it"
        ])  # fmt: skip
    volume_movers.discard(crossing.carrier(volume), volume, mover)


def delete_copy(crossing: Crossing) -> None:
    """Delete the target server, whatever its name, also one whose creation was not answered."""
    if found := crossing.copy or servers.find_copy(crossing.target, crossing.sought):
        for volume in crossing.managed:
            # Nova must not delete with it the only bytes that there are.
            set_deletion(crossing, found["id"], volume, False)
        servers.delete_server(crossing.target, found["id"], crossing.timeouts.server_boot_s)
    crossing.copy = None


def set_deletion(crossing: Crossing, server_id: str, volume: Row, is_deleted: bool) -> None:
    """Say whether a volume of the target is deleted with its server; nothing if it is not its."""
    copy = find_copy(crossing.target, volume["id"])
    if copy:
        servers.set_deletion(crossing.target, server_id, copy["id"], is_deleted)


def shared_copies(crossing: Crossing) -> list[str]:
    """Return the copies of its volumes that other servers of the target use."""
    copies = [find_copy(crossing.target, volume["id"]) for volume in bonds.shared(crossing.row)]
    return [c["id"] for c in copies if c and volumes.users(crossing.target, c["id"])]


_ONE_BY_ONE = threading.Lock()
"""So that of several servers that let go of a volume, one is the last."""


def _discard(crossing: Crossing, volume: Row) -> None:
    """Take a volume's copy back; of one that others share, the last of them does."""
    if not bonds.is_shared(volume):
        volume_movers.discard(crossing.carrier(volume), volume, crossing.mover_of(volume))
        return
    with _ONE_BY_ONE:
        copy = find_copy(crossing.target, volume["id"])
        if not copy or not volumes.users(crossing.target, copy["id"]):
            volume_movers.discard(crossing.carrier(volume), volume, crossing.mover_of(volume))


def delete_copies(crossing: Crossing) -> None:
    """Delete everything that was made of the disks, the target server too."""
    delete_copy(crossing)
    # Looked for, not remembered: what answered nothing may have been made all the same.
    for volume in crossing.row["attached"]:
        _discard(crossing, volume)
    if crossing.item.mover is not Mover.REBUILD:
        images.delete_copies(crossing.target, crossing.id)
    servers.delete_snapshots(crossing.source, crossing.id)
