"""
Two servers that are cut over together, with a fault at each effect of one of them.

After a failure both run at the source as before, or both have arrived. After a kill the next run
carries both on; or what a worker does when its run is dead takes both back, or ends both. Never
is one here and the other there.
"""

import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from openstack.connection import Connection

from lab.connections import connect
from lab.settings import load_lab
from matrix import benches
from matrix.benches import Bench, has_arrived, not_arrived, not_as_before
from matrix.cells import ALL, Cell, Choice
from matrix.faults import Fault, effects
from matrix.processes import apart
from matrix.servers import expected
from pumphouse.models import Mover
from pumphouse.tasks import claims, servers
from pumphouse.tasks.meeting import Meeting
from pumphouse.tasks.taking_back import take_back
from tests.lab_tenants import Tenant, create_tenant, remove_named, resources
from tests.migrations import prepare, site

OPERATION = "cut over two servers together"
SHARING = "cut over two servers that share a volume"
TAKEN_BACK = "killed, taken back"

Both = Sequence[Bench]


def cells(
    which: Choice = ALL,
    label: str = "matrix-group",
    faults: tuple[Fault, ...] = tuple(Fault),
    is_sharing: bool = False,
) -> Iterator[Cell]:
    """Yield the cells of *faults* at the effects of one."""
    operation = SHARING if is_sharing else OPERATION
    with _benches(label, is_sharing) as both:
        how, found = apart(lambda: _run(both, 0, Fault.REFUSED))
        assert how == "done", found
        _back(both)
        kinds = [*faults, TAKEN_BACK] if Fault.KILLED in faults else faults
        yield from which.cells(operation, found, kinds, partial(_cell, operation, both))


@contextmanager
def _benches(label: str, is_sharing: bool) -> Iterator[Both]:
    lab = load_lab()
    source, target = connect(lab.cloud("source")), connect(lab.cloud("target"))
    _remove(label, target, source)
    try:
        with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
            folder = Path(name)
            tenant = create_tenant(lab.cloud("source"), source, label)
            of = (tenant.create_image(), tenant.create_flavor(), tenant.create_network())
            made = [tenant.create_server(*of) for _ in range(2)]
            if is_sharing:
                _share(tenant, made)
            pair = site(lab.clouds_file, folder, ("source", "target"))
            ids = [server.id for server in made]
            # What shares a volume is planned together.
            others = ids if is_sharing else []
            ready = [prepare(stack, pair, folder, id_, Mover.REBUILD, *others) for id_ in ids]
            before = {"source": resources(source), "target": resources(target)}
            yield [Bench(one, source, target, before, label, None, folder) for one in ready]
    finally:
        _remove(label, target, source)


def _remove(label: str, *clouds: Connection) -> None:
    """Remove what is called so; a matrix that was killed left it."""
    for cloud in clouds:
        remove_named(cloud, label)
        for type_ in [t for t in cloud.block_storage.types() if t.name == f"{label}-shared"]:
            cloud.block_storage.delete_type(type_)


def _share(tenant: Tenant, made: Sequence[Any]) -> None:
    """Attach one volume to all servers."""
    name = f"{tenant.name}-shared"
    tenant.admin.block_storage.create_type(name=name, extra_specs={"multiattach": "<is> True"})
    volume = tenant.create_volume(volume_type=name)
    tenant.share_volume(volume, made)


def _run(both: Both, at: int, fault: Fault) -> list[str]:
    """Cut both over with a fault at an effect of the first; return the effects of that."""
    todo = [bench for bench in both if not has_arrived(bench)]
    meeting, counted = Meeting(len(todo)), set[int]()

    def member(bench: Bench) -> None:
        if bench is both[0]:
            counted.add(threading.get_ident())
        item = bench.ready.item
        with meeting.seat(item.source_id), benches.own(bench.ready) as mine:
            cutover = mine.cut_over(
                after_step=lambda name: meeting.meet(item.source_id, name),
                group=meeting.id,
                meeting=meeting,
            )
            cutover.run()

    with effects(at, fault, counted) as seen, ThreadPoolExecutor(2) as pool:
        began = [pool.submit(member, bench) for bench in todo]
    if problems := [str(error) for one in began if (error := one.exception())]:
        raise RuntimeError(" | ".join(problems))
    return seen


def _take_back(both: Both) -> None:
    """Do what a worker does when its run is dead."""
    for bench in both:
        with benches.own(bench.ready) as mine:
            raw = servers.read_server(mine.source, mine.item.source_id)
            if claims.is_half_way(raw["metadata"], claims.run_id()):
                take_back(mine.cut_over(), claims.run_id())


def _cell(operation: str, both: Both, number: int, effect: str, kind: str) -> Cell:
    is_taken_back = kind == TAKEN_BACK
    fault = Fault.KILLED if is_taken_back else Fault(kind)
    how, words = apart(lambda: _run(both, number, fault))
    problems = [] if how == expected(fault, how) else [f"it ended {how}"]
    if is_taken_back:
        taken, said = apart(lambda: _take_back(both))
        problems += [] if taken == "done" else [f"taking back {taken}: {said}"]
    if how == "failed" or is_taken_back:
        problems += _parted(both)
    again, words = apart(lambda: _run(both, 0, fault)) if how != "done" else ("done", words)
    if again != "done":
        problems.append(f"the next run {again}: {words}")
    problems += [said for bench in both for said in not_arrived(bench)]
    _back(both)
    problems += both[0].left() + [said for bench in both for said in not_as_before(bench)]
    killed = "taken back or ended, then moved" if is_taken_back else "carried on"
    ended = {"failed": "undone, then moved", "killed": killed, "done": "healed"}[how]
    return Cell(operation, effect, kind, "; ".join(problems) or ended, not problems)


def _parted(both: Both) -> list[str]:
    """Return what is wrong unless both are as before, or both have arrived."""
    here = [said for bench in both for said in not_as_before(bench)]
    there = [said for bench in both for said in not_arrived(bench)]
    return here if here and there else []


def _back(both: Both) -> None:
    for bench in both:
        bench.ready.undo()
