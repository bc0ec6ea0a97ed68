"""
Downtime of a server whose volume lies in Ceph, by the movers `manage` and `rbd`.

By `manage`: the same server with a volume of 100 GB against one with 1 GB, in turn. By `rbd`,
with 1 % of the data changed since the last round: against ``rbd export-diff | import-diff`` of as
many changes between two images of the same pools, plus a bare stop and a bare boot with an empty
volume of the same type. All in one run, in turn; the median of each counts.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from bench.images import row
from lab.ceph import backends
from lab.ceph.layout import Ceph, own_pool
from lab.connections import connect
from lab.settings import load_lab
from pumphouse import bodies
from pumphouse.models import Mover
from pumphouse.tasks import servers
from pumphouse.tasks.owners import owner
from pumphouse.tasks.volumes import delete_volume, read_volume
from pumphouse.tasks.waiting import poll
from tests import pools
from tests.ceph import ensure
from tests.lab_tenants import Tenant, create_tenant, remove_named
from tests.migrations import Prepared, prepare, site

ROUNDS = 5
SMALL_GIB, LARGE_GIB = 1, 100
WRITTEN_GIB = 1
WRITTEN_MIB = WRITTEN_GIB << 10
CHANGED_MIB = 10
BOOT_S = 300.0
MANAGE_LIMIT, RBD_LIMIT = 1.2, 1.25


def run() -> list[dict[str, Any]]:
    """Return the rows of the benchmark; none where there can be no Ceph. Leaves nothing."""
    if reason := ensure(load_lab()):
        print(f"bench movers: left out, {reason}", file=sys.stderr)
        return []
    with _tenant() as (tenant, ceph, storage):
        return [_manage(tenant, ceph, storage), _rbd(tenant, ceph, storage)]


def _manage(tenant: Tenant, ceph: Ceph, storage: Path) -> dict[str, Any]:
    with ExitStack() as stack:
        both = [
            _ready(stack, tenant, ceph, storage, backends.SHARED, size)
            for size in (SMALL_GIB, LARGE_GIB)
        ]
        spent: list[list[float]] = [[], []]
        for _ in range(ROUNDS):
            for ready, times in zip(both, spent, strict=True):
                times.append(_downtime(ready))
                ready.undo()
    small, large = map(median, spent)
    name = f"downtime by manage, {LARGE_GIB} GB against {SMALL_GIB} GB"
    return row(name, large, "s", small, large / small, MANAGE_LIMIT, least=False)


def _rbd(tenant: Tenant, ceph: Ceph, storage: Path) -> dict[str, Any]:
    with ExitStack() as stack:
        ready = _ready(stack, tenant, ceph, storage, backends.OWN, WRITTEN_GIB)
        volume = ready.item.row["attached"][0]["id"]
        spec = f"{own_pool('source')}/volume-{volume}"
        pools.write(ceph, spec, WRITTEN_MIB)
        ours, floors = [], []
        for _ in range(ROUNDS):
            floors.append(_delta(ceph) + _stop_and_boot(ready, tenant))
            ours.append(_downtime(ready, lambda: _change(ceph, spec)))
            ready.undo()
    middle, floor = median(ours), median(floors)
    name = f"downtime by rbd, {CHANGED_MIB} of {WRITTEN_MIB} MiB changed"
    return row(name, middle, "s", floor, middle / floor, RBD_LIMIT, least=False)


@contextmanager
def _tenant() -> Iterator[tuple[Tenant, Ceph, Path]]:
    lab, name = load_lab(), f"bench-{uuid4().hex[:6]}"
    with TemporaryDirectory() as folder:
        try:
            admin = connect(lab.cloud("source"))
            tenant = create_tenant(lab.cloud("source"), admin, name)
            yield tenant, Ceph(lab), Path(folder)
        finally:
            for side in ("target", "source"):
                remove_named(connect(lab.cloud(side)), name)


def _ready(
    stack: ExitStack, tenant: Tenant, ceph: Ceph, storage: Path, kind: str, size_gib: int
) -> Prepared:
    """Return a server with one volume, ready to be cut over; its own disk is built anew."""
    part = Tenant(f"{tenant.name}-{kind}-{size_gib}", tenant.project_id, tenant.connection, tenant.admin)  # fmt: skip  # noqa: E501
    quota = {"gigabytes": 10 * LARGE_GIB}
    tenant.admin.block_storage.update_quota_set(tenant.project_id, **quota)
    volume = part.create_volume(size_gib, volume_type=kind)
    server = part.create_server(part.create_image(), part.create_flavor(), part.create_network())
    tenant.connection.compute.create_volume_attachment(server, volume_id=volume.id)
    tenant.connection.block_storage.wait_for_status(volume, "in-use", wait=120)
    pair = site(ceph.lab.clouds_file, storage, ("source", "target"), migrate=pools.options(ceph))
    return prepare(stack, pair, storage, server.id, Mover.REBUILD)


def _downtime(ready: Prepared, before_stop: Callable[[], None] = lambda: None) -> float:
    """Cut the server over; *before_stop* is done when everything was copied ahead."""
    cutover = ready.cut_over()

    def step(name: str) -> None:
        if name == "lock":
            before_stop()

    cutover.on_step = step
    arrived = cutover.run()
    assert arrived.downtime_s is not None
    return arrived.downtime_s


def _change(ceph: Ceph, spec: str) -> None:
    """Change 1 % of an image, in pieces of 4 KiB anywhere."""
    how = ["--io-type", "write", "--io-pattern", "rand", "--io-size", "4K"]
    pools.rbd(ceph, "bench", *how, "--io-total", f"{CHANGED_MIB}M", spec)


def _delta(ceph: Ceph) -> float:
    """Return the seconds of the bare commands, for as many changes between two plain images."""
    name, here, there = f"bench-{uuid4().hex[:6]}", own_pool("source"), own_pool("target")
    size = f"{WRITTEN_GIB}G"
    for pool in (here, there):
        pools.rbd(ceph, "create", "--size", size, f"{pool}/{name}")
    spec, copy = f"{here}/{name}", f"{there}/{name}"
    try:
        pools.write(ceph, spec, WRITTEN_MIB)
        pools.rbd(ceph, "snap", "create", f"{spec}@a")
        _pipe(ceph, [f"{spec}@a"], copy)
        _change(ceph, spec)
        began = time.monotonic()
        pools.rbd(ceph, "snap", "create", f"{spec}@b")
        _pipe(ceph, ["--from-snap", "a", f"{spec}@b"], copy)
        return time.monotonic() - began
    finally:
        for each in (spec, copy):
            pools.rbd(ceph, "snap", "purge", "--no-progress", each)
            pools.rbd(ceph, "rm", "--no-progress", each)


def _pipe(ceph: Ceph, words: list[str], copy: str) -> None:
    rbd = ["rbd", "-c", str(ceph.conf), "--id", "admin"]
    reader = subprocess.Popen(
        [*rbd, "export-diff", "--no-progress", *words, "-"], stdout=subprocess.PIPE
    )
    writer = [*rbd, "import-diff", "--no-progress", "-", copy]
    subprocess.run(writer, stdin=reader.stdout, check=True)
    assert reader.wait() == 0


def _stop_and_boot(ready: Prepared, tenant: Tenant) -> float:
    """Return the seconds of a bare stop at the source, and of a bare boot with an empty volume."""
    source, target, item = ready.source, ready.target, ready.item
    user = ready.ids["users"][item.row["user_id"]]
    project = ready.ids["projects"][item.row["project_id"]]
    flavors = target.list("compute", "/flavors", "flavors", params={"is_public": "None"})
    flavor = next(f["id"] for f in flavors if f["name"] == item.row["flavor_name"])
    port_ids = [ready.ids["ports"][port["id"]] for port in item.row["ports"]]
    with owner(ready.pair.target, target, user, project) as (acting, _):
        version = acting.microversion("compute")
        empty = {"size": WRITTEN_GIB, "volume_type": backends.OWN, "name": tenant.name}
        path = "/volumes"
        made = acting.call("POST", "block-storage", path, json={"volume": empty}).json()["volume"]
        poll("the volume", lambda: read_volume(target, made["id"]),
             lambda v: bool(v["status"] == "available"), BOOT_S)  # fmt: skip
        image = ready.ids["images"][item.row["image_id"]]
        body = bodies.server(item.row, flavor, image, [made["id"]], port_ids)
        body["name"] = tenant.name
        body["metadata"] = {}
        live = servers.read_server(source, item.source_id)
        began = time.monotonic()
        servers.set_power(source, live, False, BOOT_S)
        answer = acting.call(
            "POST", "compute", "/servers", json={"server": body}, microversion=version
        )
        copy = answer.json()["server"]["id"]
        servers.wait_for(target, {"id": copy, "status": "BUILD"}, "ACTIVE", BOOT_S)
        spent = time.monotonic() - began
    servers.delete_server(target, copy, BOOT_S)
    delete_volume(target, made["id"], BOOT_S)
    servers.set_power(source, servers.read_server(source, item.source_id), True, BOOT_S)
    return spent
