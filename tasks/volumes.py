"""Copies of volumes, by way of an image: upload, stream, create."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from pumphouse import bodies
from pumphouse.checks import AS_OF, MOVER_KEY, WITH_SERVER, own_free
from pumphouse.comparison import is_own, is_unfinished
from pumphouse.errors import Conflict, CopyFailed, RequestFailed, WaitFailed
from pumphouse.models import OWN_ID, SOURCE_ID, Mover
from pumphouse.tables import Row
from pumphouse.tasks.api import Api
from pumphouse.tasks.images import copy_image, delete_copies, delete_image, read_image
from pumphouse.tasks.streams import Progress
from pumphouse.tasks.waiting import NEVER, poll

BUSY = ("creating", "downloading", "uploading", "attaching", "detaching")
"""What Cinder is at, and refuses to be interrupted in."""


def read_volume(api: Api, volume_id: str) -> dict[str, Any]:
    """Return a volume as Cinder gives it."""
    found: dict[str, Any] = api.get("block-storage", f"/volumes/{volume_id}", microversion="3.48")[
        "volume"
    ]
    return found


def listed(api: Api, key: str, value: str) -> list[dict[str, Any]]:
    """Return the volumes of all projects whose metadata have *key* = *value*."""
    found = api.list(
        "block-storage",
        "/volumes/detail",
        "volumes",
        params={"all_tenants": 1, "metadata": f"{{'{key}': '{value}'}}"},
    )
    # An old Cinder ignores the filter for some callers: look ourselves.
    marks = [(raw, raw.get("metadata") or {}) for raw in found]
    return [raw for raw, of in marks if of.get(key) == value and is_own(raw["id"], of)]


def find_copy(target: Api, source_id: str) -> dict[str, Any] | None:
    """Return the target's volume that carries *source_id*, or None."""
    found = listed(target, SOURCE_ID, source_id)
    return found[0] if found else None


def await_turn(api: Api, volume_id: str, timeout_s: float, stop: threading.Event = NEVER) -> None:
    """Wait until Cinder gives a shared volume to one more server: it does so one by one."""
    poll(
        f"volume {volume_id} to be free for another server",
        lambda: read_volume(api, volume_id),
        lambda v: v["status"] not in ("reserved", *BUSY),
        timeout_s,
        stop,
    )


def users(api: Api, volume_id: str) -> list[str]:
    """Return the servers that a volume is attached to, or that it is reserved for."""
    found = api.list(
        "block-storage",
        "/attachments/detail",
        "attachments",
        params={"all_tenants": 1, "volume_id": volume_id},
        microversion="3.48",
    )
    return [raw["instance"] for raw in found if raw["volume_id"] == volume_id and raw["instance"]]


def require_free(api: Api, volume: Row, timeout_s: float, stop: threading.Event = NEVER) -> None:
    """
    Raise `WaitFailed` if a volume that no server used when it was planned is used by now.

    What an earlier run began to do with it, Cinder may be at still: that is waited for.
    """
    raw, servers = settle(api, volume["id"], timeout_s, stop), users(api, volume["id"])
    if raw["status"] != "available" or servers:
        found = f"It is {raw['status']}; wait until it is available, or reset its state"
        if servers:
            found = f"Server {', '.join(servers)} has it; detach it, or choose the server too"
        what = f"volume {volume['name']} ({volume['id']}) to be available, and of no server"
        raise WaitFailed(what, f"{found}, and run again.")


def _becomes(status: str, *bad: str) -> Callable[[Mapping[str, Any]], bool]:
    def done(volume: Mapping[str, Any]) -> bool:
        if volume["status"].startswith("error") or volume["status"] in bad:
            raise WaitFailed(
                f"volume {volume['id']} to be {status}", f"It became {volume['status']}."
            )
        return bool(volume["status"] == status)

    return done


def settle(
    api: Api, volume_id: str, timeout_s: float, stop: threading.Event = NEVER
) -> dict[str, Any]:
    """Return a volume when Cinder is done with what it does to it; a killed run may have begun."""
    what = f"volume {volume_id} to be left alone by Cinder"
    return poll(
        what,
        lambda: read_volume(api, volume_id),
        lambda v: v["status"] not in BUSY,
        timeout_s,
        stop,
    )


def delete_volume(api: Api, volume_id: str, timeout_s: float) -> None:
    """Delete a volume and wait until it is gone; one that is gone already is fine."""

    what = f"volume {volume_id} to be deleted"

    def gone() -> bool:
        try:
            status = read_volume(api, volume_id)["status"]
        except RequestFailed as error:
            if error.status == 404:
                return True
            raise
        if status == "error_deleting":
            raise WaitFailed(what, (
                f"It became {status} and is still there; look at the {api.name}'s cinder-volume, "
                "reset its state and run again."
            ))  # fmt: skip
        return False

    try:
        found = settle(api, volume_id, timeout_s)
        if (found.get("metadata") or {}).get(MOVER_KEY) == Mover.MANAGE.value:
            # It is no copy: these are the only bytes there are.
            raise Conflict("volumes", f"{found['name']} ({volume_id})", [
                "it was taken over from the source and not copied, so it is never deleted; "
                "let the source have it back"
            ])  # fmt: skip
    except RequestFailed as error:
        if error.status == 404:
            return
        raise
    api.delete("block-storage", f"/volumes/{volume_id}")
    poll(what, gone, bool, timeout_s)


def copy_volume(
    source: Api,
    target: Api,
    owner: Api,
    volume: Row,
    project_id: str,
    timeout_s: float,
    progress: Progress = lambda done, size: None,
    stop: threading.Event = NEVER,
    disk_format: str = "qcow2",
) -> tuple[str, str, int]:
    """
    Make *volume* exist at the target; return its id there, checksum and the bytes carried.

    owner: Acts at the target as the volume's owner, in the project *project_id*.
    disk_format: What the bytes are on the way: ``qcow2`` or ``raw``.

    A copy that has all its bytes is found by its source id and made whole, another one deleted.
    Temporary images are deleted at both ends, those that an earlier run left too; only then the
    copy says that it is whole, so that a run that is killed before comes back.

    Raises:
        CopyFailed, WaitFailed, RequestFailed: It is not there, or says that it is not whole.
    """
    mark = temporary_name(volume["id"])
    found = find_copy(target, volume["id"])
    if found and _is_usable(source, volume, found):
        finish(target, found["id"], volume)
        delete_copies(target, mark)
        delete_uploads(source, volume["id"])
        describe(target, found, volume)
        return found["id"], "", 0
    if found:
        delete_volume(target, found["id"], timeout_s)
    delete_copies(target, mark)
    image_id = upload(source, volume, timeout_s, stop, disk_format)
    volume = {**volume, "as_of": as_of(source, volume["id"])}
    try:
        image = read_image(source, image_id) | {"visibility": "private", "is_protected": False}
        copy_id, checksum = copy_image(source, target, image, project_id, progress, stop, mark)
        made = create(target, owner, volume, copy_id, timeout_s, stop)
    finally:
        delete_copies(target, mark)
        delete_image(source, image_id)
    describe(target, read_volume(target, made), volume)
    return made, checksum, int(image["size_bytes"])


def as_of(source: Api, volume_id: str) -> str:
    """
    Return how old a copy is that is made now: when Cinder has last changed its source.

    Cinder notes when it attaches a volume, so that what equals this later was not written to. Of
    one that a server uses nothing tells that; its copy is as old as that of the server.
    """
    raw = read_volume(source, volume_id)
    return WITH_SERVER if raw["attachments"] else str(raw["updated_at"] or raw["created_at"])


def note(target: Api, copy_id: str, marks: Mapping[str, str]) -> None:
    """Write *marks* into the metadata of a copy, beside what is there."""
    path = f"/volumes/{copy_id}/metadata"
    target.call("POST", "block-storage", path, json={"metadata": dict(marks)}, retry=True)


def _is_usable(source: Api, volume: Row, copy: Row) -> bool:
    """Tell whether a copy needs no bytes; what a killed run left may be old by now."""
    if not has_its_bytes(copy):
        return False
    made = (copy.get("metadata") or {}).get(AS_OF)
    return not is_unfinished(copy) or made == as_of(source, volume["id"])


def has_its_bytes(copy: Row) -> bool:
    """Tell whether Cinder has filled a copy: those that it makes of an image, it fills itself."""
    by_image = (copy.get("metadata") or {}).get(MOVER_KEY, "") == Mover.IMAGE.value
    is_filled = copy["status"] in ("available", "in-use", "reserved", "attaching")
    return is_filled and (by_image or not is_unfinished(copy))


def upload(
    source: Api,
    volume: Row,
    timeout_s: float,
    stop: threading.Event = NEVER,
    disk_format: str = "qcow2",
) -> str:
    """
    Upload *volume* to an image of its own cloud and return that image's id.

    A volume that is attached is uploaded by force. Where Cinder does not allow that
    (`enable_force_upload`), its status is set to available first, and Cinder sets it back to
    in-use when the upload ends. Its server is stopped and locked, so its bytes do not change;
    its attachment stays, so it can neither be deleted nor attached elsewhere.
    """
    delete_uploads(source, volume["id"])
    if settle(source, volume["id"], timeout_s, stop)["status"] != "in-use":
        return _upload(source, volume, disk_format, False, timeout_s, stop)
    try:
        return _upload(source, volume, disk_format, True, timeout_s, stop)
    except RequestFailed as refused:
        if refused.status not in (400, 403):
            raise
    act(source, volume["id"], "os-reset_status", status="available")
    try:
        return _upload(source, volume, disk_format, False, timeout_s, stop)
    except Exception:
        set_in_use(source, volume["id"], timeout_s)
        raise


def delete_uploads(api: Api, volume_id: str) -> None:
    """Delete what a volume was uploaded to, also by a call whose answer never came."""
    for left in _temporary_images(api, volume_id):
        delete_image(api, left)


def discard(source: Api, target: Api, volume_id: str, timeout_s: float) -> None:
    """Delete everything that was made of a volume, at both ends; it is in use as before."""
    delete_uploads(source, volume_id)
    set_in_use(source, volume_id, timeout_s)
    delete_copies(target, temporary_name(volume_id))
    if copy := find_copy(target, volume_id):
        delete_volume(target, copy["id"], timeout_s)


def set_in_use(api: Api, volume_id: str, timeout_s: float) -> None:
    """Set an attached volume back to in-use, if an upload that was cut short left it available."""
    volume = settle(api, volume_id, timeout_s)
    if volume["status"] == "available" and volume["attachments"]:
        act(api, volume_id, "os-reset_status", status="in-use")


def _temporary_images(api: Api, volume_id: str) -> list[str]:
    found = api.list("image", "/images", "images", params={"name": temporary_name(volume_id)})
    return [raw["id"] for raw in found]


def temporary_name(source_id: str) -> str:
    """Return the name of what we make on the way: it says of what, so that it is found again."""
    return f"pumphouse-temporary-{source_id}"


def _upload(
    source: Api,
    volume: Row,
    disk_format: str,
    force: bool,
    timeout_s: float,
    stop: threading.Event,
) -> str:
    request = {
        "image_name": temporary_name(volume["id"]),
        "disk_format": disk_format,
        "container_format": "bare",
        "force": force,
    }
    answer = source.call(
        "POST",
        "block-storage",
        f"/volumes/{volume['id']}/action",
        json={"os-volume_upload_image": request},
    ).json()
    image_id: str = answer["os-volume_upload_image"]["image_id"]
    what = f"the upload of volume {volume['name']} ({volume['id']})"

    def active(image: Row) -> bool:
        if image["status"] in ("killed", "error", "deleted"):
            raise WaitFailed(what, f"Image {image_id} became {image['status']}.")
        return bool(image["status"] == "active")

    try:
        poll(what, lambda: read_image(source, image_id), active, timeout_s, stop)
        poll(
            what,
            lambda: read_volume(source, volume["id"]),
            lambda v: v["status"] in ("available", "in-use"),
            timeout_s,
            stop,
        )
    except Exception:
        delete_image(source, image_id)
        raise
    return image_id


def create(
    target: Api,
    owner: Api,
    volume: Row,
    image_id: str,
    timeout_s: float,
    stop: threading.Event,
) -> str:
    """
    Make the copy of *volume* from the target's image *image_id*; return its id when it is.

    It says of itself that it is not whole: `describe` is to follow.
    """
    body = bodies.volume(volume, image_id) | unfinished(volume, Mover.IMAGE)
    made = owner.call("POST", "block-storage", "/volumes", json={"volume": body}).json()["volume"]
    what = f"volume {volume['name']} ({made['id']}) to be available"
    try:
        poll(what, lambda: read_volume(target, made["id"]), _becomes("available"), timeout_s, stop)
        finish(target, made["id"], volume)
    except Exception as error:
        delete_volume(target, made["id"], timeout_s)
        if isinstance(error, WaitFailed):
            raise CopyFailed(
                "volume",
                f"{volume['name']} ({volume['id']})",
                str(error),
                "Its copy was deleted. Look at the target's cinder-volume and run again.",
            ) from error
        raise
    return str(made["id"])


def unfinished(volume: Row, mover: Mover) -> Row:
    """
    Return what a copy has as long as it is not whole: plans then do not take it as done.

    volume: The source's; with ``as_of`` if it is known how old the copy is.
    """
    return {
        "description": f"{SOURCE_ID}={volume['id']}",
        "metadata": {
            **own_free(volume["metadata"]),
            SOURCE_ID: volume["id"],
            MOVER_KEY: mover.value,
            **({AS_OF: volume["as_of"]} if volume.get("as_of") else {}),
        },
    }


def complete(target: Api, copy: Row, volume: Row) -> None:
    """Make a copy whole: the bootable flag and image metadata first, the description last."""
    finish(target, copy["id"], volume)
    describe(target, copy, volume)


def describe(target: Api, copy: Row, volume: Row) -> None:
    """Give a copy its own id, and its name and description, by which plans know it as whole."""
    if is_unfinished(copy):
        note(target, copy["id"], {OWN_ID: copy["id"]})
        body = {"name": volume["name"] or "", "description": volume["description"] or ""}
        path = f"/volumes/{copy['id']}"
        target.call("PUT", "block-storage", path, json={"volume": body}, retry=True)


def finish(target: Api, copy_id: str, volume: Row) -> None:
    """Give the copy the source's flags and image metadata: Cinder took the image's."""
    copy = read_volume(target, copy_id)
    wanted = own_free(volume["image_metadata"])
    there = copy.get("volume_image_metadata") or {}
    # What Cinder itself notes of the temporary image is no property of the volume.
    kept = ("checksum", "container_format", "disk_format", "image_id", "image_name", "min_disk",
            "min_ram", "size")  # fmt: skip
    settable = {k: v for k, v in wanted.items() if k not in kept}
    if missing := {k: v for k, v in settable.items() if there.get(k) != v}:
        act(target, copy_id, "os-set_image_metadata", metadata=missing)
    for mark in (SOURCE_ID, OWN_ID):
        if mark in there:
            act(target, copy_id, "os-unset_image_metadata", key=mark)
    is_bootable = str(copy.get("bootable")).lower() == "true"
    if is_bootable != bool(volume["is_bootable"]):
        act(target, copy_id, "os-set_bootable", bootable=bool(volume["is_bootable"]))
    # Cinder changes it only of a volume that nobody uses; it shows it among the metadata.
    is_readonly = str((copy.get("metadata") or {}).get("readonly")).lower() == "true"
    if volume.get("is_readonly") and not is_readonly and copy["status"] == "available":
        act(target, copy_id, "os-update_readonly_flag", readonly=True)


def act(api: Api, volume_id: str, action: str, **arguments: Any) -> None:
    """Ask Cinder for an action that may be asked for twice."""
    path = f"/volumes/{volume_id}/action"
    api.call("POST", "block-storage", path, json={action: arguments}, retry=True)
