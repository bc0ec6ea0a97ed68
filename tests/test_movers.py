"""Which mover takes a volume, what stands in its way, and what that means for its server."""

from typing import Any

import pytest
from pydantic import ValidationError

from pumphouse.checks import MOVER_KEY
from pumphouse.config import MigrateOptions
from pumphouse.models import SOURCE_ID, Action, Mover
from pumphouse.plan import Item, Plan
from pumphouse.planning import Wishes, plan
from pumphouse.rbd_options import SharedBackends, looked_up
from pumphouse.returning import What, verdict, volume_verdict
from pumphouse.selection import Selection, chosen
from tests.tenants import Rows, estate, row, source, target

HOST, THERE = "old@shared#shared", "new@fast#fast"
SHARED = SharedBackends(pairs={"shared": THERE}, source_pools={"shared": "pool"})
APART = SharedBackends(
    source_pools={"old@shared": "here"}, target_pools={"fast": "there"}, remainder_bytes=5
)


def clouds(state: str = "up", **volume: Any) -> tuple[Rows, Rows]:
    """Return both clouds, the source's volumes on one back end, with *volume* changed in each."""
    here, there = source(), target()
    here["volumes"] = [each | {"host": HOST} | volume for each in here["volumes"]]
    there["volume_types"] = [
        {"id": "VT1", "name": "fast", "is_public": True,
         "extra_specs": {"volume_backend_name": "fast"}}
    ]  # fmt: skip
    there["volume_services"] = [
        {"binary": "cinder-volume", "host": "new@fast", "state": state,
         "status": "enabled"}
    ]  # fmt: skip
    return here, there


def planned(both: tuple[Rows, Rows], shared: SharedBackends = SHARED, **wishes: Any) -> Plan:
    """Return the plan of project shop."""
    here, there = map(estate, both)
    what = chosen(Selection(include=("project:shop",)), here)
    return plan(what, here, there, Wishes(shared=shared, **wishes))


def item(of: Plan, key: str) -> Item:
    """Return the item with that key."""
    return next(each for each in of.items if each.key == key)


def test_a_back_end_that_both_clouds_share_needs_no_copy() -> None:
    """Its volumes are handed over, and its server's downtime has nothing of them."""
    made, before = planned(clouds()), planned(clouds(), SharedBackends())
    assert (item(made, "volumes:vol1").mover, item(made, "volumes:vol1").size_bytes) == (Mover.MANAGE, 0)  # fmt: skip  # noqa: E501
    assert item(made, "servers:v1").movers == {"vol1": Mover.MANAGE}
    lighter = item(before, "servers:v1").size_bytes - item(made, "servers:v1").size_bytes
    assert lighter == 2 << 30


def test_pools_that_are_known_on_both_sides_are_copied_while_the_server_runs() -> None:
    """Only the remainder counts for the downtime; without the target's pool it is an image."""
    made = planned(clouds(), APART)
    assert Mover.RBD is item(made, "volumes:vol1").mover
    assert item(made, "servers:v1").size_bytes == (1 << 30) + 5
    half = APART.model_copy(update={"target_pools": {}})
    assert Mover.IMAGE is item(planned(clouds(), half), "volumes:vol1").mover


def test_an_editor_of_the_plan_may_choose_otherwise() -> None:
    """What the plan's file says comes before the configuration."""
    made = planned(clouds(), movers={"volumes:vol1": Mover.IMAGE})
    assert [item(made, f"volumes:vol{n}").mover for n in (1, 2)] == [Mover.IMAGE, Mover.MANAGE]


def test_what_has_begun_goes_on_by_the_same_mover() -> None:
    """A volume whose image has another name already is not uploaded to an image instead."""
    begun = clouds(metadata={MOVER_KEY: "manage"})
    made = planned(begun, SHARED.model_copy(update={"pairs": {"old@shared": THERE}}))
    assert Mover.MANAGE is item(made, "volumes:vol1").mover
    asked = item(planned(begun, movers={"volumes:vol1": Mover.IMAGE}), "volumes:vol1")
    assert Action.BLOCKED is asked.action
    assert "An earlier run began to move it by manage" in asked.reason


@pytest.mark.parametrize(
    ("volume", "state", "shared", "said"),
    [
        ({"is_encrypted": True}, "up", SHARED, "keys do not travel"),
        ({}, "down", SHARED, "no volume service new@fast that is enabled and up"),
        ({}, "up", SHARED.model_copy(update={"source_pools": {}}), "migrate.rbd.source.pools"),
        ({}, "up", SHARED.model_copy(update={"pairs": {"shared": "new@other#x"}}), "leads to the"),
    ],
)
def test_what_stands_in_the_way_is_said_before(
    volume: dict[str, Any], state: str, shared: SharedBackends, said: str
) -> None:
    """Each reason blocks the volume with what would help."""
    found = item(planned(clouds(state, **volume), shared), "volumes:vol2")
    assert Action.BLOCKED is found.action
    assert said in found.reason


def test_a_volume_with_snapshots_is_not_handed_over() -> None:
    """Its snapshots would be the source's in an image of the target."""
    here, there = clouds()
    here["snapshots"] = [{"id": "s1", "volume_id": "vol2", "project_id": "p1"}]
    found = item(planned((here, there)), "volumes:vol2")
    assert "1 snapshot(s)" in found.reason
    assert Action.BLOCKED is found.action


def test_the_most_exact_name_of_a_back_end_counts() -> None:
    """Host, back end and pool; host and back end; the back end's name alone."""
    named = {"shared": "1", "old@shared": "2", HOST: "3"}
    assert [
        looked_up(named, host) for host in (HOST, "old@shared#x", "any@shared#x", "any@other#x")
    ] == ["3", "2", "1", None]


@pytest.mark.parametrize("mover", [Mover.MANAGE, Mover.RBD])
def test_a_server_has_no_mover_of_volumes(mover: Mover) -> None:
    """Its own disk lies with Nova, not in a pool of Cinder: the configuration refuses that."""
    with pytest.raises(ValidationError, match="is for volumes"):
        MigrateOptions(mover=mover)


def handed(**values: Any) -> Item:
    """Return a volume that is at the target, with its very bytes."""
    values = {"id": "vol1", "metadata": {MOVER_KEY: "manage"}, "attachments": []} | values
    return Item(
        kind="volumes", source_id="vol1", name="data", project="shop", action=Action.SKIP,
        target_id="V1", reason="", mover=Mover.MANAGE, row=row("volumes", **values),
    )  # fmt: skip


def test_a_volume_that_was_handed_over_returns_alone_or_with_its_server() -> None:
    """Nobody may use it at the target; one that was copied is at the source anyway."""
    free, used = {"attachments": []}, {"attachments": [{"server_id": "T9"}]}
    there = estate({})
    back = volume_verdict(handed(), free, there)
    assert back is not None
    assert (back.what, back.obstacles(False)) == (What.RETURN, [])
    refused = volume_verdict(handed(), used, there)
    assert refused is not None
    assert "Volume data (vol1): Server T9 of the target uses it" in refused.obstacles(True)[0]
    assert volume_verdict(handed(attachments=[{"server_id": "v1"}]), free, there) is None
    assert volume_verdict(handed(metadata={}), free, there) is None


def test_what_returns_with_its_bytes_loses_nothing() -> None:
    """A server all of whose disks were handed over may have run; one with a root disk not."""
    metadata = {"pumphouse:was": "ACTIVE", "pumphouse:migrated_to": "T1"}
    copy = {"id": "T1", "launched_at": "2026-01-02", "created_at": "x", "volumes": [{"id": "V1"}],
            "metadata": {}}  # fmt: skip
    server = row(
        "servers", id="v1", status="SHUTOFF", metadata=metadata, volumes=[{"id": "vol1"}]
    ) | {"attached": [{"id": "vol1", "metadata": {}}], "ports": []}
    made = Item(
        kind="servers", source_id="v1", name="web", project="shop", action=Action.SKIP,
        target_id="T1", reason="", row=server, movers={"vol1": Mover.MANAGE},
    )  # fmt: skip
    assert verdict(made, copy, [], False, estate({})).losses == ()
    rooted = made.model_copy(update={"row": server | {"image_id": "i1"}})
    lost = " ".join(verdict(rooted, copy, [], False, estate({})).losses)
    assert "has run since" in lost
    assert "vol1 return as they are now" in lost


@pytest.mark.parametrize(
    ("gib", "snapshots", "said"),
    [
        (2, 0, "has 2 GiB at the target, and 1 at the source, whose Cinder would cut it off"),
        (1, 1, "has 1 snapshot(s) at the target, which would be lost with its image; delete them"),
        (1, 0, ""),
    ],
)
def test_what_the_source_cannot_have_back_is_refused(gib: int, snapshots: int, said: str) -> None:
    """Its row there has the old size and no snapshots; alone or with its server."""
    copy = {"id": "V1", "size_gib": gib, "metadata": {SOURCE_ID: "vol1"}, "attachments": []}
    kept = [{"id": str(n), "volume_id": "V1"} for n in range(snapshots)]
    there = estate({"volumes": [copy], "snapshots": [*kept, {"id": "9", "volume_id": "V2"}]})
    volume = handed(size_gib=1)
    alone = volume_verdict(volume, copy, there)
    server = row("servers", id="v1", status="SHUTOFF", metadata={"pumphouse:migrated_to": "T1"})
    made = Item(
        kind="servers", source_id="v1", name="web", action=Action.SKIP, reason="",
        movers={"vol1": Mover.MANAGE},
        row=server | {"attached": [volume.row | {"name": "data"}], "ports": []},
    )  # fmt: skip
    with_server = verdict(made, None, [], False, there)

    assert alone is not None
    words = [" ".join(each.obstacles(True)) for each in (alone, with_server)]
    if said:
        assert f"It {said}" in words[0]
        assert f"Its volume data (vol1) {said}" in words[1]
    else:
        assert words == ["", ""]


@pytest.mark.parametrize(
    ("selection", "action", "said"),
    [
        (Selection(include=("project:shop",), exclude=("servers:v3",)), None, ""),
        (Selection(include=("project:shop",), kinds=("volumes",)), None, ""),
        # It goes with its server, which says itself why it cannot.
        (Selection(include=("project:shop",)), Action.CREATE, "The target has none"),
        (Selection(include=("volumes:vol2",)), Action.BLOCKED, "attached to server shelved (v3)"),
    ],
)
def test_a_volume_that_is_reserved_for_a_shelved_server_is_that_servers(
    selection: Selection, action: Action | None, said: str
) -> None:
    """Cinder shows it without attachments: it would be taken from a server that has it."""
    here, there = clouds()
    here["volumes"][1]["status"] = "reserved"
    shelved = {"id": "v3", "name": "shelved", "status": "SHELVED_OFFLOADED", "user_data": None}
    here["servers"].append({**here["servers"][0], **shelved, "volumes": [{"id": "vol2"}]})
    made = plan(
        chosen(selection, estate(here)), estate(here), estate(there), Wishes(shared=SHARED)
    )

    found = [each for each in made.items if each.key == "volumes:vol2"]

    assert [each.action for each in found] == ([action] if action else [])
    assert all(said in each.reason for each in found)
    assert all(each.row["attachments"][0]["server_id"] == "v3" for each in found)
