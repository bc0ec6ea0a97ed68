"""Hosts of the lab are really emptied: live, cold, off a dead host, and on after a kill."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection

from lab import hosts
from lab.layout import Lab
from pumphouse.blocks.site import Site
from pumphouse.errors import EvacuationIncomplete, Refused
from pumphouse.evacuation import Asked, MaintenanceOptions
from pumphouse.leaving import LEAVING
from pumphouse.ledger import Entry
from pumphouse.tasks import maintenance, relocations
from pumphouse.tasks.api import Api
from tests.lab_tenants import Tenant
from tests.migrations import site

pytest_plugins = ["tests.lab"]
pytestmark = pytest.mark.lab

SPARE = "source-spare"
"""A host of the tests' own: what others do in the lab is not moved."""

QUICK = MaintenanceOptions(parallel=4, max_failures=9)


class Killed(BaseException):
    """Ends a run where it is: nothing of ours catches it, as nothing catches kill -9."""


@pytest.fixture(name="pair")
def _pair(clouds_file: Path, tmp_path: Path) -> Site:
    return site(clouds_file, tmp_path / "store", ("source", "target"))


@pytest.fixture(scope="module", name="spare_host")
def _spare_host(lab: Lab) -> Iterator[str]:
    """Let a host join the source for these tests."""
    hosts.add(lab, lab.cloud("source"), SPARE)
    yield SPARE
    hosts.remove(lab, lab.cloud("source"), SPARE)


@pytest.fixture(name="host")
def _host(lab: Lab, pair: Site, spare_host: str, source: Connection) -> Iterator[str]:
    """Return that host: up, enabled and empty, and so again for the next test."""
    hosts.add(lab, lab.cloud("source"), spare_host)
    # A session that was killed left it as it was then.
    maintenance.leave_maintenance(pair, spare_host)
    yield spare_host
    hosts.add(lab, lab.cloud("source"), spare_host)
    maintenance.leave_maintenance(pair, spare_host)


@pytest.fixture(name="boot")
def _boot(tenant: Tenant, host: str, source: Connection) -> Iterator[Callable[..., Any]]:
    """Return a function that boots a server on the host; only administrators may choose one."""
    image, flavor, network = (
        tenant.create_image(),
        tenant.create_flavor(),
        tenant.create_network(),
    )
    made_here: list[Any] = []

    def boot(name: str, fault: str = "", **options: Any) -> Any:
        metadata = {"lab:fault": fault} if fault else {}
        made = source.compute.create_server(
            name=f"{tenant.name}-{name}",
            flavor_id=flavor.id,
            image_id=image.id,
            networks=[{"uuid": network.id}],
            availability_zone=f"nova:{host}",
            metadata=metadata,
            **options,
        )
        made_here.append(made)
        return source.compute.wait_for_server(made, wait=300)

    yield boot
    for server in made_here:
        source.compute.delete_server(server)
    for server in made_here:
        source.compute.wait_for_delete(server, wait=120)


def booted(boot: Callable[..., Any], **faults: str) -> dict[str, Any]:
    """Boot several servers side by side; return them by name."""
    with ThreadPoolExecutor(3) as pool:
        return dict(zip(faults, pool.map(boot, faults, faults.values()), strict=True))


def empty(pair: Site, host: str, **options: Any) -> dict[str, Entry]:
    """Empty the host; return the entries by the last word of the servers' names."""
    chosen = MaintenanceOptions(**{**QUICK.model_dump(), **options})
    asked = Asked(host=host, options=chosen)
    entries = maintenance.enter_maintenance(pair, asked)
    return {entry.name.rpartition("-")[2]: entry for entry in entries}


def where(source: Connection, server: Any) -> tuple[str, str]:
    """Return a server's state and host."""
    now = source.compute.get_server(server.id)
    return now.status, now.compute_host


def test_servers_of_every_kind_leave_and_the_host_is_given_back(
    pair: Site, source: Connection, host: str, boot: Callable[..., Any]
) -> None:
    """Live, cold when live fails or is refused, stopped and paused; all agree that it is empty."""
    made = booted(boot, live="", failing="live-fail", refused="live-refused", off="", paused="")
    source.compute.stop_server(made["off"])
    source.compute.pause_server(made["paused"])
    source.compute.wait_for_server(made["off"], status="SHUTOFF", wait=120)
    source.compute.wait_for_server(made["paused"], status="PAUSED", wait=120)

    entries = empty(pair, host)
    status = maintenance.maintenance_status(pair, host)

    assert {name: e.action for name, e in entries.items()} == {
        "live": "live", "failing": "cold", "refused": "cold", "off": "cold", "paused": "live",
    }  # fmt: skip
    found = {name: where(source, server) for name, server in made.items()}
    assert {name: state for name, (state, _) in found.items()} == {
        "live": "ACTIVE", "failing": "ACTIVE", "refused": "ACTIVE", "off": "SHUTOFF",
        "paused": "PAUSED",
    }  # fmt: skip
    assert host not in {on for _, on in found.values()}
    assert not [s for s in made.values() if LEAVING in source.compute.get_server(s.id).metadata]
    assert (status["in_maintenance"], status["servers"], status["not_empty"]) == (True, [], [])
    maintenance.leave_maintenance(pair, host)
    assert maintenance.service_words(pair, host) == "enabled and up"


def test_what_is_refused_touches_nothing(
    pair: Site, source: Connection, host: str, boot: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A rescued server stands in the way of all: not one request that changes anything is sent."""
    made = booted(boot, fine="", saved="")
    source.compute.rescue_server(made["saved"])
    source.compute.wait_for_server(made["saved"], status="RESCUE", wait=120)
    written: list[tuple[str, str]] = []
    real = Api.call

    def noted(api: Api, method: str, service: str, path: str, **more: Any) -> Any:
        if method != "GET":
            written.append((method, path))
        return real(api, method, service, path, **more)

    monkeypatch.setattr(Api, "call", noted)

    with pytest.raises(Refused, match="rescue mode"):
        empty(pair, host)

    assert written == []
    assert maintenance.service_words(pair, host) == "enabled and up"
    assert where(source, made["fine"]) == ("ACTIVE", host)


def test_one_that_fails_stays_and_the_others_move(
    pair: Site, source: Connection, host: str, boot: Callable[..., Any]
) -> None:
    """The error says what moved, what is left and why, how the service is and what to do next."""
    made = booted(boot, good="", bad="live-fail")

    with pytest.raises(EvacuationIncomplete) as raised:
        empty(pair, host, strategy="live")

    said = str(raised.value)
    assert [name.rpartition("-")[2] for name in raised.value.moved] == ["good"]
    assert made["bad"].id in said
    assert "pumphouse: maintenance; was enabled" in said
    assert f"pumphouse evacuate {host}" in said
    assert where(source, made["bad"]) == ("ACTIVE", host)


def test_a_live_migration_that_does_not_end_is_called_off_or_forced(
    pair: Site, source: Connection, host: str, boot: Callable[..., Any]
) -> None:
    """Called off, the server runs where it was; forced, it arrives live."""
    made = booted(boot, endless="live-hang")

    with pytest.raises(EvacuationIncomplete, match="called off"):
        empty(pair, host, strategy="live", live_timeout_s=20)
    between = where(source, made["endless"])
    entries = empty(pair, host, strategy="live", live_timeout_s=20, live_timeout_action="force")

    assert between == ("ACTIVE", host)
    assert entries["endless"].action == "live"
    assert where(source, made["endless"])[1] != host


def test_a_run_that_is_told_to_stop_calls_live_migrations_off(
    pair: Site, source: Connection, host: str, boot: Callable[..., Any]
) -> None:
    """Nothing is left half-way: the server runs on its host, and is named as left."""
    made = booted(boot, endless="live-hang")
    stop = threading.Event()
    threading.Timer(15, stop.set).start()

    with pytest.raises(EvacuationIncomplete):
        maintenance.enter_maintenance(pair, Asked(host=host, options=QUICK), stop)

    assert where(source, made["endless"]) == ("ACTIVE", host)
    assert not source.compute.get_server(made["endless"].id).task_state


@pytest.mark.parametrize("step", ["_note", "_confirm", "_forget"])
def test_a_killed_run_is_gone_on_with(
    pair: Site,
    source: Connection,
    host: str,
    boot: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """Killed before, during or after a cold migration: the next run ends it, with no trace."""
    made = booted(boot, web="")

    def killed(_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(relocations.Relocation, step, killed)
        with suppress(Killed):
            empty(pair, host, strategy="cold")
    empty(pair, host, strategy="cold")

    server = source.compute.get_server(made["web"].id)
    assert (server.status, server.compute_host != host) == ("ACTIVE", True)
    assert maintenance.host_is_empty(pair, host) == []
    assert LEAVING not in server.metadata


def test_a_dead_host_is_evacuated_and_removed(
    lab: Lab, pair: Site, source: Connection, host: str, boot: Callable[..., Any]
) -> None:
    """Only when fenced; what Nova leaves of it in Placement does not outlive its removal."""
    made = booted(boot, web="", db="")
    hosts.kill(lab, lab.cloud("source"), host)
    service = next(s for s in source.compute.services(binary="nova-compute") if s.host == host)
    source.compute.update_service_forced_down(service, host, "nova-compute", True)

    with pytest.raises(Refused, match="may still run"):
        empty(pair, host)
    options = QUICK.model_copy(update={"is_storage_shared": True})
    asked = Asked(host=host, options=options, is_fenced=True)
    entries = maintenance.enter_maintenance(pair, asked)
    removed = maintenance.remove_from_source(pair, host)

    assert {e.action for e in entries} == {"evacuate"}
    for server in made.values():
        state, on = where(source, server)
        assert (state, on != host) == ("ACTIVE", True)
    assert any("compute service" in line for line in removed)
    assert maintenance.remove_from_source(pair, host) == []
    assert host not in [s.host for s in source.compute.services(binary="nova-compute")]
    assert [p for p in source.placement.get("/resource_providers").json()["resource_providers"]
            if p["name"] == host] == []  # fmt: skip
