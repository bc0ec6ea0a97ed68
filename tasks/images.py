"""Copies of images: the record, the bytes, and the proof that they are the same."""

import threading
import time
from collections.abc import Callable, Mapping
from operator import not_
from uuid import uuid4

from pumphouse import bodies
from pumphouse import images as pure
from pumphouse.comparison import is_own
from pumphouse.errors import PumphouseError, RequestFailed
from pumphouse.models import OWN_ID, SOURCE_ID
from pumphouse.rows_storage import image as image_row
from pumphouse.tables import Row
from pumphouse.tasks import claims
from pumphouse.tasks.api import Api
from pumphouse.tasks.streams import Broken, Progress, failed, stream
from pumphouse.tasks.waiting import NEVER, poll

ATTEMPTS = 3
BAD = ("error", "killed", "deleted", "pending_delete")


def read_image(api: Api, image_id: str) -> Row:
    """Return an image as a row."""
    return image_row(api.get("image", f"/images/{image_id}"), {})


def find_copies(target: Api, source_id: str, hidden: bool = False) -> list[Row]:
    """Return the target's images that carry *source_id*; *hidden*: those too, on their list."""
    found = []
    for asked in ({}, {"os_hidden": "true"}) if hidden else ({},):
        params = {SOURCE_ID: source_id, "visibility": "all", **asked}
        every = target.list("image", "/images", "images", params=params)
        found += [raw for raw in every if is_own(raw["id"], raw)]
    return [image_row(raw, {}) for raw in found]


def delete_image(api: Api, image_id: str) -> None:
    """Delete an image; one that is gone is fine, a protected one is unprotected before."""
    try:
        image = read_image(api, image_id)
        if image["is_protected"]:
            patch = [{"op": "replace", "path": "/protected", "value": False}]
            _patch(api, image_id, patch)
        api.call("DELETE", "image", f"/images/{image_id}", retry=True)
    except RequestFailed as error:
        if error.status != 404:
            raise


def delete_copies(target: Api, mark: str) -> None:
    """Delete every image at the target that carries *mark*."""
    for copy in find_copies(target, mark):
        delete_image(target, copy["id"])


def remove_property(api: Api, image_id: str, name: str) -> None:
    """Remove a property of an image; one that it does not have is fine."""
    if name in api.get("image", f"/images/{image_id}"):
        # RFC 6901: a slash in a name is written ~1, and ~ is ~0.
        escaped = name.replace("~", "~0").replace("/", "~1")
        _patch(api, image_id, [{"op": "remove", "path": f"/{escaped}"}])


def _patch(api: Api, image_id: str, operations: list[dict[str, object]]) -> None:
    adapter = api.adapter("image")
    answer = adapter.patch(
        f"/images/{image_id}",
        json=operations,
        headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
        raise_exc=False,
    )
    if answer.status_code >= 400:
        raise RequestFailed(
            api.name, f"PATCH /images/{image_id}", answer.status_code, answer.text[:300]
        )


def copy_image(
    source: Api,
    target: Api,
    image: Row,
    owner_id: str | None,
    progress: Progress = lambda done, size: None,
    stop: threading.Event = NEVER,
    mark: str | None = None,
    patience_s: float = 7200,
) -> tuple[str, str]:
    """
    Make *image* exist at the target; return its id there and ``algorithm:value`` of its bytes.

    image: As `pumphouse.images.translated` gives it, or a temporary one without members.

    A copy that an earlier run finished is found by its source id; one that it did not finish
    is deleted and made anew, and one that a living run is at is waited for. A transfer that breaks
    is repeated whole.

    mark: Id to mark the copy with instead: of the server whose snapshot *image* is.
    patience_s: How long another run is waited for.

    Raises:
        CopyFailed: It did not arrive whole; nothing of it is left.
        WaitFailed: Another run is at it for longer. What that made is left to it.
    """
    name = f"{image['name']} ({image['id']})"
    is_temporary, mark = bool(mark), mark or image["id"]
    if not is_temporary and (who := _rivals(target, mark)):
        what = f"image {name} to be copied by another run ({who})"
        poll(what, lambda: _rivals(target, mark), not_, patience_s, stop)
    for copy in find_copies(target, mark, not is_temporary):
        if copy["status"] in pure.READABLE:
            checksum = _verified(image, copy, None, None)
            _finish(target, image, copy)
            return copy["id"], checksum
        delete_image(target, copy["id"])
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _attempt(source, target, image, owner_id, progress, stop, mark)
        except Broken as broken:
            if attempt == ATTEMPTS or not broken.heals:
                raise failed("image", name, broken.why) from broken
            time.sleep(0.5 * attempt)
    raise AssertionError("unreachable")


def _rivals(target: Api, mark: str) -> str:
    """Return who else makes such a copy now, as sentences."""
    notes = [c["properties"] or {} for c in find_copies(target, mark, hidden=True)]
    every = [str(note.get(pure.UNFINISHED, "")) for note in notes]
    # Earlier versions did not say who.
    return " ".join(claims.rival(note, pure.UNFINISHED) for note in every if " " in note).strip()


def _attempt(
    source: Api,
    target: Api,
    image: Row,
    owner_id: str | None,
    progress: Progress,
    stop: threading.Event,
    mark: str,
) -> tuple[str, str]:
    """Create, fill and verify one copy; delete it when anything goes wrong."""
    id_ = str(uuid4())
    body = bodies.image(image, owner_id) | {"id": id_, SOURCE_ID: mark, OWN_ID: id_}
    # Protection would also keep us from deleting a copy that broke.
    body["protected"] = False
    if mark == image["id"]:
        # A temporary one is of a server, which says itself whose it is.
        body[pure.UNFINISHED] = claims.own()
    made = target.call("POST", "image", "/images", json=body).json()
    try:
        algorithm = _algorithm(image)
        value = stream(source, target, image, made["id"], progress, stop, algorithm)
        copy = _active(target, made["id"])
        checksum = _verified(image, copy, algorithm, value)
        _finish(target, image, copy)
    except (PumphouseError, Broken):
        delete_image(target, made["id"])
        raise
    return made["id"], checksum


def _finish(target: Api, image: Row, copy: Row) -> None:
    """
    Give a copy with all its bytes its members, its state and its protection.

    The last call also takes the property away that says that any of this is missing; without
    it only members are added: what else differs, a tenant has changed since.
    """
    # Only a shared image has members; its tenant may have made it another since.
    if image.get("grants") and copy["visibility"] == "shared":
        _share(target, copy["id"], image["grants"])
    if pure.UNFINISHED not in (copy["properties"] or {}):
        return
    if image["status"] == "deactivated":
        path = f"/images/{copy['id']}/actions/deactivate"
        target.call("POST", "image", path, retry=True)
    operations: list[dict[str, object]] = [{"op": "remove", "path": f"/{pure.UNFINISHED}"}]
    if image["is_protected"]:
        operations.append({"op": "replace", "path": "/protected", "value": True})
    _patch(target, copy["id"], operations)


def _share(target: Api, image_id: str, grants: Mapping[str, str]) -> None:
    """Add the members that a copy lacks, with what they decided at the source."""
    path = f"/images/{image_id}/members"
    there = {raw["member_id"]: raw["status"] for raw in target.list("image", path, "members")}
    for project_id, status in grants.items():
        if project_id not in there:
            target.call("POST", "image", path, json={"member": project_id})
        if status != "pending" and there.get(project_id, "pending") == "pending":
            decided = {"status": status}
            target.call("PUT", "image", f"{path}/{project_id}", json=decided, retry=True)


def _active(target: Api, image_id: str) -> Row:
    """Return the image when Glance is done with it, which may be after the last byte."""
    return poll(
        f"image {image_id} to be active",
        lambda: read_image(target, image_id),
        _is_active(image_id),
        120,
    )


def _is_active(image_id: str) -> Callable[[Row], bool]:
    def done(image: Row) -> bool:
        if image["status"] in (*BAD, "queued"):
            raise Broken(f"The target's image {image_id} became {image['status']}.")
        return bool(image["status"] == "active")

    return done


def _algorithm(image: Row) -> str | None:
    """Return what to hash with on the way: only when the source's own hash says nothing."""
    return None if image["hash_value"] else "sha512"


def _verified(image: Row, copy: Row, algorithm: str | None, value: str | None) -> str:
    """
    Return the common hash of *image* and *copy*.

    Each Glance hashed what it has; when their algorithms differ, md5 is the common one.
    *value* is ours, of the bytes on their way.

    Raises:
        Broken: They differ.
    """
    if copy["size_bytes"] != image["size_bytes"]:
        raise Broken(f"The copy has {copy['size_bytes']} of {image['size_bytes']} bytes.")
    pairs = [
        (image["hash_algo"], image["hash_value"], copy["hash_algo"], copy["hash_value"]),
        (algorithm, value, copy["hash_algo"], copy["hash_value"]),
        ("md5", image["checksum"], "md5", copy["checksum"]),
    ]
    for ours, wanted, theirs, found in pairs:
        if wanted and found and ours == theirs:
            if wanted != found:
                raise Broken(f"The {ours} of the copy differs from the source's.")
            return f"{ours}:{found}"
    raise Broken("The two clouds have no hash in common.", heals=False)
