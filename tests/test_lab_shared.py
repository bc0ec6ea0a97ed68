"""Two servers share a volume, on the lab's two clouds: copied once, they stay together."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from openstack.connection import Connection

from lab.configs.block_storage import BACKEND
from pumphouse.blocks.site import Site
from pumphouse.errors import MigrationIncomplete, Refused, RollbackIncomplete
from pumphouse.models import SOURCE_ID
from pumphouse.tasks.cutover import CutOver
from pumphouse.tasks.returning import Return
from tests.lab import LABEL
from tests.lab_tenants import Tenant
from tests.migrations import site
from tests.test_lab_rollback import assert_rests, assert_runs

pytest_plugins = ["tests.lab"]
pytestmark = [pytest.mark.lab, pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]

SITE = "shared"
SPECS = {"multiattach": "<is> True", "volume_backend_name": BACKEND}


@pytest.fixture(name="type_name")
def _type_name(source: Connection, target: Connection) -> Iterator[str]:
    """Make a type of volumes that may be shared at the source, and one that may not there."""
    name = f"{LABEL}-{uuid4().hex[:6]}"
    source.block_storage.create_type(name=name, extra_specs=SPECS)
    target.block_storage.create_type(name=name, extra_specs={"volume_backend_name": BACKEND})
    yield name
    for cloud in (source, target):
        cloud.block_storage.delete_type(cloud.block_storage.find_type(name))


@pytest.fixture(name="pair")
def _pair(clouds_file: Path, tmp_path: Path) -> Site:
    made = site(
        clouds_file,
        tmp_path / "store",
        ("source", "target"),
        migrate={"mover": "rebuild"},
        finalize={"grace_period": "0m"},
    )
    made.save(SITE, overwrite=True)
    return made


def sharing(tenant: Tenant, type_name: str) -> tuple[list[Any], Any]:
    """Return two servers and the volume that both use."""
    image, flavor, network = tenant.create_image(), tenant.create_flavor(), tenant.create_network()
    servers = [tenant.create_server(image, flavor, network) for _ in range(2)]
    volume = tenant.create_volume(volume_type=type_name, image_id=image.id)
    tenant.share_volume(volume, servers)
    return servers, volume


def copies(target: Connection, volume: Any) -> list[Any]:
    """Return the target's copies of a volume."""
    every = target.block_storage.volumes(all_projects=True)
    return [v for v in every if v.metadata.get(SOURCE_ID) == volume.id]


def servers_of(cloud: Connection, volume: Any) -> set[str]:
    """Return the ids of the servers that a volume is attached to."""
    found = cloud.block_storage.get_volume(volume.id)
    return {each["server_id"] for each in found.attachments}


def there(target: Connection, servers: list[Any]) -> set[str]:
    """Return the copies of servers."""
    ids = {server.id for server in servers}
    every = target.compute.servers(all_projects=True)
    return {server.id for server in every if server.metadata.get(SOURCE_ID) in ids}


def test_servers_that_share_a_volume_move_return_and_are_deleted_together(
    pair: Site, type_name: str, tenant: Tenant, source: Connection, target: Connection
) -> None:
    """One copy of the volume at both copies; one alone is refused; a failure takes all back."""
    from pumphouse.flows.finalize import finalize
    from pumphouse.flows.migrate import migrate
    from pumphouse.flows.rollback import rollback

    servers, volume = sharing(tenant, type_name)
    one, both = [servers[0].id], [server.id for server in servers]
    with pytest.raises(Refused, match=r"multiattach '<is> True'"):
        migrate(servers=both, site=SITE)
    (type_,) = [t for t in target.block_storage.types() if t.name == type_name]
    target.block_storage.update_type_extra_specs(type_, **SPECS)
    with pytest.raises(Refused, match=rf"select that too \(server:{servers[1].id}\)"):
        migrate(servers=one, site=SITE)

    with pytest.MonkeyPatch.context() as patch:
        _break(patch, CutOver, "do_verify", servers[1].id)
        with pytest.raises(MigrationIncomplete) as caught:
            migrate(servers=both, site=SITE)
    assert str(caught.value).count("ACTIVE as before") == 2
    assert (there(target, servers), copies(target, volume)) == (set(), [])
    assert servers_of(source, volume) == set(both)

    assert len(migrate(servers=both, site=SITE).downtimes_s) == 2
    (copy,) = copies(target, volume)
    assert servers_of(target, copy) == there(target, servers)
    assert len(there(target, servers)) == 2
    assert migrate(servers=both, site=SITE).done == 0

    said = {"discard_changes": True, "delete_copy": True, "site": SITE}
    with pytest.raises(Refused, match="they can only return together"):
        rollback(selection=one, **said)
    with pytest.MonkeyPatch.context() as patch:
        _break(patch, Return, "do_check", servers[1].id)
        with pytest.raises(RollbackIncomplete):
            rollback(selection=both, **said)
    assert servers_of(target, copy) == there(target, servers)
    for server in servers:
        assert_rests(source, server.id)
    rollback(selection=both, **said)
    assert (there(target, servers), copies(target, volume)) == (set(), [])
    for server in servers:
        assert_runs(source, server.id)

    migrate(servers=both, site=SITE)
    alone = finalize(selection=one, site=SITE)
    assert [r.reason for r in alone.left if r.kind == "servers"] == [
        f"It shares volume {volume.name} ({volume.id}) with server {servers[1].id}, which stays: "
        "It was not chosen."
    ]
    finalize(projects=[tenant.name], delete=True, site=SITE)
    left = [v.id for v in source.block_storage.volumes(all_projects=True)]
    assert volume.id not in left
    (copy,) = copies(target, volume)
    assert servers_of(target, copy) == there(target, servers)


def _break(patch: pytest.MonkeyPatch, of: Any, step: str, server_id: str) -> None:
    real = getattr(of, step)

    def broken(crossing: Any) -> None:
        real(crossing)
        if crossing.id == server_id:
            raise OSError("it looks wrong")

    patch.setattr(of, step, broken)
