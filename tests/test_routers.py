"""A router keeps its addresses outside when told, and its flags where they fit."""

from typing import Any

import pytest

from pumphouse import bodies
from pumphouse.bodies import tag
from pumphouse.errors import RequestFailed
from pumphouse.mappings import Mappings
from pumphouse.models import Action
from pumphouse.plan import Item, Plan
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Selection, chosen
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import waits_for
from pumphouse.tasks.networks import make_router
from tests.fakecloud import Answer, FakeCloud, Request
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


def planned(*kinds: str, rows: Rows | None = None) -> Plan:
    found = estate(rows or here())
    what = chosen(Selection(include=("web-1",), kinds=kinds), found)
    return plan(what, found, estate(target()))


def test_a_server_is_not_stopped_before_its_router_is_there() -> None:
    """Also one without a floating IP: nothing would reach it, and it would reach nothing."""
    rows = here()
    rows["floating_ips"] = []
    for made in (planned(), planned(rows=rows)):
        (server,) = made.of("servers")
        assert "routers:ro1" in server.depends_on
        assert waits_for(server, {"routers:ro1"})
        kinds = [item.kind for item in made.items]
        assert kinds.index("routers") < kinds.index("servers")


def test_a_server_waits_for_no_router_that_stays() -> None:
    """A plan of servers alone brings none for a server without a floating IP."""
    rows = here()
    rows["floating_ips"] = []
    made = planned("servers", rows=rows)
    assert made.of("routers") == []
    assert "routers:ro1" not in made.of("servers")[0].depends_on


class Neutron:
    """A router, and ports of which no two have one address."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.ports: list[dict[str, Any]] = []
        cloud.route("POST", "network", "/routers", {"router": {"id": "RO1"}})
        cloud.route("PUT", "network", "/routers/RO1", {})
        cloud.route("PUT", "network", "/routers/RO1/tags", {})
        cloud.route("PUT", "network", "/routers/RO1/add_router_interface", self.join)
        cloud.route("GET", "network", "/subnets/S1", {"subnet": {"id": "S1", "gateway_ip": "x"}})
        cloud.route("GET", "network", "/ports", self.list)
        cloud.route("POST", "network", "/ports", self.create)
        cloud.route("PUT", "network", "/ports/{id}", self.change)

    def list(self, request: Request) -> dict[str, Any]:
        wanted = request.query.items()
        return {"ports": [port for port in self.ports if wanted <= port.items()]}

    def create(self, request: Request) -> Answer:
        port = {"id": f"P{len(self.ports)}", "device_id": "", **request.json()["port"]}
        if any(port["fixed_ips"] == other["fixed_ips"] for other in self.ports):
            return Answer(409, {"message": "IP address already allocated."})
        self.ports.append(port)
        return Answer(201, {"port": port})

    def join(self, request: Request) -> dict[str, Any]:
        self.change(request, request.json()["port_id"], device_id="RO1")
        return {}

    def change(self, request: Request, id_: str = "", **values: Any) -> dict[str, Any]:
        id_ = id_ or request.parts["id"]
        (port,) = (port for port in self.ports if port["id"] == id_)
        port |= values or request.json()["port"]
        return {}


def test_the_port_of_an_interface_that_was_not_joined_is_taken_by_the_next_run() -> None:
    """It has the interface's address: another port with that can never be made."""
    rows = here()
    made = router(rows, target())
    ids = {**IDS, "networks": {"nx": "NX", "n1": "N1"}, "subnets": {"s1": "S1"}}
    with FakeCloud() as cloud, Api(cloud.block(retries=0), "target") as api:
        neutron = Neutron(cloud)
        cloud.fault("PUT", "network", "/routers/RO1/add_router_interface", times=1, status=500)
        with pytest.raises(RequestFailed, match="add_router_interface"):
            make_router(api, made, ids)
        assert [port["device_id"] for port in neutron.ports] == [""]
        assert make_router(api, made, ids) == "RO1"
    (port,) = neutron.ports
    assert (port["device_id"], port["description"]) == ("RO1", "")


def test_a_port_of_a_tenant_is_not_taken_for_an_interface() -> None:
    """It may hold the address for servers of its own."""
    made = router(here(), target())
    ids = {**IDS, "networks": {"nx": "NX", "n1": "N1"}, "subnets": {"s1": "S1"}}
    with FakeCloud() as cloud, Api(cloud.block(retries=0), "target") as api:
        neutron = Neutron(cloud)
        fixed = [{"subnet_id": "S1", "ip_address": "10.0.0.1"}]
        theirs = {"id": "T", "network_id": "N1", "device_id": "", "description": ""}
        neutron.ports.append({**theirs, "fixed_ips": fixed})
        with pytest.raises(RequestFailed, match="already allocated"):
            make_router(api, made, ids)
