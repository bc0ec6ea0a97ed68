"""``python -m bench``: run every benchmark, show a table, write build/bench.json."""

import argparse
import importlib
import json
import pkgutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import bench

RESULT = Path("build/bench.json")
FIELDS = ("name", "value", "unit", "floor", "ratio", "limit", "holds")

Row = Mapping[str, Any]


def main() -> int:
    """Run all or the named benchmarks; 1 when a limit does not hold."""
    found = [m.name for m in pkgutil.iter_modules(bench.__path__) if not m.name.startswith("_")]
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(found)}")
    names = parser.parse_args().names or found
    rows: list[Row] = []
    for name in names:
        module = importlib.import_module(f"bench.{name}")
        if hasattr(module, "run"):
            print(f"bench {name} …", file=sys.stderr, flush=True)
            rows += [plain(row) for row in module.run()]
    Console().print(table(rows))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(rows, indent=2) + "\n")
    failed = [row["name"] for row in rows if not row["holds"]]
    print(f"{len(rows) - len(failed)} of {len(rows)} hold; written to {RESULT}.")
    return 1 if failed or not rows else 0


def plain(row: Any) -> Row:
    """Return *row*, a mapping or a model, as a dict with exactly the agreed fields."""
    given = row if isinstance(row, Mapping) else row.model_dump()
    return {field: given[field] for field in FIELDS}


def table(rows: Iterable[Row]) -> Table:
    """Return *rows* as a table for the terminal."""
    shown = Table("Measured", "Value", "Floor", "Ratio", "Limit", "Holds")
    for row in rows:
        words = [_number(row[field]) for field in ("value", "floor", "ratio", "limit")]
        words[0] += f" {row['unit']}"
        shown.add_row(row["name"], *words, "[green]yes[/]" if row["holds"] else "[red]NO[/]")
    return shown


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
