"""The lab's own calls below /_lab: faults, the clock, nodes as they are, what was asked."""

from typing import Any

from lab.nailgun.answers import Failure, shown
from lab.nailgun.faults import Fault
from lab.nailgun.nodes import register
from lab.nailgun.world import Call, World


def get_state(world: World, call: Call) -> Any:
    """GET /_lab/state: everything, with what Nailgun would not show."""
    kinds = ("cluster", "node", "task", "nodegroup", "network", "notification")
    return {kind: world.store.all(kind) for kind in kinds}


def get_calls(world: World, call: Call) -> Any:
    """GET /_lab/calls: every request so far, with its time."""
    return world.calls


def delete_calls(world: World, call: Call) -> Any:
    """DELETE /_lab/calls: count anew."""
    world.calls.clear()
    return {}


def post_fault(world: World, call: Call) -> Any:
    """POST /_lab/faults: let something go wrong."""
    fault = Fault(**call.body)
    if fault.kind == "offline":
        set_offline(world, fault)
    else:
        world.faults.add(fault)
    return 201, {"waiting": len(world.faults.waiting)}


def delete_faults(world: World, call: Call) -> Any:
    """DELETE /_lab/faults: forget what has not gone wrong yet."""
    world.faults.clear()
    return {}


def set_offline(world: World, fault: Fault) -> None:
    """Let a node be offline until it is set online by hand."""
    for node in world.store.all("node"):
        if node["id"] == fault.node or node["mac"] == fault.mac.lower():
            node.update(online=False, _kept_offline=True, _immortal=False)
            world.store.save("node", node)
            world.notify("error", f"Node '{node['name']}' has gone away", node=node["id"])


async def post_clock(world: World, call: Call) -> Any:
    """POST /_lab/clock: {"speed": x} or, on a standing clock, {"advance": seconds}."""
    if "speed" in call.body:
        world.clock.now()
        world.clock.speed = float(call.body["speed"])
    if "advance" in call.body:
        await world.clock.advance(float(call.body["advance"]))
    return {"now": world.clock.now(), "speed": world.clock.speed}


def post_auth(world: World, call: Call) -> Any:
    """POST /_lab/auth: {"on": bool} switches it; {"expire": true} forgets all tokens."""
    if call.body.get("expire"):
        world.tokens.clear()
    world.options.auth = bool(call.body.get("on", world.options.auth))
    return {"on": world.options.auth}


def post_node(world: World, call: Call) -> Any:
    """POST /_lab/nodes: a node as it is, under its own id."""
    body = dict(call.body)
    node = register(world, body, int(body.get("id", 0)))
    for key, value in body.items():
        if key != "meta":
            node[key] = value
    world.store.save("node", node)
    return 201, shown(node)


def patch_node(world: World, call: Call, node_id: str) -> Any:
    """POST /_lab/nodes/N: change a node by hand."""
    node = world.node(int(node_id))
    if call.body.get("online"):
        node["_kept_offline"] = False
    return shown(world.store.save("node", node | call.body))


def reregister(world: World, call: Call, node_id: str) -> Any:
    """POST /_lab/nodes/N/reregister: the same machine at once under a new id."""
    node = world.node(int(node_id))
    world.store.drop("node", node["id"])
    kept = ("mac", "ip", "os_platform", "manufacturer", "platform_name", "meta")
    return 201, shown(register(world, {key: node[key] for key in kept}))


def patch_cluster(world: World, call: Call, cluster_id: str) -> Any:
    """POST /_lab/clusters/C: change an environment by hand, for example lock it."""
    cluster = world.cluster(int(cluster_id))
    return shown(world.store.save("cluster", cluster | call.body))


def drop_task(world: World, call: Call, task_id: str) -> Any:
    """POST /_lab/tasks/N/drop: hide its row; with {"all": true} the transaction goes too."""
    task = world.store.get("task", int(task_id))
    if task is None:
        raise Failure(404, "Task not found")
    if (call.body or {}).get("all"):
        world.store.drop("task", task["id"])
    else:
        task["_deleted"] = True
        world.store.save("task", task)
    return {}
