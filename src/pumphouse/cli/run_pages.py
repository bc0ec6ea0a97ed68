"""What the Prefect server knows of one flow run, read page by page, for who watches it."""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pumphouse.live import TASKS, Job, Sight

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import Artifact, FlowRun

LOG_PAGE = 200
SHOWN = 50
"""Tasks and copies that are looked at at once, at most."""

SOON = timedelta(minutes=1)
"""A worker takes runs some seconds before their time, and its clock is not ours."""

OPEN = ("RUNNING", "PENDING", "CANCELLING", "PAUSED")
STATES = {"COMPLETED": "done", "RUNNING": "running", "FAILED": "failed", "PENDING": "waiting"}
ENDED = ("COMPLETED", "FAILED", "CRASHED")


class RunPages:
    """One flow run. Each method is one look; together they feed its `Sight`."""

    def __init__(self, client: "SyncPrefectClient", run_id: UUID) -> None:
        self.client = client
        self.run_id = run_id
        self.sight = Sight()
        self._lines = 0

    def run(self) -> "FlowRun":
        """Return the flow run as it is now."""
        return self.client.read_flow_run(self.run_id)

    def counts(self) -> list[tuple[str, int]]:
        """Return how many tasks are in which state, without states of none."""
        found = [(word, self._count({}, state)) for state, word in STATES.items()]
        return [(word, count) for word, count in found if count]

    def jobs(self) -> list[Job]:
        """Return what runs now, the longest first."""
        state = {"state": {"type": {"any_": ["RUNNING"]}}}
        rows = self._post("/task_runs/filter", task_runs=state, limit=SHOWN)
        self._see_copies()
        tasks = [(r["id"], r["name"], _when(r["start_time"])) for r in rows]
        return sorted(self.sight.running(tasks), key=lambda job: str(job.began))

    def stages(self) -> list[tuple[str, int, int, int]]:
        """Return of each kind that copies bytes: done, failed, and how many in all."""
        counts = {
            kind: {state: self._count({"name": {"like_": name}}, state) for state in ENDED}
            for kind, name in TASKS.items()
            if kind in self.sight.todo
        }
        self.sight.counted(counts)
        return self.sight.stages()

    def lines(self) -> Iterator[tuple[Mapping[str, Any], bool]]:
        """Yield new log lines, and whether the picture shows what they say."""
        while True:
            asked = {"offset": self._lines, "limit": LOG_PAGE, "sort": "TIMESTAMP_ASC"}
            body = {"logs": {"flow_run_id": {"any_": [str(self.run_id)]}}, **asked}
            rows = self.client.request("POST", "/logs/filter", json=body).json()
            for row in rows:
                self._lines += 1
                at, task = _when(row["timestamp"]), row["task_run_id"] or ""
                assert at is not None
                yield row, self.sight.line(task, row["message"], at)
            if len(rows) < LOG_PAGE:
                return

    def artifacts(self) -> "list[Artifact]":
        """Return what the run published under a key, in the keys' order."""
        from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

        chosen = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[self.run_id]))
        found = self.client.read_artifacts(artifact_filter=chosen)
        return sorted((a for a in found if a.key), key=lambda a: a.key or "")

    def _see_copies(self) -> None:
        kind = {"type": {"any_": ["progress"]}}
        rows = self._post("/artifacts/filter", artifacts=kind, sort="UPDATED_DESC", limit=SHOWN)
        for row in rows:
            self.sight.copies(row["task_run_id"] or "", row["description"] or "", time.monotonic())

    def _count(self, tasks: Mapping[str, Any], state: str) -> int:
        chosen = {**tasks, "state": {"type": {"any_": [state]}}}
        return int(self._post("/task_runs/count", task_runs=chosen))

    def _post(self, path: Any, **body: Any) -> Any:
        body["flow_runs"] = {"id": {"any_": [str(self.run_id)]}}
        return self.client.request("POST", path, json=body).json()


def _when(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def find(client: "SyncPrefectClient", named: str) -> "FlowRun | None":
    """
    Return the run with this id or name, or the newest for ``latest``.

    Of several, one that has not ended comes first, then the newest. Runs inside others, and
    those whose time is still to come, are found by id and name only.
    """
    try:
        chosen: dict[str, Any] = {"id": {"any_": [str(UUID(named))]}}
    except ValueError:
        chosen = {"name": {"any_": [named]}}
    states = list(OPEN)
    if named == "latest":
        due = {"before_": (datetime.now(UTC) + SOON).isoformat()}
        chosen = {"parent_task_run_id": {"is_null_": True}, "expected_start_time": due}
        # Of those that are due, one waits for its worker.
        states.append("SCHEDULED")
    for more in ({"state": {"type": {"any_": states}}}, {}):
        body = {"flow_runs": {**chosen, **more}, "sort": "START_TIME_DESC", "limit": 1}
        rows = client.request("POST", "/flow_runs/filter", json=body).json()
        if rows:
            return client.read_flow_run(UUID(rows[0]["id"]))
    return None
