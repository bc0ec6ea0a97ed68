"""A router keeps its addresses outside when told, and its flags where they fit."""

from typing import Any

from pumphouse import bodies
from pumphouse.bodies import tag
from pumphouse.mappings import Mappings
from pumphouse.models import Action
from pumphouse.plan import Item
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Selection, chosen
from tests.tenants import Rows, estate, source, target

IDS = {"projects": {"p1": "P1"}, "networks": {"nx": "NX"}, "subnets": {"sx": "SX"}}
OUTSIDE = {"subnet_id": "sx", "ip_address": "198.51.100.40"}


def here(**values: Any) -> Rows:
    rows = source()
    rows["routers"][0]["external_gateway"]["external_fixed_ips"] = [OUTSIDE]
    rows["routers"][0] |= values
    return rows


def router(rows: Rows, there: Rows, rule: str = "new") -> Item:
    found = estate(rows)
    mappings = Mappings.model_validate({"router_addresses": rule})
    what = chosen(Selection(include=("web-1",)), found)
    (item,) = plan(what, found, estate(there), Wishes(mappings=mappings)).of("routers")
    return item


def agents(*modes: str) -> Rows:
    listed = [
        {"id": f"a{n}", "type": "L3 agent", "host": f"net{n}", "mode": mode, "is_alive": True}
        for n, mode in enumerate(modes)
    ]
    return {**target(), "network_agents": listed}


def test_a_new_address_is_said_with_the_old_one() -> None:
    """By default the target gives another address: who relies on it reads that before."""
    item = router(here(), target())
    assert "198.51.100.40" in item.losses[0]
    assert "external_fixed_ips" not in bodies.router(item.row, IDS)["external_gateway_info"]


def test_an_address_is_kept_when_told() -> None:
    """It is asked for in the target's subnet, after that, and nothing is lost."""
    item = router(here(), target(), "same")
    assert (item.losses, item.action) == ((), Action.CREATE)
    assert "subnets:sx" in item.depends_on
    assert bodies.router(item.row, IDS)["external_gateway_info"]["external_fixed_ips"] == [
        {"subnet_id": "SX", "ip_address": "198.51.100.40"}
    ]


def test_an_address_that_is_taken_blocks_its_router() -> None:
    """Who holds it is said: a port of the target, or a floating IP that is bound to nothing."""
    there = target()
    fixed = [{"subnet_id": "SX", "ip_address": "198.51.100.40"}]
    there["ports"] = [
        {
            "id": "Q", "network_id": "NX", "mac_address": "fa:q", "fixed_ips": fixed,
            "device_owner": "network:router_gateway", "device_id": "r",
        }
    ]  # fmt: skip
    assert "port Q (network:router_gateway)" in router(here(), there, "same").reason
    assert router(here(), there).action is Action.CREATE
    there = target()
    there["floating_ips"] = [
        {"id": "F", "floating_network_id": "NX", "floating_ip_address": "198.51.100.40"}
    ]
    assert "floating IP" in router(here(), there, "same").reason


def test_flags_are_kept_where_agents_can() -> None:
    """HA needs two hosts with an L3 agent, distribution one in the mode dvr_snat."""
    both = {"is_ha": True, "is_distributed": True}
    item = router(here(**both), agents("dvr_snat", "dvr"), "same")
    body = bodies.router(item.row, IDS)
    assert (body["ha"], body["distributed"], item.losses) == (True, True, ())
    item = router(here(**both), agents("legacy"), "same")
    assert not {"ha", "distributed"} & set(bodies.router(item.row, IDS))
    assert ["highly available" in item.losses[0], "dvr_snat" in item.losses[1]] == [True, True]
    plain = router(here(is_ha=False, is_distributed=False), agents("dvr_snat", "dvr"), "same")
    assert not {"ha", "distributed"} & set(bodies.router(plain.row, IDS))


BACK, OUT, FRONT = (
    {"destination": f"10.{n}.0.0/16", "nexthop": hop}
    for n, hop in ((7, "10.1.0.9"), (8, "198.51.100.9"), (9, "10.0.0.9"))
)


def routed() -> Rows:
    """Return the source with a router in two networks: the server is only in the first."""
    rows = here(routes=[FRONT, BACK, OUT])
    rows["networks"].append({**rows["networks"][0], "id": "n2", "name": "back"})
    back = {"id": "s2", "name": "back4", "network_id": "n2", "cidr": "10.1.0.0/24"}
    rows["subnets"].append({**rows["subnets"][0], **back})
    fixed = [{"subnet_id": "s2", "ip_address": "10.1.0.1"}]
    rows["ports"].append({**rows["ports"][1], "id": "po3", "network_id": "n2", "fixed_ips": fixed})
    return rows


def copied(rows: Rows, **values: Any) -> Rows:
    """Return the target after a run made the router with its first interface."""
    there = target()
    there["projects"].append({**rows["projects"][0], "id": "P1", "tags": [tag("p1")]})
    there["networks"].append({**rows["networks"][0], "id": "N1", "project_id": "P1",
                              "tags": [tag("n1")]})  # fmt: skip
    there["subnets"].append({**rows["subnets"][0], "id": "S1", "network_id": "N1"})
    there["ports"] = [{**rows["ports"][1], "id": "PO2", "network_id": "N1", "device_id": "RO1"}]
    made = {**rows["routers"][0], "id": "RO1", "project_id": "P1", "tags": [tag("ro1")]}
    gateway = {"external_gateway": {"network_id": "NX"}}
    there["routers"] = [{**made, **gateway, **values}]
    return there


def test_a_route_by_a_network_that_is_not_in_the_plan_is_a_loss() -> None:
    """Neutron would refuse all of them; those by the gateway and other interfaces come."""
    item = router(routed(), target())
    assert item.row["routes"] == [FRONT, OUT]
    assert item.losses[-1] == (
        "Its route to 10.7.0.0/16 by 10.1.0.9: it comes with network Default/shop/back, which "
        "is not in the plan."
    )
    stray = {"destination": "10.6.0.0/16", "nexthop": "169.254.192.1"}
    assert "no network that it is in" in router(here(routes=[stray]), target()).losses[-1]


def test_a_router_that_lacks_a_route_is_not_whole() -> None:
    """A run that was cut short after the interfaces is not taken for done."""
    rows = routed()
    item = router(rows, copied(rows, routes=[OUT]))
    assert (item.action, item.missing) == (Action.UPDATE, (("route", *FRONT.values()),))
    assert router(rows, copied(rows, routes=[OUT, FRONT])).action is Action.SKIP


def test_a_dead_agent_keeps_nothing() -> None:
    """Two agents of which one is dead are one."""
    there = agents("legacy", "legacy")
    there["network_agents"][1]["is_alive"] = False
    assert "highly available" in router(here(is_ha=True), there, "same").losses[0]
