"""How nodes leave: deleted with their environment's leave, or stopped half-way."""

from lab.nailgun.hooks import is_machine, run_hook
from lab.nailgun.nodes import register
from lab.nailgun.store import Document
from lab.nailgun.tasks import end, of_cluster
from lab.nailgun.world import World

RETURN_S = 5.0
"""How long a deleted node takes to be back in bootstrap."""


async def stop(world: World, task: Document) -> None:
    """Send every node that is not ready back to bootstrap, whoever owns it."""
    await world.clock.sleep(1)
    tasks = of_cluster(world, task["cluster"])
    for other in tasks:
        world.cancel(other["id"])
        if other["id"] != task["id"] and other["status"] in ("pending", "running"):
            other.update(status="ready", progress=100, time_end=world.clock.text())
        if other["id"] != task["id"]:
            other["_deleted"] = True
            world.store.save("task", other)
    for node in world.members(task["cluster"]):
        if node["status"] != "ready":
            roles = node["roles"] + node["pending_roles"]
            node.update(status="discover", progress=0, roles=[], pending_roles=roles)
            node.update(pending_addition=True)
            world.store.save("node", node)
    provisioned = any(other["name"] == "provision" for other in tasks)
    name = world.cluster(task["cluster"])["name"]
    what = "Provisioning of environment" if provisioned else f"Deployment of environment '{name}'"
    end(world, task, "ready", f"{what} was successfully stopped. ")
    set_cluster_status(world, task["cluster"])


async def delete(world: World, task: Document, ids: list[int]) -> None:
    """Wipe nodes and forget them; the machines come back as new ones."""
    await delete_nodes(world, ids)
    await world.clock.sleep(1)
    end(world, task, "ready", removed(ids))
    set_cluster_status(world, task["cluster"])


async def delete_nodes(world: World, ids: list[int]) -> None:
    """Forget nodes, and let their machines come back."""
    gone = [node for node in (world.store.get("node", number) for number in ids) if node]
    for node in gone:
        world.store.drop("node", node["id"])
        world.spawn(_come_back(world, node))


async def _come_back(world: World, node: Document) -> None:
    if world.options.on_delete and is_machine(world, node):
        if failed := await run_hook(world, world.options.on_delete, node):
            world.notify("error", f"Node '{node['name']}' was not erased: {failed}")
        return
    await world.clock.sleep(RETURN_S)
    kept = ("mac", "ip", "os_platform", "manufacturer", "platform_name", "meta")
    back = register(world, {key: node[key] for key in kept})
    world.store.save("node", back | {"progress": node["progress"]})


def removed(ids: list[int]) -> str:
    """Return how Nailgun says that nodes are gone."""
    return f"Successfully removed {len(ids)} node(s). No errors occurred"


def set_cluster_status(world: World, cluster_id: int) -> None:
    """Let an environment's status follow from its nodes'."""
    cluster = world.store.get("cluster", cluster_id)
    if cluster is None:
        return
    statuses = {node["status"] for node in world.members(cluster_id)}
    if statuses <= {"discover"}:
        cluster["status"] = "new"
    else:
        cluster["status"] = "operational" if statuses == {"ready"} else "partially_deployed"
    world.store.save("cluster", cluster)
