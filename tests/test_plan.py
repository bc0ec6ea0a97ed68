"""A plan says, for each resource, what is done and why, before anything is done."""

from typing import Any

import pytest

from pumphouse.checks import WAS
from pumphouse.closure import KINDS
from pumphouse.fingerprints import fingerprint
from pumphouse.models import OWN_ID, SOURCE_ID, Action, Mover
from pumphouse.plan import Item, Plan
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Chosen
from tests.tenants import Rows, estate, source, target

SHOP = Chosen(project_ids=("p1",), server_ids=("v1",))


def planned(
    src: Rows | None = None,
    dst: Rows | None = None,
    what: Chosen = SHOP,
    mover: Mover = Mover.IMAGE,
) -> Plan:
    here = estate(src or source())
    return plan(what, here, estate(dst or target()), Wishes(mover=mover))


def item(of: Plan, kind: str, source_id: str) -> Item:
    return next(i for i in of.of(kind) if i.source_id == source_id)


def mine(row: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Return a copy at the target, marked by a tag."""
    return {**row, "tags": [f"{SOURCE_ID}={row['id']}"], **values}


def with_project(dst: Rows) -> Rows:
    dst["projects"].append(mine(source()["projects"][0], id="P1"))
    return dst


def test_what_is_missing_is_created_and_what_is_equal_adopted() -> None:
    """A fresh target needs the tenant's things; the administrator's are adopted by name."""
    actions = {i.key: i.action for i in planned().items}
    assert Action.CREATE is actions["servers:v1"]
    assert Action.CREATE is actions["networks:n1"]
    assert Action.ADOPT is actions["networks:nx"]
    assert Action.ADOPT is actions["subnets:sx"]
    assert Action.ADOPT is actions["roles:r1"]
    assert planned().obstacles == []


def test_an_item_comes_after_everything_it_depends_on() -> None:
    """Every dependency is in the plan, and before the item that names it."""
    seen: set[str] = set()
    for entry in planned().items:
        assert set(entry.depends_on) <= seen
        seen.add(entry.key)
    assert {"volumes:vol1", "ports:po1", "flavors:f1", "keypairs:u1:k1"} <= set(
        item(planned(), "servers", "v1").depends_on
    )


def test_a_stopped_server_has_no_downtime_but_takes_its_time() -> None:
    """Nobody misses it while it moves."""
    src = source()
    src["servers"][0]["status"] = "SHUTOFF"
    running, stopped = planned(), planned(src)
    assert item(stopped, "servers", "v1").downtime_estimate_s == 0
    assert stopped.duration.longest_downtime_s == 0
    assert stopped.duration.cutovers_s == running.duration.longest_downtime_s > 0


def test_a_server_that_a_killed_run_stopped_has_the_downtime_of_one_that_runs() -> None:
    """It ran before, and is down all the while."""
    src = source()
    src["servers"][0]["status"] = "SHUTOFF"
    src["servers"][0]["metadata"] = {WAS: "ACTIVE"}
    running, half_way = (item(planned(rows), "servers", "v1") for rows in (None, src))
    assert half_way.downtime_estimate_s == running.downtime_estimate_s > 0


def test_another_network_of_that_name_is_a_conflict() -> None:
    """An external network with other provider attributes is not taken for the same."""
    dst = target()
    dst["networks"][0]["provider_physical_network"] = "other"
    found = item(planned(dst=dst), "networks", "nx")
    assert Action.CONFLICT is found.action
    assert "provider_physical_network: 'ph' != 'other'" in found.reason


def test_a_marked_copy_is_skipped_even_if_it_changed_since() -> None:
    """What a tenant did to a copy after the migration is said, not undone."""
    dst = with_project(target())
    dst["networks"].append(mine(source()["networks"][0], id="N1", project_id="P1", is_shared=True))
    found = item(planned(dst=dst), "networks", "n1")
    assert (found.action, found.target_id) == (Action.SKIP, "N1")
    assert "changed since" in found.reason


def test_a_copy_with_the_mark_in_its_description_is_finished() -> None:
    """A resource whose run was killed between create and tags is found and completed."""
    dst = with_project(target())
    row = {**source()["networks"][0], "id": "N1", "project_id": "P1"}
    dst["networks"].append({**row, "description": f"{SOURCE_ID}=n1", "tags": []})
    found = item(planned(dst=dst), "networks", "n1")
    assert (found.action, found.target_id) == (Action.UPDATE, "N1")


def test_two_copies_are_a_conflict() -> None:
    """Two things that carry one source id are for a person to look at."""
    dst = with_project(target())
    dst["networks"] += [mine(source()["networks"][0], id=i, project_id="P1") for i in ("N1", "N2")]
    assert "2 copies exist (N1, N2)" in item(planned(dst=dst), "networks", "n1").reason


@pytest.mark.parametrize(
    ("kind", "source_id", "owner", "column"),
    [("images", "i1", "owner_id", "properties"), ("volumes", "vol1", "project_id", "metadata")],
)
def test_what_a_tenant_made_of_a_copy_is_no_second_copy(
    kind: str, source_id: str, owner: str, column: str
) -> None:
    """An image of a server, or a restored backup, has the marks of the copy that it came from."""
    dst = with_project(target())
    row = next(each for each in source()[kind] if each["id"] == source_id)
    copy = {**row, owner: "P1", column: {SOURCE_ID: source_id, OWN_ID: "C1"}}
    dst[kind] = [{**copy, "id": id_} for id_ in ("C1", "C2")]

    found = item(planned(dst=dst), kind, source_id)

    assert (found.action, found.target_id) == (Action.SKIP, "C1")


@pytest.mark.parametrize(("kind", "source_id"), [("images", "i1"), ("networks", "n1")])
def test_a_mark_counts_only_where_we_would_have_made_it(kind: str, source_id: str) -> None:
    """A tenant can mark a thing of its own as a copy of what others share; it is not used."""
    dst = with_project(target())
    dst["projects"].append({**source()["projects"][0], "id": "PX", "name": "rogue", "tags": []})
    row = next(each for each in source()[kind] if each["id"] == source_id)
    owner = {"owner_id": "PX"} if kind == "images" else {"project_id": "PX"}
    dst[kind] = [{**row, **owner, "id": "EVIL", "tags": [f"{SOURCE_ID}={source_id}"]}]

    found = item(planned(dst=dst), kind, source_id)

    assert found.target_id != "EVIL"
    assert found.action is Action.CREATE


def test_a_name_with_two_bearers_at_the_target_is_a_conflict() -> None:
    """A natural key that is not unique decides nothing."""
    dst = with_project(target())
    plain = {**source()["networks"][0], "tags": []}
    dst["networks"] += [{**plain, "id": i, "project_id": "P1"} for i in ("N1", "N2")]
    assert "2 of that name" in item(planned(dst=dst), "networks", "n1").reason


def test_missing_rules_of_a_copy_are_added() -> None:
    """A security group that was cut short gets the rules it lacks."""
    dst = with_project(target())
    dst["security_groups"] = [mine(source()["security_groups"][0], id="G1", project_id="P1")]
    found = item(planned(dst=dst), "security_groups", "g1")
    assert (found.action, len(found.missing)) == (Action.UPDATE, 1)


def default_groups(marks: list[str], **values: Any) -> Plan:
    """Return the plan of a project of ours with a group that has a rule more than the source's."""
    src, dst = source(), with_project(target())
    src["security_groups"].append(
        {"id": "g4", "name": "default", "project_id": "p1", "is_stateful": True, "tags": []}
    )
    dst["projects"][-1] |= values
    there = {"id": "G4", "name": "default", "project_id": "P1", "is_stateful": True}
    dst["security_groups"] = [{**there, "tags": marks}]
    dst["security_group_rules"] = [
        {"id": "R", "security_group_id": "G4", "direction": "egress", "ether_type": "IPv4"}
    ]
    return planned(src, dst)


def test_a_default_group_is_done_when_it_is_marked() -> None:
    """Until then no run was through with it: a rule that the source's lacks is Neutron's own."""
    found = item(default_groups([]), "security_groups", "g4")
    assert (found.action, found.target_id) == (Action.UPDATE, "G4")
    found = item(default_groups([f"{SOURCE_ID}=g4"]), "security_groups", "g4")
    assert (found.action, found.reason) == (Action.SKIP, "Copied before.")


def test_a_default_group_of_others_is_only_added_to() -> None:
    """In a project that was there, and in one that became several of the source's."""
    for marks, values in (([], {"tags": []}), ([f"{SOURCE_ID}=g9"], {})):
        found = item(default_groups(marks, **values), "security_groups", "g4")
        assert (found.action, found.target_id) == (Action.ADOPT, "G4")


def test_a_group_that_is_not_ours_is_not_changed() -> None:
    """An unmarked group of the same name that lacks rules is a conflict."""
    dst = with_project(target())
    group = {**source()["security_groups"][0], "id": "G1", "project_id": "P1"}
    dst["security_groups"] = [group]
    found = item(planned(dst=dst), "security_groups", "g1")
    assert Action.CONFLICT is found.action
    assert "not ours to change" in found.reason


def test_equal_rules_are_equal_though_ids_differ() -> None:
    """Rules that refer to groups by other ids but the same names are the same."""
    dst = with_project(target())
    dst["security_groups"] = [
        mine(g, id=f"T{g['id']}", project_id="P1") for g in source()["security_groups"]
    ]
    dst["security_group_rules"] = [
        {
            **rule,
            "id": f"T{rule['id']}",
            "security_group_id": f"T{rule['security_group_id']}",
            "remote_group_id": f"T{rule['remote_group_id']}",
        }
        for rule in source()["security_group_rules"]
    ]
    actions = {i.action for i in planned(dst=dst).of("security_groups")}
    assert {Action.SKIP} == actions


@pytest.mark.parametrize(("column", "value"), [("ram_mib", 1024), ("extra_specs", {"hw:x": "9"})])
def test_a_flavor_is_the_same_by_all_its_numbers(column: str, value: Any) -> None:
    """A flavor of the same name with another number or spec is a conflict."""
    dst = target()
    dst["flavors"] = [{**source()["flavors"][0], "id": "F1", column: value}]
    found = item(planned(dst=dst), "flavors", "f1")
    assert Action.CONFLICT is found.action
    assert column.partition("_specs")[0] in found.reason or "hw:x" in found.reason


def test_a_flavor_that_lacks_access_is_completed() -> None:
    """An equal private flavor gets the project's access."""
    dst = target()
    dst["flavors"] = [{**source()["flavors"][0], "id": "F1", "access_project_ids": []}]
    assert Action.UPDATE is item(planned(dst=dst), "flavors", "f1").action


def test_a_broken_copy_is_made_again() -> None:
    """An image that an earlier run left queued is not taken for a copy."""
    dst = with_project(target())
    image = {**source()["images"][0], "id": "I1", "owner_id": "P1", "status": "queued"}
    dst["images"] = [{**image, "properties": {SOURCE_ID: "i1"}}]
    assert Action.UPDATE is item(planned(dst=dst), "images", "i1").action


def test_private_images_of_one_name_are_told_apart_by_their_bytes() -> None:
    """Another private image of that name is no conflict; a public one would be."""
    dst = with_project(target())
    image = {**source()["images"][0], "id": "I1", "owner_id": "P1", "checksum": "zz"}
    dst["images"] = [image]
    assert Action.CREATE is item(planned(dst=dst), "images", "i1").action
    src = source()
    src["images"][0]["visibility"] = image["visibility"] = "public"
    assert Action.CONFLICT is item(planned(src, dst), "images", "i1").action


def test_quotas_of_a_project_that_was_there_are_kept() -> None:
    """Only a project that we made gets the source's limits."""
    dst = target()
    project = {**source()["projects"][0], "id": "P1"}
    limit = {"project_id": "P1", "service": "compute", "resource": "cores", "limit": 99, "used": 0}
    dst["projects"].append(project)
    dst["quotas"] = [limit]
    assert Action.ADOPT is item(planned(dst=dst), "quotas", "p1:compute").action
    project["tags"] = [f"{SOURCE_ID}=p1"]
    assert Action.UPDATE is item(planned(dst=dst), "quotas", "p1:compute").action
    limit["limit"] = 8
    assert Action.SKIP is item(planned(dst=dst), "quotas", "p1:compute").action


def test_a_quota_that_is_too_small_blocks_before_anything_is_touched() -> None:
    """What will not fit is said with the limit that would do."""
    dst = target()
    dst["projects"].append({**source()["projects"][0], "id": "P1"})
    dst["quotas"] = [
        {"project_id": "P1", "service": "compute", "resource": "cores", "limit": 3, "used": 3}
    ]
    found = item(planned(dst=dst), "quotas", "p1:compute")
    assert Action.BLOCKED is found.action
    assert "quota of cores is 3, 3 are used and 1 more are needed; raise it to 4" in found.reason


def test_a_server_that_arrived_is_skipped() -> None:
    """A source server with the note of its arrival and a copy there is done."""
    src, dst = source(), with_project(target())
    src["servers"][0]["metadata"]["pumphouse:migrated_to"] = "V1"
    dst["servers"] = [{**src["servers"][0], "id": "V1", "metadata": {SOURCE_ID: "v1"}}]
    assert Action.SKIP is item(planned(src, dst), "servers", "v1").action
    dst["servers"] = []
    found = item(planned(src, dst), "servers", "v1")
    assert Action.BLOCKED is found.action
    assert "migrated to V1, which is gone" in found.reason


def test_an_interrupted_server_goes_on() -> None:
    """A copy without the note means that the cut-over did not end."""
    src, dst = source(), with_project(target())
    src["servers"][0]["metadata"]["pumphouse:was"] = "ACTIVE"
    src["servers"][0]["status"] = "SHUTOFF"
    dst["servers"] = [{**src["servers"][0], "id": "V1", "metadata": {SOURCE_ID: "v1"}}]
    assert Action.UPDATE is item(planned(src, dst), "servers", "v1").action


def test_all_obstacles_are_said_at_once() -> None:
    """A plan that cannot be done lists every reason."""
    src, dst = source(), target()
    src["servers"][0]["status"] = "PAUSED"
    dst["networks"][0]["provider_physical_network"] = "other"
    found = planned(src, dst).obstacles
    assert [sentence.split()[0] for sentence in found] == ["networks", "servers"]


def test_no_room_blocks() -> None:
    """A server that no host of the target can hold is said before it is stopped."""
    dst = target()
    dst["hypervisors"][0]["ram_allocatable_mib"] = 100.0
    assert "add a host" in item(planned(dst=dst), "servers", "v1").reason


def test_all_that_is_carried_is_counted_once() -> None:
    """Images, volumes and snapshots by themselves, disks of servers; what these share once."""
    gib = 1 << 30
    spare = planned(what=Chosen(project_ids=(), server_ids=(), others={"volumes": ("vol2",)}))
    assert spare.carried_bytes == gib
    src = source()
    src["servers"].append(src["servers"][0] | {"id": "v3", "name": "web-2"})
    src["volumes"][0]["attachments"].append({"server_id": "v3", "device": "/dev/vdb"})
    snapshot = {"id": "sn1", "volume_id": "vol2", "project_id": "p1", "size_gib": 1}
    src["snapshots"] = [{**snapshot, "status": "available"}]
    both = Chosen(project_ids=("p1",), server_ids=("v1", "v3"), snapshots=True)
    roots, shared, spare_one, its_snapshot = 2 * gib, 2 * gib, gib, gib
    expected = 100 + roots + shared + spare_one + its_snapshot
    assert planned(src, what=both).carried_bytes == expected
    without = planned(src, what=both, mover=Mover.REBUILD)
    assert without.carried_bytes == expected - roots


def test_the_table_has_the_columns_of_the_design() -> None:
    """One row an item, and every column that operators rely on."""
    made = planned()
    table = made.table()
    assert len(made.items) == len(table)
    assert {"stage", "kind", "source_id", "action", "depends_on", "mover", "fingerprint"} <= set(
        table.columns
    )
    kinds = list(dict.fromkeys(table["kind"]))
    assert kinds == sorted(kinds, key=KINDS.index)
    # Its type is there already, so no QoS specs are needed; for snapshots nobody asked. The
    # tenant has neither zones nor load balancers.
    assert set(KINDS) - set(kinds) == {"qos_specs", "snapshots", "zones", "load_balancers"}
    assert table[table["kind"] == "servers"]["mover"].iloc[0] == "image"


def test_losses_are_said_per_resource() -> None:
    """What does not survive is in the plan of the thing that loses it."""
    made = planned()
    assert item(made, "users", "u1").losses == (
        "Its password: the copy gets a new one, which goes to "
        "~/.local/share/pumphouse/passwords.csv.",
    )
    assert "new one" in item(made, "routers", "ro1").losses[0]


def test_more_losses() -> None:
    """Subnet pools, QoS and image members are lost, and said."""
    src = source()
    src["subnets"][0]["subnet_pool_id"] = "sp"
    src["networks"][0]["qos_policy_id"] = "q"
    src["volume_types"][0]["qos_specs_id"] = "q"
    src["qos_specs"] = [{"id": "q", "name": "q", "consumer": "both", "specs": {}}]
    src["images"][0]["visibility"] = "shared"
    src["images"][0]["members"] = [{"member_id": "p2", "status": "accepted"}]
    made = planned(src)
    for kind, id_ in (("subnets", "s1"), ("networks", "n1"), ("volume_types", "vt1")):
        assert len(item(made, kind, id_).losses) == 1
    assert len(item(made, "images", "i1").losses) == 1


def test_the_fingerprint_rests_on_content_only() -> None:
    """A changed size changes it; a changed power state does not."""
    row = {"id": "x", "size_gib": 1, "status": "a"}
    assert fingerprint("volumes", row) == fingerprint("volumes", {**row, "status": "b"})
    assert fingerprint("volumes", row) != fingerprint("volumes", {**row, "size_gib": 2})


def test_ids_known_before_are_those_of_the_target() -> None:
    """What is adopted or skipped maps to its id there at once."""
    assert planned().ids["networks"] == {"nx": "NX"}
