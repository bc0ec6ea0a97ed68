"""A host of the lab with a real BMC is fenced, evacuated by Nova, and taken back."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection
from prefect.client.orchestration import get_client

from lab import hosts
from lab.layout import Lab
from pumphouse.blocks.bmc import Bmc
from pumphouse.blocks.site import Site
from pumphouse.bmc import Power
from pumphouse.config import bmc_block
from pumphouse.errors import Refused
from pumphouse.flows.evacuate import evacuate
from pumphouse.flows.maintenance import Action, maintenance
from pumphouse.hosts import HostSettings
from pumphouse.limits import host_limit
from pumphouse.maintenance_options import MaintenanceOptions
from pumphouse.models import StrategyChoice
from pumphouse.tasks.bmc import open_bmc
from pumphouse.tasks.maintenance import leave_maintenance
from tests.lab_tenants import Tenant
from tests.migrations import site
from tests.test_fencing import KINDS, AnyBmc
from tests.test_ipmi import needs_simulator

pytest_plugins = ["tests.lab"]
pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("prefect_server")]

HOST, SITE = "source-fenced", "fencing"
"""A host of the tests' own: what others do in the lab is not moved."""


@pytest.fixture(name="bmc", params=[pytest.param("simulator", marks=needs_simulator), "redfish"])
def _bmc(request: pytest.FixtureRequest, tmp_path: Path, lab: Lab) -> Iterator[AnyBmc]:
    """Yield the host's BMC: power off ends its nova-compute as a power cut does."""
    cloud = lab.cloud("source")
    with KINDS[request.param](tmp_path) as peer:
        follow = peer.machine._follow

        def following(name: str, values: list[str]) -> None:
            follow(name, values)
            if not peer.machine.power:
                hosts.kill(lab, cloud, HOST)
            elif (name, values) == ("power", ["1"]):
                hosts.start(lab, cloud, HOST)

        peer.machine._follow = following  # type: ignore[method-assign]
        yield peer


@pytest.fixture(name="pair")
def _pair(
    lab: Lab, clouds_file: Path, tmp_path: Path, bmc: AnyBmc, source: Connection
) -> Iterator[Site]:
    """Yield the site whose host joined the source, and is up, enabled and empty."""
    cloud = lab.cloud("source")
    hosts.add(lab, cloud, HOST)
    found = site(clouds_file, tmp_path / "store", ("source", "target"))
    found.maintenance = MaintenanceOptions(is_storage_shared=True, start_timeout_s=300)
    found.hosts = {HOST: HostSettings()}
    leave_maintenance(found, HOST)
    found.save(SITE, overwrite=True)
    Bmc(**bmc.access().model_dump()).save(bmc_block(SITE, HOST), overwrite=True)
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(host_limit(SITE, HOST), 1)
    yield found
    hosts.remove(lab, cloud, HOST)


@pytest.fixture(name="server")
def _server(tenant: Tenant, pair: Site, source: Connection) -> Iterator[Any]:
    """Yield a server that runs on the host."""
    made = source.compute.create_server(
        name=f"{tenant.name}-web",
        flavor_id=tenant.create_flavor().id,
        image_id=tenant.create_image().id,
        networks=[{"uuid": tenant.create_network().id}],
        availability_zone=f"nova:{HOST}",
    )
    yield source.compute.wait_for_server(made, wait=300)
    source.compute.delete_server(made)
    source.compute.wait_for_delete(made, wait=120)


def power(bmc: AnyBmc) -> Power:
    """Return what the BMC says."""
    with open_bmc(bmc.access()) as session:
        return session.power()


def service_of(source: Connection) -> Any:
    """Return the host's compute service."""
    return next(s for s in source.compute.services(binary="nova-compute") if s.host == HOST)


def test_a_host_is_fenced_evacuated_and_taken_back(
    pair: Site, source: Connection, bmc: AnyBmc, server: Any
) -> None:
    """Its nova-compute dies with its power; its server runs elsewhere; leave brings it back up."""
    with pytest.raises(Refused, match="fencing it would cut off what runs"):
        evacuate(host=HOST, fence=True, site=SITE)
    assert (bmc.machine.told, service_of(source).status) == ([], "enabled")

    # It is up: only both words together fence it.
    done = evacuate(host=HOST, fence=True, strategy=StrategyChoice.EVACUATE, site=SITE)

    now = source.compute.get_server(server.id)
    assert (now.status, now.compute_host != HOST) == ("ACTIVE", True)
    assert [row["how"] for row in done.servers] == ["evacuate"]
    assert power(bmc) is Power.OFF
    assert (service_of(source).is_forced_down, service_of(source).state) == (True, "down")

    found = maintenance(host=HOST, action=Action.LEAVE, site=SITE)

    # An order over UDP whose answer is late is sent once more.
    told = [order for order, _ in groupby(bmc.machine.told)]
    assert (power(bmc), told) == (Power.ON, ["power 0", "power 1"])
    assert (found["in_maintenance"], found["servers"]) == (False, [])
    assert service_of(source).status == "enabled"
    assert not service_of(source).is_forced_down
    assert source.compute.get_server(server.id).compute_host == now.compute_host
