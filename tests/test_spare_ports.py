"""Ports of no device move with their project, and what leads to them is bound by people."""

from typing import Any

import pytest

from pumphouse import bodies
from pumphouse.models import Action
from pumphouse.plan import Item, Plan
from pumphouse.planning import plan
from pumphouse.selection import Selection, chosen
from tests.tenants import Rows, estate, source, target
from tests.test_finalization import copied, judged, moved

VIP = {
    "id": "vip", "name": "vip", "mac_address": "fa:9", "device_id": "", "device_owner": "",
    "fixed_ips": [{"subnet_id": "s1", "ip_address": "10.0.0.9"}],
    "allowed_address_pairs": [], "tags": [],
}  # fmt: skip


def shared(**values: Any) -> Rows:
    """Return the source with an address that servers share, and its second floating IP on it."""
    rows = source()
    rows["ports"].append({**rows["ports"][0], **VIP, **values})
    rows["floating_ips"][1] |= {"port_id": "vip", "fixed_ip_address": "10.0.0.9"}
    return rows


def planned(rows: Rows, *words: str, out: tuple[str, ...] = ()) -> Plan:
    found = estate(rows)
    what = chosen(Selection(include=words or ("project:shop",), exclude=out), found)
    return plan(what, found, estate(target()))


def item(made: Plan, key: str) -> Item:
    return next(each for each in made.items if each.key == key)


def keys(made: Plan) -> set[str]:
    return {each.key for each in made.items}


def test_a_project_brings_the_addresses_that_servers_share() -> None:
    """The port with its MAC and address, as up as it was; the floating IP, bound to nothing."""
    made = planned(shared())
    port, floating = item(made, "ports:vip"), item(made, "floating_ips:fl2")
    assert (port.action, floating.action, made.obstacles) == (Action.CREATE, Action.CREATE, [])
    ids = {
        "networks": {"n1": "N1", "nx": "NX"}, "projects": {"p1": "P1"}, "subnets": {"s1": "S1"},
        "security_groups": {"g1": "G1"},
    }  # fmt: skip
    body = bodies.port({**port.row, "mac_address": "fa:16:3e:00:00:09"}, ids)
    assert body["admin_state_up"]
    assert body["fixed_ips"] == [{"subnet_id": "S1", "ip_address": "10.0.0.9"}]
    assert "port_id" not in bodies.floating_ip(floating.row, ids)
    (words,) = [loss for loss in floating.losses if "bound to nothing" in loss]
    assert "port vip (vip), which is of no server" in words
    assert "openstack floating ip set --port COPY_OF_THE_PORT 198.51.100.8" in words
    server = item(made, "servers:v1")
    assert "floating_ips:fl2" not in server.depends_on


@pytest.mark.parametrize(
    "values",
    [
        {"device_owner": "network:floatingip"},
        {"device_owner": "neutron:LOADBALANCERV2"},
        {"device_owner": "trunk:subport"},
        {"device_id": "v9", "device_owner": "compute:nova"},
        {"project_id": "p2"},
    ],
)
def test_what_is_of_something_else_is_not_spare(values: dict[str, Any]) -> None:
    """A service's port, a subport, another server's and another project's stay."""
    made = planned(shared(**values))
    assert not {"ports:vip", "floating_ips:fl2"} & keys(made)


def test_a_servers_own_plan_brings_none() -> None:
    """Nothing says that the server is behind it."""
    assert not {"ports:vip", "floating_ips:fl2"} & keys(planned(shared(), "web-1"))


def test_it_stays_with_its_network_and_with_its_load_balancer() -> None:
    """A network that is left out keeps its ports; Octavia makes the port of an address itself."""
    rows = shared(network_id="nx")
    assert "ports:vip" not in keys(planned(rows, out=("networks:ext",)))
    rows = shared()
    rows["load_balancers"] = [{"id": "lb", "name": "lb", "project_id": "p2", "vip_port_id": "vip"}]
    assert "ports:vip" not in keys(planned(rows))


def test_ports_below_trunks_stay_down_until_their_server_comes() -> None:
    """They have no device either, and go up and down with it."""
    rows = shared()
    sub = {"port_id": "vip", "segmentation_type": "vlan", "segmentation_id": 7}
    rows["trunks"][0]["sub_ports"] = [sub]
    made = planned(rows)
    assert "is_spare" not in item(made, "ports:vip").row
    assert not [x for x in item(made, "floating_ips:fl2").losses if "bound to nothing" in x]
    assert "floating_ips:fl2" in item(made, "servers:v1").depends_on


def finalized(copy_port: str | None) -> tuple[Rows, Rows]:
    """Return both clouds after the project has moved; its second floating IP is still bound."""
    here, there = moved()
    port = {**here["ports"][0], **VIP}
    here["ports"].append(port)
    here["floating_ips"][1] |= {"port_id": "vip"}
    there["ports"].append(copied("ports", port, network_id="N1", project_id="P1"))
    there["floating_ips"][1]["port_id"] = copy_port
    return here, there


def test_finalize_leaves_a_floating_ip_whose_copy_leads_nowhere() -> None:
    """It still serves; and it keeps its port, the network of that, and the project."""
    found = judged(*finalized(None))
    assert "its copy to nothing; bind that first" in found["floating_ips:fl2"].reason
    assert found["ports:vip"].reason == "Floating IP fl2 is bound to it, which stays."
    kept = ("networks:n1", "projects:p1", "floating_ips:fl2", "ports:vip")
    assert not any(found[key].is_removed for key in kept)
    assert found["servers:v1"].is_removed


def test_finalize_deletes_it_once_its_copy_is_bound() -> None:
    """Then the source's serves nobody, and its port, network and project go too."""
    found = judged(*finalized("VIP"))
    gone = ("networks:n1", "projects:p1", "floating_ips:fl2", "ports:vip")
    assert all(found[key].is_removed for key in gone)


def test_finalize_waits_for_the_servers_that_may_be_behind_it() -> None:
    """As long as the project has servers at the source, its address is theirs."""
    here, there = finalized("VIP")
    here["servers"][0]["status"] = "ACTIVE"
    found = judged(here, there)
    assert "still has 1 server" in found["floating_ips:fl2"].reason
    assert not found["ports:vip"].is_removed
