"""
``python -m bench._engine TASKS TINY``: what Prefect's engine costs, as JSON.

A process of its own beside a real server. A flow runs as many tasks that do nothing, by threads
as a migration's; then one task makes as many roles at a cloud on loopback, whose answers cost
nothing. The same requests by bare httpx, several at once alike, are its floor.
"""

import itertools
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner

from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.blocks.site import Site
from pumphouse.ledger import Status
from pumphouse.models import Action
from pumphouse.plan import Item
from pumphouse.tasks.migration import copy_batch
from pumphouse.tasks.moving import Slots, Work
from tests.fakecloud import FakeCloud, Request

RUNNER: Any = ThreadPoolTaskRunner(max_workers=8)
PARALLEL = 8


@task(cache_policy=NO_CACHE)
def nothing(number: int) -> int:
    """Do nothing."""
    return number


@flow(task_runner=RUNNER)
def empty(count: int) -> float:
    """Return the seconds of *count* tasks that do nothing."""
    began = time.monotonic()
    for future in [nothing.submit(number) for number in range(count)]:
        future.result()
    return time.monotonic() - began


def batch(work: Work, count: int) -> float:
    """Return the seconds of one task that makes *count* roles."""
    items = [_item(number) for number in range(count)]

    # Prefect's server takes no parameters of that size: a flow's items are never among them.
    @flow(task_runner=RUNNER)
    def tiny() -> float:
        began = time.monotonic()
        entries = copy_batch(work, "roles", items, {}, frozenset())
        spent = time.monotonic() - began
        assert {entry.status for entry in entries} == {Status.DONE}
        return spent

    return tiny()


def main() -> None:
    """Measure, and print."""
    tasks, tiny = map(int, sys.argv[1:])
    spent = {"task_s": empty(tasks) / tasks}
    with FakeCloud() as cloud:
        numbers = itertools.count()

        def made(request: Request) -> dict[str, Any]:
            return {"role": {**request.json()["role"], "id": f"r{next(numbers)}"}}

        cloud.route("POST", "identity", "/roles", made)
        cloud.listing("identity", "/roles", "roles", [])
        block = cloud.block()
        pair = Site(source=block, target=block, limits={"api_calls": PARALLEL})
        slots = Slots("bench", threading.Semaphore(), threading.Semaphore(), is_shared=False)
        spent["bare_s"] = _bare(block, tiny)
        spent["tiny_s"] = batch(Work(pair, slots), tiny)
    print(json.dumps(spent))


def _bare(block: OpenStackCloud, count: int) -> float:
    """Return the seconds of *count* requests by openstacksdk with nothing around them."""
    with block.connect() as cloud, ThreadPoolExecutor(PARALLEL) as pool:
        roles = cloud.identity

        def post(number: int) -> None:
            body = {"role": {"name": f"role-{number}", "description": ""}}
            roles.post("/roles", json=body).raise_for_status()

        began = time.monotonic()
        list(pool.map(post, range(count)))
        return time.monotonic() - began


def _item(number: int) -> Item:
    row = {
        "id": f"s{number}",
        "name": f"role-{number}",
        "description": "",
        "domain_id": None,
        "options": {},
    }
    return Item(
        kind="roles", source_id=f"s{number}", name=f"role-{number}",
        action=Action.CREATE, reason="There is none.", row=row,
    )  # fmt: skip


if __name__ == "__main__":
    main()
