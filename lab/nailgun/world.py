"""Everything that the parts of the stand-in share."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from lab.nailgun.answers import Failure, missing
from lab.nailgun.clock import Clock
from lab.nailgun.faults import Faults
from lab.nailgun.store import Document, Store


@dataclass
class Options:
    """How the stand-in was started. Commands are run for each node; empty ones simulate."""

    username: str = "admin"
    password: str = "admin"
    auth: bool = True
    keepalive_timeout_s: float = 180.0
    on_provision: str = ""
    on_deploy: str = ""
    on_delete: str = ""
    hook_timeout_s: float = 900.0
    hosts: dict[str, str] = field(default_factory=dict)


@dataclass
class Call:
    """One request, without what routing took away."""

    body: Any
    params: dict[str, str]
    headers: dict[str, str]


class World:
    """The state, the clock, the faults, and the jobs under way."""

    def __init__(self, store: Store, clock: Clock, options: Options) -> None:
        self.store = store
        self.clock = clock
        self.options = options
        self.faults = Faults()
        self.tokens: set[str] = set()
        self.calls: list[dict[str, Any]] = []
        self.watchers: list[Callable[[str], None]] = []
        """Are told each call when it was carried out, before its answer goes out."""
        self._jobs: set[asyncio.Task[None]] = set()
        self._by_task: dict[int, asyncio.Task[None]] = {}

    def spawn(self, job: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Let a job run beside the requests."""
        task = asyncio.get_running_loop().create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        return task

    def run(self, task_id: int, job: Coroutine[Any, Any, None]) -> None:
        """Let the job of a task run, which `cancel` can end."""
        self._by_task[task_id] = self.spawn(job)

    def cancel(self, task_id: int) -> None:
        """End the job of a task, if it runs."""
        if job := self._by_task.pop(task_id, None):
            job.cancel()

    async def stop(self) -> None:
        """End all jobs."""
        for task in list(self._jobs):
            task.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    def node(self, node_id: int) -> Document:
        """Return a node; without one, Nailgun's 404."""
        return self._there("node", node_id, "Node")

    def cluster(self, cluster_id: int) -> Document:
        """Return an environment; without one, Nailgun's 404."""
        return self._there("cluster", cluster_id, "Cluster")

    def members(self, cluster_id: int) -> list[Document]:
        """Return an environment's nodes."""
        return [n for n in self.store.all("node") if n["cluster"] == cluster_id]

    def notify(
        self, topic: str, message: str, *, node: int | None = None, cluster: int | None = None
    ) -> None:
        """Tell the operators."""
        moment = self.clock.text()
        day, time = moment[:10], moment[11:19]
        self.store.add(
            "notification",
            {
                "topic": topic,
                "message": message,
                "status": "unread",
                "node_id": node,
                "task_id": None,
                "cluster": cluster,
                "date": "-".join(reversed(day.split("-"))),
                "time": time,
            },
        )

    def _there(self, kind: str, number: int, name: str) -> Document:
        found = self.store.get(kind, number)
        if found is None:
            raise missing(name)
        return found


def number(text: str, message: str) -> int:
    """Return an id from a URL."""
    if not text.isdigit():
        raise Failure(400, message)
    return int(text)
