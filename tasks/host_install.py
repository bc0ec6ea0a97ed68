"""
Provision and deploy exactly one node, and judge that on the task and the node together.

Fuel does one thing at a time in an environment, so a host waits for its turn; a job that an
earlier run started is waited for and never started twice.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pumphouse.errors import FuelBusy, FuelTaskFailed
from pumphouse.fuel import Node, Task
from pumphouse.fuel_judging import deploy_failure, provision_failure
from pumphouse.tasks.fuel import FuelClient
from pumphouse.tasks.fuel_waits import wait_idle, wait_node, wait_task
from pumphouse.tasks.host_assignment import design_of
from pumphouse.tasks.upgrading import Work
from pumphouse.upgrade_facts import INSTALLED, VERIFIED

AGAIN = "It can be tried again: {}."


def provision(work: Work) -> None:
    """
    Let Fuel write the new system to the node's disks, and only to its.

    Raises:
        FuelTaskFailed: The task failed, or says ready while the node is not provisioned.
        WaitFailed: Not in time; Fuel goes on.
    """
    with work.fuel() as client:
        node, design = design_of(work, client)
        if VERIFIED in node.labels and node.status not in INSTALLED:
            # What will be installed was never probed.
            client.set_label(node.id, VERIFIED, None)

        def start() -> Task | None:
            if _status(client, node) in INSTALLED:
                return None
            return client.provision(design.environment_id, [node.id])

        job = _Job(work, client, design.environment_id, "provision", work.timeouts.provision_s)
        ended = job.run(node.status == "provisioning", start)
        failure = ended and provision_failure(ended, client.node(node.id))
    if failure:
        raise _failed(work, f"provisioning of {node.label}", failure)
    work.log(f"{node.label} is provisioned.")


def deploy(work: Work) -> None:
    """
    Let Fuel deploy the node's roles, and only on it, once it is back online.

    Raises:
        FuelTaskFailed: The task failed, or says ready while the node is not.
        WaitFailed: Not in time; Fuel goes on.
    """
    with work.fuel() as client:
        node, design = design_of(work, client)

        def start() -> Task | None:
            if _status(client, node) == "ready":
                return None
            # Fuel skips a node that is offline, and calls that ready.
            what = f"{node.label} to boot its new system and be online"
            patience_s = work.timeouts.registration_s
            wait_node(client, node.id, lambda n: n.online, what, patience_s, work.stop)
            return client.deploy(design.environment_id, [node.id])

        job = _Job(work, client, design.environment_id, "deploy", work.timeouts.deploy_s)
        ended = job.run(node.status == "deploying", start)
        failure = ended and deploy_failure(ended, client.node(node.id), design.roles)
    if failure:
        raise _failed(work, f"deployment of {node.label}", failure)
    work.log(f"{node.label} is ready.")


def _status(client: FuelClient, node: Node) -> str:
    """Return what the node is now: others may have worked on it while we waited."""
    now = client.node(node.id)
    return now.status if now else ""


@dataclass(frozen=True)
class _Job:
    """A job of Fuel on one node: *name* is as Fuel calls its task."""

    work: Work
    client: FuelClient
    environment_id: int
    name: str
    timeout_s: float

    def run(self, is_under_way: bool, start: Callable[[], Task | None]) -> Task | None:
        """Return the job when it is over: the one under way, or a new one; None if needless."""
        job = self._under_way() if is_under_way else None
        if job is not None:
            self.work.log(f"Fuel's {job.label} is under way already; it is waited for.")
        else:
            job = self._start(start)
        if job is None:
            return None
        watch = self.work.watch(self.name)
        return wait_task(self.client, job.id, self.timeout_s, watch, self.work.stop)

    def _under_way(self) -> Task | None:
        running = self.client.running(self.environment_id)
        found = [task for task in running if task.name == self.name]
        return found[-1] if found else None

    def _start(self, start: Callable[[], Task | None]) -> Task | None:
        """Start a job when it is our turn: another host's may come between."""
        timeouts = self.work.timeouts
        deadline = time.monotonic() + timeouts.provision_s + timeouts.deploy_s
        while True:
            left = max(1.0, deadline - time.monotonic())
            wait_idle(self.client, self.environment_id, left, self.work.stop)
            try:
                return start()
            except FuelBusy:
                if time.monotonic() > deadline:
                    raise
                self.work.log("Fuel works on another node of the environment; we wait.")


def _failed(work: Work, what: str, reason: str) -> FuelTaskFailed:
    return FuelTaskFailed(what, reason, AGAIN.format(f"pumphouse upgrade-host {work.host}"))
