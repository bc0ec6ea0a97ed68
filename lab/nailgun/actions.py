"""What can be asked to be done, and when Nailgun says no. The doing is in `jobs`."""

from typing import Any

from lab.nailgun import jobs, leaving
from lab.nailgun.answers import Failure, missing, shown
from lab.nailgun.store import Document
from lab.nailgun.tasks import end, new_task, of_cluster, running, start, supersede
from lab.nailgun.world import Call, World

BUSY_CHANGES = Failure(
    400, "Cannot perform the actions because there are another running tasks.", plain=True
)
BUSY_PROVISION = Failure(400, "A task is already running")
BUSY_DEPLOY = Failure(409, "Deployment already started")
BUSY_DELETE = Failure(403, "Cannot perform the actions because there are running tasks.")
STOPPING = Failure(400, "Stopping deployment task is already launched", plain=True)


def put_provision(world: World, call: Call, cluster_id: str) -> Any:
    """PUT /clusters/C/provision/?nodes=: without nodes, all that are pending."""
    cluster = world.cluster(int(cluster_id))
    nodes = _asked(world, call)
    if nodes is None:
        nodes = [node for node in world.members(cluster["id"]) if jobs.pending(node)]
    foreign = [str(node["id"]) for node in nodes if node["cluster"] != cluster["id"]]
    if foreign:
        message = f"Nodes {', '.join(foreign)} do not belong to cluster {cluster['id']}"
        raise Failure(400, message)
    _idle(world, cluster, BUSY_PROVISION)
    ids = [node["id"] for node in nodes]
    return _begin(world, "provision", cluster, ids, jobs.begin_provision)


def put_deploy(world: World, call: Call, cluster_id: str) -> Any:
    """PUT /clusters/C/deploy/?nodes=: nothing about the nodes is checked."""
    cluster = world.cluster(int(cluster_id))
    _idle(world, cluster, BUSY_DEPLOY)
    nodes = _asked(world, call)
    if nodes is None:
        nodes = world.members(cluster["id"])
    return _begin(world, "deploy", cluster, [node["id"] for node in nodes], jobs.begin_deploy)


def put_changes(world: World, call: Call, cluster_id: str) -> Any:
    """PUT /clusters/C/changes/: every node is deployed again, every mark carried out."""
    cluster = world.cluster(int(cluster_id))
    _idle(world, cluster, BUSY_CHANGES)
    nodes = world.members(cluster["id"])
    offline = [node for node in nodes if not node["online"]]
    if call.params.get("dry_run"):
        return _begin(world, "deploy", cluster, [], jobs.begin_dry_run, dry_run=True)
    if offline:
        supersede(world, cluster["id"])
        names = ", ".join(f"{n['name']} (id={n['id']}, mac={n['mac']})" for n in offline)
        task = new_task(world, "deploy", cluster["id"], time_start=world.clock.text())
        advice = "are offline. Remove them from environment and try again."
        end(world, task, "error", f'Nodes "{names}" {advice}')
        return 200, shown(task)
    return _begin(world, "deploy", cluster, [], jobs.begin_changes)


def put_stop(world: World, call: Call, cluster_id: str) -> Any:
    """PUT /clusters/C/stop_deployment/: hits every node that is not ready, always."""
    cluster = world.cluster(int(cluster_id))
    open_tasks = running(world, cluster["id"])
    if any(task["name"] == "stop_deployment" for task in open_tasks):
        raise STOPPING
    if not any(t["name"] in ("deploy", "provision") for t in of_cluster(world, cluster["id"])):
        raise Failure(400, "Nothing to stop", plain=True)
    task = new_task(world, "stop_deployment", cluster["id"], status="running")
    world.spawn(leaving.stop(world, task))
    return 202, shown(task)


def put_verify(world: World, call: Call, cluster_id: str) -> Any:
    """PUT /clusters/C/network_configuration/neutron/verify."""
    cluster = world.cluster(int(cluster_id))
    task = new_task(world, "verify_networks", cluster["id"], status="running")
    world.spawn(jobs.verify(world, task))
    return 202, shown(task)


def delete_node(world: World, call: Call, node_id: str) -> Any:
    """DELETE /nodes/N/."""
    return _delete(world, [world.node(int(node_id))])


def delete_nodes(world: World, call: Call) -> Any:
    """DELETE /nodes/?ids=1,2."""
    return _delete(world, [world.node(number) for number in _numbers(call.params["ids"])])


def _delete(world: World, nodes: list[Document]) -> Any:
    cluster_id = nodes[0]["cluster"]
    if cluster_id is None:
        task = new_task(world, "node_deletion", None)
        for node in nodes:
            world.store.drop("node", node["id"])
        task.update(status="ready", progress=100)
        return 200, shown(world.store.save("task", task))
    _idle(world, world.cluster(cluster_id), BUSY_DELETE)
    task = new_task(world, "node_deletion", cluster_id, status="running")
    task["_job"] = {"name": "node_deletion", "nodes": [node["id"] for node in nodes]}
    answer = shown(world.store.save("task", task))
    ids = [node["id"] for node in nodes]
    world.run(task["id"], leaving.delete(world, task, ids))
    return 202, answer


def _begin(
    world: World, name: str, cluster: Document, ids: list[int], begin: Any, dry_run: bool = False
) -> Any:
    supersede(world, cluster["id"])
    task = new_task(world, name, cluster["id"], dry_run=dry_run)
    task["_job"] = {"name": begin.__name__, "nodes": ids}
    if begin is jobs.begin_deploy:
        start(world, task)
    answer = shown(world.store.save("task", task))
    begin(world, task, ids)
    return 202, answer


def _idle(world: World, cluster: Document, busy: Failure) -> None:
    if running(world, cluster["id"]) or world.faults.take_busy():
        raise busy


def _asked(world: World, call: Call) -> list[Document] | None:
    """Return the nodes that a request names; nothing for an empty list, which means all."""
    numbers = _numbers(call.params.get("nodes", ""))
    if not numbers:
        return None
    found = [world.store.get("node", number) for number in numbers]
    if None in found:
        raise missing("NodeCollection")
    return [node for node in found if node is not None]


def _numbers(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isdigit() for word in words):
        raise Failure(400, "Comma-separated numbers list expected")
    return [int(word) for word in words]
