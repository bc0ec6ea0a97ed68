"""``python -m matrix``: fault after fault, a table, and build/matrix.json."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lab.settings import load_lab
from matrix import finals, groups, hosts, rollbacks, servers
from matrix.cells import Cell, Choice
from pumphouse.models import Mover
from tests.ceph import ensure

RESULT = Path("build/matrix.json")
OPERATIONS: dict[str, Callable[[Choice], Iterator[Cell]]] = {
    "server": servers.cells,
    "manage": partial(servers.cells, mover=Mover.MANAGE),
    "rbd": partial(servers.cells, mover=Mover.RBD),
    "rollback": rollbacks.cells,
    "finalize": finals.cells,
    "together": groups.cells,
    "share": partial(groups.cells, label="matrix-share", is_sharing=True),
    "hosts": hosts.cells,
}
NEED_CEPH = ("manage", "rbd", "rollback", "finalize")


def main() -> int:
    """Run the operations that are named, or all; 1 when a cell does not hold."""
    parser = argparse.ArgumentParser(prog="python -m matrix")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(OPERATIONS)}")
    parser.add_argument("--every", type=int, default=1, help="only every N-th effect")
    parser.add_argument(
        "--resume", action="store_true", help=f"take over what holds by {RESULT}, and run the rest"
    )
    options = parser.parse_args()
    which = Choice(options.every, _held() if options.resume else {})
    cells: list[Cell] = []
    for name in options.names or _possible():
        for cell in OPERATIONS[name](which):
            cells.append(cell)
            _write({**which.known, **{one.place: one for one in cells}}.values())
            mark = "holds" if cell.holds else "DOES NOT HOLD"
            words = f"{cell.effect}, {cell.fault}: {cell.outcome} ({mark})"
            print(words, file=sys.stderr, flush=True)
    Console().print(table(cells))
    wrong = sum(not cell.holds for cell in cells)
    print(f"{len(cells) - wrong} of {len(cells)} cells hold; written to {RESULT}.")
    return 1 if wrong or not cells else 0


def _held() -> dict[tuple[str, str, str], Cell]:
    """Return the cells by place that held in an earlier matrix, which may have been stopped."""
    if not RESULT.exists():
        return {}
    cells = [Cell(**one) for one in json.loads(RESULT.read_text())]
    return {cell.place: cell for cell in cells if cell.holds}


def _write(cells: Iterable[Cell]) -> None:
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps([asdict(cell) for cell in cells], indent=2) + "\n")


def _possible() -> list[str]:
    """Return the names of all operations; without those of Ceph where there can be none."""
    if not (reason := ensure(load_lab())):
        return list(OPERATIONS)
    print(f"Left out: {', '.join(NEED_CEPH)}: {reason}", file=sys.stderr)
    return [name for name in OPERATIONS if name not in NEED_CEPH]


def table(cells: Iterable[Cell]) -> Table:
    """Return the matrix: an effect a row, a fault a column."""
    found: dict[tuple[str, str], dict[str, Cell]] = {}
    for cell in cells:
        found.setdefault((cell.operation, cell.effect), {})[cell.fault] = cell
    faults = list(dict.fromkeys(fault for row in found.values() for fault in row))
    shown = Table("Operation", "Effect", *faults)
    for (operation, effect), row in found.items():
        shown.add_row(operation, effect, *(_word(row.get(fault)) for fault in faults))
    return shown


def _word(cell: Cell | None) -> str:
    if cell is None:
        return ""
    return f"[green]{cell.outcome}[/]" if cell.holds else f"[red]{cell.outcome}[/]"


if __name__ == "__main__":
    sys.exit(main())
