"""
The power of 40 BMCs read at once, as `pumphouse hosts list` does, against 40 ``ipmitool``.

The BMCs are OpenIPMI's simulators, whose machines a shell script answers for. The floor is what
an operator would type: all of them started at once, and waited for. Both log in, ask once and
log out; runs alternate and the best of each counts.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lab.bmc.simulator import installed
from pumphouse.bmc import BmcAccess, Power
from pumphouse.tasks.bmc import open_bmc
from tests.bmcs import active_sessions, ipmitool, many_simulators

BMCS = 40
ROUNDS = 3
MOST_RATIO = 1.0


def run() -> list[dict[str, Any]]:
    """Return the row of the benchmark; none, with the reason, where the BMCs are missing."""
    if not (installed() and shutil.which("ipmitool")):
        print("bench bmc: openipmi or ipmitool is not installed")
        return []
    with (
        tempfile.TemporaryDirectory() as folder,
        many_simulators(Path(folder), BMCS) as accesses,
        ThreadPoolExecutor(BMCS) as pool,
    ):
        ours, floors = [], []
        for _ in range(ROUNDS):
            floors.append(_timed(lambda: by_ipmitool(accesses)))
            ours.append(_timed(lambda: by_us(pool, accesses)))
        assert [active_sessions(access) for access in accesses] == [0] * BMCS
    return [_row(min(ours), min(floors))]


def by_us(pool: ThreadPoolExecutor, accesses: Sequence[BmcAccess]) -> None:
    """Read the power of all, each in a thread."""
    assert list(pool.map(power, accesses)) == [Power.ON] * BMCS


def power(access: BmcAccess) -> Power:
    """Log in, read, log out."""
    with open_bmc(access) as session:
        return session.power()


def by_ipmitool(accesses: Sequence[BmcAccess]) -> None:
    """Read the power of all, each by a process."""
    asked = [
        subprocess.Popen([*ipmitool(access), "power", "status"], stdout=subprocess.PIPE, text=True)
        for access in accesses
    ]
    assert [process.communicate()[0].strip() for process in asked] == [
        "Chassis Power is on"
    ] * BMCS


def _row(value: float, floor: float) -> dict[str, Any]:
    ratio = value / floor
    return {
        "name": f"power of {BMCS} BMCs",
        "value": round(value, 3),
        "unit": "s",
        "floor": round(floor, 3),
        "ratio": round(ratio, 3),
        "limit": MOST_RATIO,
        "holds": ratio <= MOST_RATIO,
    }


def _timed(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
