"""
The upgrade of a host through a real worker, with a fault at each of its steps.

The host, its BMC, Fuel and both clouds are a rack of `tests.rack`; each cell has its own. The
fault comes when the step's first effect has happened and nobody has been told so yet: the
flow's process, its worker or both are killed there. Or the step fails: its first call is
refused, or Fuel's job ends in error. Then the same is run again. In the end the host is a
compute node of the target, reset, provisioned and deployed once, and its limit is free.
"""

import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Any

from matrix.cells import ALL, Cell, Choice
from matrix.moments import ORDER, Moments
from matrix.runs import SHARED, Runs, kill_run, kill_worker, processes, served
from pumphouse.deployments.processes import Process
from pumphouse.upgrade import steps
from pumphouse.upgrade_facts import VERIFIED
from tests.rack import HOST, MACS, Rack, standing
from tests.stack import wait_for

OPERATION = "upgrade a host"
AT_ONCE = 6
SPEED, SLOW = 60.0, 0.05
"""Fuel's clock: a job that is under way when a run is killed still is when the next one looks."""


class Fault(StrEnum):
    """What happens at a step."""

    FAILED = "failed"
    FLOW = "flow killed"
    WORKER = "worker killed"
    BOTH = "both killed"


Wanted = tuple[str, Fault]
TRIES = 3
"""How often a run is started that Prefect's server is too busy to begin."""


def cells(which: Choice = ALL) -> Iterator[Cell]:
    """Yield the cells of each fault at its steps."""
    names = [step.name for step in steps(by_fuel=False)]
    assert tuple(names) == ORDER, "the steps have changed: say where their effects begin"
    # What waits longest goes first.
    wanted = [(name, fault) for fault in reversed(Fault) for name in names[:: which.every]]
    places = {one: (OPERATION, _effect(one[0]), one[1]) for one in wanted}
    yield from (which.known[place] for place in places.values() if place in which.known)
    yield from of([one for one, place in places.items() if place not in which.known])


def of(wanted: Iterable[Wanted]) -> Iterator[Cell]:
    """Yield the cells that are wanted, as they come."""
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder) / "prefect") as runs,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        begun = [pool.submit(_cell, runs, Path(folder), *one) for one in wanted]
        for future in as_completed(begun):
            yield future.result()


def _cell(runs: Runs, folder: Path, step: str, fault: Fault) -> Cell:
    site = f"{fault.replace(' ', '-')}-{step}"
    (folder / site).mkdir()
    try:
        with standing(folder / site) as rack, ExitStack() as stack:
            outcome, problems = _Trial(runs, rack, step, fault, site).run(folder / site, stack)
    except Exception as error:  # noqa: BLE001 - whatever it is, the cell shows it
        outcome, problems = "", [f"{type(error).__name__}: {error}"]
    outcome = "; ".join(problems) or outcome
    return Cell(OPERATION, _effect(step), fault, outcome, not problems)


def _effect(step: str) -> str:
    return f"{ORDER.index(step) + 1} {step}"


class _Trial:
    """One host, upgraded with one fault and then again."""

    def __init__(self, runs: Runs, rack: Rack, step: str, fault: Fault, site: str) -> None:
        self.runs = runs
        self.rack = rack
        self.step = step
        self.fault = fault
        self.site = site
        self.moments = Moments(rack)
        self.is_hit = threading.Event()
        self.run_id = ""
        self.worker: Process | None = None

    def run(self, folder: Path, stack: ExitStack) -> tuple[str, list[str]]:
        """Return how it ended, and what is wrong."""
        self.runs.save(self.rack, folder, self.site)
        if self.step == ORDER[0]:
            self.rack.source.services[HOST].update(status="enabled", disabled_reason=None)
        queue = SHARED
        if self.fault in (Fault.WORKER, Fault.BOTH):
            queue = self.site
            self.worker = stack.enter_context(self.runs.worker(queue))
        if self.fault is Fault.FAILED:
            self.moments.fail(self.step)
        else:
            self.moments.at(self.step, self._strike)
        first = self._first(queue)
        second = self._again()
        return self._words(first), [*self._wrong_ends(first, second), *self._not_arrived()]

    def _strike(self) -> None:
        """Kill what is to be killed; Fuel is slow from now on."""
        if self.step in ("provision", "deploy"):
            self._pace(SPEED if self.fault is Fault.WORKER else SLOW)
        # The worker first: it would report what became of its run.
        if self.worker:
            kill_worker(self.worker)
        if self.fault in (Fault.FLOW, Fault.BOTH):
            kill_run(self.run_id)
        self.is_hit.set()

    def _pace(self, speed: float) -> None:
        self.rack.fuel.world.clock.now()
        self.rack.fuel.world.clock.speed = speed

    def _first(self, queue: str) -> Any:
        """Run the upgrade that the fault comes into; return how it ended."""
        for _ in range(TRIES):
            self.run_id = self.runs.start(self.site, queue)
            ended = self.runs.ended(self.run_id)
            if not _was_never_begun(ended):
                break
        return ended

    def _again(self) -> Any:
        """Run the same again; Fuel is quick again once that run has looked at it."""
        for _ in range(TRIES):
            asked = len(self.rack.fuel.calls())
            run = self.runs.start(self.site)
            if self.rack.fuel.world.clock.speed == SLOW:
                looked = lambda asked=asked: len(self.rack.fuel.calls()) > asked  # noqa: E731
                wait_for(looked, 400, "the next run asks Fuel")
                time.sleep(5)
                self._pace(SPEED)
            ended = self.runs.ended(run)
            if not _was_never_begun(ended):
                break
        return ended

    def _wrong_ends(self, first: Any, second: Any) -> Iterator[str]:
        killed = self.fault in (Fault.FLOW, Fault.BOTH)
        if self.fault is not Fault.FAILED and not self.is_hit.is_set():
            yield "the step was never reached"
        if killed and first["type"] != "CRASHED":
            yield f"the killed run is {first['name']}: {first['message']}"
        if self.fault is Fault.FLOW and not self.runs.says(self.run_id, f"Host {HOST}: "):
            yield "the killed run's log does not say where the host is"
        if second["type"] != "COMPLETED":
            yield f"the next run is {second['name']}: {second['message']}"
        if left := list(processes(self.run_id)):
            yield f"processes of the first run live on: {left}"
        if taken := self.runs.slots_taken(self.site):
            yield f"{taken} slots of the host's limit are taken"

    def _not_arrived(self) -> Iterator[str]:
        """Yield what tells the host from a compute node of the target, and what was done twice."""
        world, services = self.rack.fuel.world, self.rack.target.services
        nodes = [n for n in world.store.all("node") if n["mac"] == MACS[0]]
        for node in nodes:
            if (node["status"], node["roles"], node["name"]) != ("ready", ["compute"], HOST):
                yield f"the node is {node['status']} with {node['roles']}"
            if VERIFIED not in node["labels"]:
                yield "the node was not probed"
        if HOST not in services or services[HOST]["status"] != "enabled":
            yield "the target has no enabled compute service of it"
        if HOST in self.rack.source.services:
            yield "the source still lists it"
        jobs = [task["name"] for task in world.store.all("task")]
        counts = {
            "node": len(nodes),
            "reset": self.rack.resets,
            "provision": jobs.count("provision"),
            "deploy": jobs.count("deploy"),
        }
        for what, count in counts.items():
            # A job of Fuel that failed is begun anew; nothing else may happen twice.
            most = 2 if self.fault is Fault.FAILED and what == self.step else 1
            if not 1 <= count <= most:
                yield f"{count} times: {what}"

    def _words(self, first: Any) -> str:
        """Say how the run with the fault ended: the next one made it whole in any case."""
        healed = "tried again" if self.fault is Fault.FAILED else "went on by itself"
        ends = {
            "COMPLETED": healed,
            "CRASHED": "crashed, then carried on",
            "FAILED": "failed, then carried on",
        }
        return ends.get(first["type"], first["name"])


def _was_never_begun(ended: Any) -> bool:
    """Tell whether the worker got no answer of the server, and never started a run's process."""
    return (ended["message"] or "").startswith("Failed to submit flow run to infrastructure")
