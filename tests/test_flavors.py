"""Servers whose flavor was deleted and made anew under its name, with other numbers."""

from typing import Any

import pytest

from pumphouse import checks
from pumphouse.flavors import size
from pumphouse.models import Action
from pumphouse.plan import Item
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Selection, chosen
from tests.tenants import estate, source, target
from tests.test_checks import COPY, both


def planned(
    flavor: dict[str, Any], server: dict[str, Any] | None = None, there: list[Any] | None = None,
    **mappings: Any,
) -> Item:  # fmt: skip
    here, dst = source(), target()
    here["flavors"][0] |= flavor
    here["servers"][0] |= server or {}
    dst["flavors"] = there or []
    found = estate(here)
    wishes = Wishes.model_validate({"mappings": mappings})
    made = plan(chosen(Selection(include=("web-1",)), found), found, estate(dst), wishes)
    return next(item for item in made.of("servers") if item.source_id == "v1")


@pytest.mark.parametrize(
    ("flavor", "server", "said"),
    [
        ({}, {"flavor_extra_specs": {"hw:x": "1"}}, ""),
        ({"vcpus": 4, "ram_mib": 4096}, {}, "vcpus: 1 → 4; ram_mib: 512 → 4096"),
        ({"disk_gib": 20}, {}, "disk_gib: 1 → 20"),
        ({"disk_gib": 0}, {"image_id": None}, ""),
        ({}, {"flavor_extra_specs": {"hw:x": "2"}}, "extra specs: {'hw:x': '2'} → {'hw:x': '1'}"),
    ],
)
def test_a_flavor_that_was_made_anew_is_a_loss(
    flavor: dict[str, Any], server: dict[str, Any], said: str
) -> None:
    """Servers keep the numbers that they were built with; a copy has those of today."""
    item = planned(flavor, server)
    assert item.action is Action.CREATE
    assert [loss for loss in item.losses if said in loss] == list(item.losses)
    assert bool(item.losses) == bool(said)


def test_quotas_and_hosts_are_asked_for_what_the_copy_takes() -> None:
    """The target's scheduler goes by the flavor, and not by what the source's server had."""
    row = planned({"vcpus": 4}).row
    assert (row["vcpus"], row["ram_mib"], row["flavor_size"]["vcpus"]) == (4, 512, 4)


@pytest.mark.parametrize(
    ("flavor", "server"),
    [
        ({"disk_gib": 1}, {"disk_gib": 10}),
        ({}, {"ephemeral_gib": 5}),
        ({}, {"swap_mib": 64}),
    ],
)
def test_a_flavor_with_smaller_disks_blocks(flavor: dict[str, Any], server: Any) -> None:
    """Nova refuses such a boot, when the server is stopped and copied."""
    item = planned(flavor, server)
    assert item.action is Action.BLOCKED
    assert "Its disks are larger than those of flavor small" in item.reason


def test_a_mapped_flavor_may_have_another_size_but_no_smaller_disks() -> None:
    """The operator named it: that its numbers differ is meant."""
    named = {"flavors": {"names": {"small": "big"}}}
    big = {**source()["flavors"][0], "id": "big", "name": "big", "vcpus": 8, "is_public": True}
    item = planned({}, there=[big], **named)
    assert (item.action, item.losses, item.row["flavor_size"]["vcpus"]) == (Action.CREATE, (), 8)
    assert planned({}, {"swap_mib": 64}, [big], **named).action is Action.BLOCKED


def test_two_servers_of_a_deleted_flavor_need_not_be_alike() -> None:
    """The flavor is made once, as the first of them remembers it."""
    here = source()
    for id_, vcpus in (("v8", 2), ("v9", 3)):
        here["servers"].append({**here["servers"][1], "id": id_, "name": id_, "vcpus": vcpus})
    found = estate(here)
    made = plan(chosen(Selection(include=("project:other",)), found), found, estate(target()))
    lost = {item.source_id: " ".join(item.losses) for item in made.of("servers")}
    assert ["vcpus" in lost[id_] for id_ in ("v2", "v8", "v9")] == [False, False, True]
    assert "vcpus: 3 → 2" in lost["v9"]


def test_a_copy_of_another_size_than_planned_is_no_copy() -> None:
    """The target's flavor may have been made anew since, too."""
    row = planned({}).row
    numbers = {"vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0}
    copy = {**COPY, "flavor": {"original_name": "small", **numbers}}
    assert row["flavor_size"] == size(source()["flavors"][0])
    assert checks.same_server(row, copy, both()) == []
    copy["flavor"] = {**copy["flavor"], "vcpus": 4}
    (found,) = checks.same_server(row, copy, both())
    assert found.startswith("size: ")
