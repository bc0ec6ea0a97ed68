"""What a plan says of images: who they are shared with, what they need, what cannot travel."""

from typing import Any

import pytest

from pumphouse.images import UNFINISHED, translated
from pumphouse.mappings import Mappings
from pumphouse.models import SOURCE_ID, Action
from pumphouse.plan import Item
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Selection, chosen
from tests.tenants import Rows, estate, source, target
from tests.test_plan import SHOP, item, planned, with_project


def shared(*members: tuple[str, str], **values: Any) -> Rows:
    """Return the source with its image shared with *members*: ids and what they decided."""
    src = source()
    listed = [{"member_id": id_, "status": status} for id_, status in members]
    src["images"][0] |= {"visibility": "shared", "members": listed, **values}
    return src


def image(src: Rows, dst: Rows | None = None) -> Item:
    return item(planned(src, dst, SHOP), "images", "i1")


def copy(**values: Any) -> dict[str, Any]:
    """Return the copy of the image at the target."""
    marked = {"properties": {SOURCE_ID: "i1"}, "id": "I1", "owner_id": "P1"}
    return {**source()["images"][0], "visibility": "shared", **marked, **values}


def theirs(visibility: str = "private", **values: Any) -> tuple[Rows, Rows]:
    """Return both clouds, and at the target an equal image that is no copy, with *values*."""
    src, dst = source(), with_project(target())
    src["images"][0]["visibility"] = visibility
    dst["images"] = [{**src["images"][0], "id": "I1", "owner_id": "P1", **values}]
    return src, dst


UNKNOWN = {"checksum": None, "hash_algo": None, "hash_value": None}


@pytest.mark.parametrize(
    ("here", "there", "action"),
    [
        ({}, {}, Action.ADOPT),
        (UNKNOWN, {}, None),
        ({}, UNKNOWN, None),
        (UNKNOWN, UNKNOWN, None),
        ({"checksum": None}, {}, Action.ADOPT),
        ({"checksum": None, "hash_algo": "sha256"}, {}, None),
        ({"hash_algo": "sha256", "hash_value": "h2"}, {}, Action.ADOPT),
        ({"hash_value": "h2"}, {}, Action.CREATE),
        ({"checksum": "c2"}, {}, Action.CREATE),
    ],
)
def test_only_bytes_that_are_the_same_for_sure_are_adopted(
    here: dict[str, Any], there: dict[str, Any], action: Action | None
) -> None:
    """By a hash of both; without one a private image is made, and a public one is a conflict."""
    src, dst = theirs(**there)
    src["images"][0] |= here
    assert image(src, dst).action is (action or Action.CREATE)
    for visibility in ("public", "community"):
        src, dst = theirs(visibility, **there)
        src["images"][0] |= here
        found = image(src, dst)
        assert found.action is (action if action is Action.ADOPT else Action.CONFLICT)
        assert ("no hash in common" in found.reason) is (action is None)
        assert ("its bytes, by their hash" in found.reason) is (action is Action.CREATE)


def test_a_copy_of_ours_is_known_without_a_hash() -> None:
    """The mark says what it is: the run that made it has compared its bytes."""
    dst = with_project(target())
    dst["images"] = [copy(visibility="private", **UNKNOWN)]
    src = source()
    src["images"][0] |= UNKNOWN
    assert image(src, dst).action is Action.SKIP


def test_an_image_without_a_hash_is_adopted_when_a_mapping_says_so() -> None:
    """The operator knows what Glance does not."""
    src, dst = theirs("public", **UNKNOWN)
    said = Mappings.model_validate({"images": {"names": {"base": "base"}}})
    here = estate(src)
    made = plan(chosen(Selection(include=("project:shop",)), here), here, estate(dst),
                Wishes(mappings=said))  # fmt: skip
    found = item(made, "images", "i1")
    assert found.action is Action.ADOPT
    assert found.losses == ("What the target's has instead: checksum: 'c1' != None.",)


def test_what_servers_of_an_adopted_image_get_otherwise_is_said() -> None:
    """Other virtual hardware, another kernel, another size, or none at all: also what it adds."""
    src, dst = theirs(status="deactivated", min_disk_gib=5)
    src["images"][0]["properties"] = {"hw_disk_bus": "virtio", "img_signature": "x", "note": "a"}
    src["images"][0] |= {"min_ram_mib": None}
    dst["images"][0]["properties"] = {"hw_machine_type": "q35", "kernel_id": "K1", "note": "b"}
    dst["images"].append({**dst["images"][0], "id": "K1", "name": "vmlinuz", "properties": {}})
    found = image(src, dst)
    assert found.action is Action.ADOPT
    said = next(words for words in found.losses if words.startswith("What the target's"))
    for words in (
        "status: 'active' != 'deactivated'", "min_disk_gib: 1 != 5",
        "kernel_id: None != 'vmlinuz'", "hw_machine_type: None != 'q35'",
        "hw_disk_bus: 'virtio' != None",
    ):  # fmt: skip
        assert words in said
    assert said.count("!=") == 5


def test_members_who_are_there_or_come_are_carried_and_the_others_are_said() -> None:
    """Project shop moves, admin is at the target; other is neither, and so a loss."""
    found = image(shared(("p1", "accepted"), ("p0", "pending"), ("p2", "accepted")))
    assert found.row["shared_with"] == {"p1": "", "p0": "P0"}
    (loss,) = found.losses
    assert "Default/other" in loss
    ids = {"projects": {"p1": "P1"}, "images": {}}
    assert translated(found.row, ids)["grants"] == {"P1": "accepted", "P0": "pending"}


def test_a_copy_gets_the_members_that_come_later() -> None:
    """A member that moved after the image is an update; one that decided is left alone."""
    src = shared(("p0", "accepted"))
    dst = with_project(target())
    dst["images"] = [copy(members=[])]
    found = image(src, dst)
    assert (found.action, len(found.missing)) == (Action.UPDATE, 2)
    dst["images"] = [copy(members=[{"member_id": "P0", "status": "rejected"}])]
    assert image(src, dst).action is Action.SKIP


def test_an_unfinished_copy_is_finished() -> None:
    """Its bytes are there; what came after them is not."""
    dst = with_project(target())
    dst["images"] = [copy(properties={SOURCE_ID: "i1", UNFINISHED: "yes"})]
    assert image(source(), dst).action is Action.UPDATE


def test_a_kernel_comes_with_its_image_and_before_it() -> None:
    """The kernel of another project is in the plan, and the image names its copy."""
    src = source()
    kernel = {**src["images"][0], "id": "k1", "name": "kernel", "owner_id": "p0"}
    src["images"].append(kernel)
    src["images"][0]["properties"] = {"kernel_id": "k1", "ramdisk_id": ""}
    made = planned(src)
    assert [i.source_id for i in made.of("images")] == ["k1", "i1"]
    assert "images:k1" in image(src).depends_on
    ids = {"projects": {}, "images": {"k1": "K1"}}
    assert translated(image(src).row, ids)["properties"] == {"kernel_id": "K1"}


def test_a_server_brings_the_kernel_that_it_boots() -> None:
    """Its base image may be gone; the snapshot of its disk still names the kernel."""
    src = source()
    src["images"].append({**src["images"][0], "id": "k1", "name": "kernel", "owner_id": "p0"})
    src["servers"][0] |= {"kernel_id": "k1", "ramdisk_id": ""}
    made = planned(src)
    assert "images:k1" in item(made, "servers", "v1").depends_on
    src["images"].pop()
    assert "kernel image k1 is gone" in item(planned(src), "servers", "v1").reason


def test_what_cannot_be_copied_is_blocked_with_a_way_out() -> None:
    """Images of volumes, of encrypted ones, and those whose kernel is gone."""
    for values in (
        {"size_bytes": 0, "properties": {"block_device_mapping": "[]"}},
        {"properties": {"cinder_encryption_key_id": "x"}},
        {"properties": {"kernel_id": "gone"}},
    ):
        src = source()
        src["images"][0] |= values
        found = image(src)
        assert found.action is Action.BLOCKED
        assert "leave" in found.reason


def test_a_deactivated_image_of_a_project_comes_and_one_without_bytes_does_not() -> None:
    """An administrator may read the first; the second has nothing to read."""
    src = source()
    src["images"][0]["status"] = "deactivated"
    src["images"].append({**src["images"][0], "id": "i2", "status": "queued"})
    assert [i.source_id for i in planned(src).of("images")] == ["i1"]
