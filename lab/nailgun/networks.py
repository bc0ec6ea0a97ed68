"""Networks and node groups: the same names in each group, under other ids."""

import ipaddress
from typing import Any

from lab.nailgun.answers import Failure, missing
from lab.nailgun.store import Document
from lab.nailgun.world import Call, World

ADMIN = "fuelweb_admin"
ADMIN_RANGE = ("10.20.0.129", "10.20.0.254")

# name, CIDR, range, gateway, VLAN
TEMPLATES: tuple[tuple[str, str | None, tuple[str, str] | None, str | None, int | None], ...] = (
    ("public", "172.16.0.0/24", ("172.16.0.2", "172.16.0.126"), "172.16.0.1", None),
    ("management", "192.168.0.0/24", ("192.168.0.1", "192.168.0.254"), None, 101),
    ("storage", "192.168.1.0/24", ("192.168.1.1", "192.168.1.254"), None, 102),
    ("private", None, None, None, None),
)
PARAMETERS = {
    "configuration_template": None,
    "floating_ranges": [["172.16.0.130", "172.16.0.254"]],
    "dns_nameservers": ["8.8.4.4", "8.8.8.8"],
    "floating_name": "admin_floating_net",
    "net_l23_provider": "ovs",
    "base_mac": "fa:16:3e:00:00:00",
    "internal_gateway": "192.168.111.1",
    "internal_name": "admin_internal_net",
    "internal_cidr": "192.168.111.0/24",
    "gre_id_range": [2, 65535],
    "vlan_range": [1000, 1030],
    "segmentation_type": "vlan",
}


def make_admin(world: World) -> None:
    """Make the admin network, once. It belongs to no group."""
    if not world.store.all("network"):
        world.store.add(
            "network",
            {
                "name": ADMIN,
                "cidr": "10.20.0.0/24",
                "ip_ranges": [list(ADMIN_RANGE)],
                "gateway": "10.20.0.1",
                "vlan_start": None,
                "group_id": None,
                "meta": {"unmovable": True, "configurable": False},
            },
        )


def in_admin(ip: str | None) -> bool:
    """Tell whether an address is one that Fuel's DHCP gives out."""
    try:
        first, last, given = map(ipaddress.ip_address, (*ADMIN_RANGE, ip or ""))
    except ValueError:
        return False
    return bool(int(first) <= int(given) <= int(last))


def make_group(world: World, cluster_id: int, name: str, *, default: bool) -> Document:
    """Make a node group and its networks."""
    group = {"name": name, "cluster_id": cluster_id, "is_default": default}
    world.store.add("nodegroup", group)
    for network, cidr, span, gateway, vlan in TEMPLATES:
        world.store.add(
            "network",
            {
                "name": network,
                "cidr": cidr,
                "ip_ranges": [list(span)] if span else [],
                "gateway": gateway,
                "vlan_start": vlan,
                "group_id": group["id"],
                "meta": {"name": network, "configurable": network != "private"},
            },
        )
    return group


def default_group(world: World, cluster_id: int) -> Document:
    """Return the group that nodes of an environment begin in."""
    groups = [g for g in world.store.all("nodegroup") if g["cluster_id"] == cluster_id]
    return next(group for group in groups if group["is_default"])


def networks_of_group(world: World, group_id: int | None) -> list[Document]:
    """Return the networks that a node of a group can have, the admin network first."""
    networks = world.store.all("network")
    return [n for n in networks if n["group_id"] is None or n["group_id"] == group_id]


def get_groups(world: World, call: Call) -> Any:
    """GET /nodegroups/."""
    wanted = call.params.get("cluster_id")
    groups = world.store.all("nodegroup")
    return [g for g in groups if wanted is None or str(g["cluster_id"]) == wanted]


def post_group(world: World, call: Call) -> Any:
    """POST /nodegroups/."""
    cluster = world.cluster(call.body["cluster_id"])
    name = call.body["name"]
    for group in world.store.all("nodegroup"):
        if (group["cluster_id"], group["name"]) == (cluster["id"], name):
            message = f"Node group '{name}' already exists in environment {cluster['id']}."
            raise Failure(403, message)
    return 201, make_group(world, cluster["id"], name, default=False)


def delete_group(world: World, call: Call, group_id: str) -> Any:
    """DELETE /nodegroups/N/: 204 and nothing, not even a type."""
    group = world.store.get("nodegroup", int(group_id))
    if group is None:
        raise missing("NodeGroup")
    for network in world.store.all("network"):
        if network["group_id"] == group["id"]:
            world.store.drop("network", network["id"])
    world.store.drop("nodegroup", group["id"])
    return 204, None


def get_configuration(world: World, call: Call, cluster_id: str) -> Any:
    """GET /clusters/C/network_configuration/neutron."""
    cluster = world.cluster(int(cluster_id))
    groups = {g["id"] for g in world.store.all("nodegroup") if g["cluster_id"] == cluster["id"]}
    networks = world.store.all("network")
    own = [network for network in networks if network["group_id"] in groups]
    admin = [network for network in networks if network["group_id"] is None]
    return {"networks": own + admin, "networking_parameters": PARAMETERS, "vips": {}}


def put_configuration(world: World, call: Call, cluster_id: str) -> Any:
    """PUT /clusters/C/network_configuration/neutron: the configuration, not a task."""
    cluster = world.cluster(int(cluster_id))
    if any(task["status"] in ("pending", "running") for task in _tasks(world, cluster["id"])):
        message = "cannot be changed during deployment and after upgrade."
        raise Failure(403, f"Network configuration {message}")
    networks = call.body.get("networks", [])
    _check_overlap(networks)
    for network in networks:
        known = world.store.get("network", network["id"])
        if known:
            kept = {key: network[key] for key in ("cidr", "ip_ranges", "gateway", "vlan_start")}
            world.store.save("network", known | kept)
    return get_configuration(world, call, cluster_id)


def _tasks(world: World, cluster_id: int) -> list[Document]:
    return [task for task in world.store.all("task") if task["cluster"] == cluster_id]


def _check_overlap(networks: list[dict[str, Any]]) -> None:
    ranged = [network for network in networks if network.get("cidr")]
    for index, one in enumerate(ranged):
        for other in ranged[index + 1 :]:
            if one.get("group_id") != other.get("group_id"):
                continue
            if ipaddress.ip_network(one["cidr"]).overlaps(ipaddress.ip_network(other["cidr"])):
                pair = sorted((one, other), key=lambda network: int(network["id"]))
                ids = [network["id"] for network in pair]
                names = ", ".join(network["name"] for network in pair)
                head = "Address space intersection between networks:"
                numbers = ", ".join(map(str, ids))
                text = f"{head}\n{names} (Network IDs: {numbers})"
                raise Failure(400, text, [{"errors": ["cidr"], "ids": ids}])
