"""A new compute host of the lab's target is probed, joins its aggregates, and takes servers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection

from lab import hosts
from lab.layout import Lab
from lab.tenants.images import ensure_image
from pumphouse.blocks.fuel import Fuel
from pumphouse.hosts import HostSettings
from pumphouse.tasks import host_joining, host_probes
from pumphouse.tasks.upgrading import Work
from pumphouse.upgrade_options import Probe, UpgradeOptions
from tests.fuel_server import FuelServer, serving
from tests.migrations import site
from tests.rack import MACS, NUMBER

pytest_plugins = ["tests.lab"]
pytestmark = pytest.mark.lab

HOST, ZONE, IMAGE = "target-joining", "joining-zone", "joining-probe"


@pytest.fixture(name="fuel")
def _fuel() -> Iterator[FuelServer]:
    """Yield a Fuel that knows the host, as one that it has deployed."""
    with serving() as server:
        node = server.register(NUMBER)
        with server.client() as client:
            client.set_hostname(node, HOST)
        yield server


@pytest.fixture(name="zone")
def _zone(lab: Lab, target: Connection) -> Iterator[Any]:
    """Let a host join the target, and yield an aggregate with a zone of its own, still empty."""
    cloud = lab.cloud("target")
    hosts.add(lab, cloud, HOST)
    made = target.compute.create_aggregate(name=ZONE, availability_zone=ZONE)
    image = ensure_image(target, IMAGE, 1)
    flavor = target.compute.create_flavor(name=IMAGE, vcpus=1, ram=64, disk=1)
    yield made
    for name in target.compute.get_aggregate(made).hosts or ():
        target.compute.remove_host_from_aggregate(made, name)
    target.compute.delete_aggregate(made)
    target.image.delete_image(image)
    target.compute.delete_flavor(flavor)
    hosts.remove(lab, cloud, HOST)


def test_a_new_host_is_probed_and_joins_its_zone(
    clouds_file: Path, tmp_path: Path, fuel: FuelServer, zone: Any, target: Connection
) -> None:
    """Disabled until its probe was well; then in the aggregate, enabled, and no probe is left."""
    pair = site(clouds_file, tmp_path / "store", ("source", "target"))
    pair.fuel = Fuel(**fuel.access().model_dump())
    pair.hosts = {HOST: HostSettings(boot_mac=MACS[0], macs=MACS)}
    pair.upgrade = UpgradeOptions(
        environment="target", aggregates=[ZONE], probe=Probe(image=IMAGE)
    )
    said: list[str] = []
    work = Work(pair, "joining", HOST, log=said.append)

    host_joining.await_compute(work)
    [before] = [s for s in target.compute.services(binary="nova-compute") if s.host == HOST]
    host_probes.probe(work)
    host_joining.enable(work)
    host_joining.enable(work)

    assert (before.status, before.disabled_reason) == ("disabled", host_joining.UNPROBED)
    assert any("smallest flavor that fits its image" in line for line in said)
    [after] = [s for s in target.compute.services(binary="nova-compute") if s.host == HOST]
    assert (after.status, after.availability_zone) == ("enabled", ZONE)
    assert target.compute.get_aggregate(zone).hosts == [HOST]
    assert list(target.compute.servers(all_projects=True, name="pumphouse-probe")) == []
