"""
A server of the lab that faults are tried on, and what is right of it at each end.

Its volume is copied by an image, or goes by a mover of volumes in Ceph; it may have a router to
the outside and a floating IP.
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
from lab.layout import VOLUME_TYPE, Lab
from lab.settings import load_lab
from matrix.pools import Pool
from pumphouse.comparison import MIGRATED_TO
from pumphouse.models import ON_CEPH, SOURCE_ID, Mover
from pumphouse.tasks.api import Api
from tests import pools
from tests.ceph import ensure
from tests.lab_tenants import Tenant, create_tenant, leaks, remove_named, resources
from tests.migrations import Prepared, prepare, site

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
    folder: Path

    @property
    def copies(self) -> list[Any]:
        """The target's servers that carry the id of the server."""
        every = self.target.compute.servers(all_projects=True)
        return [s for s in every if s.metadata.get(SOURCE_ID) == self.ready.item.source_id]

    def left(self) -> list[str]:
        """Return what the clouds hold that they did not hold before, and other bytes in a pool."""
        held = {"source": resources(self.source), "target": resources(self.target)}
        found = [
            f"left at the {cloud}: {one}"
            for cloud, before in self.before.items()
            for one in leaks(before, held[cloud], self.label)
        ]
        return found + (self.pool.not_home(self.target) if self.pool else [])


@contextmanager
def bench(label: str, mover: Mover = Mover.IMAGE, is_exposed: bool = False) -> Iterator[Bench]:
    """Yield a running server with a volume that goes by *mover*; *is_exposed*: to the outside."""
    lab = load_lab()
    source, target = connect(lab.cloud("source")), connect(lab.cloud("target"))
    # A matrix that was killed left what it made.
    remove_named(target, label)
    remove_named(source, label)
    try:
        with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
            folder = Path(name)
            tenant = create_tenant(lab.cloud("source"), source, label)
            server, volume = served(tenant, mover, is_exposed)
            ceph = _ceph(lab) if mover in ON_CEPH else None
            options = {"migrate": pools.options(ceph)} if ceph else {}
            pair = site(lab.clouds_file, folder, ("source", "target"), **options)
            pool = Pool.of(ceph, source.block_storage.get_volume(volume.id)) if ceph else None
            disk = Mover.IMAGE if mover is Mover.IMAGE else Mover.REBUILD
            ready = prepare(stack, pair, folder, server.id, disk)
            assert set(ready.item.movers.values()) == {mover}
            before = {"source": resources(source), "target": resources(target)}
            yield Bench(ready, source, target, before, label, pool, folder)
    finally:
        remove_named(target, label)
        remove_named(source, label)


def _ceph(lab: Lab) -> Ceph:
    reason = ensure(lab)
    assert not reason, reason
    return Ceph(lab)


def served(tenant: Tenant, mover: Mover, is_exposed: bool) -> tuple[Any, Any]:
    """Return a running server of a tenant and its volume."""
    image, flavor, network = tenant.create_image(), tenant.create_flavor(), tenant.create_network()
    server = tenant.create_server(image, flavor, network)
    volume = tenant.create_volume(volume_type=TYPES[mover])
    tenant.connection.compute.create_volume_attachment(server, volume_id=volume.id)
    tenant.connection.block_storage.wait_for_status(volume, "in-use", wait=120)
    if is_exposed:
        tenant.expose(server, network)
    return server, volume


@contextmanager
def own(ready: Prepared) -> Iterator[Prepared]:
    """Yield it with connections of this process."""
    with Api(ready.pair.source, "source") as source, Api(ready.pair.target, "target") as target:
        yield Prepared(ready.pair, source, target, ready.plan, ready.item, ready.ids)


def has_arrived(bench: Bench) -> bool:
    """Tell whether it is noted as moved: a plan leaves it alone then."""
    return MIGRATED_TO in bench.source.compute.get_server(bench.ready.item.source_id).metadata


def not_as_before(bench: Bench) -> list[str]:
    """Return what tells the source server from how it was before it moved."""
    server = bench.source.compute.get_server(bench.ready.item.source_id)
    found = []
    if server.status != "ACTIVE" or server.is_locked:
        found.append(f"the source server is {server.status}, locked {server.is_locked}")
    if traces := [key for key in server.metadata if key.startswith("pumphouse:")]:
        found.append(f"its metadata have {', '.join(traces)}")
    found += [f"there is a copy {copy.id}, {copy.status}" for copy in bench.copies]
    return found + _parted(bench.source, server.id, _addresses(bench))


def not_arrived(bench: Bench) -> list[str]:
    """Return what is wrong with the copy and with the source server beside it."""
    server = bench.source.compute.get_server(bench.ready.item.source_id)
    found = []
    if (server.status, server.is_locked) != ("SHUTOFF", True):
        found.append(f"the source server is {server.status}, locked {server.is_locked}")
    if [server.metadata.get(MIGRATED_TO)] != [copy.id for copy in bench.copies]:
        found.append("the source server does not say where it went")
    return found + not_at_work(bench)


def not_at_work(bench: Bench) -> list[str]:
    """Return what is wrong with the copy, whatever became of its source."""
    found = [] if len(bench.copies) == 1 else [f"there are {len(bench.copies)} copies"]
    for copy in bench.copies:
        found += _parted(bench.target, copy.id, _addresses(bench))
        if copy.status != "ACTIVE" or copy.is_locked:
            found.append(f"the copy is {copy.status}, locked {copy.is_locked}")
        if len(copy.attached_volumes) != len(bench.ready.item.row["attached"]):
            found.append(f"the copy has {len(copy.attached_volumes)} volumes")
    return found + (bench.pool.not_arrived(bench.target) if bench.pool else [])


def _addresses(bench: Bench) -> set[str]:
    """Return its floating IPs."""
    plan = bench.ready.plan
    return {item.row["floating_ip_address"] for item in plan.of("floating_ips")}


def _parted(cloud: Connection, server_id: str, addresses: set[str]) -> list[str]:
    """Return what a server that is at work lacks of its ports and floating IPs."""
    ports = list(cloud.network.ports(device_id=server_id))
    found = [f"port {port.id} is down" for port in ports if not port.is_admin_state_up]
    bound = {ip.floating_ip_address for p in ports for ip in cloud.network.ips(port_id=p.id)}
    return found + [f"floating IP {address} is not its" for address in addresses - bound]
