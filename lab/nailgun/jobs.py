"""The orchestrator: what happens to nodes over time, on the stand-in's clock."""

import asyncio

from lab.nailgun.hooks import is_machine, run_hook
from lab.nailgun.leaving import delete_nodes, removed, set_cluster_status
from lab.nailgun.store import Document
from lab.nailgun.tasks import end, move, new_task, start
from lab.nailgun.world import World

PROVISION_STEPS = (26, 51, 74, 96)
DEPLOY_STEPS = (15, 29, 43, 58, 72, 86, 100)
PROVISION_STEP_S = 1.5
DEPLOY_STEP_S = 3.0
BEGIN_S = 0.5
LINGER_S = 2.0
"""How long a task still runs after its nodes are done."""


def pending(node: Document) -> bool:
    """Tell whether Nailgun thinks that a node still has to be provisioned."""
    failed = node["status"] == "error" and node["error_type"] == "provision"
    return bool(node["pending_addition"]) or failed


def resume(world: World) -> None:
    """Begin again what was under way when the stand-in ended."""
    begins = {f.__name__: f for f in (begin_provision, begin_deploy, begin_dry_run, begin_changes)}
    for task in world.store.all("task"):
        if task["status"] not in ("pending", "running"):
            continue
        job = task.get("_job")
        if job and job["name"] in begins:
            begins[job["name"]](world, task, job["nodes"])
        else:
            end(world, task, "error", "Fuel was restarted.")


def begin_provision(world: World, task: Document, ids: list[int]) -> None:
    """Begin to install the operating system."""
    _to_provisioning(world, ids)
    world.run(task["id"], _provision_task(world, task, ids))


def begin_deploy(world: World, task: Document, ids: list[int]) -> None:
    """Begin to deploy OpenStack."""
    world.run(task["id"], _deploy_task(world, task, ids))


def begin_dry_run(world: World, task: Document, ids: list[int]) -> None:
    """Begin to pretend to deploy."""
    world.run(task["id"], _dry_run_task(world, task))


def begin_changes(world: World, task: Document, ids: list[int]) -> None:
    """Begin everything that an environment is due."""
    world.run(task["id"], _changes_task(world, task))


async def _provision_task(world: World, task: Document, ids: list[int]) -> None:
    await world.clock.sleep(BEGIN_S)
    start(world, task)
    failed = await _provision(world, task, ids)
    end(world, task, *_provision_result(ids, failed))
    set_cluster_status(world, task["cluster"])


async def _deploy_task(world: World, task: Document, ids: list[int]) -> None:
    failed, child = await _deploy(world, task, ids)
    await world.clock.sleep(LINGER_S)
    status = "error" if failed else "ready"
    end(world, child, status, failed)
    end(world, task, status, failed)
    if not failed:
        words = "Graph execution has been successfully completed."
        advice = "You can check deployment history for detailed information."
        world.notify("done", words + advice, cluster=task["cluster"])
    set_cluster_status(world, task["cluster"])


async def _dry_run_task(world: World, task: Document) -> None:
    await world.clock.sleep(BEGIN_S)
    start(world, task)
    more = {"parent_id": task["id"], "graph_type": "default", "dry_run": True}
    child = new_task(world, "dry_run_deployment", task["cluster"], **more)
    start(world, child)
    await world.clock.sleep(20)
    name = world.cluster(task["cluster"])["name"]
    message = f"Dry_Run_Deployment of environment '{name}' is done."
    end(world, child, "ready", message)
    move(world, child, 0)
    end(world, task, "ready", message)


async def _changes_task(world: World, task: Document) -> None:
    await world.clock.sleep(BEGIN_S)
    start(world, task)
    cluster = world.cluster(task["cluster"])
    leaving = [n["id"] for n in world.members(cluster["id"]) if n["pending_deletion"]]
    coming = [n["id"] for n in world.members(cluster["id"]) if pending(n)]
    messages = []
    if leaving:
        messages.append(removed(leaving))
        await delete_nodes(world, leaving)
    failed: list[Document] = []
    if coming:
        _to_provisioning(world, coming)
        child = new_task(world, "provision", cluster["id"], parent_id=task["id"])
        start(world, child)
        failed = await _provision(world, child, coming)
        status, message = _provision_result(coming, failed)
        end(world, child, status, message)
        messages.append(message)
        if failed:
            end(world, task, "error", message)
            set_cluster_status(world, cluster["id"])
            return
        await world.clock.sleep(LINGER_S)
    ids = [node["id"] for node in world.members(cluster["id"])]
    await _finish_changes(world, task, cluster, ids, messages)


async def _finish_changes(
    world: World, task: Document, cluster: Document, ids: list[int], messages: list[str]
) -> None:
    broken, child = await _deploy(world, task, ids)
    await world.clock.sleep(LINGER_S)
    done = f"Deployment of environment '{cluster['name']}' is done."
    message = broken or (done if ids else "Deployment is done. No changes.")
    end(world, child, "error" if broken else "ready", message)
    if not ids:
        child["progress"] = None
    end(world, task, "error" if broken else "ready", "\n".join([*messages, message]))
    cluster["changes"] = []
    set_cluster_status(world, cluster["id"])


async def verify(world: World, task: Document) -> None:
    """Find nothing wrong with the networks."""
    await world.clock.sleep(2)
    end(world, task, "ready", None)


def _to_provisioning(world: World, ids: list[int]) -> None:
    for node in _known(world, ids):
        node.update(status="provisioning", progress=0, pending_addition=False, error_type=None)
        world.store.save("node", node)


async def _provision(world: World, task: Document, ids: list[int]) -> list[Document]:
    """Return the nodes that failed."""
    failed = []
    for node in _known(world, ids):
        if world.faults.take_node("provision_error", node["id"], node["mac"]):
            failed.append(node)
    broken = {node["id"] for node in failed}
    hooks = _hooks(world, world.options.on_provision, [i for i in ids if i not in broken])
    for step in PROVISION_STEPS:
        if len(failed) == len(ids):
            break
        await world.clock.sleep(PROVISION_STEP_S)
        move(world, task, step)
        for node in _known(world, ids):
            if node["id"] not in broken:
                node["progress"] = step
                world.store.save("node", node)
    for node_id, words in (await hooks).items():
        if words:
            failed.append(world.node(node_id))
            world.notify("error", f"Node {node_id}: {words}", node=node_id)
    broken = {node["id"] for node in failed}
    for node in _known(world, ids):
        bad = node["id"] in broken
        node.update(status="error" if bad else "provisioned", progress=100)
        node.update(error_type="provision" if bad else None)
        world.store.save("node", node)
    return failed


def _provision_result(ids: list[int], failed: list[Document]) -> tuple[str, str]:
    if failed:
        names = ", ".join(f"'{node['name']}'" for node in failed)
        return "error", f"Provision has failed. Check these nodes:\n{names}"
    return "ready", f"Provision of {len(ids)} environment node(s) is done."


async def _deploy(world: World, task: Document, ids: list[int]) -> tuple[str | None, Document]:
    """Return why it failed, if it did, and the child task. Offline nodes are skipped."""
    more = {"parent_id": task["id"], "graph_type": "default", "_nodes": ids}
    child = new_task(world, "deployment", task["cluster"], **more)
    start(world, child)
    nodes = [node for node in _known(world, ids) if node["online"]]
    cluster = world.cluster(task["cluster"])
    if nodes:
        cluster["status"] = "deployment"
        world.store.save("cluster", cluster)
    for node in nodes:
        # A type of error, once set, stays: only the status tells.
        kind = "deploy" if node["status"] == "error" else node["error_type"]
        node.update(status="deploying", progress=0, error_type=kind)
        world.store.save("node", node)
    for step in DEPLOY_STEPS:
        await world.clock.sleep(DEPLOY_STEP_S)
        move(world, task, step)
        move(world, child, step)
        for node in nodes:
            node["progress"] = step
            world.store.save("node", node)
    failed = await _deploy_failure(world, nodes)
    for node in nodes:
        if node["status"] == "deploying":
            roles = list(dict.fromkeys(node["roles"] + node["pending_roles"]))
            # pending_addition stays as it is: only provisioning clears it.
            node.update(status="ready", roles=roles, pending_roles=[])
            world.store.save("node", node)
    return failed, child


async def _deploy_failure(world: World, nodes: list[Document]) -> str | None:
    """Put nodes that fail into error; return the orchestrator's words."""
    message = None
    good = []
    for node in nodes:
        fault = world.faults.take_node("deploy_error", node["id"], node["mac"])
        if fault:
            message = fault.message or f"Task[netconfig/{node['id']}] failed"
            _fail_deploy(world, node)
        else:
            good.append(node["id"])
    hooks = await _hooks(world, world.options.on_deploy, good)
    for node_id, words in hooks.items():
        if words:
            message = f"Task[top-role-compute/{node_id}] failed: {words}"
            _fail_deploy(world, world.node(node_id))
    return message


def _fail_deploy(world: World, node: Document) -> None:
    node.update(status="error", error_type="deploy", progress=100)
    world.store.save("node", node)


async def _run_hooks(world: World, command: str, ids: list[int]) -> dict[int, str]:
    if not command:
        return {}
    nodes = [node for node in _known(world, ids) if is_machine(world, node)]
    words = await asyncio.gather(*(run_hook(world, command, node) for node in nodes))
    return {node["id"]: said for node, said in zip(nodes, words, strict=True)}


def _hooks(world: World, command: str, ids: list[int]) -> asyncio.Task[dict[int, str]]:
    return asyncio.get_running_loop().create_task(_run_hooks(world, command, ids))


def _known(world: World, ids: list[int]) -> list[Document]:
    found = (world.store.get("node", number) for number in ids)
    return [node for node in found if node is not None]
