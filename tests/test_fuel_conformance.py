"""
The lab's Nailgun answers as a real one did.

Every recorded request is sent to the stand-in in the order of its recording, and the answer
compared: status, type and body, with task ids, UUIDs and times made equal. What was not
recorded but must have happened in between is done by `BEFORE`.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from lab.nailgun.app import make_app
from lab.nailgun.clock import Clock
from lab.nailgun.seeds import seed
from lab.nailgun.store import Store
from lab.nailgun.world import Options, World
from tests.fuel_samples import condense, samples, traces

NOT_REPLAYED = {
    "006_release_networks": "bonding options of a release; Pumphouse does not read them",
    "029_cluster_attributes": "settings of an environment; Pumphouse does not read them",
    "231_log_sources": "names of log files; Pumphouse does not read them",
    "232_log_sources_node": "as 231",
    "233_logs_app": "as 231",
    "234_logs_no_source": "as 231",
    "356_node_after_stop": "the recorded orchestrator was a fake that went on after the stop",
}
"""Recorded answers that the stand-in does not give, and why."""

SHAPE_ONLY = {
    "227_notifications": "which texts there are depends on what was not recorded",
    "228_deployment_history": "the real one lists hundreds of Puppet tasks",
}
"""Recorded lists of which only the keys of the entries are compared, and why."""

TASK_KEYS = ("uuid", "name", "status")
CHANGING = (
    r"\d{4}-\d\d-\d\dT[\d:.]+",
    r"\d\d-\d\d-\d{4}",
    r"\d\d:\d\d:\d\d",
    r"token\d+",
)
"""Times, dates and tokens: equal to any other of their kind."""

SAMPLES = samples()
BY_NAME = {sample["name"]: sample for sample in SAMPLES}
TRACES = traces()

Step = Callable[["Replay"], Awaitable[None]]


class Replay:
    """A stand-in and what was seen when all samples were sent to it."""

    def __init__(self, world: World, http: httpx.AsyncClient) -> None:
        self.world = world
        self.http = http
        self.ids: dict[int, int] = {}
        self.differences: dict[str, list[str]] = {}
        self.token = ""

    async def run(self) -> None:
        """Send everything in its order; a trace follows the request that it belongs to."""
        after = {_request_of(name): name for name in TRACES}
        for sample in SAMPLES:
            name = sample["name"]
            for step in BEFORE.get(name, ()):
                await step(self)
            if name not in NOT_REPLAYED:
                self.differences[name] = await self.send(sample)
            if name in after:
                self.differences[after[name]] = await self.watch(after[name])

    async def send(self, sample: dict[str, Any]) -> list[str]:
        """Send one request and return how its answer differs."""
        request, wanted = sample["request"], sample["response"]
        headers = dict(request["headers"])
        if headers.get("X-Auth-Token", "").startswith("token"):
            headers["X-Auth-Token"] = self.token
        path = re.sub(r"/(tasks|transactions)/(\d+)", self._own, request["path"])
        body = request["body"]
        given = {"content": body} if isinstance(body, str) else {"json": body}
        answer = await self.http.request(
            request["method"], path, headers=headers, **(given if body is not None else {})
        )
        if answer.headers.get("X-Subject-Token"):
            self.token = answer.headers["X-Subject-Token"]
        body = condense(_decoded(answer))
        found = []
        if wanted["status"] != answer.status_code:
            found.append(f"status {answer.status_code} instead of {wanted['status']}: {body}")
        if wanted["type"] != answer.headers.get("Content-Type"):
            found.append(f"type {answer.headers.get('Content-Type')}, not {wanted['type']}")
        if sample["name"] in SHAPE_ONLY:
            return found + _shape(condense(wanted["body"]), body)
        return found + self.compare(condense(wanted["body"]), body, "")

    async def watch(self, name: str) -> list[str]:
        """Let a task run to its end, and compare how it and the nodes ended."""
        polls = TRACES[name]
        nodes: dict[str, set[str]] = {}
        for _ in range(400):
            await self.world.clock.advance(0.25)
            for node in self.world.store.all("node"):
                nodes.setdefault(str(node["id"]), set()).add(node["status"])
            task = max(
                (t for t in self.world.store.all("task") if t["parent_id"] is None),
                key=lambda task: int(task["id"]),
            )
            if task["status"] not in ("pending", "running"):
                break
        await self.world.clock.advance(1)
        last = polls[-1]
        found = self.compare(
            last["task"], [task["name"], task["status"], task["progress"]], "task"
        )
        for number, wanted in last["nodes"].items():
            node = self.world.store.get("node", int(number))
            keys = ("status", "progress", "online", "pending_addition", "roles", "pending_roles")
            state = [node[key] for key in (*keys, "error_type")] if node else None
            found += self.compare(wanted, state, f"node {number}")
            passed = {poll["nodes"][number][0] for poll in polls if number in poll["nodes"]}
            # The recorded fake shows a node as broken already while it deploys it.
            if not passed - {"error"} <= nodes.get(number, set()):
                found.append(f"node {number} was {passed}, here {nodes.get(number)}")
        return found

    def compare(self, wanted: Any, found: Any, where: str) -> list[str]:
        """Return where *found* is not *wanted*; ids of tasks may differ, but consistently."""
        if isinstance(wanted, dict) and isinstance(found, dict):
            if all(key in wanted for key in TASK_KEYS) and isinstance(found.get("id"), int):
                return self._compare_task(wanted, found, where)
            problems = [f"{where}: {key} is missing" for key in wanted.keys() - found.keys()]
            problems += [f"{where}: {key} is too much" for key in found.keys() - wanted.keys()]
            for key in wanted.keys() & found.keys():
                problems += self.compare(wanted[key], found[key], f"{where}.{key}")
            return problems
        if isinstance(wanted, list) and isinstance(found, list):
            if len(wanted) != len(found):
                return [f"{where}: {len(found)} entries instead of {len(wanted)}"]
            pairs = zip(_sorted(wanted), _sorted(found), strict=True)
            return [
                p for i, (w, f) in enumerate(pairs) for p in self.compare(w, f, f"{where}[{i}]")
            ]
        if _same(wanted, found):
            return []
        return [f"{where}: {found!r} instead of {wanted!r}"]

    def _compare_task(
        self, wanted: dict[str, Any], found: dict[str, Any], where: str
    ) -> list[str]:
        self.ids.setdefault(wanted["id"], found["id"])
        problems = []
        if self.ids[wanted["id"]] != found["id"]:
            problems.append(f"{where}: task {found['id']}, not {self.ids[wanted['id']]}")
        parent = wanted.get("parent_id")
        if found.get("parent_id") != (self.ids.get(parent) if parent else None):
            problems.append(f"{where}: parent {found.get('parent_id')} instead of {parent}")
        ignored = {"id", "parent_id", "uuid"}
        if wanted["status"] in ("pending", "running"):
            ignored |= {"progress"}
        for key in wanted.keys() ^ found.keys():
            problems.append(f"{where}: {key} is only on one side")
        for key in (wanted.keys() & found.keys()) - ignored:
            problems += self.compare(wanted[key], found[key], f"{where}.{key}")
        return problems

    def _own(self, match: "re.Match[str]") -> str:
        number = int(match.group(2))
        return f"/{match.group(1)}/{self.ids.get(number, number)}"


def _decoded(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return {"__raw__": answer.text}


def _sorted(entries: list[Any]) -> list[Any]:
    """Return a list by ids where it has them: Nailgun's lists have no order."""
    if entries and all(isinstance(entry, dict) and "id" in entry for entry in entries):
        return sorted(entries, key=lambda entry: str(entry["id"]).zfill(20))
    if entries and all(isinstance(entry, dict) and set(entry) == {"name"} for entry in entries):
        return sorted(entries, key=lambda entry: str(entry["name"]))
    return entries


def _same(wanted: Any, found: Any) -> bool:
    """Tell whether two values are equal, or are both times or both tokens."""
    if wanted == found:
        return True
    if not (isinstance(wanted, str) and isinstance(found, str)):
        return False
    for pattern in (
        r"\d{4}-\d\d-\d\dT[\d:.]+",
        r"\d\d-\d\d-\d{4}",
        r"\d\d:\d\d:\d\d",
        r"token\d+",
    ):
        if re.fullmatch(pattern, wanted) and re.fullmatch(pattern, found):
            return True
    return False


def _shape(wanted: Any, found: Any) -> list[str]:
    if not found:
        return ["it is empty"]
    keys = {frozenset(entry) for entry in wanted}
    return [f"keys {sorted(entry)}" for entry in found if frozenset(entry) not in keys]


def _request_of(trace: str) -> str:
    """Return the request after which a task was watched: the sample just before by name."""
    names = sorted(BY_NAME)
    return max(name for name in names if name < trace)


# ---- what was not recorded


def advance(seconds: float) -> Step:
    """Let time go by."""

    async def step(replay: Replay) -> None:
        await replay.world.clock.advance(seconds)

    return step


def fixtures(replay: Replay) -> Awaitable[None]:
    """Put in the eight nodes that every Nailgun with fake data begins with."""

    async def step() -> None:
        nodes = BY_NAME["009_list_nodes"]["response"]["body"]
        for node in sorted(nodes, key=lambda node: int(node["id"])):
            await replay.http.post("/_lab/nodes", json=node)
        for notification in replay.world.store.all("notification"):
            replay.world.store.drop("notification", notification["id"])
        replay.world.store._last["notification"] = 0
        done = "Master node installation has been completed successfully."
        replay.world.notify("done", done)

    return step()


def register(number: int, ip: int, like: str = "040_register_node") -> Step:
    """Register a node of the recorded kind; *number* is the fifth byte of its MAC."""

    async def step(replay: Replay) -> None:
        text = json.dumps(BY_NAME[like]["request"]["body"])
        text = re.sub(r"52:54:00:aa:..:", f"52:54:00:aa:{number:02x}:", text)
        text = re.sub(r"10\.20\.0\.\d+", f"10.20.0.{ip}", text)
        text = re.sub(r"0x61866da\d{7}", f"0x61866da{number:07d}", text)
        text = text.replace('"cs0001"', f'"cs{number:04d}"')
        answer = await replay.http.post("/api/nodes/", content=text)
        assert answer.status_code == 201, answer.text

    return step


def small(number: int, ip: int) -> Step:
    """Register a node with one small disk and ports of other names."""

    async def step(replay: Replay) -> None:
        await register(number, ip)(replay)
        meta = dict(BY_NAME["330_put_online_false"]["response"]["body"]["meta"])
        node = replay.world.store.all("node")[-1]
        for nic, name in zip(node["_nics"], ("enp1s0", "enp2s0", "enp3s0", "enp4s0"), strict=True):
            nic["name"] = name
        replay.world.store.save("node", node | {"meta": meta})

    return step


def post(path: str, body: Any) -> Step:
    """Send a request that must succeed."""

    async def step(replay: Replay) -> None:
        answer = await replay.http.post(path, json=body)
        assert answer.status_code < 300, answer.text

    return step


def put(path: str, body: Any = None) -> Step:
    """Send a request that must succeed."""

    async def step(replay: Replay) -> None:
        answer = await replay.http.put(path, json=body)
        assert answer.status_code < 300, answer.text

    return step


def assign(cluster: int, node: int) -> Step:
    """Make a node a compute node."""
    return post(f"/api/clusters/{cluster}/assignment/", [{"id": node, "roles": ["compute"]}])


def deployed_once(node: int, role: str) -> Step:
    """Leave a node as the recorded fake left it: with its role, though never provisioned."""
    state = {"roles": [role], "pending_roles": [], "pending_addition": False}
    return post(f"/_lab/nodes/{node}", state)


def keepalive(timeout_s: float) -> Step:
    """Set how long agents may be silent; the recorded ones were not watched at first."""

    async def step(replay: Replay) -> None:
        replay.world.options.keepalive_timeout_s = timeout_s

    return step


def again(sample: str, node: int, nic: int) -> Step:
    """Send a recorded layout of ports to another node."""

    async def step(replay: Replay) -> None:
        ports = [dict(port) for port in BY_NAME[sample]["request"]["body"]]
        for index, port in enumerate(ports):
            if "id" in port:
                port["id"] = nic + index
        answer = await replay.http.put(f"/api/nodes/{node}/interfaces/", json=ports)
        assert answer.status_code == 200, answer.text

    return step


BEFORE: dict[str, list[Step]] = {
    "008_list_nodes_no_slash": [fixtures],
    "039_tasks_after_empty_deploy": [advance(50)],
    "056_get_discovered_node": [register(3, 143), register(4, 144), register(5, 145)],
    "200_create_cluster_prod": [advance(60)],
    "205_stop_deployment_right_after_deploy": [advance(0.1)],
    "206_changes_dry_run": [
        advance(60),
        post("/_lab/nodes/10", {"status": "ready", "progress": 100}),
        deployed_once(12, "controller"),
        deployed_once(13, "compute"),
    ],
    "213_disks_while_running": [advance(1)],
    "130_deploy_nodes_unprovisioned_lcm": [advance(30)],
    "223_tasks_after": [advance(60)],
    "300_uh_register": [advance(60)],
    "311_clone_disks_target_smaller": [
        advance(60),
        register(0x15, 161),
        small(0x16, 162),
        assign(2, 16),
        assign(2, 17),
        again("306_uh_interfaces_cloned", 16, 58),
    ],
    "330_put_online_false": [assign(2, 17)],
    "341_provision_will_fail": [
        register(0x17, 163),
        assign(2, 18),
        post("/_lab/faults", {"kind": "provision_error", "node": 18}),
    ],
    "347_deploy_will_fail": [post("/_lab/faults", {"kind": "deploy_error", "node": 18})],
    "360_agent_discover_on_ready_node": [
        deployed_once(18, "compute"),
        post("/_lab/nodes/18", {"status": "ready", "progress": 100, "pending_addition": True}),
    ],
    "370_unassign_ready_node": [advance(60)],
    "372_cancel_pending_deletion": [advance(60)],
    "376_get_deleted_node": [advance(10)],
    "390_nodegroup_create": [advance(100)],
    "393_group_on_unassigned": [register(0x18, 164)],
    "394_group_move": [assign(2, 21)],
    "395_nodegroup_delete": [post("/api/clusters/2/unassignment/", [{"id": 21}])],
    "400_auth_missing": [post("/_lab/auth", {"on": True})],
    "421_agent_minimal_keepalive": [
        post("/_lab/auth", {"on": False}),
        keepalive(180),
        advance(240),
    ],
    "438_stop_idle_task": [advance(30)],
    "226b_nodes_final": [put("/api/nodes/agent/", {"id": node}) for node in (15, 17)],
    "228_deployment_history": [advance(60)],
}


async def _replayed() -> dict[str, list[str]]:
    world = World(Store(), Clock(speed=0), Options(auth=False, keepalive_timeout_s=1e9))
    seed(world, lab=False, source_hosts={})
    app = make_app(world)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fuel") as http,
    ):
        replay = Replay(world, http)
        await replay.run()
        return replay.differences


@pytest.fixture(scope="module")
def differences() -> dict[str, list[str]]:
    """Return how each answer differed when all were replayed at once."""
    return asyncio.run(_replayed())


@pytest.mark.parametrize("name", sorted({*BY_NAME, *TRACES} - NOT_REPLAYED.keys()))
def test_the_stand_in_answers_as_recorded(name: str, differences: dict[str, list[str]]) -> None:
    """A recorded request gets the recorded answer."""
    assert differences[name] == []


def test_nearly_all_is_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    """What is left out is known by name, has a reason, and is little; it is printed."""
    with capsys.disabled():
        for name, reason in NOT_REPLAYED.items():
            print(f"\n  not replayed: {name}: {reason}", end="")
        for name, reason in SHAPE_ONLY.items():
            print(f"\n  shape only: {name}: {reason}", end="")
    assert set(NOT_REPLAYED) <= set(BY_NAME)
    assert len(NOT_REPLAYED) + len(SHAPE_ONLY) < 0.1 * len(BY_NAME)
