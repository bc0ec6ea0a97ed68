"""A real Prefect server with a worker for tests, and a real browser to look at it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from pumphouse.deployments.services import Services
from pumphouse.deployments.settings import ServerOptions

ROOT = Path(__file__).parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PICTURES = ROOT / "build" / "pictures"


def free_port() -> int:
    """Return a port of loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_server(folder: Path, **chosen: Any) -> Iterator[Services]:
    """Start a server in *folder* at a free port; stop it and its worker in the end."""
    services = Services(folder, ServerOptions(**{"port": free_port(), **chosen}))
    try:
        services.start_server()
        yield services
    finally:
        services.worker.stop()
        services.server.stop()


class Stack:
    """Commands, calls and pages of one running server."""

    def __init__(self, services: Services, config: Path) -> None:
        self.services = services
        self.config = config

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to find this server."""
        own = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        more = {"PUMPHOUSE_CONFIG": str(self.config), "COLUMNS": "200"}
        return own | self.services.client_environment() | more

    def pumphouse(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        command = [sys.executable, "-m", "pumphouse", *words]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=900
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start the command line and go on."""
        command = [sys.executable, "-m", "pumphouse", *words]
        return subprocess.Popen(
            command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def post(self, path: str, body: Any) -> Any:
        """Return the decoded answer of Prefect's API."""
        request = Request(self.services.options.api_url + path, json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        with urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def cancel(self, run: Any) -> None:
        """Cancel a flow run, as the UI's button does."""
        body = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": False}
        self.post(f"/flow_runs/{run['id']}/set_state", body)

    def state(self, run: Any) -> Any:
        """Return a flow run's state now: type, name and message."""
        body = {"flow_runs": {"id": {"any_": [run["id"]]}}}
        return self.post("/flow_runs/filter", body)[0]["state"]

    def log(self, run: Any) -> str:
        """Return what a flow run has said."""
        lines = self.post("/logs/filter", {"logs": {"flow_run_id": {"any_": [run["id"]]}}})
        return "\n".join(line["message"] for line in lines)

    def newest_run(self) -> Any:
        """Return the flow run that was created last."""
        body = {"sort": "EXPECTED_START_TIME_DESC", "limit": 1}
        return self.post("/flow_runs/filter", body)[0]

    def look(
        self, page: str, name: str, net_log: Path | None = None, port: int | None = None
    ) -> str:
        """
        Open *page* in a headless browser and return its text as HTML.

        What it asks of the network is written to *net_log*. *port* is another one to ask.

        A picture of it goes to build/pictures/*name*.png. The browser waits for 20 s of the
        page's own time, which passes as fast as nothing is being loaded.
        """
        assert CHROMIUM, "no chromium; install Debian's package chromium"
        PICTURES.mkdir(parents=True, exist_ok=True)
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += ["--window-size=1400,1000", "--virtual-time-budget=20000", "--timeout=90000"]
        command += [f"--user-data-dir={self.services.folder / 'browser'}", "--dump-dom"]
        command += [f"--screenshot={PICTURES / name}.png"]
        command += [f"--log-net-log={net_log}"] if net_log else []
        url = f"http://127.0.0.1:{port}" if port else self.services.options.url
        command.append(f"{url}{page}")
        return subprocess.run(command, capture_output=True, text=True, timeout=180).stdout


def wait_for(is_so: Callable[[], Any], timeout_s: float, what: str) -> None:
    """Return when *is_so* says so; fail with *what* after *timeout_s*."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"not in {timeout_s} s: {what}"
        time.sleep(0.5)
