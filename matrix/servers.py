"""
The cut-over of one server in the lab, with a fault at each of its effects.

Its volume is copied by an image, or goes by a mover of volumes in Ceph.

After a failure the source server runs as before. After a kill the next run carries on. In
both cases the next run ends with one verified copy; and when that is taken back, both clouds
hold what they held before, to the last port.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openstack.connection import Connection

from lab.ceph import backends
from lab.ceph.layout import Ceph
from lab.connections import connect
from lab.layout import VOLUME_TYPE
from lab.settings import load_lab
from matrix.cells import Cell
from matrix.faults import Fault, effects
from matrix.pools import Pool
from matrix.processes import apart
from pumphouse.comparison import MIGRATED_TO
from pumphouse.models import ON_CEPH, SOURCE_ID, Mover
from pumphouse.steps import NAMES
from pumphouse.tasks.api import Api
from pumphouse.tasks.rollback import undo
from tests import pools
from tests.lab_tenants import create_tenant, leaks, remove_named, resources
from tests.migrations import Prepared, prepare, site

OPERATION = "cut over a server"
TYPES = {Mover.IMAGE: VOLUME_TYPE, Mover.MANAGE: backends.SHARED, Mover.RBD: backends.OWN}
"""By mover: the volume type of the lab whose volumes it takes."""


@dataclass(frozen=True)
class Bench:
    """A prepared server, the admins of both clouds, and what these hold without a copy."""

    ready: Prepared
    source: Connection
    target: Connection
    before: dict[str, Any]
    label: str
    pool: Pool | None

    def held(self) -> dict[str, Any]:
        """Return what both clouds hold now."""
        return {"source": resources(self.source), "target": resources(self.target)}


def cells(every: int = 1, label: str = "matrix", mover: Mover = Mover.IMAGE) -> Iterator[Cell]:
    """Yield the cells of every *every*-th effect, for each fault; *mover* is of its volume."""
    with tempfile.TemporaryDirectory() as folder, _bench(Path(folder), label, mover) as bench:
        how, found = apart(lambda: _run(bench, 0, Fault.REFUSED))
        assert how == "done", found
        _back(bench)
        for number, name in enumerate(found, 1):
            if (number - 1 - every // 2) % every:
                continue
            for fault in Fault:
                yield _cell(bench, number, name, fault)


@contextmanager
def _bench(folder: Path, label: str, mover: Mover) -> Iterator[Bench]:
    lab = load_lab()
    source, target = connect(lab.cloud("source")), connect(lab.cloud("target"))
    # A matrix that was killed left what it made.
    remove_named(target, label)
    remove_named(source, label)
    try:
        tenant = create_tenant(lab.cloud("source"), source, label)
        image, flavor = tenant.create_image(), tenant.create_flavor()
        server = tenant.create_server(image, flavor, tenant.create_network())
        volume = tenant.create_volume(volume_type=TYPES[mover])
        tenant.connection.compute.create_volume_attachment(server, volume_id=volume.id)
        tenant.connection.block_storage.wait_for_status(volume, "in-use", wait=120)
        ceph = Ceph(lab) if mover in ON_CEPH else None
        options = {"migrate": pools.options(ceph)} if ceph else {}
        pair = site(lab.clouds_file, folder, ("source", "target"), **options)
        pool = Pool.of(ceph, source.block_storage.get_volume(volume.id)) if ceph else None
        with ExitStack() as stack:
            disk = Mover.IMAGE if mover is Mover.IMAGE else Mover.REBUILD
            ready = prepare(stack, pair, folder, server.id, disk)
            assert set(ready.item.movers.values()) == {mover}
            before = {"source": resources(source), "target": resources(target)}
            yield Bench(ready, source, target, before, label, pool)
    finally:
        remove_named(target, label)
        remove_named(source, label)


def _run(bench: Bench, at: int, fault: Fault) -> list[str]:
    """Cut over with a fault; return the effects. Its connections are this process's own."""
    ready = bench.ready
    with ExitStack() as stack:
        source = stack.enter_context(Api(ready.pair.source, "source"))
        target = stack.enter_context(Api(ready.pair.target, "target"))
        mine = Prepared(ready.pair, source, target, ready.plan, ready.item, ready.ids)
        seen = stack.enter_context(effects(at, fault))
        mine.cut_over().run()
    return seen


def _cell(bench: Bench, number: int, name: str, fault: Fault) -> Cell:
    how, words = apart(lambda: _run(bench, number, fault))
    problems = [] if how == _expected(fault, how) else [f"it ended {how}"]
    if how == "failed":
        problems += _not_as_before(bench, str(words))
        problems += bench.pool.not_home(bench.target) if bench.pool else []
    again, words = apart(lambda: _run(bench, 0, fault)) if how != "done" else ("done", None)
    if again != "done":
        problems.append(f"the next run {again}: {words}")
    problems += _not_arrived(bench)
    problems += bench.pool.not_arrived(bench.target) if bench.pool else []
    _back(bench)
    problems += bench.pool.not_home(bench.target) if bench.pool else []
    held = bench.held()
    for cloud, before in bench.before.items():
        problems += [
            f"left at the {cloud}: {one}" for one in leaks(before, held[cloud], bench.label)
        ]
    ended = {"failed": "undone, then moved", "killed": "carried on", "done": "healed"}[how]
    movers = {m.value for m in bench.ready.item.movers.values()} if bench.pool else set()
    operation = " by ".join([OPERATION, *movers])
    return Cell(operation, f"{number} {name}", fault, "; ".join(problems) or ended, not problems)


def _expected(fault: Fault, how: str) -> str:
    """Return how it should end: killed when killed; else undone, or healed by a repetition."""
    if fault is Fault.KILLED:
        return "killed"
    return how if how in ("failed", "done") else "failed"


def _not_as_before(bench: Bench, words: str) -> list[str]:
    """Return what tells the source server from how it was, after a failure."""
    server = bench.source.compute.get_server(bench.ready.item.source_id)
    found = [] if "Everything was undone" in words or "Nothing was touched" in words else [words]
    if server.status != "ACTIVE" or server.is_locked:
        found.append(f"the source server is {server.status}, locked {server.is_locked}")
    if traces := [key for key in server.metadata if key.startswith("pumphouse:")]:
        found.append(f"its metadata have {', '.join(traces)}")
    down = [
        p.id for p in bench.source.network.ports(device_id=server.id) if not p.is_admin_state_up
    ]
    return found + [f"its port {port} is down" for port in down]


def _not_arrived(bench: Bench) -> list[str]:
    """Return what is wrong with the copy and with the source server beside it."""
    source_id = bench.ready.item.source_id
    server = bench.source.compute.get_server(source_id)
    copies = [
        s
        for s in bench.target.compute.servers(all_projects=True)
        if s.metadata.get(SOURCE_ID) == source_id
    ]
    found = [] if len(copies) == 1 else [f"there are {len(copies)} copies"]
    if (server.status, server.is_locked) != ("SHUTOFF", True):
        found.append(f"the source server is {server.status}, locked {server.is_locked}")
    if [server.metadata.get(MIGRATED_TO)] != [copy.id for copy in copies]:
        found.append("the source server does not say where it went")
    found += [f"the copy is {copy.status}" for copy in copies if copy.status != "ACTIVE"]
    volumes = [v for copy in copies for v in copy.attached_volumes]
    return found if len(volumes) == 1 else [*found, f"the copy has {len(volumes)} volumes"]


def _back(bench: Bench) -> None:
    """Take a finished move back, as far as its journal says."""
    with ExitStack() as stack:
        cutover = bench.ready.cut_over()
        cutover.prepare(stack)
        cutover.do_remember()
        state = undo(cutover, NAMES[-1])
        assert "Everything was undone" in state, state
