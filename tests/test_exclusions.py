"""What is left out stays, whatever would bring it, and what cannot be without it is blocked."""

import pytest

from pumphouse.errors import ConfigError
from pumphouse.finalization import removals
from pumphouse.models import SOURCE_ID, Action, Mover
from pumphouse.plan import Item, Plan
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Selection, chosen
from pumphouse.staying import Bounds
from tests.tenants import Rows, estate, source, target
from tests.test_finalization import NOW, moved


def planned(
    include: str,
    *out: str,
    src: Rows | None = None,
    dst: Rows | None = None,
    kinds: tuple[str, ...] = (),
    mover: Mover = Mover.IMAGE,
) -> Plan:
    here = estate(src or source())
    what = chosen(Selection(include=(include,), exclude=out, kinds=kinds), here)
    return plan(what, here, estate(dst or target()), Wishes(mover=mover))


def item(of: Plan, key: str) -> Item:
    return next(each for each in of.items if each.key == key)


def idle() -> Rows:
    """Return the source with a network of the project that no server uses, on its router."""
    rows = source()
    network, subnet, port = rows["networks"][0], rows["subnets"][0], rows["ports"][1]
    rows["networks"].append({**network, "id": "n2", "name": "idle"})
    rows["subnets"].append(
        {**subnet, "id": "s2", "name": "idle4", "network_id": "n2", "cidr": "10.2.0.0/24"}
    )
    fixed = [{"subnet_id": "s2", "ip_address": "10.2.0.1"}]
    rows["ports"].append(
        {**port, "id": "po9", "network_id": "n2", "mac_address": "fa:9", "fixed_ips": fixed}
    )
    return rows


@pytest.mark.parametrize(
    ("out", "key"),
    [
        ("users:otto", "users:u2"),
        ("security_groups:alone", "security_groups:g3"),
        ("server_groups:pair", "server_groups:sg1"),
        ("qos_policies:slow", "qos_policies:q1"),
        ("groups:staff", "groups:g1"),
        ("address_groups:office", "address_groups:ag1"),
        ("subnet_pools:tens", "subnet_pools:sp1"),
        ("address_scopes:inner", "address_scopes:as1"),
        ("floating_ips:198.51.100.8", "floating_ips:fl2"),
        ("volumes:spare", "volumes:vol2"),
        ("images:base", "images:i1"),
        ("project:other", "projects:p2"),
    ],
)
def test_nothing_that_is_left_out_is_in_the_plan(out: str, key: str) -> None:
    """Of every kind, also what is not chosen but needed or owned."""
    made = planned("everything", out)
    assert key not in {each.key for each in made.items}


def test_what_belongs_to_something_goes_with_it() -> None:
    """Nobody can name a role's assignments or a user's keys to leave them out."""
    keys = {each.key for each in planned("project:shop", "groups:staff").items}
    assert not {"groups:g1", "group_members:g1:u1", "assignments:r1:g1:p1"} & keys
    assert "assignments:r1:u1:p1" in keys
    kinds = ("identity", "keypairs")
    keys = {each.key for each in planned("project:shop", "users:anna", kinds=kinds).items}
    assert not {"users:u1", "keypairs:u1:k1", "group_members:g1:u1"} & keys
    keys = {each.key for each in planned("project:shop", "roles:rare").items}
    assert not {"roles:r2", "implied_roles:r1:r2"} & keys
    keys = {each.key for each in planned("everything", "project:other").items}
    assert not {"projects:p2", "assignments:r2:u2:p2"} & keys


def test_a_network_goes_with_its_subnets_and_its_place_on_routers() -> None:
    """The router is made without it, and is completed when the network moves one day."""
    made = planned("project:shop", "networks:idle", src=idle())
    assert [each.source_id for each in made.of("networks", "subnets")] == ["n1", "nx", "s1", "sx"]
    assert [p["id"] for p in item(made, "routers:ro1").row["interfaces"]] == ["po2"]
    assert made.obstacles == []


@pytest.mark.parametrize(
    ("out", "key", "mover"),
    [
        ("volumes:data", "volumes data (vol1)", Mover.IMAGE),
        ("floating_ips:198.51.100.7", "floating_ips 198.51.100.7 (fl1)", Mover.IMAGE),
        ("trunks:vlans", "trunks vlans (tr1)", Mover.IMAGE),
        ("flavors:small", "flavors small (f1)", Mover.IMAGE),
        ("users:anna", "users anna (u1), keypairs k1 (u1:k1)", Mover.IMAGE),
        ("images:base", "images base (i1)", Mover.REBUILD),
    ],
)
def test_a_server_that_needs_what_is_left_out_is_blocked(out: str, key: str, mover: Mover) -> None:
    """It would be stopped for nothing, or leave what is its own behind."""
    found = item(planned("server:web-1", out, mover=mover), "servers:v1")
    assert found.action is Action.BLOCKED
    assert f"It needs {key}, left out by --exclude and not at the target" in found.reason


def test_all_else_that_needs_it_is_blocked_too() -> None:
    """A port without its network or group, a group whose rules name another."""
    made = planned("project:shop", "networks:front")
    assert "networks front (n1)" in item(made, "ports:po1").reason
    made = planned("project:shop", "security_groups:db")
    assert "security_groups db (g2)" in item(made, "security_groups:g1").reason


def test_what_the_target_has_is_used_and_left_alone() -> None:
    """Its id is known, and nothing is done about it: so it is no obstacle that it is left out."""
    dst = target()
    dst["projects"].append({**source()["projects"][0], "id": "P1"})
    image = {**source()["images"][0], "id": "I1", "properties": {SOURCE_ID: "i1"}}
    dst["images"] = [{**image, "status": "queued"}]
    out = ("images:base", "roles:member", "networks:ext")
    made = planned("server:web-1", *out, dst=dst, mover=Mover.REBUILD)
    assert made.obstacles == []
    assert made.ids["images"] == {"i1": "I1"}
    found = item(made, "images:i1")
    assert (found.action, found.reason) == (Action.SKIP, "It is left out; the target's is used.")
    assert "assignments:r1:u1:p1" not in {each.key for each in made.items}
    assert item(made, "networks:nx").target_id == "NX"


def test_another_thing_of_its_name_is_not_it() -> None:
    """A conflict with what the target has does not become its use."""
    dst = target()
    dst["networks"][0]["provider_physical_network"] = "other"
    made = planned("server:web-1", "networks:ext", dst=dst)
    assert "networks ext (nx), left out" in item(made, "floating_ips:fl1").reason


def test_a_plan_of_some_kinds_is_held_to_it() -> None:
    """What a limited plan brings along may be left out just so."""
    made = planned("server:web-1", "floating_ips:198.51.100.7", kinds=("servers",))
    assert "floating_ips 198.51.100.7 (fl1)" in item(made, "servers:v1").reason


def test_a_project_that_is_left_out_keeps_what_was_chosen_of_it() -> None:
    """It wins over a volume's own name, as over a server's."""
    with pytest.raises(ConfigError, match="selects nothing"):
        planned("volumes:spare", "project:shop")
    with pytest.raises(ConfigError, match="selects nothing"):
        planned("images:base", "project:shop")


def test_finalize_leaves_it_alone() -> None:
    """What is only in the plan because something else needs it is not deleted at the source."""
    here, there = moved()
    clouds = estate(here), estate(there)
    what = chosen(Selection(include=("server:v1",), exclude=("volumes:data",)), clouds[0])
    bounds = Bounds(now=NOW, grace_s=0)
    found = {r.key: r for r in removals(plan(what, *clouds), *clouds, bounds)}
    assert found["servers:v1"].is_removed
    assert "volumes:vol1" not in found
