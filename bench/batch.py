"""
Twenty servers at once against one after another, a finished plan again, and Prefect's own share.

Each server has a flavor of 5 GB and a volume. Its guest takes ten seconds to stop, to be saved
and to boot, a light one's time, while nobody's processor is busy; the lab's take none, and what
was left would be how many API servers two cores can run. Two tenants of one shape move by the
command line and a real Prefect server: the first with one server at a time, the second with
several. The floor of the wall time is the first's, its servers' seconds counted as often as the
second has servers. The plan that is run again is the second tenant's, held against a discovery of
both clouds. Prefect's share is that of its engine around a task that does nothing, and around a
batch of ten thousand tiny resources at a cloud that answers at once.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from bench.images import row
from lab.connections import connect
from lab.settings import load_lab
from tests.lab_tenants import Tenant, create_tenant, remove_named
from tests.stack import Stack, running_server

SERVERS = 20
ALONE = 5
PARALLEL = 3
PACE_S = 10
MAKERS = 4
TASKS = 300
TINY = 10_000
MOST_OF_WALL = 0.5
MOST_OF_DOWNTIME = 1.2
MOST_OF_DISCOVERY = 1.5
MOST_OF_BARE = 1.5

Result = dict[str, Any]


def run() -> list[Result]:
    """Return the rows of the benchmark. Leaves nothing in either cloud of the lab."""
    with tempfile.TemporaryDirectory() as name, running_server(Path(name)) as services:
        stack = Stack(services, _config(Path(name)))
        assert stack.pumphouse("config", "register").returncode == 0
        shares = _engine(stack)
        with _tenant(ALONE) as first, _tenant(SERVERS) as second:
            alone = _migrate(stack, first.name, parallel=1)
            together = _migrate(stack, second.name, parallel=PARALLEL)
            again = _migrate(stack, second.name, parallel=PARALLEL)
            discovery = _json(stack, "discover")
            walls = _walls(alone, together)
    assert again["done"] == 0
    return [*walls, _again(again, discovery), *shares]


def _walls(alone: Result, together: Result) -> list[Result]:
    """Return wall time and downtime of the servers that moved at once."""
    assert (len(alone["downtimes_s"]), len(together["downtimes_s"])) == (ALONE, SERVERS)
    more = (SERVERS / ALONE - 1) * _seconds_of_servers(alone["location"])
    floor = alone["seconds"] + more
    wall = together["seconds"]
    down, least = (statistics.median(each["downtimes_s"].values()) for each in (together, alone))
    return [
        row(
            f"{SERVERS} servers at once, wall", wall, "s",
            floor, wall / floor, MOST_OF_WALL, least=False,
        ),
        row(
            f"{SERVERS} servers at once, median downtime", down, "s",
            least, down / least, MOST_OF_DOWNTIME, least=False,
        ),
    ]  # fmt: skip


def _seconds_of_servers(location: str) -> float:
    ledger = pd.read_parquet(Path(location) / "ledger.parquet")
    return float(ledger.loc[ledger["kind"] == "servers", "seconds"].sum())


def _again(again: Result, discovery: Result) -> Result:
    value, floor = again["seconds"], discovery["seconds"]
    name = "finished plan again"
    return row(name, value, "s", floor, value / floor, MOST_OF_DISCOVERY, least=False)


def _engine(stack: Stack) -> list[Result]:
    """Return what Prefect adds to a task, and the time of many tiny resources in one task."""
    words = [sys.executable, "-m", "bench._engine", str(TASKS), str(TINY)]
    done = subprocess.run(words, env=stack.environment, stdout=subprocess.PIPE, check=True)
    spent = json.loads(done.stdout)
    return [
        {
            "name": "Prefect around one task",
            "value": round(1000 * spent["task_s"], 1),
            "unit": "ms",
            **dict.fromkeys(("floor", "ratio", "limit")),
            "holds": True,
        },
        row(
            f"{TINY:,} tiny resources in one task", spent["tiny_s"], "s",
            spent["bare_s"], spent["tiny_s"] / spent["bare_s"], MOST_OF_BARE, least=False,
        ),
    ]  # fmt: skip


def _migrate(stack: Stack, project: str, parallel: int) -> Result:
    words = ("migrate", "--project", project, "--max-parallel", str(parallel), "--yes")
    return _json(stack, *words)


def _json(stack: Stack, *words: str) -> Result:
    done = stack.pumphouse(*words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    result: Result = json.loads(done.stdout)
    return result


def _config(folder: Path) -> Path:
    lab = load_lab()
    settings = {
        "name": "bench",
        **{role: {"entry": role, "clouds_yaml": str(lab.clouds_file)} for role in lab_roles()},
        "storage": {"url": str(folder / "storage")},
        "passwords": {"file": str(folder / "passwords.csv")},
        "limits": {"cutovers": PARALLEL, "copies": PARALLEL},
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(settings))
    path.chmod(0o600)
    return path


def lab_roles() -> tuple[str, str]:
    """Return the names of the lab's clouds, source first."""
    return ("source", "target")


@contextmanager
def _tenant(count: int) -> Iterator[Tenant]:
    """Yield a tenant with *count* running servers, a volume each; remove it from both clouds."""
    lab, name = load_lab(), f"bench-{uuid.uuid4().hex[:6]}"
    admin = connect(lab.cloud("source"))
    try:
        tenant = create_tenant(lab.cloud("source"), admin, name)
        _raise_quotas(admin, tenant.project_id, count)
        image, flavor = tenant.create_image(size_mib=32), tenant.create_flavor(disk=5)
        network = tenant.create_network()

        def make(number: int) -> None:
            called = {"name": f"{name}-{number:02}", "metadata": {"lab:pace": str(PACE_S)}}
            server = tenant.create_server(image, flavor, network, **called)
            volume = tenant.create_volume(name=f"{name}-{number:02}")
            attach = tenant.connection.compute.create_volume_attachment
            attach(server, volume_id=volume.id)
            storage = tenant.connection.block_storage
            storage.wait_for_status(volume, "in-use", failures=["error"], wait=180)

        with ThreadPoolExecutor(MAKERS) as pool:
            list(pool.map(make, range(count)))
        yield tenant
    finally:
        for side in lab_roles():
            remove_named(connect(lab.cloud(side)), name)


def _raise_quotas(admin: Any, project_id: str, count: int) -> None:
    admin.set_compute_quotas(project_id, instances=count, cores=count)
    admin.set_volume_quotas(project_id, volumes=count, gigabytes=10 * count)
