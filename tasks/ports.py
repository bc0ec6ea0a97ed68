"""Ports and floating IPs: prepared at the target, taken over in a cut-over."""

from collections.abc import Iterable, Mapping
from typing import Any

from pumphouse import bodies, bodies_network
from pumphouse.bodies import Ids
from pumphouse.errors import RequestFailed
from pumphouse.plan import Item
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import Effect
from pumphouse.tasks.networks import make


def make_port(api: Api, item: Item, ids: Ids) -> str:
    """Create a server's port: same MAC and addresses, down until its server has arrived."""
    return make(api, item, "ports", "port", bodies.port(item.row, ids))


def make_trunk(api: Api, item: Item, ids: Ids) -> str:
    """Create a trunk on ports that are down, or give one of ours the subports that it lacks."""
    trunk_id = make(api, item, "trunks", "trunk", bodies_network.trunk(item.row, ids))
    lacking = [
        bodies_network.subport(sub, ids)
        for sub in item.row["sub_ports"] or ()
        if (sub["segmentation_type"], sub["segmentation_id"]) in item.missing
    ]
    if lacking:
        path = f"/trunks/{trunk_id}/add_subports"
        api.call("PUT", "network", path, json={"sub_ports": lacking})
    return trunk_id


def make_floating_ip(api: Api, item: Item, ids: Ids) -> str:
    """Reserve the same address at the target, bound to nothing yet."""
    return make(api, item, "floatingips", "floatingip", bodies.floating_ip(item.row, ids))


def read_port(api: Api, port_id: str) -> dict[str, Any]:
    """Return a port as Neutron gives it."""
    found: dict[str, Any] = api.get("network", f"/ports/{port_id}")["port"]
    return found


def read_floating_ip(api: Api, floating_ip_id: str) -> dict[str, Any]:
    """Return a floating IP as Neutron gives it."""
    found: dict[str, Any] = api.get("network", f"/floatingips/{floating_ip_id}")["floatingip"]
    return found


def is_there(api: Api, kind: str, id_: str) -> bool:
    """Tell whether Neutron still has one of its ``ports``, ``floatingips`` …"""
    try:
        api.get("network", f"/{kind}/{id_}")
    except RequestFailed as failed:
        if failed.status != 404:
            raise
        return False
    return True


def set_ports(api: Api, port_ids: Iterable[str], is_up: bool) -> None:
    """Put ports up or down; those that are so already are left alone."""
    for port_id in port_ids:
        if read_port(api, port_id)["admin_state_up"] != is_up:
            body = {"port": {"admin_state_up": is_up}}
            api.call("PUT", "network", f"/ports/{port_id}", json=body, retry=True)


def name(api: Api, names: Mapping[str, str]) -> None:
    """Give ports, by their ids, these DNS names; those that have them already are left alone."""
    for port_id, dns_name in names.items():
        if read_port(api, port_id).get("dns_name") != dns_name:
            body = {"port": {"dns_name": dns_name}}
            api.call("PUT", "network", f"/ports/{port_id}", json=body, retry=True)


def bind(api: Api, floating_ip_id: str, port_id: str | None, address: str | None = None) -> None:
    """Bind a floating IP to *port_id*, or take it off with None; nothing if it is so."""
    if read_floating_ip(api, floating_ip_id)["port_id"] == port_id:
        return
    body: dict[str, Any] = {"port_id": port_id}
    if port_id and address:
        body["fixed_ip_address"] = address
    path = f"/floatingips/{floating_ip_id}"
    api.call("PUT", "network", path, json={"floatingip": body}, retry=True)


EFFECTS: dict[str, Effect] = {
    "ports": make_port,
    "trunks": make_trunk,
    "floating_ips": make_floating_ip,
}
