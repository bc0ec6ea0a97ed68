"""
The return of one server to the source, with a fault at each of its effects.

Its volume was handed over and not copied, and it has a floating IP: at every moment there is one
owner of the bytes and of the address. After a failure the copy runs as before, or the source
server does when its checks had passed. The next run ends with the server as it was before it
moved, and nothing of its copy is left.
"""

from collections.abc import Iterator
from functools import partial

from matrix import benches
from matrix.benches import Bench, not_arrived, not_as_before
from matrix.cells import ALL, Cell, Choice
from matrix.faults import Fault, effects
from matrix.processes import apart
from matrix.servers import expected
from pumphouse.fingerprints import OWN
from pumphouse.models import Mover

OPERATION = "roll back a server"


def cells(
    which: Choice = ALL, label: str = "matrix-back", faults: tuple[Fault, ...] = tuple(Fault)
) -> Iterator[Cell]:
    """Yield the cells of *faults* at its effects."""
    with benches.bench(label, Mover.MANAGE, is_exposed=True) as bench:
        bench.ready.cut_over().run()
        how, found = apart(lambda: _run(bench, 0, Fault.REFUSED))
        assert how == "done", found
        yield from which.cells(OPERATION, found, faults, partial(_cell, bench))


def _run(bench: Bench, at: int, fault: Fault) -> list[str]:
    """Return the server with a fault; return the effects."""
    with benches.own(bench.ready) as mine, effects(at, fault) as seen:
        server = bench.source.compute.get_server(mine.item.source_id)
        # As a rollback does: one that is back is left alone.
        if any(key.startswith(OWN) for key in server.metadata):
            mine.way_back(deletes_copy=True).run()
    return seen


def _cell(bench: Bench, number: int, effect: str, fault: Fault) -> Cell:
    bench.ready.cut_over().run()
    how, words = apart(lambda: _run(bench, number, fault))
    problems = [] if how == expected(fault, how) else [f"it ended {how}"]
    is_undone = "Everything was undone" in str(words) or "Nothing was touched" in str(words)
    if how == "failed":
        problems += _neither(bench, str(words), is_undone)
    again, words = apart(lambda: _run(bench, 0, fault)) if how != "done" else ("done", None)
    if again != "done":
        problems.append(f"the next run {again}: {words}")
    problems += not_as_before(bench) + bench.left()
    undone = "undone, then returned" if is_undone else "returned, then finished"
    ended = {"failed": undone, "killed": "carried on", "done": "healed"}[how]
    return Cell(OPERATION, effect, fault, "; ".join(problems) or ended, not problems)


def _neither(bench: Bench, words: str, is_undone: bool) -> list[str]:
    """Return what is wrong after a failure: the copy is at work, or the source server is."""
    if is_undone:
        server = bench.source.compute.get_server(bench.ready.item.source_id)
        noted = ["it is noted as on its way"] * ("pumphouse:returning" in server.metadata)
        return not_arrived(bench) + noted
    server = bench.source.compute.get_server(bench.ready.item.source_id)
    if "It runs at the source" not in words or server.status != "ACTIVE":
        return [f"the source server is {server.status}: {words}"]
    return []
