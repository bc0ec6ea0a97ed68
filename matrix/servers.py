"""
The cut-over of one server in the lab, with a fault at each of its effects.

Its volume is copied by an image, or goes by a mover of volumes in Ceph.

After a failure the source server runs as before. After a kill the next run carries on. In
both cases the next run ends with one verified copy; and when that is taken back, both clouds
hold what they held before, to the last port.
"""

from collections.abc import Iterator
from functools import partial

from matrix import benches
from matrix.benches import Bench, has_arrived, not_arrived, not_as_before
from matrix.cells import ALL, Cell, Choice
from matrix.faults import Fault, effects
from matrix.processes import apart
from pumphouse.models import Mover

OPERATION = "cut over a server"
UNDONE = ("Everything was undone", "Nothing was touched")


def cells(
    which: Choice = ALL,
    label: str = "matrix",
    mover: Mover = Mover.IMAGE,
    faults: tuple[Fault, ...] = tuple(Fault),
) -> Iterator[Cell]:
    """Yield the cells of *faults* at its effects; *mover*: of its volume."""
    with benches.bench(label, mover) as bench:
        how, found = apart(lambda: _run(bench, 0, Fault.REFUSED))
        assert how == "done", found
        bench.ready.undo()
        movers = {m.value for m in bench.ready.item.movers.values()} if bench.pool else set()
        operation = " by ".join([OPERATION, *movers])
        yield from which.cells(operation, found, faults, partial(_cell, operation, bench))


def _run(bench: Bench, at: int, fault: Fault) -> list[str]:
    """Cut over with a fault; return the effects."""
    with benches.own(bench.ready) as mine, effects(at, fault) as seen:
        if not has_arrived(bench):
            mine.cut_over().run()
    return seen


def _cell(operation: str, bench: Bench, number: int, effect: str, fault: Fault) -> Cell:
    how, words = apart(lambda: _run(bench, number, fault))
    problems = [] if how == expected(fault, how) else [f"it ended {how}"]
    if how == "failed":
        problems += [] if any(told in str(words) for told in UNDONE) else [str(words)]
        problems += not_as_before(bench)
        problems += bench.pool.not_home(bench.target) if bench.pool else []
    again, words = apart(lambda: _run(bench, 0, fault)) if how != "done" else ("done", None)
    if again != "done":
        problems.append(f"the next run {again}: {words}")
    problems += not_arrived(bench)
    bench.ready.undo()
    problems += bench.left()
    ended = {"failed": "undone, then moved", "killed": "carried on", "done": "healed"}[how]
    return Cell(operation, effect, fault, "; ".join(problems) or ended, not problems)


def expected(fault: Fault, how: str) -> str:
    """Return how it should end: killed when killed; else undone, or healed by a repetition."""
    if fault is Fault.KILLED:
        return "killed"
    return how if how in ("failed", "done") else "failed"
