"""
Time and memory of a plan of the whole cloud, from tables to table, and how both grow.

Each size is planned in a process of its own, so that memory is that of one plan: the peak,
with Python and pandas, after the tables are there. The floor of the largest is ten times the
next smaller one: growth that is linear.
"""

import json
import subprocess
import sys
import time
from typing import Any

SIZES = (1_000, 10_000, 100_000)
SECONDS = 10.0
MIB = 1024.0
GROWTH = 1.3
"""By how much more than tenfold the time of ten times as many may grow."""


def measure(resources: int) -> dict[str, float]:
    """Return rows, seconds and peak MiB of one plan of a cloud with so many resources."""
    import resource

    from bench import _estates
    from pumphouse.estate import Estate
    from pumphouse.planning import plan
    from pumphouse.selection import Selection, chosen

    source, target = _estates.clouds(resources)
    began = time.perf_counter()
    here, there = Estate(source), Estate(target)
    made = plan(chosen(Selection(include=("everything",)), here), here, there)
    table = made.table()
    spent = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert made.obstacles == [], made.obstacles[:3]
    return {
        "rows": _estates.size(source),
        "items": len(table),
        "seconds": spent,
        "mib": peak,
    }


def apart(resources: int) -> dict[str, float]:
    """Measure in a process of its own; the best of two times, since others use the machine."""
    found = []
    for _ in range(2):
        command = [sys.executable, "-m", "bench.plan", str(resources)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
        found.append(json.loads(answer.stdout))
    return min(found, key=lambda each: float(each["seconds"]))


def run() -> list[dict[str, Any]]:
    """Return the rows of the benchmark: seconds of each size, memory of the largest, growth."""
    found = {size: apart(size) for size in SIZES}
    rows = []
    for size, measured in found.items():
        smaller = found.get(size // 10)
        floor = None
        if smaller:
            floor = smaller["seconds"] * measured["rows"] / smaller["rows"]
        rows.append(_row(f"plan of {size:,} resources", measured["seconds"], "s", floor, size))
    largest = found[SIZES[-1]]
    mib = largest["mib"]
    rows.append(
        {
            "name": f"plan of {SIZES[-1]:,} resources: peak memory",
            "value": round(mib), "unit": "MiB", "floor": None, "ratio": None,
            "limit": MIB, "holds": mib <= MIB,
        }
    )  # fmt: skip
    return rows


def _row(name: str, seconds: float, unit: str, floor: float | None, size: int) -> dict[str, Any]:
    ratio = seconds / floor if floor else None
    is_linear = ratio is None or ratio <= GROWTH
    limit = SECONDS * size / SIZES[-1] if size == SIZES[-1] else None
    return {
        "name": name,
        "value": round(seconds, 3),
        "unit": unit,
        "floor": round(floor, 3) if floor else None,
        "ratio": round(ratio, 2) if ratio else None,
        "limit": limit if limit else GROWTH if ratio else None,
        "holds": is_linear and (limit is None or seconds <= limit),
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
