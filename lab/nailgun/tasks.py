"""Tasks and transactions: the same rows, of which the first hides the superseded ones."""

import uuid
from typing import Any

from lab.nailgun.answers import Failure, missing, shown
from lab.nailgun.store import Document
from lab.nailgun.world import Call, World

OPEN = frozenset({"pending", "running"})
HISTORY = ("deploy_start", "rsync_core_puppet", "netconfig", "openstack-network", "deploy_end")


def new_task(world: World, name: str, cluster_id: int | None, **more: Any) -> Document:
    """Make a task, pending unless said otherwise."""
    return world.store.add(
        "task",
        {
            "uuid": str(uuid.uuid4()),
            "name": name,
            "status": "pending",
            "progress": 0,
            "message": None,
            "result": {},
            "cluster": cluster_id,
            "parent_id": None,
            "graph_type": None,
            "dry_run": False,
            "time_start": None,
            "time_end": None,
            "_deleted": False,
            **more,
        },
    )


def start(world: World, task: Document) -> None:
    """Note that a task runs."""
    task.update(status="running", time_start=task["time_start"] or world.clock.text())
    world.store.save("task", task)


def move(world: World, task: Document, progress: int) -> None:
    """Note how far a task is."""
    task["progress"] = progress
    world.store.save("task", task)


def end(world: World, task: Document, status: str, message: str | None) -> None:
    """Note how a task ended, and tell the operators."""
    task.update(status=status, progress=100, message=message, time_end=world.clock.text())
    world.store.save("task", task)
    if task["parent_id"] is None and message:
        topic = "done" if status == "ready" else "error"
        world.notify(topic, message, cluster=task["cluster"])


def of_cluster(world: World, cluster_id: int) -> list[Document]:
    """Return all tasks of an environment, also superseded ones."""
    return [task for task in world.store.all("task") if task["cluster"] == cluster_id]


def running(world: World, cluster_id: int) -> list[Document]:
    """Return the jobs under way in an environment."""
    return [t for t in of_cluster(world, cluster_id) if t["status"] in OPEN]


def supersede(world: World, cluster_id: int) -> None:
    """Hide what is over: a new action does so."""
    for task in of_cluster(world, cluster_id):
        if task["status"] not in OPEN and not task["_deleted"]:
            task["_deleted"] = True
            world.store.save("task", task)


def get_tasks(world: World, call: Call) -> Any:
    """GET /tasks/."""
    return [shown(t) for t in _wanted(world, call) if not t["_deleted"]]


def get_task(world: World, call: Call, task_id: str) -> Any:
    """GET /tasks/N/."""
    task = world.store.get("task", int(task_id))
    if task is None or task["_deleted"]:
        raise missing("Task")
    return shown(task)


def delete_task(world: World, call: Call, task_id: str) -> Any:
    """DELETE /tasks/N/."""
    get_task(world, call, task_id)
    task = world.store.get("task", int(task_id))
    assert task is not None
    if task["status"] in OPEN:
        raise Failure(400, "You cannot delete running task manually")
    task["_deleted"] = True
    world.store.save("task", task)
    return 204, None


def get_transactions(world: World, call: Call) -> Any:
    """GET /transactions/."""
    return [_transaction(task) for task in _wanted(world, call)]


def get_transaction(world: World, call: Call, task_id: str) -> Any:
    """GET /transactions/N/."""
    return _transaction(_any(world, task_id))


def get_history(world: World, call: Call, task_id: str) -> Any:
    """GET /transactions/N/deployment_history/: of the child; the parent has none."""
    task = _any(world, task_id)
    if task["name"] != "deployment":
        return []
    status = "ready" if task["status"] == "ready" else "pending"
    return [
        {
            "task_name": name,
            "node_id": None if name.startswith("deploy_") else str(node_id),
            "status": "skipped" if name.startswith("deploy_") else status,
            "type": "stage" if name.startswith("deploy_") else "puppet",
            "version": "2.0.0",
            "time_start": task["time_start"],
            "time_end": task["time_end"],
        }
        for node_id in task.get("_nodes", [])
        for name in HISTORY
    ]


def get_nothing(world: World, call: Call, task_id: str) -> Any:
    """GET /transactions/N/settings: nothing is kept of them."""
    _any(world, task_id)
    return None


def get_empty(world: World, call: Call, task_id: str) -> Any:
    """GET /transactions/N/deployment_info."""
    _any(world, task_id)
    return {}


def get_notifications(world: World, call: Call) -> Any:
    """GET /notifications/."""
    return world.store.all("notification")


def _any(world: World, task_id: str) -> Document:
    task = world.store.get("task", int(task_id))
    if task is None:
        raise missing("Transaction")
    return task


def _transaction(task: Document) -> dict[str, Any]:
    return {key: value for key, value in shown(task).items() if key != "parent_id"}


def _wanted(world: World, call: Call) -> list[Document]:
    cluster = call.params.get("cluster_id")
    tasks = world.store.all("task")
    return [task for task in tasks if not cluster or str(task["cluster"]) == cluster]
