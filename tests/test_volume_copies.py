"""Copies of volumes by way of an image: which may be trusted, and what a killed run leaves."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pumphouse.checks import AS_OF, MOVER_KEY, WITH_SERVER
from pumphouse.errors import WaitFailed
from pumphouse.models import OWN_ID, SOURCE_ID
from pumphouse.planning import plan
from pumphouse.selection import Selection, chosen
from pumphouse.tasks import volumes
from tests.fakecloud import Answer, FakeCloud, Request
from tests.fakeglance import Glance, Pair, pair, record
from tests.tenants import estate, source, target

VOLUME = {
    "id": "v1", "name": "data", "description": "mine", "size_gib": 1, "volume_type": "fast",
    "metadata": {"tier": "db"}, "image_metadata": {}, "is_bootable": False, "is_readonly": True,
    "attachments": [],
}  # fmt: skip
MARK = f"{SOURCE_ID}=v1"
TEMPORARY = volumes.temporary_name("v1")
NOON = "2026-03-01T12:00:00.000000"
DATA = b"x" * 1000


class Cinder:
    """The volumes of one fake cloud: all that it is asked for is done at once."""

    def __init__(self, cloud: FakeCloud, glance: Glance, **kept: dict[str, Any]) -> None:
        self.kept, self.glance = kept, glance
        self.made: list[Any] = []
        self.after_delete = ""
        cloud.route("GET", "block-storage", "/volumes/{id}", self._show)
        cloud.route("DELETE", "block-storage", "/volumes/{id}", self._delete)
        cloud.route("PUT", "block-storage", "/volumes/{id}", self._change)
        cloud.route("POST", "block-storage", "/volumes/{id}/action", self._act)
        cloud.route("POST", "block-storage", "/volumes", self._create)
        cloud.route("POST", "block-storage", "/volumes/{id}/metadata", self._note)
        cloud.route("GET", "block-storage", "/volumes/detail", self._list)

    def _list(self, request: Request) -> Any:
        return {"volumes": list(self.kept.values())}

    def _show(self, request: Request) -> Any:
        found = self.kept.get(request.parts["id"])
        return {"volume": found} if found else Answer(404, {"message": "No such volume."})

    def _delete(self, request: Request) -> Answer:
        if self.after_delete:
            self.kept[request.parts["id"]]["status"] = self.after_delete
        else:
            del self.kept[request.parts["id"]]
        return Answer(202)

    def _change(self, request: Request) -> Any:
        self.kept[request.parts["id"]] |= request.json()["volume"]
        return self._show(request)

    def _note(self, request: Request) -> Any:
        found = self.kept[request.parts["id"]]["metadata"]
        found |= request.json()["metadata"]
        return {"metadata": found}

    def _create(self, request: Request) -> Any:
        asked = request.json()["volume"]
        self.made.append(json.loads(request.body)["volume"])
        made = volume(f"new-{len(self.made)}", **asked)
        self.kept[made["id"]] = made
        return Answer(202, {"volume": made})

    def _act(self, request: Request) -> Any:
        (action, asked), *_ = request.json().items()
        if action == "os-volume_upload_image":
            self.glance.images["up"] = record("up", DATA, name=asked["image_name"])
            return {"os-volume_upload_image": {"image_id": "up"}}
        if action == "os-update_readonly_flag":
            self.kept[request.parts["id"]]["metadata"]["readonly"] = "True"
        return {}


def volume(id_: str, **values: Any) -> dict[str, Any]:
    """Return a volume as Cinder shows it."""
    found = {"status": "available", "attachments": [], "bootable": "false", "metadata": {}}
    found["updated_at"] = NOON
    return {**found, "name": "data", **values, "id": id_}


class Clouds:
    """Both ends of a copy."""

    def __init__(self, ends: Pair) -> None:
        self.ends = ends
        self.source = Cinder(ends.source_cloud, ends.source_glance, v1=volume("v1"))
        self.target = Cinder(ends.target_cloud, ends.target_glance)

    def copy(self) -> str:
        """Copy the volume; return the id of its copy."""
        source, target = self.ends.source, self.ends.target
        return volumes.copy_volume(source, target, target, VOLUME, "P1", 5)[0]

    @property
    def images(self) -> list[str]:
        """The temporary images of both clouds."""
        every = [
            *self.ends.source_glance.images.values(),
            *self.ends.target_glance.images.values(),
        ]
        return [image["id"] for image in every if image["name"] == TEMPORARY]


@pytest.fixture(name="clouds")
def _clouds() -> Iterator[Clouds]:
    """Yield both clouds; the source has a volume, and bytes take no time."""
    with pair(DATA) as ends:
        yield Clouds(ends)


def test_a_copy_says_last_that_it_is_whole(clouds: Clouds) -> None:
    """Until it has its flags, and nothing temporary is left, plans come back to it."""
    copy_id = clouds.copy()

    assert [body["description"] for body in clouds.target.made] == [MARK]
    copy = clouds.target.kept[copy_id]
    assert (copy["name"], copy["description"]) == ("data", "mine")
    assert (copy["metadata"]["tier"], copy["metadata"][AS_OF]) == ("db", NOON)
    assert copy["metadata"][OWN_ID] == copy_id
    assert copy["metadata"]["readonly"] == "True"
    assert clouds.images == []
    changes = clouds.ends.target_cloud.sent("PUT", "block-storage")
    assert clouds.ends.target_cloud.requests[-1] == changes[-1]


def test_a_backup_of_a_copy_that_is_restored_is_no_copy(clouds: Clouds) -> None:
    """Cinder gives it the metadata of the volume that was backed up."""
    copy_id = clouds.copy()
    copy = clouds.target.kept.pop(copy_id)
    clouds.target.kept |= {"restored": {**copy, "id": "restored"}, copy_id: copy}

    found = volumes.find_copy(clouds.ends.target, "v1")

    assert found
    assert found["id"] == copy_id


def test_what_a_killed_run_left_is_made_whole(clouds: Clouds) -> None:
    """Its bytes are there: it gets its flags, and the temporary images go at both ends."""
    metadata = {SOURCE_ID: "v1", MOVER_KEY: "image", AS_OF: NOON}
    left = volume("left", description=MARK, metadata=metadata, bootable="true")
    clouds.target.kept["left"] = left
    clouds.ends.source_glance.images["up"] = record("up", name=TEMPORARY)
    clouds.ends.target_glance.images["t9"] = record("t9", name=TEMPORARY, **{SOURCE_ID: TEMPORARY})

    assert clouds.copy() == "left"

    assert clouds.target.made == []
    assert clouds.target.kept["left"]["description"] == "mine"
    assert clouds.target.kept["left"]["metadata"]["readonly"] == "True"
    assert clouds.images == []


@pytest.mark.parametrize("mover", ["rbd", "manage", "image"])
def test_what_has_not_all_bytes_is_not_taken(clouds: Clouds, mover: str) -> None:
    """Cinder is still filling it, or another mover was, which does not tell how far it came."""
    status = "error" if mover == "image" else "available"
    metadata = {SOURCE_ID: "v1", MOVER_KEY: mover.replace("manage", "")}
    clouds.target.kept["left"] = volume("left", status=status, description=MARK, metadata=metadata)

    assert clouds.copy() == "new-1"

    assert list(clouds.target.kept) == ["new-1"]


@pytest.mark.parametrize("as_of", [NOON.replace("12", "11"), WITH_SERVER, ""])
def test_what_a_killed_run_left_is_not_taken_when_it_is_old(clouds: Clouds, as_of: str) -> None:
    """The volume was attached since, or was when it was copied: somebody has written to it."""
    metadata = {SOURCE_ID: "v1", MOVER_KEY: "image", AS_OF: as_of}
    clouds.target.kept["left"] = volume("left", description=MARK, metadata=metadata)

    assert clouds.copy() == "new-1"

    assert list(clouds.target.kept) == ["new-1"]


def test_the_copy_of_a_volume_in_use_is_as_old_as_its_servers(clouds: Clouds) -> None:
    """Cinder notes no writing: what a killed cut-over left is whole, and says how it went."""
    clouds.source.kept["v1"] |= {"status": "in-use", "attachments": [{"server_id": "s1"}]}
    copy_id = clouds.copy()
    clouds.target.kept[copy_id]["description"] = MARK

    assert clouds.copy() == copy_id

    assert clouds.target.kept[copy_id]["metadata"][AS_OF] == WITH_SERVER


@pytest.mark.parametrize("status", ["creating", "downloading", "available"])
def test_a_plan_comes_back_to_a_copy_that_is_not_whole(status: str) -> None:
    """The run that made it was killed, whether Cinder had filled it or not."""
    here, there = source(), target()
    here["snapshots"] = []
    (row,) = [v for v in here["volumes"] if v["id"] == "vol2"]
    left = {**row, "id": "left", "status": status, "description": f"{SOURCE_ID}=vol2"}
    there["volumes"] = [left | {"metadata": {SOURCE_ID: "vol2"}}]
    clouds = estate(here), estate(there)

    made = plan(chosen(Selection(include=("volumes:vol2",)), clouds[0]), *clouds)

    (item,) = made.of("volumes")
    assert (item.action.value, item.target_id) == ("update", "left")


def test_a_volume_that_cannot_be_deleted_is_not_gone(clouds: Clouds) -> None:
    """Who undoes or finalizes must not say that it is done."""
    clouds.target.kept["c1"] = volume("c1")
    clouds.target.after_delete = "error_deleting"

    with pytest.raises(WaitFailed, match=r"It became error_deleting .*target's cinder-volume"):
        volumes.delete_volume(clouds.ends.target, "c1", 5)


@pytest.mark.parametrize(
    ("states", "users", "said"),
    [
        (["available"], [], ""),
        # A killed run had it uploaded.
        (["uploading", "available"], [], ""),
        (["reserved"], ["s1"], "Server s1 has it; detach it"),
        (["attaching", "in-use"], ["s1"], "Server s1 has it; detach it"),
        # An administrator has reset its state.
        (["available"], ["s1"], "Server s1 has it; detach it"),
        (["extending"], [], "It is extending; wait until it is available"),
    ],
)
def test_a_volume_that_somebody_uses_by_now_is_not_moved_by_itself(
    clouds: Clouds, states: list[str], users: list[str], said: str
) -> None:
    """It is looked at when its turn comes, hours after the plan."""
    seen = [volume("v1", status=status) for status in states]
    cloud = clouds.ends.source_cloud
    cloud.route("GET", "block-storage", "/volumes/v1", lambda _: {"volume": seen.pop(0)})
    rows = [{"id": id_, "volume_id": "v1", "instance": id_} for id_ in users]
    rows.append({"id": "a9", "volume_id": "v9", "instance": "s9"})
    cloud.listing("block-storage", "/attachments/detail", "attachments", rows)

    if said:
        with pytest.raises(WaitFailed, match=said):
            volumes.require_free(clouds.ends.source, VOLUME, 5)
    else:
        volumes.require_free(clouds.ends.source, VOLUME, 5)

    assert seen == []
