"""Releases, environments, and who belongs to them with which roles."""

from typing import Any

from lab.nailgun.answers import Failure, missing, python2, shown
from lab.nailgun.layouts import defaults
from lab.nailgun.networks import default_group, make_group
from lab.nailgun.ports import assign_defaults, clear_ports
from lab.nailgun.store import Document
from lab.nailgun.world import Call, World

RELEASES = (
    (1, "Newton on CentOS 6.5", "CentOS", "unavailable"),
    (2, "Newton on Ubuntu 16.04", "Ubuntu", "available"),
    (3, "Newton on Ubuntu+UCA 16.04", "Ubuntu", "available"),
)
CONFLICTS = {frozenset({"controller", "compute"}), frozenset({"mongo", "compute"})}
ROLES = (
    "compute",
    "mongo",
    "virt",
    "base-os",
    "controller",
    "cinder",
    "ironic",
    "ceph-osd",
    "cinder-block-device",
)


def make_releases(world: World) -> None:
    """Make the releases, once."""
    if world.store.all("release"):
        return
    for number, name, system, state in RELEASES:
        release = {"name": name, "operating_system": system, "state": state}
        usable = state == "available"
        more = {"id": number, "version": "newton-10.0", "is_deployable": usable}
        world.store.add("release", release | more)


def get_releases(world: World, call: Call) -> Any:
    """GET /releases/."""
    return world.store.all("release")


def get_release(world: World, call: Call, release_id: str) -> Any:
    """GET /releases/N/."""
    found = world.store.get("release", int(release_id))
    if found is None:
        raise missing("Release")
    return found


def get_roles(world: World, call: Call, number: str) -> Any:
    """GET /releases/N/roles/ and /clusters/C/roles/."""
    return [{"name": role} for role in ROLES]


def get_clusters(world: World, call: Call) -> Any:
    """GET /clusters/."""
    return [shown(cluster) for cluster in world.store.all("cluster")]


def get_cluster(world: World, call: Call, cluster_id: str) -> Any:
    """GET /clusters/C/."""
    return shown(world.cluster(int(cluster_id)))


def post_cluster(world: World, call: Call) -> Any:
    """POST /clusters/."""
    body = call.body
    if "release" not in body:
        raise Failure(400, "Release ID is required")
    release = get_release(world, call, str(body["release"]))
    if not release["is_deployable"]:
        raise Failure(403, f"Release with ID '{release['id']}' is not deployable.")
    if any(cluster["name"] == body["name"] for cluster in world.store.all("cluster")):
        raise Failure(409, "Environment with this name already exists")
    if "network:neutron:ml2:vlan" in body.get("components", []):
        needed = "one_of([u'network:neutron:core:ml2'])"
        component = "component 'network:neutron:ml2:vlan'"
        raise Failure(400, f"Requirements was not satisfied for {component}: {needed}")
    return 201, shown(make_cluster(world, body["name"], release["id"]))


def make_cluster(world: World, name: str, release_id: int) -> Document:
    """Make an environment with its default group and networks."""
    cluster = world.store.add(
        "cluster",
        {
            "name": name,
            "status": "new",
            "release_id": release_id,
            "mode": "ha_compact",
            "net_provider": "neutron",
            "components": [],
            "changes": [{"node_id": None, "name": name} for name in ("attributes", "networks")],
            "is_locked": False,
            "is_customized": False,
            "fuel_version": "10.0",
            "ui_settings": {},
        },
    )
    make_group(world, cluster["id"], "default", default=True)
    return cluster


def delete_cluster(world: World, call: Call, cluster_id: str) -> Any:
    """DELETE /clusters/C/: only while nothing runs there, and here only without nodes."""
    cluster = world.cluster(int(cluster_id))
    tasks = [task for task in world.store.all("task") if task["cluster"] == cluster["id"]]
    if any(task["status"] in ("pending", "running") for task in tasks):
        message = (
            f"Can't delete environment '{cluster['id']}' when running deployment task exists."
        )
        raise Failure(400, message)
    for node in world.members(cluster["id"]):
        leave(world, node)
    world.store.drop("cluster", cluster["id"])
    return 202, {}


def post_assignment(world: World, call: Call, cluster_id: str) -> Any:
    """POST /clusters/C/assignment/."""
    cluster = world.cluster(int(cluster_id))
    nodes = _listed(world, call.body)
    for entry in call.body:
        _check_roles(cluster, entry["roles"])
    for node, entry in zip(nodes, call.body, strict=True):
        if node["cluster"] not in (None, cluster["id"]):
            raise Failure(400, "Changing cluster on the fly is not allowed", plain=True)
        join(world, node, cluster, entry["roles"])
    return None


def post_unassignment(world: World, call: Call, cluster_id: str) -> Any:
    """POST /clusters/C/unassignment/: out of bootstrap this only marks for deletion."""
    cluster = world.cluster(int(cluster_id))
    nodes = _listed(world, call.body)
    foreign = [node["id"] for node in nodes if node["cluster"] != cluster["id"]]
    if foreign:
        message = f"Nodes {foreign} are not members of environment {cluster['id']}."
        raise Failure(400, message)
    for node in nodes:
        if node["status"] == "discover":
            leave(world, node)
        else:
            node["pending_deletion"] = True
            world.store.save("node", node)
    return None


def join(world: World, node: Document, cluster: Document, roles: list[str]) -> None:
    """Give a node its environment and roles, with default disks and ports."""
    moved = node["cluster"] != cluster["id"]
    changed = moved or list(roles) != node["pending_roles"]
    if moved:
        node["cluster"] = cluster["id"]
        node["group_id"] = default_group(world, cluster["id"])["id"]
    node["pending_roles"] = list(roles)
    node["pending_addition"] = True
    if changed:
        node["_disks"] = defaults(node)
        for name in ("interfaces", "disks"):
            change = {"node_id": node["id"], "name": name}
            if change not in cluster["changes"]:
                cluster["changes"].append(change)
        world.store.save("cluster", cluster)
    if moved:
        assign_defaults(world, node)
    world.store.save("node", node)


def leave(world: World, node: Document) -> None:
    """Take a node in bootstrap out of its environment."""
    cluster = world.store.get("cluster", node["cluster"])
    if cluster:
        cluster["changes"] = [c for c in cluster["changes"] if c["node_id"] != node["id"]]
        world.store.save("cluster", cluster)
    node.update(cluster=None, group_id=None, roles=[], pending_roles=[])
    node.update(pending_addition=False, pending_deletion=False)
    node["_disks"] = []
    clear_ports(node)
    world.store.save("node", node)


def _listed(world: World, body: Any) -> list[Document]:
    if not isinstance(body, list):
        where = "\n\nFailed validating 'type' in schema"
        raise Failure(400, f"{python2(body)} is not of type 'array'{where}")
    unknown = [str(e["id"]) for e in body if world.store.get("node", e["id"]) is None]
    if unknown:
        raise Failure(400, f"Nodes with ids {', '.join(unknown)} were not found.")
    return [world.node(entry["id"]) for entry in body]


def _check_roles(cluster: Document, roles: list[str]) -> None:
    unknown = [role for role in roles if role not in ROLES]
    if unknown:
        place = f"node in environment {cluster['id']}"
        raise Failure(400, f"{', '.join(unknown)} are not valid roles for {place}")
    for role in roles:
        for other in roles:
            if frozenset({role, other}) in CONFLICTS:
                raise Failure(400, f"Role '{role}' in conflict with role '{other}'.")
    if "mongo" in roles:
        reason = "Ceilometer should be enabled in the environment settings."
        raise Failure(400, f"Role 'mongo' restrictions mismatch: {reason}")
