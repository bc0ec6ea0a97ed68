"""Ports and bonds of a node, and every way in which Nailgun refuses or ignores them."""

from typing import Any

from lab.nailgun.answers import Failure, traceback
from lab.nailgun.networks import ADMIN, networks_of_group
from lab.nailgun.store import Document
from lab.nailgun.world import Call, World

BOND_MODES = frozenset({"active-backup", "balance-rr", "balance-xor", "802.3ad", "broadcast"})
FROZEN = frozenset({"provisioning", "provisioned", "deploying"})
PUBLIC_ROLES = frozenset({"controller"})


def get_ports(world: World, call: Call, node_id: str) -> Any:
    """GET /nodes/N/interfaces/."""
    return shown_ports(world.node(int(node_id)))


def get_default_ports(world: World, call: Call, node_id: str) -> Any:
    """GET /nodes/N/interfaces/default_assignment."""
    node = world.node(int(node_id))
    networks = _default_networks(world, node)
    ports = [_shown(nic, node) | {"assigned_networks": []} for nic in node["_nics"]]
    for port in ports:
        if port["pxe"]:
            port["assigned_networks"] = networks
    return ports


def put_ports(world: World, call: Call, node_id: str) -> Any:
    """PUT /nodes/N/interfaces/."""
    node = world.node(int(node_id))
    _apply(world, node, call.body)
    return shown_ports(node)


def put_many_ports(world: World, call: Call) -> Any:
    """PUT /nodes/interfaces."""
    for entry in call.body:
        _apply(world, world.node(entry["id"]), entry["interfaces"])
    return [
        {"id": entry["id"], "interfaces": shown_ports(world.node(entry["id"]))}
        for entry in call.body
    ]


def make_ports(world: World, node: Document) -> None:
    """Give a new or changed node the ports that its agent reported; known MACs keep ids."""
    known = {nic["mac"]: nic["id"] for nic in node.get("_nics", [])}
    node["_nics"] = [
        {
            "id": known.get(nic["mac"]) or world.store.next_id("nic"),
            "name": nic["name"],
            "mac": nic["mac"],
            "pxe": bool(nic.get("pxe")),
            "driver": nic.get("driver"),
            "bus_info": nic.get("bus_info"),
            "max_speed": nic.get("max_speed"),
            "current_speed": nic.get("current_speed"),
            "state": nic.get("state"),
            "networks": [],
            "attributes": None,
            "modes": nic.get("offloading_modes") or [],
        }
        for nic in node["meta"].get("interfaces", [])
    ]
    node["_bonds"] = []


def assign_defaults(world: World, node: Document) -> None:
    """Put all networks of the node's group on its PXE port; bonds are dropped."""
    node["_bonds"] = []
    networks = [network["id"] for network in _default_networks(world, node)]
    for nic in node["_nics"]:
        nic["networks"] = networks if nic["pxe"] else []
        nic["attributes"] = _attributes(nic)
    node["_networks"] = {str(n["id"]): n["name"] for n in _default_networks(world, node)}


def clear_ports(node: Document) -> None:
    """Take everything off the ports of a node that leaves its environment."""
    node["_bonds"] = []
    for nic in node["_nics"]:
        nic["networks"], nic["attributes"] = [], None


def shown_ports(node: Document) -> list[dict[str, Any]]:
    """Return the ports and bonds of a node."""
    return [_shown(nic, node) for nic in node["_nics"]] + [
        {
            "name": bond["name"],
            "type": "bond",
            "mode": bond["mode"],
            "state": None,
            "mac": None,
            "slaves": [{"name": name} for name in bond["slaves"]],
            "assigned_networks": _named(bond["networks"], node),
            "attributes": bond["attributes"],
            "meta": {
                "offloading": {"modes": node["_nics"][0]["modes"]},
                "dpdk": {"available": False},
            },
        }
        for bond in node["_bonds"]
    ]


def _shown(nic: dict[str, Any], node: Document) -> dict[str, Any]:
    kept = ("id", "name", "mac", "pxe", "driver", "bus_info")
    speed = ("max_speed", "current_speed", "state")
    return {key: nic[key] for key in kept + speed} | {
        "type": "ether",
        "assigned_networks": _named(nic["networks"], node),
        "attributes": nic["attributes"] or {},
        "meta": {
            "sriov": {"available": False, "totalvfs": 0, "pci_id": ""},
            "offloading_modes": nic["modes"],
            "numa_node": None,
            "max_queues": None,
            "pci_id": "",
            "dpdk": {"available": False},
        },
    }


def _named(ids: list[int], node: Document) -> list[dict[str, Any]]:
    names = node.get("_networks", {})
    return [{"id": number, "name": names[str(number)]} for number in ids]


def _default_networks(world: World, node: Document) -> list[dict[str, Any]]:
    if node["cluster"] is None:
        return []
    roles = set(node["roles"]) | set(node["pending_roles"])
    public = bool(roles & PUBLIC_ROLES)
    return [
        {"id": network["id"], "name": network["name"]}
        for network in networks_of_group(world, node["group_id"])
        if public or network["name"] != "public"
    ]


def _attributes(nic: dict[str, Any]) -> dict[str, Any]:
    modes = {mode["name"]: mode["state"] for mode in nic["modes"]}
    off = {"type": "checkbox", "value": False}
    return {
        "dpdk": {"enabled": off},
        "mtu": {"value": {"type": "number", "value": None}},
        "sriov": {
            "enabled": off,
            "numvfs": {"type": "number", "value": None},
            "physnet": {"type": "text", "value": "physnet2"},
        },
        "offloading": {"disable": off, "modes": {"type": "offloading_modes", "value": modes}},
    }


def _apply(world: World, node: Document, body: list[dict[str, Any]]) -> None:
    _check(world, node, body)
    by_id = {nic["id"]: nic for nic in node["_nics"]}
    for port in body:
        if port.get("type") != "bond":
            nic = by_id[port["id"]]
            nic["networks"] = [network["id"] for network in port["assigned_networks"]]
            nic["attributes"] = port.get("attributes") or nic["attributes"]
    node["_bonds"] = [
        {
            "name": bond["name"],
            "mode": bond["mode"],
            "slaves": [slave["name"] for slave in bond["slaves"]],
            "networks": [network["id"] for network in bond["assigned_networks"]],
            "attributes": bond["attributes"],
        }
        for bond in body
        if bond.get("type") == "bond"
    ]
    node["_networks"] = {
        str(n["id"]): n["name"] for n in networks_of_group(world, node["group_id"])
    }
    world.store.save("node", node)


def _check(world: World, node: Document, body: list[dict[str, Any]]) -> None:
    """Raise what Nailgun would; later complaints are not reached, as there."""
    who = f"Node '{node['id']}'"
    if node["status"] in FROZEN:
        message = "Interfaces configuration can't be changed after or during deployment."
        raise Failure(400, f"{who}: {message}")
    by_id = {nic["id"]: nic for nic in node["_nics"]}
    bonds = [port for port in body if port.get("type") == "bond"]
    for port in body:
        if port.get("type") != "bond" and port.get("id") not in by_id:
            message = f"there is no interface with ID '{port.get('id')}' in DB"
            raise Failure(400, f"{who}: {message}")
    enslaved = _check_bonds(who, node, bonds)
    _check_networks(world, who, node, body, enslaved)
    if any(bond["name"] in {nic["name"] for nic in node["_nics"]} for bond in bonds):
        error = "AttributeError: 'NodeNICInterface' object has no attribute 'slaves'"
        raise traceback(error, "dpdk_available", plain=False)


def _check_bonds(who: str, node: Document, bonds: list[dict[str, Any]]) -> set[str]:
    names = {nic["name"] for nic in node["_nics"]}
    enslaved: set[str] = set()
    for bond in bonds:
        slaves = [slave["name"] for slave in bond.get("slaves", [])]
        if len(slaves) < 2:
            message = "each bond interface must have two or more slaves"
            raise Failure(400, f"{who}: {message}")
        for name in slaves:
            if name not in names:
                message = f"there is no interface '{name}' found for bond '{bond['name']}' in DB"
                raise Failure(400, f"{who}: {message}")
        try:
            mode = bond["attributes"]["mode"]["value"]["value"]
        except (TypeError, KeyError):
            error = "TypeError: string indices must be integers"
            raise traceback(error, "get_bond_mode", plain=False) from None
        if mode not in BOND_MODES:
            message = f"bond interface '{bond['name']}' has unknown mode '{mode}'"
            raise Failure(400, f"{who}: {message}")
        enslaved.update(slaves)
    return enslaved


def _check_networks(
    world: World, who: str, node: Document, body: list[dict[str, Any]], enslaved: set[str]
) -> None:
    by_id = {nic["id"]: nic for nic in node["_nics"]}
    pxe = next((nic["name"] for nic in node["_nics"] if nic["pxe"]), "")
    known = {
        network["id"]: network["name"] for network in networks_of_group(world, node["group_id"])
    }
    seen: set[int] = set()
    for port in body:
        bond = port.get("type") == "bond"
        assigned = [network["id"] for network in port.get("assigned_networks", [])]
        name = port["name"] if bond else by_id[port["id"]]["name"]
        if assigned and not bond and name in enslaved:
            message = "cannot have assigned networks as it is used in bond"
            raise Failure(400, f"{who}: interface '{port['id']}' {message}")
        for network in assigned:
            if network in seen:
                where = f"(second occurrence is in interface '{port.get('id', name)}')"
                message = f"there is a duplicated network '{network}' in assigned networks"
                raise Failure(400, f"{who}: {message} {where}")
            seen.add(network)
            if known.get(network) == ADMIN:
                _check_admin(who, port, name, pxe, bond)
    group = world.store.get("nodegroup", node["group_id"]) if node["group_id"] else None
    foreign = sorted(seen - set(known))
    if foreign:
        ids = ", ".join(map(str, foreign))
        place = f"because they are not in node group '{group['name'] if group else None}'"
        raise Failure(400, f"{who}: networks with IDs '{ids}' cannot be used {place}")
    wanted = {network["id"] for network in _default_networks(world, node)}
    left = sorted(wanted - seen)
    if left:
        ids = ",".join(map(str, left))
        raise Failure(400, f"{who}: {ids} network(s) are left unassigned")


def _check_admin(who: str, port: dict[str, Any], name: str, pxe: str, bond: bool) -> None:
    if not bond:
        if name != pxe:
            message = f"admin network can not be assigned to non-pxe interface {name}"
            raise Failure(400, f"{who}: {message}")
        return
    if pxe not in {slave["name"] for slave in port["slaves"]}:
        message = f"belongs to admin network and doesn't contain node's pxe interface '{pxe}'"
        raise Failure(400, f"{who}: interface '{name}' {message}")
