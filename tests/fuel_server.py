"""A stand-in of Fuel in a thread of the test, over real HTTP, its time many times as fast."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn

from lab.nailgun.app import make_app
from lab.nailgun.clock import Clock
from lab.nailgun.seeds import machine, seed
from lab.nailgun.store import Store
from lab.nailgun.world import Options, World
from pumphouse.fuel import Node
from pumphouse.fuel_access import FuelAccess
from pumphouse.tasks.fuel import FuelClient

SPEED = 60.0
PASSWORD = "right-one"
ENVIRONMENT = 1
"""The target of a new stand-in: three controllers, and three compute nodes from node 4 on."""
MODEL = 4


@dataclass
class FuelServer:
    """Where it listens, and how to meddle with it."""

    url: str
    world: World

    def access(self, **changes: Any) -> FuelAccess:
        """Return how to reach it, asking often."""
        values = {"url": self.url, "password": PASSWORD, "poll_interval_s": 0.05}
        return FuelAccess(**{**values, "request_timeout_s": 5, "retries": 2, **changes})

    def client(self, **changes: Any) -> FuelClient:
        """Return a client of it."""
        return FuelClient(self.access(**changes))

    def control(self, path: str, body: Any = None) -> Any:
        """Send one of the lab's own calls."""
        answer = httpx.post(f"{self.url}/_lab{path}", json=body, timeout=5)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def fault(self, kind: str, **values: Any) -> None:
        """Let something go wrong."""
        self.control("/faults", {"kind": kind, **values})

    def calls(self) -> list[str]:
        """Return the requests so far: method and path."""
        return [call["call"] for call in list(self.world.calls)]

    def queries(self) -> list[str]:
        """Return the requests so far with what is after the question mark."""
        calls = list(self.world.calls)
        return [
            f"{c['call']}?{c['query']}" if c["query"] is not None else c["call"] for c in calls
        ]

    def register(self, number: int = 77, **changes: Any) -> int:
        """Let a machine boot into bootstrap; return its node's id."""
        body = machine(f"host{number}", number) | {"ip": "10.20.0.240"} | changes
        answer = httpx.post(f"{self.url}/api/nodes/", json=body, timeout=5)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def agent(self, **body: Any) -> None:
        """Let an agent report."""
        answer = httpx.put(f"{self.url}/api/nodes/agent/", json=body, timeout=5)
        assert answer.status_code == 200, answer.text

    def assigned(self, client: FuelClient, number: int = 77) -> Node:
        """Return a new node that has the role compute already."""
        node_id = self.register(number)
        client.assign(ENVIRONMENT, node_id, ["compute"])
        node = client.node(node_id)
        assert node is not None
        return node


@contextlib.contextmanager
def serving(
    speed: float = SPEED,
    store: Store | None = None,
    source_hosts: dict[str, dict[str, Any]] | None = None,
    **options: Any,
) -> Iterator[FuelServer]:
    """
    Serve a new stand-in, or one kept in *store*, until the end of the block.

    source_hosts: As `seed` has them: what Fuel installed of the source; none without any.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    world = World(store or Store(), Clock(speed), Options(password=PASSWORD, **options))
    seed(world, lab=True, source_hosts=source_hosts or {})
    config = uvicorn.Config(
        make_app(world), host="127.0.0.1", port=port, log_level="error", access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < end, "the stand-in did not start"
        time.sleep(0.01)
    try:
        yield FuelServer(f"http://127.0.0.1:{port}", world)
    finally:
        server.should_exit = True
        thread.join(10)
