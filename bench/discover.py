"""
Discovery against its floor: the same requests by bare httpx, nothing done with the answers.

Both run in one process, against the same clouds and beside the same Prefect server, in turns;
the best of each counts. Memory is that of a process that discovers 10,000 servers, with a
port and a volume each.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from bench._lab import cloud, large_lab
from pumphouse import tables
from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.rows_compute import server
from tests import answers
from tests.fakecloud import FakeCloud
from tests.stack import running_server
from tests.wholecloud import furnish

ROUNDS = 2
SERVERS = 10_000
PAGE = 1000
MOST_OF_FLOOR = 1.3
MOST_RSS_MIB = 500.0
MOST_CPU_S = 2.0

Row = dict[str, Any]


def run() -> list[Row]:
    """Return the rows of the benchmark. The lab is large meanwhile, and as new afterwards."""
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as services:
        environment = os.environ | services.client_environment()
        big = _of_many(environment, folder)
        with large_lab():
            real = _discover(environment, folder, cloud("source"), cloud("target"), "both", ROUNDS)
    return [*_speed(real), _memory(big), cpu()]


def cpu(count: int = SERVERS) -> Row:
    """Measure the CPU seconds from Nova's answers, as text, to the table of *count* servers."""
    texts = [
        json.dumps({"servers": [answers.server(n) for n in range(start, start + PAGE)]})
        for start in range(0, count, PAGE)
    ]
    began = time.process_time()
    frames = [
        tables.frame("servers", [server(raw, {}) for raw in json.loads(text)["servers"]])
        for text in texts
    ]
    table = pd.concat(frames, ignore_index=True)
    used = time.process_time() - began
    assert len(table) == count
    return _row(f"CPU of {count} server rows", used, "s", None, used, MOST_CPU_S)


def _speed(found: dict[str, Any]) -> list[Row]:
    value, floor = min(found["seconds"]), min(found["floors"])
    servers = sum(rows["servers"] for rows in found["rows"].values())
    asked, pages = found["to_listings"], sum(found["expected"].values())
    return [
        _row(f"discovery, {servers} servers", value, "s", floor, value / floor, MOST_OF_FLOOR),
        _row("calls to listings", asked, "calls", pages, asked / pages, 1.0),
    ]


def _memory(found: dict[str, Any]) -> Row:
    peak = found["peak_mib"]
    return _row(f"memory at {SERVERS} servers", peak, "MiB", None, peak, MOST_RSS_MIB)


def _of_many(environment: dict[str, str], folder: str) -> dict[str, Any]:
    with FakeCloud() as fake:
        furnish(fake, servers=SERVERS, page=PAGE)
        block = fake.block(request_timeout_s=120)
        return _discover(environment, f"{folder}/many", block, block, "source", 0)


def _discover(
    environment: dict[str, str],
    folder: str,
    source: OpenStackCloud,
    target: OpenStackCloud,
    clouds: str,
    rounds: int,
) -> dict[str, Any]:
    asked = {
        "source": _fields(source),
        "target": _fields(target),
        "storage": f"{folder}/inventories",
        "clouds": clouds,
        "rounds": rounds,
    }
    command = [sys.executable, "-W", "ignore", "-m", "bench._discovery"]
    quiet = {"PREFECT_LOGGING_LEVEL": "ERROR"}
    done = subprocess.run(
        command,
        input=json.dumps(asked),
        env=environment | quiet,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _fields(cloud: OpenStackCloud) -> dict[str, Any]:
    """Return what makes the block again, secrets in clear: it goes through a pipe only."""
    secrets = ("password", "application_credential_secret")
    given = cloud.model_dump(include=set(type(cloud).model_fields), exclude_defaults=True)
    for name in secrets:
        value = getattr(cloud, name, None)
        if value is not None:
            given[name] = value.get_secret_value()
    return given


def _row(
    name: str, value: float, unit: str, floor: float | None, ratio: float, limit: float
) -> Row:
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "floor": None if floor is None else round(floor, 3),
        "ratio": round(ratio, 3),
        "limit": limit,
        "holds": ratio <= limit,
    }


if __name__ == "__main__":
    for line in run():
        print(line)
