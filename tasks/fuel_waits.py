"""
Wait for Fuel: for a host to register, a task to end, a node to change.

All waits end early when *stop* is set, ask as often as the access says, and sit out a
master that is away for a while: only the time-out ends them.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from pumphouse.errors import FuelTaskFailed, FuelUnreachable, Interrupted, WaitFailed
from pumphouse.fuel import Node, Task, mac_set
from pumphouse.tasks.fuel import FuelClient
from pumphouse.tasks.waiting import NEVER

T = TypeVar("T")

FIRST_PAUSE_S = 0.2
SHARE = 0.1
FULL_LOOK = 10
"""Every so many looks for a host that is not there yet, all nodes are listed."""

Progress = Callable[[Task], None]


def wait_registered(
    client: FuelClient,
    macs: Iterable[str],
    timeout_s: float,
    stop: threading.Event = NEVER,
    *,
    not_id: int | None = None,
) -> Node:
    """
    Return the node with all of *macs* once it is in bootstrap (discover) and online.

    A host that Fuel knew keeps its node and roles and only its status turns to discover; a
    deleted one comes back as a new node: give the old one as *not_id* when that is awaited.

    Raises:
        FuelTaskFailed: It registered with an address outside the admin network.
        FuelNodeUnclear: A node has some of the MACs but not all.
        WaitFailed: Not within *timeout_s*.
    """
    wanted = sorted(mac_set(macs))
    what = f"the host with {', '.join(wanted)} to register in Fuel"

    known: list[int] = []
    looks = itertools.count()

    def read() -> Node | None:
        node = client.node(known[0]) if known else None
        if node is None:
            # A list of all nodes is long: who registers anew is in no environment yet.
            node = client.find_node(wanted, free=bool(next(looks) % FULL_LOOK))
        if node is None or node.id == not_id:
            return None
        known[:] = [node.id]
        return node

    def done(node: Node | None) -> bool:
        if node is None:
            return False
        if node.status == "error" and node.error_type == "discover":
            raise FuelTaskFailed(
                f"discovery of {node.label}",
                last_words(client, node.id),
                "Give the host an address of the admin network (its DHCP is Fuel's own), and "
                "boot it again.",
            )
        return node.status == "discover" and node.online

    found = _patiently(client, what, read, done, timeout_s, stop, _node_state)
    assert found is not None
    return found


def wait_task(
    client: FuelClient,
    task_id: int,
    timeout_s: float,
    on_progress: Progress | None = None,
    stop: threading.Event = NEVER,
) -> Task:
    """
    Return the task once it is over, well or not: its status and its node's judge that.

    *on_progress* is called with the task whenever its status or progress changed. Progress
    of 100 does not end it. A task that newer ones have superseded is read as a transaction.

    Raises:
        WaitFailed: Not within *timeout_s*; it goes on in Fuel.
        Interrupted: *stop* was set; it goes on in Fuel.
    """
    last: list[tuple[str, int | None]] = []

    def done(task: Task) -> bool:
        seen = (task.status, task.progress)
        if on_progress and seen not in last[-1:]:
            on_progress(task)
        last[:] = [seen]
        return task.over

    def state(task: Task | None) -> str:
        return f"It is {task.status}, {task.progress or 0} %, and goes on." if task else ""

    what = f"Fuel's task {task_id} to end"
    return _patiently(client, what, lambda: client.task(task_id), done, timeout_s, stop, state)


def wait_node(
    client: FuelClient,
    node_id: int,
    wanted: Callable[[Node], bool],
    what: str,
    timeout_s: float,
    stop: threading.Event = NEVER,
) -> Node:
    """
    Return the node once *wanted* says so; *what* completes "waited in vain for".

    Raises:
        FuelTaskFailed: The node is gone: it was deleted and comes back under another id.
        WaitFailed: Not within *timeout_s*.
    """

    def done(node: Node | None) -> bool:
        if node is None:
            raise FuelTaskFailed(
                f"node {node_id}",
                "Someone deleted it.",
                "The host comes back in bootstrap as another node; run again to go on with it.",
            )
        return wanted(node)

    def read() -> Node | None:
        return client.node(node_id)

    found = _patiently(client, what, read, done, timeout_s, stop, _node_state)
    assert found is not None
    return found


def wait_gone(
    client: FuelClient, node_id: int, timeout_s: float, stop: threading.Event = NEVER
) -> None:
    """Return once Fuel does not know the node any more. Raises WaitFailed."""
    what = f"node {node_id} to be deleted in Fuel"

    def read() -> Node | None:
        return client.node(node_id)

    _patiently(client, what, read, lambda node: node is None, timeout_s, stop, _node_state)


def wait_idle(
    client: FuelClient, cluster_id: int, timeout_s: float, stop: threading.Event = NEVER
) -> None:
    """Return once nothing runs in the environment. Raises WaitFailed with what does."""
    what = f"Fuel environment {cluster_id} to be idle"

    def state(running: list[Task] | None) -> str:
        return f"Running: {', '.join(task.label for task in running)}." if running else ""

    def read() -> list[Task]:
        return client.running(cluster_id)

    _patiently(client, what, read, lambda running: not running, timeout_s, stop, state)


def last_words(client: FuelClient, node_id: int) -> str:
    """Return the newest error that Fuel notified about a node, as one sentence."""
    errors = [n.message for n in client.notifications(node_id) if n.topic == "error"]
    words = " ".join(errors[-1].split()) if errors else "Fuel gives no reason"
    return f"{words.rstrip('.')}."


def _node_state(node: Node | None) -> str:
    if node is None:
        return "Fuel does not know it."
    return f"{node.label} is {node.status}{'' if node.online else ' and offline'}."


def _patiently(
    client: FuelClient,
    what: str,
    read: Callable[[], T],
    done: Callable[[T], bool],
    timeout_s: float,
    stop: threading.Event,
    state: Callable[[T | None], str],
) -> T:
    """Return what *read* returns once *done* says so; a silent master is waited out."""
    began = time.monotonic()
    value: T | None = None
    away: FuelUnreachable | None = None
    while True:
        try:
            value = read()
            away = None
        except FuelUnreachable as error:
            away = error
        else:
            if done(value):
                return value
        waited = time.monotonic() - began
        if waited > timeout_s:
            if away:
                raise away
            raise WaitFailed(what, f"It did not happen within {timeout_s:g} s. {state(value)}")
        pause = min(client.access.poll_interval_s, max(FIRST_PAUSE_S, SHARE * waited))
        if stop.wait(pause):
            raise Interrupted(f"waiting for {what}")
