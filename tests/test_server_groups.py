"""Server groups: made, found again, adopted, left out; and what their servers do then."""

from typing import Any

import pytest

from pumphouse import server_groups
from pumphouse.fingerprints import fingerprint
from pumphouse.mappings import Mappings
from pumphouse.models import SOURCE_ID, Action
from pumphouse.plan import Item, Plan
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Selection, chosen
from tests.tenants import Rows, estate, source, target


def planned(src: Rows, dst: Rows, what: str = "project:shop", **groups: Any) -> Plan:
    mappings = Mappings.model_validate({"server_groups": groups})
    here = estate(src)
    made = chosen(Selection(include=(what,)), here)
    return plan(made, here, estate(dst), Wishes(mappings=mappings))


def item(made: Plan, key: str) -> Item:
    return next(each for each in made.items if each.key == key)


def clouds() -> tuple[Rows, Rows]:
    """Return a source whose server is in a group, and a target with our copy of the project."""
    src, dst = source(), target()
    src["servers"][0]["server_group_ids"] = ["sg1"]
    src["server_groups"][0] |= {"member_ids": ["v1"], "rules": {"max_server_per_host": 2}}
    tags = [f"{SOURCE_ID}=p1"]
    dst["projects"].append({**src["projects"][0], "id": "P1", "tags": tags})
    return src, dst


def copy_of(src: Rows, **values: Any) -> dict[str, Any]:
    return {**src["server_groups"][0], "id": "SG", "project_id": "P1", "member_ids": [], **values}


def test_a_group_is_made_before_its_servers() -> None:
    """Alone it would be of no use: a server brings its group, and waits for it."""
    src, dst = clouds()
    made = planned(src, dst, "v1")
    group, server = item(made, "server_groups:sg1"), item(made, "servers:v1")
    assert group.action is Action.CREATE
    assert group.key in server.depends_on
    assert {"projects:p1", "users:u1"} <= set(group.depends_on)
    assert server.losses == ()
    assert server_groups.body(group.row) == {
        "name": "pair", "policy": "anti-affinity", "rules": {"max_server_per_host": 2},
    }  # fmt: skip


def test_what_was_made_before_is_found_again() -> None:
    """In a project of ours it is ours; in another one it is taken."""
    src, dst = clouds()
    dst["server_groups"] = [copy_of(src)]
    found = item(planned(src, dst), "server_groups:sg1")
    assert (found.action, found.target_id) == (Action.SKIP, "SG")
    dst["projects"][-1]["tags"] = []
    found = item(planned(src, dst), "server_groups:sg1")
    assert (found.action, found.target_id) == (Action.ADOPT, "SG")


@pytest.mark.parametrize("differing", [{"policy": "affinity"}, {"rules": {}}])
def test_a_group_of_the_name_that_demands_something_else_is_another(
    differing: dict[str, Any],
) -> None:
    """Nova takes several of one name: nothing is in the way of a second one."""
    src, dst = clouds()
    dst["server_groups"] = [copy_of(src, **differing)]
    assert item(planned(src, dst), "server_groups:sg1").action is Action.CREATE


def test_equal_groups_are_told_apart_by_their_members() -> None:
    """Two groups of one name and policy stay two, whichever was made first."""
    src, dst = clouds()
    twin = {**src["server_groups"][0], "id": "sg0", "member_ids": []}
    src["server_groups"].insert(0, twin)
    dst["server_groups"] = [copy_of(src, id="SGa"), copy_of(src, id="SGb", member_ids=["V1"])]
    dst["servers"] = [{"id": "V1", "name": "web-1", "metadata": {SOURCE_ID: "v1"}}]
    made = planned(src, dst)
    found = {i.source_id: i.target_id for i in made.of("server_groups")}
    assert found == {"sg0": "SGa", "sg1": "SGb"}


@pytest.mark.parametrize(("unnamed", "lost"), [("keep", True), ("drop", True), ("create", False)])
def test_the_configuration_says_what_becomes_of_groups(unnamed: str, lost: bool) -> None:
    """Without a group at the target its servers lose their affinity, and the plan says so."""
    src, dst = clouds()
    made = planned(src, dst, unnamed=unnamed)
    assert any("affinity" in loss for loss in item(made, "servers:v1").losses) is lost
    assert bool(made.of("server_groups")) is not lost


def test_a_mapping_leads_to_another_group_or_another_name() -> None:
    """What is there is taken, and its difference said; else the copy gets the name."""
    src, dst = clouds()
    made = planned(src, dst, names={"Default/shop/pair": "couple"})
    assert item(made, "server_groups:sg1").row["name"] == "couple"
    dst["server_groups"] = [copy_of(src, name="couple", policy="soft-anti-affinity")]
    taken = item(planned(src, dst, names={"pair": "couple"}), "server_groups:sg1")
    assert (taken.action, taken.target_id) == (Action.ADOPT, "SG")
    assert taken.mapping == "mappings.server_groups.names: pair → couple"
    assert "policy: 'anti-affinity' != 'soft-anti-affinity'" in taken.losses[0]
    dst["server_groups"] = [copy_of(src, name="couple")]
    ours = item(planned(src, dst, names={"pair": "couple"}), "server_groups:sg1")
    assert (ours.action, ours.reason) == (Action.SKIP, "Copied before.")


def test_a_new_group_counts_for_the_room() -> None:
    """Two servers apart need two hosts, although their group is not there yet."""
    src, dst = clouds()
    src["server_groups"][0] |= {"rules": {}, "member_ids": ["v1", "w1"]}
    plain = {**src["servers"][0], "volumes": [], "id": "w1", "name": "web-2"}
    src["servers"].append(plain)
    assert "server group pair" in " ".join(planned(src, dst).obstacles)
    dst["hypervisors"].append({**dst["hypervisors"][0], "id": "h2", "name": "n2", "host": "n2"})
    assert planned(src, dst).obstacles == []


def test_a_group_is_counted_against_its_quota() -> None:
    """A project that may have no more groups is said before anything is touched."""
    src, dst = clouds()
    limit = {"service": "compute", "resource": "server_groups", "limit": 0}
    src["quotas"].append({"project_id": "p1", **limit})
    dst["quotas"] = [{"project_id": "P1", **limit, "used": 0}]
    assert "quota of server_groups is 0" in " ".join(planned(src, dst).obstacles)


def test_a_plan_does_not_drift_because_its_group_was_made() -> None:
    """What a killed run has made is no difference to its plan."""
    src, dst = clouds()
    before = planned(src, dst)
    dst["server_groups"] = [copy_of(src)]
    after = planned(src, dst)
    for key in ("servers:v1", "server_groups:sg1"):
        old, new = item(before, key), item(after, key)
        assert fingerprint(old.kind, old.row) == fingerprint(new.kind, new.row)


def test_a_group_takes_no_more_servers_of_a_user_than_its_quota_allows() -> None:
    """Nova would refuse the last of them while it is down."""
    src, dst = clouds()
    limit = {"service": "compute", "resource": "server_group_members", "limit": 1}
    src["quotas"].append({"project_id": "p1", **limit})
    dst["quotas"] = [{"project_id": "P1", **limit, "used": 0}]
    assert planned(src, dst).obstacles == []
    dst["users"] = [{**src["users"][0], "id": "U1"}]
    dst["server_groups"] = [copy_of(src, member_ids=["V9"])]
    dst["servers"] = [{"id": "V9", "name": "old", "user_id": "U1", "metadata": {}}]
    (said,) = planned(src, dst).obstacles
    assert "would have 2 servers of its user" in said
