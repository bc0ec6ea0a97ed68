"""
Downtime of one server's cut-over against the bare API steps, timed in the same run.

The floor is the sum of what cannot be left out, with nothing between the steps: stop the
server, put its source port down, snapshot it, carry the image, boot from it, put the target's
port up, read the copy. Each is called and waited for by itself, by polls of a fifth of a second.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from bench._lab import moving_server
from bench.images import row
from pumphouse import bodies
from pumphouse.plan import Item
from pumphouse.tasks import images, ports, servers
from pumphouse.tasks.api import Api
from pumphouse.tasks.owners import owner
from tests.migrations import Prepared, prepare

LIMIT = 1.3
ROUNDS = 2
BOOT_S = 300.0


def floor(ready: Prepared) -> dict[str, float]:
    """Return the seconds of each bare step for the server of *ready*; set everything back."""
    user = ready.ids["users"][ready.item.row["user_id"]]
    project = ready.ids["projects"][ready.item.row["project_id"]]
    with owner(ready.pair.target, ready.target, user, project) as (acting, _):
        acting.microversion("compute")
        return _floor(ready, acting, project)


def _floor(ready: Prepared, acting: Api, project_id: str) -> dict[str, float]:
    source, target, item = ready.source, ready.target, ready.item
    spent: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        began = time.monotonic()
        result = work()
        spent[name] = time.monotonic() - began
        return result

    live = servers.read_server(source, item.source_id)
    flavors = target.list("compute", "/flavors", "flavors", params={"is_public": "None"})
    flavor = next(f["id"] for f in flavors if f["name"] == item.row["flavor_name"])
    port_ids = [ready.ids["ports"][port["id"]] for port in item.row["ports"]]
    timed("stop", lambda: servers.set_power(source, live, False, BOOT_S))
    source_ports = [port["id"] for port in item.row["ports"]]
    timed("isolate", lambda: ports.set_ports(source, source_ports, False))
    image = timed("snapshot", lambda: servers.snapshot(source, item.source_id, BOOT_S))
    plain = image | {"visibility": "private", "is_protected": False}
    copy_id, _ = timed("carry", lambda: images.copy_image(source, target, plain, project_id))
    body = bodies.server({**item.row, "attached": []}, flavor, copy_id, [], port_ids)

    def boot() -> str:
        answer = acting.call(
            "POST",
            "compute",
            "/servers",
            json={"server": body},
            microversion=acting.microversion("compute"),
        )
        made: str = answer.json()["server"]["id"]
        servers.wait_for(target, {"id": made, "status": "BUILD"}, "ACTIVE", BOOT_S)
        return made

    made = timed("boot", boot)
    timed("connect", lambda: ports.set_ports(target, port_ids, True))
    timed("verify", lambda: servers.read_server(target, made))
    _set_back(source, target, item, made, copy_id, port_ids)
    ports.set_ports(source, source_ports, True)
    return spent


def _set_back(
    source: Api, target: Api, item: Item, made: str, copy_id: str, port_ids: list[str]
) -> None:
    ports.set_ports(target, port_ids, False)
    servers.delete_server(target, made, BOOT_S)
    images.delete_image(target, copy_id)
    servers.delete_snapshots(source, item.source_id)
    servers.set_power(source, servers.read_server(source, item.source_id), True, BOOT_S)


def run() -> list[dict[str, Any]]:
    """Return the rows of the benchmark: a server moves, bare first, then for good."""
    with ExitStack() as stack:
        pair, storage, server_id = stack.enter_context(moving_server())
        ready = prepare(stack, pair, storage, server_id)
        rounds = [floor(ready) for _ in range(ROUNDS)]
        # The best of each step: the first boot on a host is slower than any later one.
        spent = {name: min(each[name] for each in rounds) for name in rounds[0]}
        arrived = ready.cut_over().run()
    assert arrived.downtime_s is not None
    return [result(arrived.downtime_s, spent)]


def result(downtime_s: float, spent: dict[str, float]) -> dict[str, Any]:
    """Return the row of the benchmark: the downtime against the sum of the bare steps."""
    bare = sum(spent.values())
    return row("server downtime", downtime_s, "s", bare, downtime_s / bare, LIMIT, least=False)
