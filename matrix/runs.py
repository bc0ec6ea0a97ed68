"""Runs of a deployment on a real server, each with workers of its own that may be killed."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings

from pumphouse.deployments import POOL
from pumphouse.deployments.processes import Process
from pumphouse.deployments.settings import WORKER
from pumphouse.limits import host_limit
from tests.rack import HOST, Rack
from tests.stack import Stack, running_server

SHARED = "default"
"""The queue that the worker which lives on takes runs from."""
LONGEST_S = 600.0
OVER = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
PAUSE_S = 2.0
PATIENCE = 20
_saving = threading.Lock()


class Runs:
    """Starts runs, and ends them and their workers before their time."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        found = stack.post("/deployments/filter", {})
        self._deployments = {one["name"]: one["id"] for one in found}

    def save(self, rack: Rack, folder: Path, site: str) -> None:
        """Write the blocks of *site* to the server."""
        url = self.stack.services.options.api_url
        with _saving, temporary_settings({PREFECT_API_URL: url}):
            for left in reversed(range(PATIENCE)):
                try:
                    return rack.save(folder, site, patient=True)
                except PrefectHTTPStatusError as error:
                    if error.response.status_code != 503 or not left:
                        raise
                time.sleep(PAUSE_S)

    @contextmanager
    def worker(self, queue: str) -> Iterator[Process]:
        """Yield a worker that takes the runs of *queue* only."""
        if queue != SHARED:
            self._post(f"/work_pools/{POOL}/queues", {"name": queue})
        process = Process(self.stack.services.folder, f"worker-{queue}")
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL]
        command += ["--name", queue, "--work-queue", queue, "--type", "process"]
        command += ["--install-policy", "never"]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        process.start(command, self.stack.environment | WORKER | {"PATH": path})
        try:
            yield process
        finally:
            process.stop()

    def start(
        self, site: str, queue: str = SHARED, deployment: str = "upgrade-host", **given: Any
    ) -> str:
        """Start an upgrade, of the rack's host unless parameters are *given*; return its id."""
        body = {
            "parameters": {**(given or {"host": HOST}), "site": site},
            "work_queue_name": queue,
            "state": {"type": "SCHEDULED"},
        }
        path = f"/deployments/{self._deployments[deployment]}/create_flow_run"
        return str(self._post(path, body)["id"])

    def cancel(self, run: str) -> None:
        """Cancel a run as the UI does."""
        self._post(f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})

    def runs_of(self, deployment: str, site: str) -> list[Any]:
        """Return the runs of a deployment at *site*."""
        wanted = {"deployments": {"name": {"any_": [deployment]}}}
        found = self._post("/flow_runs/filter", wanted)
        return [run for run in found if run["parameters"].get("site") == site]

    def state(self, run: str) -> Any:
        """Return the run's state: type, name and message."""
        body = {"flow_runs": {"id": {"any_": [run]}}}
        return self._post("/flow_runs/filter", body)[0]["state"]

    def ended(self, run: str) -> Any:
        """Return the state that the run ends in."""
        end = time.monotonic() + LONGEST_S
        while (state := self.state(run))["type"] not in OVER:
            assert time.monotonic() < end, f"run {run} is {state['name']} for ever"
            time.sleep(PAUSE_S)
        return state

    def says(self, run: str, words: str) -> bool:
        """Tell whether *words* are in the run's log."""
        lines = self._post("/logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}})
        return any(words in line["message"] for line in lines)

    def slots_taken(self, site: str) -> int:
        """Return how many slots of the host's limit are taken."""
        limits = self._post("/v2/concurrency_limits/filter", {})
        return sum(one["active_slots"] for one in limits if one["name"] == host_limit(site, HOST))

    def _post(self, path: str, body: Any) -> Any:
        """Return the server's answer; while its database is locked it gives none."""
        for _ in range(PATIENCE):
            try:
                return self.stack.post(path, body)
            except HTTPError as error:
                if error.code != 503:
                    raise
            time.sleep(PAUSE_S)
        return self.stack.post(path, body)


def kill_run(run: str) -> None:
    """Kill every process of a run, with no chance to say anything."""
    for pid in processes(run):
        os.kill(pid, signal.SIGKILL)


def kill_worker(worker: Process) -> None:
    """Kill a worker alone; the run that it started lives on."""
    pid = worker.pid
    assert pid, f"the worker is gone already; its log says {worker.tail()}"
    os.kill(pid, signal.SIGKILL)


def processes(run: str) -> Iterator[int]:
    """Yield the processes of a run: they have its id in their environment."""
    wanted = f"PREFECT__FLOW_RUN_ID={run}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            found = wanted in path.read_bytes().split(b"\0")
        except OSError:
            continue
        if found:
            yield int(path.parent.name)


@contextmanager
def served(folder: Path) -> Iterator[Runs]:
    """Yield a server with our deployments and automation, and the worker that lives on."""
    with running_server(folder) as services:
        stack = Stack(services, folder / "none.yaml")
        done = stack.pumphouse("deploy")
        assert done.returncode == 0, done.stdout + done.stderr
        runs = Runs(stack)
        with runs.worker(SHARED):
            yield runs
