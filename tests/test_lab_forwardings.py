"""Port forwardings change clouds with their floating IP and their server, and come back so."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection

from pumphouse.blocks.site import Site
from pumphouse.errors import CutOverFailed, Refused, RequestFailed
from pumphouse.models import Mover
from pumphouse.tasks import claims
from pumphouse.tasks.cutover import CutOver
from pumphouse.tasks.taking_back import take_back
from tests.lab_tenants import Tenant
from tests.migrations import Prepared, prepare, site
from tests.test_lab_rollback import Killed, assert_runs, at

pytest_plugins = ["tests.lab"]
pytestmark = pytest.mark.lab


@pytest.fixture(name="pair")
def _pair(clouds_file: Path, tmp_path: Path) -> Site:
    return site(clouds_file, tmp_path / "store", ("source", "target"))


def served(tenant: Tenant, count: int) -> tuple[list[Any], Any]:
    """Return servers, and a floating IP whose ports 2201, 2202 … lead to their port 22."""
    network, flavor, image = tenant.create_network(), tenant.create_flavor(), tenant.create_image()
    servers = [tenant.create_server(image, flavor, network) for _ in range(count)]
    address = tenant.expose(servers[0], network)
    admin = tenant.admin.network
    admin.update_ip(address, port_id=None)
    for number, server in enumerate(servers, 1):
        (port,) = admin.ports(device_id=server.id)
        forward(tenant.admin, address.id, port, 2200 + number, 22, description=f"Of {number}")
    return servers, address


def forward(
    cloud: Connection, floating_ip: str, port: Any, outer: Any, inner: Any, **more: Any
) -> None:
    """Forward an outer port to an inner one of *port*, or several to as many."""
    end = "port_range" if ":" in str(outer) else "port"
    body = {
        "protocol": "tcp", f"external_{end}": outer, f"internal_{end}": inner,
        "internal_port_id": port.id, "internal_ip_address": port.fixed_ips[0]["ip_address"],
    }  # fmt: skip
    path = f"/floatingips/{floating_ip}/port_forwardings"
    answer = cloud.network.post(path, json={"port_forwarding": body | more})
    assert answer.ok, answer.text


def forwarded(cloud: Connection, address: str) -> list[tuple[str, ...]]:
    """Return what a cloud forwards of an address: outer, inner, text, and the MAC it leads to."""
    for floating_ip in cloud.network.ips(floating_ip_address=address):
        path = f"/floatingips/{floating_ip.id}/port_forwardings"
        found = cloud.network.get(path).json()["port_forwardings"]
        macs = {one["internal_port_id"]: "" for one in found}
        macs = {id_: cloud.network.get_port(id_).mac_address for id_ in macs}
        return sorted(
            (one["external_port_range"], one["internal_port_range"], one["internal_ip_address"],
             one["description"], macs[one["internal_port_id"]]) for one in found
        )  # fmt: skip
    return []


def test_they_leave_with_the_server_and_return_with_it(
    pair: Site, tenant: Tenant, source: Connection, target: Connection, tmp_path: Path
) -> None:
    """Failed at any step: all are at the source. Moved: all are at the target only."""
    (server,), address = served(tenant, 1)
    (port,) = source.network.ports(device_id=server.id)
    vip = source.network.create_port(
        network_id=port.network_id, name="vip", project_id=tenant.project_id
    )
    forward(source, address.id, port, "8000:8009", "8000:8009")
    forward(source, address.id, vip, 443, 8443)
    was = forwarded(source, address.floating_ip_address)
    assert len(was) == 3
    with ExitStack() as stack:
        prepared = prepare(stack, pair, tmp_path / "1", server.id, Mover.REBUILD)
        for step in ("isolate", "connect", "verify"):
            with pytest.MonkeyPatch.context() as patch:
                _fail(patch, step)
                with pytest.raises(CutOverFailed, match="Everything was undone"):
                    prepared.cut_over().run()
            assert forwarded(source, address.floating_ip_address) == was, step
            assert forwarded(target, address.floating_ip_address) == [], step
        with pytest.MonkeyPatch.context() as patch:
            _fail(patch, "isolate", Killed())
            with pytest.raises(Killed):
                prepared.cut_over().run()
        assert forwarded(source, address.floating_ip_address) == []
        # By its name alone: what it had is found by its journal.
        again = prepare(stack, pair, tmp_path / "2", server.id, Mover.REBUILD)
        assert "ACTIVE as before" in take_back(again.cut_over(), claims.run_id())
        assert forwarded(source, address.floating_ip_address) == was
        prepared.cut_over().run()
        assert forwarded(target, address.floating_ip_address) == was
        assert forwarded(source, address.floating_ip_address) == []
        again = prepare(stack, pair, tmp_path / "3", server.id, Mover.REBUILD)
        _return(again, "restore")
        assert forwarded(target, address.floating_ip_address) == was
        assert forwarded(source, address.floating_ip_address) == []
        again.way_back(deletes_copy=True).run()
    assert forwarded(source, address.floating_ip_address) == was
    assert forwarded(target, address.floating_ip_address) == []
    assert_runs(source, server.id)


def _fail(patch: pytest.MonkeyPatch, step: str, error: BaseException | None = None) -> None:
    real = getattr(CutOver, f"do_{step}")

    def broken(cutover: CutOver) -> None:
        real(cutover)
        raise error or OSError("it broke")

    patch.setattr(CutOver, f"do_{step}", broken)


def _return(prepared: Prepared, step: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        at(step, RequestFailed("source", "POST /x", 500, "It broke."), patch)
        with pytest.raises(Exception, match="Everything was undone"):
            prepared.way_back().run()


@pytest.mark.prefect
@pytest.mark.usefixtures("prefect_server")
def test_servers_behind_one_address_move_and_return_together(
    pair: Site, tenant: Tenant, source: Connection, target: Connection
) -> None:
    """One alone is refused, there and back: an address is at one cloud."""
    from pumphouse.flows.migrate import migrate
    from pumphouse.flows.rollback import rollback

    servers, address = served(tenant, 2)
    was = forwarded(source, address.floating_ip_address)
    pair.save("forwardings", overwrite=True)
    one, both = [servers[0].id], [server.id for server in servers]
    with pytest.raises(Refused, match=rf"select that too \(server:{servers[1].id}\)"):
        migrate(servers=one, mover="rebuild", site="forwardings")
    done = migrate(servers=both, mover="rebuild", site="forwardings")
    assert len(done.downtimes_s) == 2
    assert forwarded(target, address.floating_ip_address) == was
    assert forwarded(source, address.floating_ip_address) == []
    said = {"discard_changes": True, "delete_copy": True, "site": "forwardings"}
    with pytest.raises(Refused, match="they can only return together"):
        rollback(selection=one, **said)
    rollback(selection=both, **said)
    assert forwarded(source, address.floating_ip_address) == was
    assert forwarded(target, address.floating_ip_address) == []
    for server in servers:
        assert_runs(source, server.id)
