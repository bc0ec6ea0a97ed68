"""Two Glances on loopback for the tests of image copies: one has bytes, one takes them."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pumphouse.rows_storage import image as image_row
from pumphouse.tables import Row
from pumphouse.tasks.api import Api
from tests.fakecloud import Answer, FakeCloud, Request

BYTES = bytes(range(256)) * 16384
"""4 MiB."""


def record(image_id: str = "i1", data: bytes = BYTES, **values: Any) -> dict[str, Any]:
    """Return an active image as Glance shows it."""
    return {
        "id": image_id, "name": "base", "owner": "p1", "visibility": "private",
        "status": "active", "disk_format": "raw", "container_format": "bare",
        "size": len(data), "min_disk": 0, "min_ram": 0, "protected": False, "tags": [],
        "checksum": hashlib.md5(data).hexdigest(), "os_hash_algo": "sha512",
        "os_hash_value": hashlib.sha512(data).hexdigest(), **values,
    }  # fmt: skip


class Glance:
    """The images of one fake cloud: records by id, hashed like the real one does."""

    def __init__(self, cloud: FakeCloud, *images: dict[str, Any]) -> None:
        self.images = {image["id"]: image for image in images}
        cloud.route("GET", "image", "/images", self._list)
        cloud.route("POST", "image", "/images", self._create)
        cloud.route("GET", "image", "/images/{id}", self._show)
        cloud.route("DELETE", "image", "/images/{id}", self._delete)
        cloud.route("PUT", "image", "/images/{id}/file", self._upload)
        cloud.route("PATCH", "image", "/images/{id}", self._change)
        cloud.route("POST", "image", "/images/{id}/actions/deactivate", self._deactivate)
        cloud.route("GET", "image", "/images/{id}/members", self._members)
        cloud.route("POST", "image", "/images/{id}/members", self._share)
        cloud.route("PUT", "image", "/images/{id}/members/{member}", self._decide)
        self.members: dict[str, dict[str, str]] = {}

    def _list(self, request: Request) -> dict[str, Any]:
        wanted = request.query.get("pumphouse:source_id")
        hidden = request.query.get("os_hidden") == "true"
        name = request.query.get("name")
        found = [
            image
            for image in self.images.values()
            if image.get("pumphouse:source_id") == wanted
            and image.get("os_hidden", False) == hidden
            and name in (None, image["name"])
        ]
        return {"images": found}

    def _create(self, request: Request) -> Answer:
        made = {"id": f"t{len(self.images) + 1}", "status": "queued", **request.json()}
        self.images[made["id"]] = made
        return Answer(201, made)

    def _show(self, request: Request) -> Any:
        found = self.images.get(request.parts["id"])
        return found or Answer(404, {"message": "No image found."})

    def _delete(self, request: Request) -> Answer:
        self.images.pop(request.parts["id"], None)
        return Answer(204)

    def _change(self, request: Request) -> dict[str, Any]:
        image = self.images[request.parts["id"]]
        for operation in request.json():
            name = operation["path"].removeprefix("/")
            if operation["op"] == "remove":
                del image[name]
            else:
                image[name] = operation["value"]
        return image

    def _deactivate(self, request: Request) -> Answer:
        self.images[request.parts["id"]]["status"] = "deactivated"
        return Answer(204)

    def _members(self, request: Request) -> dict[str, Any]:
        found = self.members.get(request.parts["id"], {})
        return {"members": [{"member_id": id_, "status": s} for id_, s in found.items()]}

    def _share(self, request: Request) -> dict[str, Any]:
        self.members.setdefault(request.parts["id"], {})[request.json()["member"]] = "pending"
        return {}

    def _decide(self, request: Request) -> dict[str, Any]:
        self.members[request.parts["id"]][request.parts["member"]] = request.json()["status"]
        return {}

    def _upload(self, request: Request) -> Answer:
        filled = record(request.parts["id"], request.body)
        keep = ("size", "checksum", "os_hash_algo", "os_hash_value", "status")
        self.images[request.parts["id"]] |= {key: filled[key] for key in keep}
        return Answer(204)


class Pair:
    """A source with one image and an empty target."""

    def __init__(self, source: FakeCloud, target: FakeCloud, data: bytes) -> None:
        self.source_cloud, self.target_cloud = source, target
        self.source_glance = Glance(source, record(data=data))
        self.target_glance = Glance(target)
        source.route("GET", "image", "/images/{id}/file", Answer(200, body=data))
        self.source = Api(source.block(), "source")
        self.target = Api(target.block(), "target")

    @property
    def image(self) -> Row:
        """The source's image as a row."""
        return image_row(self.source_glance.images["i1"], {})


@contextmanager
def pair(data: bytes = BYTES) -> Iterator[Pair]:
    """Yield two fake clouds with Glances."""
    with FakeCloud() as source, FakeCloud() as target:
        made = Pair(source, target, data)
        with made.source, made.target:
            yield made
