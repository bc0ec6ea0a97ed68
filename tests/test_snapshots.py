"""Snapshots of volumes: when they travel, in which order, what they count, and when they go."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pumphouse import snapshots
from pumphouse.finalization import removals
from pumphouse.models import SOURCE_ID, Action
from pumphouse.plan import Item, Plan
from pumphouse.planning import plan
from pumphouse.selection import Selection, chosen
from pumphouse.staying import Bounds
from tests.tenants import Rows, estate, source, target

WANTED = Selection(include=("project:shop",), snapshots=True)
NOW = datetime(2026, 3, 10, tzinfo=UTC)


def planned(src: Rows, dst: Rows, what: Selection = WANTED) -> Plan:
    here = estate(src)
    return plan(chosen(what, here), here, estate(dst))


def item(made: Plan, key: str) -> Item:
    return next(each for each in made.items if each.key == key)


def clouds() -> tuple[Rows, Rows]:
    """Return a source whose volumes have three snapshots, read youngest first."""
    src, dst = source(), target()
    src["snapshots"] = [
        {
            "id": id_, "name": id_, "project_id": "p1", "user_id": "u1", "volume_id": volume,
            "status": "available", "size_gib": 2, "created_at": f"2026-01-0{day}T00:00:00+00:00",
            "metadata": {"why": "upgrade"},
        }
        for id_, volume, day in (("s3", "vol1", 3), ("s2", "vol2", 2), ("s1", "vol1", 1))
    ]  # fmt: skip
    return src, dst


def test_they_travel_only_when_asked_for() -> None:
    """Else each volume says how many it loses."""
    src, dst = clouds()
    made = planned(src, dst, Selection(include=("project:shop",)))
    assert made.of("snapshots") == []
    assert "Its 2 snapshot(s)" in item(made, "volumes:vol1").losses[0]
    made = planned(src, dst)
    assert [i.source_id for i in made.of("snapshots")] == ["s1", "s2", "s3"]
    assert item(made, "volumes:vol1").losses == ()
    assert {"projects:p1", "users:u1", "volume_types:vt1"} == set(
        item(made, "snapshots:s1").depends_on
    )
    assert "of a volume of its own" in item(made, "snapshots:s1").losses[0]


def test_one_alone_can_be_chosen() -> None:
    """By name, as every kind."""
    made = planned(*clouds(), Selection(include=("snapshots:s1",)))
    assert [i.source_id for i in made.of("snapshots")] == ["s1"]
    assert made.of("volumes") == []


def test_the_oldest_of_each_volume_goes_first() -> None:
    """No two of one volume are under way at once, so that they keep their order."""
    made = planned(*clouds())
    assert snapshots.waves(i.row for i in made.of("snapshots")) == [["s1", "s2"], ["s3"]]


def test_a_copy_is_found_by_its_mark() -> None:
    """A second run finds it done; a broken one is made again."""
    src, dst = clouds()
    copy = {**src["snapshots"][2], "id": "S1", "metadata": {SOURCE_ID: "s1"}}
    dst["snapshots"] = [copy]
    found = item(planned(src, dst), "snapshots:s1")
    assert (found.action, found.target_id) == (Action.SKIP, "S1")
    copy["status"] = "error"
    assert item(planned(src, dst), "snapshots:s1").action is Action.UPDATE


def test_what_has_no_readable_bytes_is_said_before() -> None:
    """A broken snapshot, and one of an encrypted volume."""
    src, dst = clouds()
    src["snapshots"][0]["status"] = "error"
    src["volumes"][1]["is_encrypted"] = True
    made = planned(src, dst)
    assert "It is error" in item(made, "snapshots:s3").reason
    assert "keys do not travel" in item(made, "snapshots:s2").reason


def test_they_count_with_their_volumes() -> None:
    """A volume each, the bytes of both, and a snapshot."""
    src, dst = clouds()
    names = ("volumes", "gigabytes", "snapshots", "gigabytes_fast")
    src["quotas"] += [
        {"project_id": "p1", "service": "volume", "resource": name, "limit": 100} for name in names
    ]
    costs = {c.resource: c.needed for c in planned(src, dst).costs if c.scope == "Default/shop"}
    assert (costs["volume volumes"], costs["volume snapshots"]) == (2 + 3, 3)
    assert costs["volume gigabytes"] == costs["volume gigabytes_fast"] == 2 + 1 + 3 * 2 * 2


def judged(src: Rows, dst: Rows) -> dict[str, Any]:
    here, there = estate(src), estate(dst)
    made = plan(chosen(WANTED, here), here, there)
    bounds = Bounds(now=NOW, grace_s=0)
    return {r.key: r for r in removals(made, here, there, bounds)}


@pytest.mark.parametrize("carried", [True, False])
def test_a_volume_goes_with_snapshots_that_were_carried(carried: bool) -> None:
    """One that was not keeps its volume."""
    src, dst = clouds()
    src["snapshots"] = src["snapshots"][1:2]
    src["servers"] = []
    since = "2026-03-01T00:00:00+00:00"
    dst["volumes"] = [
        {**src["volumes"][1], "id": "V2", "metadata": {SOURCE_ID: "vol2"}, "created_at": since}
    ]
    dst["snapshots"] = [
        {**src["snapshots"][0], "id": "S2", "metadata": {SOURCE_ID: "s2"}, "created_at": since}
    ]
    if not carried:
        dst["snapshots"] = []
    found = judged(src, dst)
    assert found["snapshots:s2"].is_removed is carried
    assert found["volumes:vol2"].is_removed is carried
    if not carried:
        assert "1 snapshot(s) that stay" in found["volumes:vol2"].reason


def test_a_snapshot_stays_with_its_volume() -> None:
    """It goes only when the volume's copy is there too."""
    src, dst = clouds()
    dst["snapshots"] = [
        {**s, "id": s["id"].upper(), "metadata": {SOURCE_ID: s["id"]}} for s in src["snapshots"]
    ]
    assert "Its volume spare (vol2) stays" in judged(src, dst)["snapshots:s2"].reason
