"""Mappings: what things are called at the target, what is merged, and what is required."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumphouse.mappings import Mappings
from pumphouse.models import SOURCE_ID, Action
from pumphouse.plan import Item, Plan
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Selection, chosen
from pumphouse.translation import translated
from tests.tenants import Rows, estate, source, target

HERE, THERE = estate(source()), estate(target())


def planned(
    mappings: dict[str, Any], src: Rows | None = None, dst: Rows | None = None,
    what: tuple[str, ...] = ("project:shop",),
) -> Plan:  # fmt: skip
    """Return a plan with *mappings*, as config.yaml has them."""
    here, there = estate(src or source()), estate(dst or target())
    wishes = Wishes(mappings=Mappings.model_validate(mappings))
    return plan(chosen(Selection(include=what), here), here, there, wishes)


def item(of: Plan, key: str) -> Item:
    """Return the item with that key."""
    return next(i for i in of.items if i.key == key)


def names(**pairs: str) -> dict[str, Any]:
    """Return a section that maps names."""
    return {"names": pairs}


def flavor(id_: str, **values: Any) -> dict[str, Any]:
    """Return a public flavor of the target."""
    body = {
        "id": id_, "name": id_, "vcpus": 1, "ram_mib": 512, "disk_gib": 1, "ephemeral_gib": 0,
        "swap_mib": 0, "is_public": True, "is_disabled": False, "extra_specs": {"hw:x": "1"},
    }  # fmt: skip
    return body | values


@pytest.mark.parametrize("key", ["shop", "p1", "Default/shop"])
def test_a_project_is_renamed_by_name_id_or_path(key: str) -> None:
    """The copy has the new name, and everything of it is found under that."""
    made = planned({"projects": {"names": {key: "store"}}})
    found = item(made, "projects:p1")
    assert (found.action, found.name, found.row["name"]) == (Action.CREATE, "store", "store")
    assert found.mapping == f"mappings.projects.names: {key} → store"
    assert item(made, "servers:v1").project == "Default/store"
    assert made.obstacles == []


def test_a_project_that_the_target_has_is_used() -> None:
    """What a mapping leads to is adopted with its id."""
    dst = target()
    dst["projects"].append({"id": "PX", "name": "store", "domain_id": "default"})
    for wanted in ("store", "PX", "Default/store"):
        found = item(planned({"projects": names(shop=wanted)}, dst=dst), "projects:p1")
        assert (found.action, found.target_id) == (Action.ADOPT, "PX")


def test_two_projects_are_merged_into_a_new_one() -> None:
    """The first is made, the other is it; quotas are added up, equal assignments are one."""
    src = source()
    src["quotas"].append(
        {"project_id": "p2", "service": "compute", "resource": "cores", "limit": 5}
    )
    src["assignments"][1] = {**src["assignments"][0], "project_id": "p2"}
    both = ("project:shop", "project:other")
    made = planned({"projects": names(shop="all", other="all")}, src, what=both)
    first, second = item(made, "projects:p1"), item(made, "projects:p2")
    assert (first.action, second.action) == (Action.CREATE, Action.ADOPT)
    assert (second.merged_into, second.depends_on[-1]) == ("projects:p1", "projects:p1")
    assert item(made, "quotas:p1:compute").row["limits"]["cores"] == 13
    assert item(made, "assignments:r1:u1:p2").merged_into == "assignments:r1:u1:p1"
    assert made.obstacles == []


MERGED = {"projects": names(shop="all", other="all")}


def merged(cores: int, mark: str = "p1") -> tuple[Rows, Rows]:
    """Return both clouds when shop (8 cores) and other (5) became ``all``, with *cores*."""
    src, dst = source(), target()
    limit = {"service": "compute", "resource": "cores"}
    src["quotas"].append({**limit, "project_id": "p2", "limit": 5})
    dst["projects"].append({**src["projects"][0], "id": "PA", "name": "all"})
    dst["projects"][-1]["tags"] = [f"{SOURCE_ID}={mark}"]
    dst["quotas"] = [{**limit, "project_id": "PA", "limit": cores, "used": 0}]
    return src, dst


@pytest.mark.parametrize("mark", ["p1", "p2"])
@pytest.mark.parametrize(
    ("cores", "action"), [(13, Action.SKIP), (8, Action.UPDATE), (20, Action.UPDATE)]
)
def test_quotas_of_merged_projects_are_compared_as_their_sum(
    mark: str, cores: int, action: Action
) -> None:
    """A second run finds them equal; what differs is set to the sum by the marked project's."""
    src, dst = merged(cores, mark)
    made = planned(MERGED, src, dst, ("project:shop", "project:other"))
    (other,) = {"p1", "p2"} - {mark}
    first, second = item(made, f"quotas:{mark}:compute"), item(made, f"quotas:{other}:compute")
    assert (first.action, first.row["limits"]["cores"]) == (action, 13)
    assert first.missing == (("cores",) if action is Action.UPDATE else ())
    assert (second.action, second.merged_into) == (Action.ADOPT, first.key)
    assert "Limits of 2 projects are added up." in first.reason


def test_an_unlimited_project_makes_the_merged_one_unlimited() -> None:
    """Unlimited wins, also in a project that is there."""
    src, dst = merged(13)
    src["quotas"][-1]["limit"] = -1
    found = item(planned(MERGED, src, dst, ("project:shop", "project:other")), "quotas:p1:compute")
    assert (found.action, found.row["limits"]["cores"]) == (Action.UPDATE, -1)
    dst["quotas"][0]["limit"] = -1
    found = item(planned(MERGED, src, dst, ("project:shop", "project:other")), "quotas:p1:compute")
    assert found.action is Action.SKIP


@pytest.mark.parametrize("is_gone", [False, True])
def test_one_of_merged_projects_alone_lowers_no_limit(is_gone: bool) -> None:
    """The larger limit is also that of the other, even if the source has that no longer."""
    for cores, action in ((13, Action.SKIP), (-1, Action.SKIP), (7, Action.UPDATE)):
        src, dst = merged(cores)
        if is_gone:
            src["projects"] = [row for row in src["projects"] if row["id"] != "p2"]
        found = item(planned(MERGED, src, dst), "quotas:p1:compute")
        assert found.action is action
        assert ("kept: cores" in found.reason) is (action is Action.SKIP)
    found = item(planned({"projects": names(shop="all")}, *merged(13)), "quotas:p1:compute")
    assert found.action is Action.UPDATE


def test_a_limit_that_is_kept_is_what_counts() -> None:
    """Beside one that is raised: the plan sets only that, and judges room by the larger one."""
    src, dst = merged(13)
    dst["quotas"] += [{**dst["quotas"][0], "resource": "instances", "limit": 1}]
    dst["quotas"][0]["used"] = 9
    found = item(planned(MERGED, src, dst), "quotas:p1:compute")
    assert (found.action, found.missing) == (Action.UPDATE, ("instances",))
    assert found.row["limits"]["cores"] == 8


def test_quotas_that_the_editor_skips_are_not_added() -> None:
    """Those of the other are left as they are, and what is there for them is kept."""
    src, dst = merged(13)
    here, there = estate(src), estate(dst)
    wishes = Wishes(
        mappings=Mappings.model_validate(MERGED), skipped=frozenset({"quotas:p2:compute"})
    )
    both = Selection(include=("project:shop", "project:other"))
    made = plan(chosen(both, here), here, there, wishes)
    assert item(made, "quotas:p1:compute").row["limits"]["cores"] == 8
    assert "kept: cores" in item(made, "quotas:p1:compute").reason
    assert item(made, "quotas:p2:compute").action is Action.SKIP


def test_what_would_share_a_name_by_accident_is_a_conflict() -> None:
    """Merging domains must not merge the projects in them unless that is said."""
    src = source()
    src["domains"].append({"id": "d2", "name": "Corp"})
    src["projects"][1] |= {"name": "shop", "domain_id": "d2"}
    both = ("projects:p1", "projects:p2")
    made = planned({"domains": names(Corp="Default")}, src, what=both)
    found = item(made, "projects:p2")
    assert Action.CONFLICT is found.action
    assert "or the same one to merge them" in found.reason
    said = {"domains": names(Corp="Default"), "projects": names(p2="shop")}
    assert Action.ADOPT is item(planned(said, src, what=both), "projects:p2").action


@pytest.mark.parametrize("second", [{"back": "prod"}, {}])
def test_networks_are_not_merged_into_a_new_one(second: dict[str, str]) -> None:
    """Each has subnets of its own: two under one name that was written down are a slip."""
    src = source()
    src["networks"].append(
        {**src["networks"][0], "id": "n2", "name": "back" if second else "prod"}
    )
    made = planned({"networks": names(front="prod", **second)}, src)
    assert item(made, "networks:n1").action is Action.CREATE
    found = item(made, "networks:n2")
    assert found.action is Action.CONFLICT
    assert "It and prod (n1) would have one name at the target, and networks are" in found.reason
    assert "mappings.networks.names" in found.reason
    src["networks"][-1]["name"] = "front"
    assert planned({}, src).obstacles == []
    assert planned({"networks": {"template": "x-{name}"}}, src).obstacles == []


def test_images_and_groups_are_not_merged_into_new_ones() -> None:
    """Other bytes, or other servers that are to be apart: what would be lost nobody has said."""
    src = source()
    for kind, other in (("images", {"checksum": "c2"}), ("server_groups", {})):
        first = src[kind][0]
        src[kind].append({**first, "id": "second", "name": "second", **other})
        made = planned({kind: {"names": {first["name"]: "one", "second": "one"}}}, src)
        assert item(made, f"{kind}:{first['id']}").action is Action.CREATE
        assert item(made, f"{kind}:second").action is Action.CONFLICT


def test_a_network_is_led_to_one_of_the_target() -> None:
    """Its subnet must be there: a network that is mapped is not ours to change."""
    dst = target()
    dst["networks"].append(
        {"id": "NP", "name": "prod", "project_id": "P0", "is_external": False, "is_shared": True}
    )
    mapping = {"networks": names(front="prod")}
    lacking = planned(mapping, dst=dst)
    assert item(lacking, "networks:n1").target_id == "NP"
    assert "has no subnet 10.0.0.0/24" in item(lacking, "subnets:s1").reason
    subnet = {**source()["subnets"][0], "id": "SP", "network_id": "NP"}
    dst["subnets"].append(subnet)
    made = planned(mapping, dst=dst)
    assert (made.obstacles, item(made, "subnets:s1").target_id) == ([], "SP")
    assert "is_shared: False != True" in item(made, "networks:n1").losses[0]


def ours() -> Rows:
    """Return the target with what an earlier run made of shop under other names."""
    src, dst = source(), target()
    tagged = {kind: [f"{SOURCE_ID}={src[kind][0]['id']}"] for kind in ("projects", "networks")}
    dst["projects"].append({**src["projects"][0], "id": "P1", "tags": tagged["projects"]})
    network = {"id": "N1", "name": "prod", "project_id": "P1", "tags": tagged["networks"]}
    dst["networks"].append({**src["networks"][0], **network})
    properties = {SOURCE_ID: "i1"}
    image = {"id": "I1", "name": "gold", "owner_id": "P1", "properties": properties}
    dst["images"] = [{**src["images"][0], **image}]
    return dst


def test_a_copy_that_was_cut_short_under_another_name_is_finished() -> None:
    """Our own mark says more than its name: only what is not ours is taken as it is."""
    dst = ours()
    dst["images"][0] |= {"status": "queued", "size_bytes": None, "checksum": None}
    begun = {"description": f"{SOURCE_ID}=f1", "extra_specs": {}}
    dst["flavors"] = [{**source()["flavors"][0], "id": "F1", "name": "tiny", **begun}]
    made = planned(
        {"images": names(base="gold"), "flavors": names(small="tiny")}
        | {"networks": names(front="prod")},
        dst=dst,
    )
    assert made.obstacles == []
    for key, id_ in (("images:i1", "I1"), ("flavors:f1", "F1")):
        found = item(made, key)
        assert (found.action, found.target_id, found.losses) == (Action.UPDATE, id_, ())
    assert item(made, "subnets:s1").action is Action.CREATE
    assert item(made, "networks:n1").action is Action.SKIP


def test_a_copy_is_found_again_under_another_name() -> None:
    """It was migrated before, though another thing has the name too, or its id is given."""
    dst = ours()
    dst["images"].append({**dst["images"][0], "id": "I9", "properties": {}})
    for wanted in ("gold", "I1"):
        found = item(planned({"images": names(base=wanted)}, dst=dst), "images:i1")
        assert (found.action, found.target_id, found.name) == (Action.SKIP, "I1", "gold")
        assert found.mapping == f"mappings.images.names: base → {wanted}"


def test_an_id_or_path_that_is_not_there_is_an_obstacle() -> None:
    """Nothing is made under somebody's id."""
    for wanted in ("0" * 32, "Default/none"):
        (said,) = planned({"projects": names(shop=wanted)}).obstacles
        assert "the target has none; make it, or name another" in said


def test_a_name_with_several_bearers_is_an_obstacle() -> None:
    """The operator gives the id of one."""
    dst = target()
    dst["networks"] += [{**dst["networks"][0], "id": "N2"}]
    (said,) = planned({"networks": names(ext="ext")}, dst=dst).obstacles[:1]
    assert "2 of that name (NX, N2)" in said


def test_a_template_names_the_rest() -> None:
    """What no entry names gets a name made of its own."""
    made = planned({"networks": {"template": "{project}-{name}", "names": {"ext": "ext"}}})
    assert item(made, "networks:n1").name == "shop-front"
    assert item(made, "networks:nx").action is Action.ADOPT


def test_required_things_must_be_there() -> None:
    """With require nothing of that kind is made."""
    made = planned({"images": {"unnamed": "require"}})
    found = item(made, "images:i1")
    assert Action.BLOCKED is found.action
    assert "the target has none of that name" in found.reason


def test_the_smallest_flavor_that_fits_is_taken() -> None:
    """Larger by any number, equal in extra specs, public and enabled; the smallest of them."""
    dst = target()
    dst["flavors"] = [
        flavor("large", vcpus=4), flavor("fit", vcpus=2), flavor("thin", disk_gib=0),
        flavor("other", extra_specs={}), flavor("mine", is_public=False),
    ]  # fmt: skip
    made = planned({"flavors": {"unnamed": "smallest"}}, dst=dst)
    assert item(made, "flavors:f1").target_id == "fit"
    row = item(made, "servers:v1").row
    assert (row["flavor_name"], row["vcpus"]) == ("fit", 2)
    assert made.obstacles == []
    dst["flavors"] = [flavor("thin", disk_gib=0)]
    assert (
        "no public flavor of the target has 1 vCPUs"
        in planned({"flavors": {"unnamed": "smallest"}}, dst=dst).obstacles[0]
    )


def test_a_deleted_flavor_is_mapped_by_its_name() -> None:
    """A server keeps its flavor's name when the cloud forgot it."""
    dst = target()
    dst["flavors"] = [flavor("big", vcpus=8, ephemeral_gib=9, swap_mib=64)]
    made = planned({"flavors": names(gone="big")}, dst=dst, what=("v2",))
    assert item(made, "flavors:embedded:gone").target_id == "big"
    assert item(made, "servers:v2").row["vcpus"] == 8


def test_volume_types_are_renamed_with_their_volumes() -> None:
    """A volume names its type, so both change."""
    made = planned({"volume_types": names(fast="gold")})
    assert item(made, "volumes:vol1").row["volume_type"] == "gold"
    assert "volume_types:vt1" in item(made, "volumes:vol1").depends_on


def placed() -> tuple[Rows, Rows]:
    """Return clouds with zones and a server group of the same name."""
    src, dst = source(), target()
    src["servers"][0] |= {"pinned_availability_zone": "az1", "server_group_ids": ["sg"]}
    src["server_groups"] = [
        {"id": "sg", "name": "pair", "project_id": "p1", "policy": "anti-affinity"}
    ]
    dst["availability_zones"] = [
        {"name": zone, "service": "compute", "is_available": True} for zone in ("az1", "az2")
    ]
    dst["compute_services"] = [
        {"id": "c", "binary": "nova-compute", "host": "new1", "availability_zone": "az2"}
    ]
    dst["projects"].append({**source()["projects"][0], "id": "P1"})
    dst["server_groups"] = [{**src["server_groups"][0], "id": "SG", "project_id": "P1"}]
    return src, dst


def test_zones_and_groups_of_the_same_name_are_kept() -> None:
    """Where the target has them; a mapping leads elsewhere, drop gives them up."""
    src, dst = placed()
    row = item(planned({}, src, dst), "servers:v1").row
    assert (row["target_zone"], row["target_group_id"]) == ("az1", "SG")
    mapped = planned({"availability_zones": names(az1="az2")}, src, dst)
    assert item(mapped, "servers:v1").row["target_zone"] == "az2"
    assert "availability_zones.names: az1 → az2" in item(mapped, "servers:v1").mapping
    drop = {"unnamed": "drop"}
    dropped = item(
        planned({"availability_zones": drop, "server_groups": drop}, src, dst), "servers:v1"
    )
    assert (dropped.row["target_zone"], dropped.row["target_group_id"]) == (None, None)
    lost = " ".join(dropped.losses)
    assert "availability zone az1" in lost
    assert "server group" in lost


def test_zones_and_groups_can_be_required() -> None:
    """A zone that is not there, or a group, stands in the way when asked so."""
    src, dst = placed()
    dst["availability_zones"] = dst["availability_zones"][1:]
    dst["server_groups"] = []
    require = {"unnamed": "require"}
    (said,) = planned(
        {"availability_zones": require, "server_groups": require}, src, dst
    ).obstacles
    assert "no zone az1" in said
    assert "no such server group" in said
    (said,) = planned({"availability_zones": names(az1="az7")}, src, dst).obstacles
    assert "the target has no zone az7; there are az2" in said


def zoned(*volume_zones: str) -> tuple[Rows, Rows]:
    """Return clouds whose compute zones have names of their own; the target's Cinder has these."""
    src, dst = placed()
    src["servers"][0]["pinned_availability_zone"] = "rack-1"
    for volume in src["volumes"]:
        volume["availability_zone"] = "rack-1"
    services = [("rack-1", "volume"), ("rack-2", "volume"), ("rack-1", "compute")]
    src["availability_zones"] = [{"name": name, "service": of} for name, of in services]
    dst["availability_zones"] += [{"name": name, "service": "volume"} for name in volume_zones]
    return src, dst


def test_an_entry_that_leads_to_a_zone_of_servers_is_for_servers_only() -> None:
    """Cinder has one zone of its own in most clouds, and refuses the name of another."""
    mapping = {"availability_zones": {"names": {"rack-1": "az2"}}}
    made = planned(mapping, *zoned("nova"))
    assert (made.obstacles, made.notes) == ([], ())
    assert item(made, "servers:v1").row["target_zone"] == "az2"
    spare = item(made, "volumes:vol2")
    assert (spare.row["target_zone"], len(spare.losses)) == (None, 1)
    spare = item(planned(mapping, *zoned("nova", "az2")), "volumes:vol2")
    assert (spare.row["target_zone"], spare.losses) == ("az2", ())


def test_zones_of_volumes_must_be_there_where_they_are_asked_for() -> None:
    """As those of servers: what Cinder would refuse is said before anything is stopped."""
    one = ("volumes:spare",)
    (said,) = planned(
        {"availability_zones": {"unnamed": "require"}}, *zoned("nova"), one
    ).obstacles
    assert "the target has no zone rack-1 for volumes" in said
    wrong = {"availability_zones": {"names": {"rack-1": "az7"}}}
    (said,) = planned(wrong, *zoned("nova"), one).obstacles
    assert "the target has no zone az7 for volumes; there are nova" in said


def test_entries_that_mean_nothing_are_noted() -> None:
    """A slip of the pen is said, and does no harm."""
    for section in ("projects", "availability_zones", "server_groups"):
        made = planned({section: names(shap="store")})
        assert made.notes == (
            f"mappings.{section}.names has 'shap', which the source does not have.",
        )


@given(st.dictionaries(st.sampled_from(["shop", "other", "admin"]), st.text("abc", min_size=1)))
def test_ids_never_change(pairs: dict[str, str]) -> None:
    """Whatever is renamed, rows stay as many as they were, under their own ids."""
    mappings = Mappings.model_validate({"projects": names(**pairs)})
    made = translated(HERE, THERE, mappings).estate
    for kind in ("projects", "servers", "volumes", "networks"):
        assert [r["id"] for r in made.rows(kind)] == [r["id"] for r in HERE.rows(kind)]
