"""What blocks a server, what it loses, and where a copy differs."""

from typing import Any

import pytest

from pumphouse import checks
from pumphouse.models import SOURCE_ID, Mover
from tests.tenants import row, source


def server(**values: Any) -> dict[str, Any]:
    own = {k: v for k, v in values.items() if k != "lost_key"}
    made = row("servers", **{**source()["servers"][0], **own})
    volume = row("volumes", **source()["volumes"][0])
    port = row("ports", **source()["ports"][0])
    lost = {"lost_key": values["lost_key"]} if "lost_key" in values else {}
    return {**made, "attached": [volume], "ports": [port], **lost}


IMAGE = row("images", **source()["images"][0])


@pytest.mark.parametrize(
    ("nics", "is_said"),
    [
        ([("a", True)], False),
        ([("a", False)], False),
        ([("a", True), ("b", True)], False),
        ([("a", True), ("a", True)], False),
        ([("a", True), ("b", True), ("a", True)], True),
        ([("a", False), ("b", True)], True),
    ],
)
def test_an_order_of_nics_that_nova_does_not_show_is_said(
    nics: list[tuple[str, bool]], is_said: bool
) -> None:
    """It shows addresses, by network: what is between those of one, or has none, is not told."""
    ports = [
        {"network_id": network, "fixed_ips": [{"ip_address": "10.0.0.5"}] if has_one else []}
        for network, has_one in nics
    ]
    said = checks.losses(server() | {"ports": ports}, Mover.IMAGE)
    assert ["NICs" in loss for loss in said] == [True] * is_said


def test_a_plain_server_moves() -> None:
    """Nothing stands in the way of an ACTIVE or SHUTOFF server, and nothing is lost."""
    assert checks.blockers(server(), Mover.IMAGE, IMAGE) == []
    assert checks.blockers(server(status="SHUTOFF"), Mover.REBUILD, IMAGE) == []
    assert checks.losses(server(), Mover.IMAGE) == []


@pytest.mark.parametrize("status", [*checks.ANSWERS, "NEW_TO_US"])
def test_every_other_state_has_an_answer(status: str) -> None:
    """A state that cannot move says what to do about it."""
    (sentence,) = checks.blockers(server(status=status), Mover.IMAGE, IMAGE)
    assert sentence.endswith(".")
    assert len(sentence) > 20


def test_every_state_of_nova_is_known() -> None:
    """Each status that Nova's API can show moves, or has an answer of its own."""
    shown = {
        "ACTIVE", "BUILD", "DELETED", "ERROR", "HARD_REBOOT", "MIGRATING", "PASSWORD", "PAUSED",
        "REBOOT", "REBUILD", "RESCUE", "RESIZE", "REVERT_RESIZE", "SHELVED", "SHELVED_OFFLOADED",
        "SHUTOFF", "SOFT_DELETED", "SUSPENDED", "UNKNOWN", "VERIFY_RESIZE",
    }  # fmt: skip
    assert shown == {*checks.MOVABLE, *checks.ANSWERS}


@pytest.mark.parametrize(
    ("mover", "said"), [(Mover.IMAGE, "its disk keeps it"), (Mover.REBUILD, "no key is put")]
)
def test_a_deleted_key_pair_is_a_loss(mover: Mover, said: str) -> None:
    """A new disk gets no key, a copied one has it."""
    assert said in checks.losses(server(lost_key="k1"), mover)[-1]


def test_the_state_before_an_interruption_counts() -> None:
    """A server that a killed run stopped is what it was before."""
    assert checks.was(server(status="SHUTOFF", metadata={checks.WAS: "ACTIVE"})) == "ACTIVE"


def test_everything_that_blocks_is_said_together() -> None:
    """A server with many problems says all of them."""
    bad = server(task_state="migrating", flavor_name=None)
    bad["attached"][0] |= {"is_encrypted": True}
    bad["ports"][0] |= {"vnic_type": "direct"}
    assert len(checks.blockers(bad, Mover.IMAGE, IMAGE)) == 4


def test_a_rebuild_needs_its_image() -> None:
    """Without the base image there is nothing to rebuild from."""
    assert len(checks.blockers(server(), Mover.REBUILD, None)) == 1


def test_losses_are_sentences() -> None:
    """Ephemeral and swap disks, zone and group are lost, and so said."""
    losing = server(
        ephemeral_gib=5, swap_mib=64, pinned_availability_zone="az1", server_group_ids=["g"]
    )
    assert len(checks.losses(losing, Mover.REBUILD)) == 5


@pytest.mark.parametrize(
    ("asked", "said", "expected"),
    [
        (Mover.AUTO, None, Mover.IMAGE),
        (Mover.AUTO, "rebuild", Mover.REBUILD),
        (Mover.REBUILD, None, Mover.REBUILD),
        (Mover.IMAGE, "rebuild", Mover.IMAGE),
    ],
)
def test_the_mover_is_the_asked_one(asked: Mover, said: str | None, expected: Mover) -> None:
    """auto asks the server's metadata; any other choice is kept."""
    metadata = {checks.MOVER_KEY: said} if said else {}
    assert expected is checks.chosen_mover(server(metadata=metadata), asked)


def test_a_server_on_volumes_has_no_image_to_rebuild() -> None:
    """A server that boots from a volume moves its volumes."""
    assert Mover.IMAGE is checks.chosen_mover(server(image_id=None), Mover.REBUILD)


CARRIED = {
    "volumes": ["vol1"], "addresses": [("fa:1", ["10.0.0.5"])], "floating": [],
    "forwarded": [("fl2", "tcp", "80")], "names": {"PO1": "shop"},
    "owner": ("a", "b"), "group": "G", "tags_inside": {"fa:1": "front"},
}  # fmt: skip
COPY = {
    "status": "ACTIVE", "name": "web-1", "description": None,
    "flavor": {"original_name": "small"}, "key_name": "k1", "config_drive": "True",
    "OS-EXT-SRV-ATTR:user_data": "aGk=", "metadata": {"role": "web", SOURCE_ID: "v1"},
    "tags": ["x"],
}  # fmt: skip


def both(**found: Any) -> dict[str, Any]:
    return {**{f"wanted_{k}": v for k, v in CARRIED.items()}, **CARRIED, **found}


def test_a_faithful_copy_has_no_differences() -> None:
    """A copy with everything the source has is the same, our own keys aside."""
    assert checks.same_server(server(), COPY, both()) == []


@pytest.mark.parametrize(
    ("field", "change", "carried"),
    [
        ("status", {"status": "SHUTOFF"}, {}),
        ("user_data", {"OS-EXT-SRV-ATTR:user_data": None}, {}),
        ("config_drive", {"config_drive": ""}, {}),
        ("metadata", {"metadata": {SOURCE_ID: "v1"}}, {}),
        ("source id", {"metadata": {"role": "web"}}, {}),
        ("volumes", {}, {"volumes": []}),
        ("addresses", {}, {"addresses": [("fa:1", ["10.0.0.6"])]}),
        ("floating", {}, {"floating": [("f", "p")]}),
        ("forwarded", {}, {"forwarded": []}),
        ("names", {}, {"names": {"PO1": "web-1"}}),
        ("owner", {}, {"owner": ("admin", "b")}),
        ("group", {}, {"group": None}),
        ("tags_inside", {}, {"tags_inside": {}}),
    ],
)
def test_each_difference_is_found(
    field: str, change: dict[str, Any], carried: dict[str, Any]
) -> None:
    """Whatever differs is named."""
    (found,) = checks.same_server(server(), {**COPY, **change}, both(**carried))
    assert found.startswith(f"{field}: ")


def test_a_config_drive_that_the_target_forces_is_no_difference() -> None:
    """Where Nova gives one to every server, a copy has it without having been asked."""
    assert checks.same_server(server(has_config_drive=False), COPY, both()) == []


def test_unknown_limits_and_unlimited_ones_block_nothing() -> None:
    """-1 and a resource that the target does not name are no limit."""
    needed = {("compute", "cores"): 1, ("volume", "gigabytes"): 2}
    assert checks.quota_problems(needed, {("compute", "cores"): -1}, {}) == []
