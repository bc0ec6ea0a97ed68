"""
Image copy through the worker against ``curl | curl``, on the same image, in the same run.

The floor is what an operator would type: one curl reads, another writes, nothing is verified,
and ``Expect: 100-continue`` is off, since it costs a second. Runs alternate and the best of
each counts, so that another load on the machine hits both alike.
"""

import os
import resource
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

from bench._lab import cloud
from pumphouse.rows_storage import image as image_row
from pumphouse.tables import Row
from pumphouse.tasks.api import Api
from pumphouse.tasks.images import copy_image, delete_copies, delete_image, read_image

ROUNDS = 3
MIB = 1 << 20
THROUGHPUT_MIB = 512
MEMORY_MIB = 2048
LEAST_RATIO = 0.9
MOST_RSS_MIB = 200.0


def run() -> list[dict[str, Any]]:
    """Return the rows of the benchmark. Leaves nothing in either cloud of the lab."""
    with Api(cloud("source"), "source") as source, Api(cloud("target"), "target") as target:
        return [throughput(source, target), memory(source, target)]


def throughput(source: Api, target: Api, size_mib: int = THROUGHPUT_MIB) -> dict[str, Any]:
    """Measure MiB/s of both ways; the ratio must not be below the limit."""
    image = make_image(source, "bench-throughput", size_mib, os.urandom(MIB))
    try:
        ours, floors = [], []
        for _ in range(ROUNDS):
            floors.append(_timed(lambda: curl(source, target, image)))
            ours.append(_timed(lambda: copy_image(source, target, image, None)))
            delete_copies(target, image["id"])
    finally:
        delete_image(source, image["id"])
    value, floor = size_mib / min(ours), size_mib / min(floors)
    return row("image copy", value, "MiB/s", floor, value / floor, LEAST_RATIO, least=True)


def memory(source: Api, target: Api, size_mib: int = MEMORY_MIB) -> dict[str, Any]:
    """Measure how many MiB the process grows by while a big image passes through it."""
    image = make_image(source, "bench-memory", size_mib, bytes(MIB))
    peak = Peak()
    try:
        with peak:
            copy_image(source, target, image, None)
    finally:
        delete_copies(target, image["id"])
        delete_image(source, image["id"])
    grown = peak.grown_mib
    return row("memory of an image copy", grown, "MiB", 0.0, grown, MOST_RSS_MIB, least=False)


def row(
    name: str, value: float, unit: str, floor: float, ratio: float, limit: float, least: bool
) -> dict[str, Any]:
    """Return one row of ``build/bench.json``; *least* says which side of the limit is good."""
    holds = ratio >= limit if least else ratio <= limit
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "floor": round(floor, 3),
        "ratio": round(ratio, 3),
        "limit": limit,
        "holds": holds,
    }


def make_image(api: Api, name: str, size_mib: int, block: bytes) -> Row:
    """Return a raw image of *size_mib* times *block*."""
    body = {"name": name, "disk_format": "raw", "container_format": "bare"}
    made = api.call("POST", "image", "/images", json=body).json()

    def blocks() -> Any:
        for _ in range(size_mib):
            yield block

    answer = api.adapter("image").put(
        f"/images/{made['id']}/file",
        data=blocks(),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert answer.status_code == 204
    return read_image(api, made["id"])


def curl(source: Api, target: Api, image: Row) -> None:
    """Copy the bytes with two curls and a pipe, then delete the copy."""
    body = {"name": image["name"], "disk_format": "raw", "container_format": "bare"}
    made = image_row(target.call("POST", "image", "/images", json=body).json(), {})
    read = [*_curl(source), f"{_file(source, image['id'])}"]
    write = [
        *_curl(target), "-X", "PUT", "-H", "Expect:", "-H",
        "Content-Type: application/octet-stream", "-T", "-", _file(target, made["id"]),
    ]  # fmt: skip
    try:
        reader = subprocess.Popen(read, stdout=subprocess.PIPE)
        subprocess.run(write, stdin=reader.stdout, check=True)
        assert reader.wait() == 0
        assert read_image(target, made["id"])["size_bytes"] == image["size_bytes"]
    finally:
        delete_image(target, made["id"])


def _curl(api: Api) -> list[str]:
    token = api.connection.session.get_token()
    return ["curl", "-sSf", "-H", f"X-Auth-Token: {token}"]


def _file(api: Api, image_id: str) -> str:
    return f"{api.adapter('image').get_endpoint().rstrip('/')}/images/{image_id}/file"


def _timed(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


class Peak:
    """How far the resident memory grew within a ``with`` block, looked at every 20 ms."""

    def __init__(self) -> None:
        self.grown_mib = 0.0
        self._over = threading.Event()

    def __enter__(self) -> "Peak":
        self._start = _resident_mib()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.grown_mib = max(self.grown_mib, _resident_mib() - self._start)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def _resident_mib() -> float:
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return pages * resource.getpagesize() / MIB
