"""Servers whose flavor was deleted and made anew under its name, with other numbers."""

from typing import Any

import pytest

from pumphouse import checks
from pumphouse.bodies import Ids
from pumphouse.flavors import size
from pumphouse.models import Action
from pumphouse.plan import Item
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Selection, chosen
from pumphouse.tasks.api import Api
from pumphouse.tasks.flavors import make_flavor
from tests.fakecloud import FakeCloud
from tests.tenants import Rows, estate, source, target
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


SHOP, OTHER = ("access", "Default/shop"), ("access", "Default/other")


def flavor_of(src: Rows, there: list[Any], *what: str, **wishes: Any) -> Item:
    """Return the item of the one flavor of *what*, when the target has those *there*."""
    here, dst = estate(src), target()
    dst["projects"] += [{**p, "id": p["id"].upper()} for p in source()["projects"][:2]]
    dst["flavors"] = there
    made = plan(chosen(Selection(include=what), here), here, estate(dst), Wishes(**wishes))
    (item,) = made.of("flavors")
    return item


def at_target(**values: Any) -> dict[str, Any]:
    """Return a flavor like the source's that nobody may use, as another id at the target."""
    return {**source()["flavors"][0], "id": "F1", "access_project_ids": [], **values}


def test_a_deleted_flavor_is_given_to_all_whose_servers_have_it() -> None:
    """The first of them remembers it, and the others boot with it too; a later run heals it."""
    src = source()
    src["servers"].append({**src["servers"][1], "id": "v9", "name": "v9", "project_id": "p1"})
    both_of_them = flavor_of(src, [], "server:job", "server:v9")
    assert both_of_them.action is Action.CREATE
    assert set(both_of_them.row["access_project_ids"]) == {"p1", "p2"}
    half = both_of_them.row | {"id": "F1", "access_project_ids": ["P2"]}
    half.pop("server_project_ids")
    again = flavor_of(src, [half], "server:job", "server:v9")
    assert (again.action, again.missing) == (Action.UPDATE, (SHOP,))


def test_access_that_was_revoked_is_given_again_and_said() -> None:
    """Running servers keep a flavor that their project may not use; their copies must boot."""
    src = source()
    src["flavors"][0]["access_project_ids"] = ["p2"]
    new = flavor_of(src, [], "server:web-1")
    assert new.row["access_project_ids"] == ["p1"]
    assert any("Default/shop may not use it" in loss for loss in new.losses)
    there = flavor_of(src, [at_target()], "server:web-1")
    assert (there.action, there.missing) == (Action.UPDATE, (SHOP,))


def given(item: Item, ids: Ids) -> list[tuple[str, Any]]:
    """Return what is changed at the target, by a flavor F1 that says nothing of a source."""
    with FakeCloud() as cloud, Api(cloud.block(), "target") as api:
        cloud.route("GET", "compute", "/flavors/F1", {"flavor": {"description": None}})
        cloud.route("GET", "compute", "/flavors/F1/os-extra_specs", {"extra_specs": {}})
        cloud.route("POST", "compute", "/flavors/F1/os-extra_specs", {"extra_specs": {}})
        cloud.route("GET", "compute", "/flavors/F1/os-flavor-access", {"flavor_access": []})
        cloud.route("POST", "compute", "/flavors/F1/action", {"flavor_access": []})
        assert make_flavor(api, item, ids) == "F1"
        sent = [request for request in cloud.requests if request.method != "GET"]
        return [(request.path.rpartition("/")[2], request.json()) for request in sent]


def to_tenant(id_: str) -> tuple[str, Any]:
    return ("action", {"addTenantAccess": {"tenant": id_}})


NAMED = {"mappings": {"flavors": {"names": {"small": "theirs"}}}}


@pytest.mark.parametrize("is_public", [True, False])
def test_a_mapped_private_flavor_is_given_to_those_who_boot_with_it(is_public: bool) -> None:
    """Of a public one too; its extra specs stay theirs, and the plan says in what they differ."""
    src = source()
    src["flavors"][0] |= {"is_public": is_public}
    src["flavors"][0] |= {"access_project_ids": None} if is_public else {}
    theirs = at_target(name="theirs", extra_specs={"hw:cpu_policy": "dedicated"})
    item = flavor_of(src, [theirs], "server:web-1", **NAMED)
    assert (item.action, item.missing) == (Action.UPDATE, (SHOP,))
    said = "hw:cpu_policy: None != 'dedicated'; hw:x: '1' != None"
    assert any(said in loss for loss in item.losses)
    assert given(item, {"projects": {"p1": "P1"}}) == [to_tenant("P1")]


def test_projects_that_become_one_are_given_access_once() -> None:
    """Nova refuses a second time."""
    src = source()
    src["servers"][1] |= {"flavor_name": "small", "ephemeral_gib": 0, "swap_mib": 0}
    theirs = at_target(name="theirs")
    item = flavor_of(src, [theirs], "server:web-1", "server:job", **NAMED)
    assert item.missing == (OTHER, SHOP)
    assert given(item, {"projects": {"p1": "P1", "p2": "P1"}}) == [to_tenant("P1")]


@pytest.mark.parametrize("is_open", [True, False])
def test_a_mapped_flavor_that_may_be_used_is_taken_with_its_specs(is_open: bool) -> None:
    """Nothing is to be done, and the plan says what servers have there instead."""
    theirs = at_target(name="theirs", extra_specs={}, is_public=is_open, access_project_ids=["P1"])
    item = flavor_of(source(), [theirs], "server:web-1", **NAMED)
    assert (item.action, item.target_id) == (Action.ADOPT, "F1")
    assert any("hw:x: '1' != None" in loss for loss in item.losses)


def test_an_equal_flavor_with_more_specs_is_adopted_and_they_are_said() -> None:
    """They are their cloud's own, as those that bind it to some hosts; servers feel them."""
    more = {"hw:x": "1", "quota:cpu_shares": "9"}
    there = at_target(access_project_ids=["P1"], extra_specs=more)
    item = flavor_of(source(), [there], "server:web-1")
    assert item.action is Action.ADOPT
    (loss,) = item.losses
    assert loss.endswith("servers get with it: quota:cpu_shares=9.")
    assert flavor_of(source(), [at_target(access_project_ids=["P1"])], "server:web-1").losses == ()


def test_specs_that_a_flavor_lacks_are_said_before_all_get_them() -> None:
    """Only those that the plan names are written."""
    there = at_target(access_project_ids=["P1"], extra_specs={"quota:cpu_shares": "9"})
    item = flavor_of(source(), [there], "server:web-1")
    assert item.action is Action.UPDATE
    assert "for everybody: hw:x=1." in item.reason
    assert any("quota:cpu_shares=9" in loss for loss in item.losses)
    written = [("os-extra_specs", {"extra_specs": {"hw:x": "1"}}), to_tenant("P1")]
    assert given(item, {"projects": {"p1": "P1"}}) == written


def test_a_flavor_that_is_left_alone_must_be_open_to_the_project() -> None:
    """Nova would refuse the boot, when the server is stopped and copied."""
    here, dst = estate(source()), target()
    dst["projects"].append({**source()["projects"][0], "id": "P1"})
    wishes = Wishes(skipped=frozenset({"flavors:f1"}))
    for access, action in (([], Action.BLOCKED), (["P1"], Action.CREATE)):
        dst["flavors"] = [at_target(access_project_ids=access)]
        made = plan(chosen(Selection(include=("web-1",)), here), here, estate(dst), wishes)
        (item,) = made.of("servers")
        assert item.action is action
        assert ("flavor small is private" in item.reason) is (action is Action.BLOCKED)
