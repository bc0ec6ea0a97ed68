"""
One host upgraded through Prefect, with Fuel's stand-in so slow that it takes some two minutes.

The client's own time is what its process spends on the processor, children included, from the
flow's first line to its last; that is held against the run's length. All else is waiting: for
Fuel, the host, its BMC, the clouds or Prefect's server, which other processes or machines work
in. Start-up of Prefect is left out. A real host takes an hour for the same work and longer
polling, so its share is several times smaller than the one measured here. Requests are counted
while a job or a host is waited for, in the first minute of a wait, where looks are close
together, and after it. The delay is from the moment that Fuel has a job's end, or a new node, to
our next look at it.
"""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.rack import Rack, standing
from tests.stack import ROOT, Stack, running_server

SITE = "bench"
SPEED = 0.25
BOOT_S = 25.0
TIMEOUT_S = 900.0
MOST_SHARE = 0.05
MOST_AT_FIRST = 60.0
MOST_LATER = 40.0
LONGEST_DELAY_S = 2.0


def run() -> list[dict[str, Any]]:
    """Return the rows of the benchmark."""
    with tempfile.TemporaryDirectory() as name, standing(Path(name)) as rack:
        with running_server(Path(name) / "prefect") as services:
            stack = Stack(services, Path(name) / "none.yaml")
            with temporary_settings({PREFECT_API_URL: services.options.api_url}):
                rack.save(Path(name), SITE, patient=True)
            with _slow(rack):
                spent = _upgrade(stack)
        waits = _waits(rack)
        calls = [call["at"] for call in rack.fuel.world.calls]
    per_minute = [_per_minute(calls, *wait) for wait in waits]
    return [
        _row(
            "upgrade of a host: the client's own time",
            spent["cpu_s"], "s", MOST_SHARE, floor=spent["wall_s"],
        ),
        _row(
            "upgrade of a host: requests to Fuel in a wait's first minute",
            max(first for first, _ in per_minute), "a minute", MOST_AT_FIRST,
        ),
        _row(
            "upgrade of a host: requests to Fuel after that",
            max(later for _, later in per_minute), "a minute", MOST_LATER,
        ),
        _row(
            "upgrade of a host: from Fuel's event to our look",
            max(_delays(rack, waits)), "s", LONGEST_DELAY_S,
        ),
    ]  # fmt: skip


def _upgrade(stack: Stack) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench._upgrading", SITE]
    done = subprocess.run(
        command, cwd=ROOT, env=stack.environment, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    spent: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return spent


@contextmanager
def _slow(rack: Rack) -> Iterator[None]:
    """Let Fuel take its time, and the host some until it has booted."""
    rack.fuel.control("/clock", {"speed": SPEED})
    register = rack.fuel.register
    boots: list[threading.Timer] = []

    def booting(number: int) -> int:
        boots.append(threading.Timer(BOOT_S, register, (number,)))
        boots[-1].start()
        return 0

    rack.fuel.register = booting  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        for boot in boots:
            boot.cancel()


def _waits(rack: Rack) -> list[tuple[float, float]]:
    """Return from when to when each thing was waited for, in seconds since 1970."""
    calls = rack.fuel.world.calls
    reset = next(c["at"] for c in calls if c["call"] == "GET /api/nodes/")
    came = next(c["at"] for c in calls if c["call"] == "POST /api/nodes/")
    found = [(max(reset, came - BOOT_S), came)]
    for name in ("provision", "deploy"):
        began = next(c["at"] for c in calls if f"/{name}/" in c["call"])
        found.append((began, _ended(rack, name)))
    return found


def _ended(rack: Rack, name: str) -> float:
    """Return when a job of Fuel was over, on our clock and not on the stand-in's."""
    world = rack.fuel.world
    job = next(t for t in world.store.all("task") if t["name"] == name)
    ended = datetime.fromisoformat(job["time_end"]).replace(tzinfo=UTC).timestamp()
    age_s = (world.clock.now() - ended) / world.clock.speed
    return datetime.now(UTC).timestamp() - age_s


def _per_minute(calls: list[float], began: float, ended: float) -> tuple[float, float]:
    """Return how many there were in the first minute, and a minute after that."""
    border = min(ended, began + 60)
    first = sum(began <= at < border for at in calls)
    later = sum(border <= at < ended for at in calls)
    return first, later * 60 / (ended - border) if ended > border else 0.0


def _delays(rack: Rack, waits: list[tuple[float, float]]) -> Iterator[float]:
    """Yield how long after each event we asked for what had changed."""
    looks = [c["at"] for c in rack.fuel.world.calls if c["call"].startswith("GET ")]
    for _, ended in waits:
        yield min(at - ended for at in looks if at > ended)


def _row(
    name: str, value: float, unit: str, limit: float, floor: float | None = None
) -> dict[str, Any]:
    ratio = value / floor if floor else None
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "floor": round(floor, 2) if floor else None,
        "ratio": round(ratio, 4) if ratio else None,
        "limit": limit,
        "holds": (value if ratio is None else ratio) <= limit,
    }
