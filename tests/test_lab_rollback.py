"""Servers that moved return to the source: real clouds, real failures."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection

from pumphouse.blocks.site import Site
from pumphouse.errors import Refused, RequestFailed, ReturnFailed
from pumphouse.models import Mover
from pumphouse.returning import What
from pumphouse.steps import COMMITTED, RETURN
from pumphouse.tasks.returning import Return
from tests.lab_tenants import Tenant
from tests.migrations import Writes, prepare, site

pytest_plugins = ["tests.lab"]
pytestmark = pytest.mark.lab


@pytest.fixture(name="pair")
def _pair(clouds_file: Path, tmp_path: Path) -> Site:
    return site(clouds_file, tmp_path / "store", ("source", "target"))


class Killed(BaseException):
    """Ends a run where it is."""


def at(step: str, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let *error* happen when *step* has done its work."""
    real: Callable[[Return], None] = getattr(Return, f"do_{step}")

    def broken(way: Return) -> None:
        real(way)
        raise error

    monkeypatch.setattr(Return, f"do_{step}", broken)


def served(tenant: Tenant) -> Any:
    """Return a server with a network, an image and a flavor of its own."""
    image, flavor = tenant.create_image(), tenant.create_flavor()
    return tenant.create_server(image, flavor, tenant.create_network())


def assert_runs(cloud: Connection, server_id: str) -> Any:
    """The server runs there, unlocked, and its ports are up."""
    server = cloud.compute.get_server(server_id)
    assert (server.status, server.is_locked) == ("ACTIVE", False)
    ports = list(cloud.network.ports(device_id=server_id))
    assert ports
    assert all(port.is_admin_state_up for port in ports)
    return server


def assert_rests(cloud: Connection, server_id: str) -> Any:
    """The server is stopped and locked there, and its ports are down."""
    server = cloud.compute.get_server(server_id)
    assert (server.status, server.is_locked) == ("SHUTOFF", True)
    assert not any(p.is_admin_state_up for p in cloud.network.ports(device_id=server_id))
    return server


def test_a_return_that_fails_leaves_the_copy_at_work_and_one_that_was_killed_is_carried_on(
    pair: Site, tenant: Tenant, source: Connection, target: Connection, tmp_path: Path
) -> None:
    """Failed at each step: the copy runs. Killed at each: the next run finishes. No trace."""
    server = served(tenant)
    with ExitStack() as stack:
        prepared = prepare(stack, pair, tmp_path, server.id, Mover.REBUILD)
        copy_id = prepared.cut_over().run().target_id
        names = [step.name for step in RETURN]
        for step in [name for name in names if name not in COMMITTED]:
            with pytest.MonkeyPatch.context() as monkeypatch:
                at(step, RequestFailed("source", "POST /x", 500, "It broke."), monkeypatch)
                with pytest.raises(ReturnFailed, match="Everything was undone"):
                    prepared.way_back().run()
            assert_runs(target, copy_id)
            assert_rests(source, server.id)
        for step in names:
            with pytest.MonkeyPatch.context() as monkeypatch:
                at(step, Killed(), monkeypatch)
                with pytest.raises(Killed):
                    prepared.way_back(deletes_copy=False).run()
    back = assert_runs(source, server.id)
    assert [key for key in back.metadata if key.startswith("pumphouse:")] == []
    left = assert_rests(target, copy_id)
    assert "pumphouse:returned" in left.metadata


@pytest.mark.prefect
@pytest.mark.usefixtures("prefect_server")
def test_a_rollback_says_what_is_lost_and_does_it_only_when_told(
    pair: Site, tenant: Tenant, source: Connection, target: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Refused without the word; with it the server is back; its copy goes when asked."""
    from pumphouse.flows.migrate import migrate
    from pumphouse.flows.rollback import rollback

    server = served(tenant)
    pair.save("lab-rollback", overwrite=True)
    migrate(servers=[server.id], site="lab-rollback")
    options = {"selection": [server.id], "site": "lab-rollback"}
    writes = Writes(monkeypatch.setattr)
    assert "has run since" in rollback(**options, dry_run=True).obstacles[0]
    with pytest.raises(Refused, match="--discard-changes"):
        rollback(**options)
    assert writes.seen == []
    (done,) = rollback(**options, discard_changes=True).servers
    assert done.what is What.RETURN
    assert_runs(source, server.id)
    with pytest.raises(Refused, match="its old copy"):
        migrate(servers=[server.id], site="lab-rollback")
    rollback(**options, delete_copy=True)
    assert not [s for s in target.compute.servers(all_projects=True) if s.name == server.name]
    migrate(servers=[server.id], site="lab-rollback")
    assert_rests(source, server.id)
