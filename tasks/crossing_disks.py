"""The disks of a server on its way: copied, several at once, or taken back."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial

from pumphouse.images import translated
from pumphouse.models import Mover
from pumphouse.tables import Row
from pumphouse.tasks import images, servers, volumes
from pumphouse.tasks.crossing import Crossing


def copy_disks(crossing: Crossing) -> None:
    """Copy root disk and volumes, as the mover says."""
    jobs = [_volume_job(crossing, volume) for volume in crossing.row["attached"]]
    if crossing.row["image_id"] and crossing.item.mover is not Mover.REBUILD:
        jobs.insert(0, partial(_root, crossing))
    elif crossing.row["image_id"]:
        crossing.image_id = crossing.ids["images"][crossing.row["image_id"]]
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
    def copy() -> None:
        assert crossing.owner is not None
        name = volume["name"] or volume["id"]
        made, checksum, size = volumes.copy_volume(
            crossing.source,
            crossing.target,
            crossing.owner,
            volume,
            crossing.ids["projects"][volume["project_id"]],
            crossing.timeouts.volume_s,
            lambda done, total: crossing.told(f"volume {name}", done, total),
            crossing.stop,
            crossing.volume_format,
        )
        crossing.volume_ids[volume["id"]] = made
        crossing.checksums[volume["id"]] = checksum
        crossing.bytes += size

    return copy


def delete_copies(crossing: Crossing) -> None:
    """Delete everything that was made of the disks, the target server too."""
    if found := servers.find_copy(crossing.target, crossing.row):
        servers.delete_server(crossing.target, found["id"], crossing.timeouts.server_boot_s)
        crossing.copy = None
    # Looked for, not remembered: what answered nothing may have been made all the same.
    for volume in crossing.row["attached"]:
        volumes.discard(crossing.source, crossing.target, volume["id"], crossing.timeouts.volume_s)
    if crossing.item.mover is not Mover.REBUILD:
        images.delete_copies(crossing.target, crossing.id)
    servers.delete_snapshots(crossing.source, crossing.id)
