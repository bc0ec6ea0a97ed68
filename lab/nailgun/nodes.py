"""Nodes: how they register, what their agents may change, and what operators may."""

from typing import Any

from lab.nailgun.answers import Failure, python2, shown
from lab.nailgun.environments import join, leave
from lab.nailgun.networks import in_admin
from lab.nailgun.ports import assign_defaults, clear_ports, make_ports
from lab.nailgun.store import Document
from lab.nailgun.world import Call, World

STATUSES = (
    "ready",
    "discover",
    "provisioning",
    "provisioned",
    "deploying",
    "error",
    "removing",
    "stopped",
)
TERABYTE = 10**12


def get_nodes(world: World, call: Call) -> Any:
    """GET /nodes/: an empty cluster_id means the unallocated ones, nonsense a traceback."""
    nodes = world.store.all("node")
    wanted = call.params.get("cluster_id")
    if wanted:
        if not wanted.isdigit():
            error = f'DataError: invalid input syntax for type integer: "{wanted}"'
            raise Failure(500, f"Traceback (most recent call last):\n{error}\n", plain=True)
        nodes = [node for node in nodes if node["cluster"] == int(wanted)]
    elif wanted is not None:
        nodes = [node for node in nodes if node["cluster"] is None]
    return [shown(node) for node in reversed(nodes)]


def get_statistics(world: World, call: Call) -> Any:
    """GET /nodes/allocation/stats/."""
    nodes = world.store.all("node")
    free = [node for node in nodes if node["cluster"] is None]
    return {"total": len(nodes), "unallocated": len(free)}


def get_node(world: World, call: Call, node_id: str) -> Any:
    """GET /nodes/N/."""
    return shown(world.node(int(node_id)))


def get_attributes(world: World, call: Call, node_id: str) -> Any:
    """GET /nodes/N/attributes/."""
    world.node(int(node_id))
    count = {"type": "number", "value": 0}
    pages = {"type": "custom_hugepages", "value": {"1048576": 0, "2048": 0}}
    return {
        "cpu_pinning": {"nova": count, "dpdk": count},
        "hugepages": {"nova": pages, "dpdk": count},
    }


def post_node(world: World, call: Call) -> Any:
    """POST /nodes/: what the agent in bootstrap does first. Public."""
    body = call.body
    if not body.get("mac"):
        raise Failure(400, "No mac address specified")
    if body.get("status") != "discover":
        raise Failure(403, "Only bootstrap nodes are allowed to be registered.")
    mac = body["mac"].lower()
    meta = body.get("meta") or {}
    for index, disk in enumerate(meta.get("disks", [])):
        if not isinstance(disk.get("size"), int | float):
            path = f"deque(['meta', 'disks', {index}, 'size'])"
            size = python2(disk.get("size"))
            raise Failure(400, f"{path}: {size} is not of type 'number'")
    if by_mac(world, [mac, *_macs(meta)]):
        raise Failure(409, f"Node with mac {mac} already exists - doing nothing")
    if not meta.get("interfaces"):
        raise Failure(400, "Failed to discover node: invalid interfaces info")
    return 201, shown(register(world, body))


def register(world: World, body: dict[str, Any], node_id: int = 0) -> Document:
    """Make a node of what an agent sends, and tell the operators."""
    meta = body.get("meta") or {}
    mac = body["mac"].lower()
    number = node_id or world.store.next_id("node")
    node: Document = {
        "id": number,
        "name": f"Untitled ({mac[-5:]})",
        "hostname": f"node-{number}",
        "fqdn": f"node-{number}.example.com",
        "mac": mac,
        "ip": body.get("ip"),
        "status": "discover",
        "online": True,
        "progress": 0,
        "cluster": None,
        "group_id": None,
        "roles": [],
        "pending_roles": [],
        "pending_addition": False,
        "pending_deletion": False,
        "error_type": None,
        "labels": {},
        "meta": meta,
        "manufacturer": body.get("manufacturer"),
        "os_platform": body.get("os_platform"),
        "platform_name": body.get("platform_name"),
        "kernel_params": None,
        "network_data": [],
        "_checksum": body.get("agent_checksum"),
        "_seen": world.clock.now(),
    }
    make_ports(world, node)
    world.notify("discover", f"New node is discovered: {_summary(meta)}", node=number)
    _check_address(world, node)
    return world.store.add("node", node)


def put_agent(world: World, call: Call) -> Any:
    """PUT /nodes/agent/: unless the checksum is new, only that the node is there counts."""
    body = call.body
    if "status" in body and body["status"] not in STATUSES:
        allowed = ", ".join(repr(status) for status in STATUSES)
        text = f"deque(['status']): {python2(body['status'])} is not one of [{allowed}]"
        raise Failure(400, text)
    if not body.get("mac") and not body.get("id"):
        raise Failure(400, "Neither MAC nor ID is specified")
    node = world.store.get("node", body.get("id") or 0)
    if node is None:
        macs = [str(body.get("mac", "")), *_macs(body.get("meta") or {})]
        node = by_mac(world, [mac.lower() for mac in macs])
    if node is None:
        raise Failure(400, "Invalid MAC is specified")
    node["_seen"] = world.clock.now()
    if not node["online"] and not node.get("_kept_offline"):
        node["online"] = True
        world.notify("discover", f"Node '{node['name']}' is back online", node=node["id"])
    checksum = body.get("agent_checksum")
    if checksum and checksum == node["_checksum"]:
        world.store.save("node", node)
        return {"id": node["id"], "cached": True}
    node["_checksum"] = checksum or node["_checksum"]
    _update_by_agent(world, node, body)
    world.store.save("node", node)
    return {"id": node["id"]}


def _update_by_agent(world: World, node: Document, body: dict[str, Any]) -> None:
    for key in ("ip", "manufacturer", "platform_name", "os_platform"):
        node[key] = body.get(key, node[key])
    lost = node["status"] == "error" and node["error_type"] == "discover"
    if lost and in_admin(node["ip"]):
        node.update(status="discover", error_type=None)
    if node["status"] in ("provisioning", "error"):
        return
    was = node["status"]
    node["status"] = body.get("status", was)
    if was == "discover" and body.get("meta", {}).get("interfaces"):
        node["meta"] = body["meta"]
        _refresh_ports(world, node)
    elif body.get("meta"):
        # Of a node with an operating system the disks, and the ports proper, are kept.
        node["meta"] = body["meta"] | {"disks": node["meta"]["disks"]}
    if node["status"] == "discover" and was == "discover" and "ip" in body:
        _check_address(world, node)


def _refresh_ports(world: World, node: Document) -> None:
    """Make the ports anew when there are others; their assignment is lost with them."""
    old = {(nic["name"], nic["mac"]) for nic in node["_nics"]}
    new = {(nic["name"], nic["mac"]) for nic in node["meta"]["interfaces"]}
    if old != new:
        make_ports(world, node)
        if node["cluster"] is not None:
            assign_defaults(world, node)


def _check_address(world: World, node: Document) -> None:
    if in_admin(node["ip"]):
        return
    node.update(status="error", error_type="discover")
    words = f"has IP '{node['ip']}' that does not match any Admin network"
    world.notify("error", f"Node '{node['hostname']}' {words}", node=node["id"])


def put_node(world: World, call: Call, node_id: str) -> Any:
    """PUT /nodes/N/: much is allowed here that should not be."""
    node = world.node(int(node_id))
    body = call.body
    if "hostname" in body and node["status"] != "discover":
        raise Failure(403, "Node hostname may be changed only before provisioning.")
    if "cluster_id" in body:
        _change_cluster(world, node, body)
    if "group_id" in body:
        _change_group(world, node, body["group_id"])
    if "pending_roles" in body and body.get("cluster_id", node["cluster"]) is None:
        message = f"Cannot assign pending_roles to node {node['id']}."
        raise Failure(400, f"{message} Node doesn't belong to any cluster.")
    if "pending_roles" in body and node["cluster"] is not None:
        join(world, node, world.cluster(node["cluster"]), body["pending_roles"])
    for key in ("name", "hostname", "labels", "online", "pending_deletion", "status"):
        if key in body:
            node[key] = body[key]
    node["fqdn"] = f"{node['hostname']}.example.com"
    world.store.save("node", node)
    return shown(node)


def _change_cluster(world: World, node: Document, body: dict[str, Any]) -> None:
    wanted = body["cluster_id"]
    if wanted is None and node["cluster"] is not None:
        # A ready node stays ready, and is not wiped: a trap.
        status = node["status"]
        leave(world, node)
        node["pending_addition"] = status != "discover"
    elif wanted is not None and node["cluster"] not in (None, wanted):
        raise Failure(400, "Changing cluster on the fly is not allowed", plain=True)
    elif wanted is not None and node["cluster"] is None:
        join(world, node, world.cluster(wanted), body.get("pending_roles", []))


def _change_group(world: World, node: Document, group_id: int) -> None:
    if node["cluster"] is None:
        message = f"Cannot assign node group (ID={group_id}) to node {node['id']}."
        raise Failure(400, f"{message} Node is not allocated to cluster.")
    node["group_id"] = group_id
    clear_ports(node)
    assign_defaults(world, node)


def by_mac(world: World, macs: list[str]) -> Document | None:
    """Return the node that has any of these MACs."""
    wanted = {mac.lower() for mac in macs if mac}
    for node in world.store.all("node"):
        if wanted & {node["mac"], *_macs(node["meta"])}:
            return node
    return None


def _macs(meta: dict[str, Any]) -> list[str]:
    return [str(nic.get("mac", "")).lower() for nic in meta.get("interfaces", [])]


def _summary(meta: dict[str, Any]) -> str:
    cores = meta.get("cpu", {}).get("total", 0)
    memory = meta.get("memory", {}).get("total", 0) / 2**30
    disks = sum(disk.get("size", 0) for disk in meta.get("disks", [])) / TERABYTE
    return f"{cores} CPUs / {memory:.1f} GB RAM / {disks:.3f} TB HDD "
