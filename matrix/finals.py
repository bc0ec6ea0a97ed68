"""
The deletion of a migrated project at the source, with a fault at each of its effects.

Its server has a router, a floating IP and a volume that was handed over and not copied. There is
no way back, so each cell has a project of its own. Whatever happens the copy is at work with its
bytes; and after the next run the source holds nothing of the project any more.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prefect.logging import disable_run_logger

from matrix import benches
from matrix.benches import Bench, not_at_work
from matrix.cells import ALL, Cell, Choice
from matrix.faults import Fault, effects
from matrix.processes import apart
from matrix.servers import expected
from pumphouse.flows import finalize as flow
from pumphouse.ledger import Entry, Status
from pumphouse.models import Mover
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Selection
from pumphouse.selection import chosen as selected
from pumphouse.staying import Bounds
from pumphouse.tasks.finalizing import delete_batch, own_ids
from pumphouse.tasks.moving import Slots, Work
from pumphouse.tasks.storage import utc_now
from tests.lab_tenants import resources
from tests.migrations import estates

OPERATION = "finalize a project"


def cells(
    which: Choice = ALL, label: str = "matrix-final", faults: tuple[Fault, ...] = tuple(Fault)
) -> Iterator[Cell]:
    """Yield the cells of *faults* at its effects."""
    with _migrated(label) as bench:
        how, found = apart(lambda: _run(bench, 0, Fault.REFUSED))
        assert how == "done", found
        assert _left(bench) == []

    def run(number: int, effect: str, fault: Fault) -> Cell:
        with _migrated(label) as bench:
            return _cell(bench, number, effect, fault)

    yield from which.cells(OPERATION, found, faults, run)


@contextmanager
def _migrated(label: str) -> Iterator[Bench]:
    with benches.bench(label, Mover.MANAGE, is_exposed=True) as bench:
        bench.ready.cut_over().run()
        yield bench


def _run(bench: Bench, at: int, fault: Fault) -> list[str]:
    """Finalize the project with a fault, as the flow does; return the effects."""
    pair = bench.ready.pair
    clouds = estates(pair, bench.folder)
    if not any(row["name"] == bench.label for row in clouds[0].rows("projects")):
        return []
    what = selected(Selection(include=(f"project:{bench.label}",)), clouds[0])
    intended = plan(what, *clouds, Wishes(mover=Mover.REBUILD, shared=pair.migrate.shared))
    bounds = Bounds(
        now=utc_now(),
        grace_s=0,
        whole=frozenset(what.project_ids),
        protected=frozenset(own_ids(pair)),
    )
    slots = Slots("matrix", threading.Semaphore(1), threading.Semaphore(1), is_shared=False)
    entries: list[Entry] = []
    with disable_run_logger(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "delete_batch", delete_batch.fn)
        with effects(at, fault) as seen:
            found = flow._delete(Work(pair, slots), intended, clouds, bounds, entries)
    left = [f"{e.kind} {e.name}: {e.message}" for e in entries if e.status is not Status.DONE]
    # What it shares with others, as the outer network, is there before and after.
    ours = [r for r in found if bench.label in (r.project, r.name)]
    left += [f"{r.kind} {r.name}: {r.reason}" for r in ours if not r.is_removed]
    if left:
        raise RuntimeError(" | ".join(left))
    return seen


def _cell(bench: Bench, number: int, effect: str, fault: Fault) -> Cell:
    how, words = apart(lambda: _run(bench, number, fault))
    problems = [] if how == expected(fault, how) else [f"it ended {how}"]
    problems += not_at_work(bench)
    again, words = apart(lambda: _run(bench, 0, fault)) if how != "done" else ("done", None)
    if again != "done":
        problems.append(f"the next run {again}: {words}")
    problems += not_at_work(bench) + _left(bench)
    ended = {"failed": "the rest, then this", "killed": "carried on", "done": "healed"}[how]
    return Cell(OPERATION, effect, fault, "; ".join(problems) or ended, not problems)


def _left(bench: Bench) -> list[str]:
    """Return what the source still holds of the project."""
    (project_id,) = (i.source_id for i in bench.ready.plan.of("projects") if i.name == bench.label)
    return [
        f"left at the source: {kind} {name or id_}"
        for kind, items in resources(bench.source).items()
        for id_, (name, owner_id) in items.items()
        if kind != "flavor" and (owner_id == project_id or name.startswith(bench.label))
    ]
