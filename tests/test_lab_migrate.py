"""Servers really move between the lab's two clouds, and really come back when a step fails."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection

from pumphouse.blocks.site import Site
from pumphouse.checks import AS_OF, MOVER_KEY
from pumphouse.comparison import MIGRATED_TO
from pumphouse.errors import CutOverFailed, Refused, RequestFailed
from pumphouse.models import OWN_ID, SOURCE_ID, Mover
from pumphouse.steps import NAMES
from pumphouse.tasks.cutover import CutOver
from tests.lab import LABEL
from tests.lab_tenants import Tenant
from tests.migrations import Prepared, Writes, prepare, site

pytest_plugins = ["tests.lab"]
pytestmark = pytest.mark.lab


@pytest.fixture(name="pair")
def _pair(clouds_file: Path, tmp_path: Path) -> Site:
    return site(clouds_file, tmp_path / "store", ("source", "target"))


def served(tenant: Tenant, **options: Any) -> Any:
    """Return a server of *tenant* with a network, an image and a flavor of its own."""
    image, flavor = tenant.create_image(), tenant.create_flavor()
    network = tenant.create_network(slaac="fd77::/64")
    return tenant.create_server(image, flavor, network, **options)


class Killed(BaseException):
    """Ends a run where it is: nothing of ours catches it, as nothing catches kill -9."""


def at(step: str, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let *error* happen when *step* has done its work."""
    real: Callable[[CutOver], None] = getattr(CutOver, f"do_{step}")

    def broken(cutover: CutOver) -> None:
        real(cutover)
        raise error

    monkeypatch.setattr(CutOver, f"do_{step}", broken)


def assert_as_before(source: Connection, prepared: Prepared) -> None:
    """The source server runs, unlocked, reachable, without a trace; the target has none."""
    server = source.compute.get_server(prepared.item.source_id)
    assert (server.status, server.is_locked) == ("ACTIVE", False)
    assert [key for key in server.metadata if key.startswith("pumphouse:")] == []
    for port in source.network.ports(device_id=server.id):
        assert port.is_admin_state_up
    volumes = [source.block_storage.get_volume(v.id) for v in server.attached_volumes]
    assert {v.status for v in volumes} <= {"in-use"}
    assert not [i for i in source.image.images() if server.id in i.name]


def assert_arrived(source: Connection, target: Connection, source_id: str, copy_id: str) -> Any:
    """The target server runs as its owner; the source server is stopped, locked and marked."""
    server, copy = source.compute.get_server(source_id), target.compute.get_server(copy_id)
    assert (server.status, server.is_locked) == ("SHUTOFF", True)
    assert server.metadata[MIGRATED_TO] == copy_id
    assert copy.metadata[SOURCE_ID] == source_id
    owner = target.identity.get_user(copy.user_id)
    assert owner.name == source.identity.get_user(server.user_id).name
    copies = [s for s in target.compute.servers(all_projects=True) if s.name == server.name]
    assert [s.id for s in copies] == [copy_id]
    assert not [
        port for port in source.network.ports(device_id=source_id) if port.is_admin_state_up
    ]
    return copy


LUKS = {
    "provider": "luks", "cipher": "aes-xts-plain64", "key_size": 256,
    "control_location": "front-end",
}  # fmt: skip


@pytest.fixture(name="types")
def _types(source: Connection, target: Connection) -> Iterator[str]:
    """Make a volume type with QoS specs, and one that encrypts; remove both clouds' in the end."""
    name = f"{LABEL}-{uuid.uuid4().hex[:6]}"
    cinder = source.block_storage
    slow, vault = (cinder.create_type(name=f"{name}-{word}") for word in ("slow", "vault"))
    cinder.update_type(slow, description="Slow")
    cinder.post(f"/types/{vault.id}/encryption", json={"encryption": LUKS})
    specs = {"name": f"{name}-qos", "consumer": "front-end", "read_iops_sec": "500"}
    made = cinder.post("/qos-specs", json={"qos_specs": specs}).json()["qos_specs"]["id"]
    cinder.get(f"/qos-specs/{made}/associate?vol_type_id={slow.id}")
    yield name
    for cloud in (source, target):
        cinder = cloud.block_storage
        for each in [t for t in cinder.types(is_public=None) if t.name.startswith(name)]:
            cinder.delete_type(each)
        for each in [q for q in qos(cloud) if q["name"].startswith(name)]:
            cinder.delete(f"/qos-specs/{each['id']}?force=true")


def qos(cloud: Connection) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.block_storage.get("/qos-specs").json()["qos_specs"]
    return found


def assert_typed(target: Connection, types: str) -> None:
    """The target's types are whole: QoS specs, encryption, and the description at last."""
    cinder = target.block_storage
    every = {t["name"]: t for t in cinder.get("/types?is_public=None").json()["volume_types"]}
    slow, vault = every[f"{types}-slow"], every[f"{types}-vault"]
    (specs,) = [each for each in qos(target) if each["name"] == f"{types}-qos"]
    assert (specs["consumer"], specs["specs"]) == ("front-end", {"read_iops_sec": "500"})
    assert (slow["qos_specs_id"], slow["description"]) == (specs["id"], "Slow")
    found = cinder.get(f"/types/{vault['id']}/encryption").json()
    assert {name: found[name] for name in LUKS} == LUKS


def grouped(tenant: Tenant) -> tuple[Any, Any]:
    """Return a server in a group, with a NIC that has a name, and a key pair that is gone."""
    nova = tenant.connection.compute
    group = nova.create_server_group(
        name=f"{tenant.name}-apart", policy="anti-affinity", rules={"max_server_per_host": 2}
    )
    key = nova.create_keypair(name=f"{tenant.name}-key")
    image, flavor, network = tenant.create_image(), tenant.create_flavor(), tenant.create_network()
    port = tenant.connection.network.create_port(network_id=network.id)
    server = nova.create_server(
        name=f"{tenant.name}-server",
        image_id=image.id,
        flavor_id=flavor.id,
        networks=[{"port": port.id, "tag": "front"}],
        key_name=key.name,
        metadata={"role": "web"},
        scheduler_hints={"group": group.id},
    )
    server = nova.wait_for_server(server, wait=180)
    nova.delete_keypair(key)
    return server, group


def assert_named_and_grouped(target: Connection, tenant: Tenant, copy: Any, group: Any) -> None:
    """The copy's NIC and volume have their names, and it is in the one copy of its group."""
    path = f"/servers/{copy.id}"
    nics = target.compute.get(f"{path}/os-interface", microversion="2.70").json()
    assert [nic["tag"] for nic in nics["interfaceAttachments"]] == ["front"]
    disks = target.compute.get(f"{path}/os-volume_attachments", microversion="2.70").json()
    assert [disk["tag"] for disk in disks["volumeAttachments"]] == ["data"]
    every = target.compute.server_groups(all_projects=True)
    (there,) = [each for each in every if each.name == group.name]
    assert (there.policy, there.rules) == (group.policy, group.rules)
    assert there.member_ids == [copy.id]
    assert (there.project_id, there.user_id) == (copy.project_id, copy.user_id)


@pytest.mark.prefect
@pytest.mark.usefixtures("prefect_server")
def test_a_project_moves_and_a_second_run_writes_nothing(
    pair: Site, types: str, tenant: Tenant, source: Connection, target: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Dry run: no write. Run: the server with its volume is there. Second run: no write."""
    from pumphouse.flows.migrate import migrate

    server, group = grouped(tenant)
    spare = tenant.create_volume(name=f"{tenant.name}-spare", volume_type=f"{types}-slow")
    tenant.connection.block_storage.set_volume_readonly(spare, True)
    volume = tenant.create_volume()
    tenant.connection.compute.create_volume_attachment(server, volume_id=volume.id, tag="data")
    tenant.connection.block_storage.wait_for_status(volume, "in-use", wait=120)
    pair.save("lab-migrate", overwrite=True)
    writes = Writes(monkeypatch.setattr)
    encrypting = f"volume_types:{types}-vault"
    options = {"projects": [tenant.name], "selection": [encrypting], "site": "lab-migrate"}
    assert migrate(**options, dry_run=True).actions["create"] > 5
    assert writes.seen == []
    done = migrate(**options)
    assert list(done.downtimes_s) == [server.name]
    (copy_id,) = [
        s.id
        for s in target.compute.servers(all_projects=True)
        if s.metadata.get(SOURCE_ID) == server.id
    ]
    copy = assert_arrived(source, target, server.id, copy_id)
    assert copy.status == "ACTIVE"
    assert [target.block_storage.get_volume(v.id).metadata[SOURCE_ID] for v in copy.attached_volumes] == [volume.id]  # fmt: skip  # noqa: E501
    assert_typed(target, types)
    assert_named_and_grouped(target, tenant, copy, group)
    (spare_copy,) = target.block_storage.volumes(all_projects=True, name=spare.name)
    changed_at = source.block_storage.get_volume(spare.id).updated_at
    marks = {SOURCE_ID: spare.id, OWN_ID: spare_copy.id, MOVER_KEY: "image", AS_OF: changed_at}
    assert spare_copy.metadata == {**marks, "readonly": "True"}
    del writes.seen[:]
    assert migrate(**options).done == 0
    assert writes.seen == []


@pytest.mark.prefect
@pytest.mark.usefixtures("prefect_server")
def test_what_stands_in_the_way_is_said_before_anything_is_touched(
    pair: Site, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A paused server refuses the run; nothing is written to either cloud."""
    from pumphouse.flows.migrate import migrate

    server = served(tenant)
    tenant.connection.compute.pause_server(server)
    tenant.connection.compute.wait_for_server(server, "PAUSED")
    pair.save("lab-migrate", overwrite=True)
    writes = Writes(monkeypatch.setattr)
    with pytest.raises(Refused, match="unpause it"):
        migrate(servers=[server.id], site="lab-migrate")
    assert writes.seen == []


def test_a_failure_after_each_step_is_undone(
    pair: Site, tenant: Tenant, source: Connection, target: Connection, tmp_path: Path
) -> None:
    """Whichever step fails, the source server runs as before; afterwards it still moves."""
    server = served(tenant)
    with ExitStack() as stack:
        prepared = prepare(stack, pair, tmp_path, server.id, Mover.REBUILD)
        for step in NAMES:
            with pytest.MonkeyPatch.context() as monkeypatch:
                at(step, RequestFailed("target", "POST /x", 500, "It broke."), monkeypatch)
                with pytest.raises(CutOverFailed, match="Everything was undone"):
                    prepared.cut_over().run()
            assert_as_before(source, prepared)
        arrived = prepared.cut_over().run()
    assert_arrived(source, target, server.id, arrived.target_id)


def test_a_run_that_is_killed_after_each_step_is_carried_on(
    pair: Site, tenant: Tenant, source: Connection, target: Connection, tmp_path: Path
) -> None:
    """Killed on its way and when it has arrived: it arrives once, and nothing is left over."""
    server = served(tenant)
    with ExitStack() as stack:
        prepared = prepare(stack, pair, tmp_path, server.id)
        for step in NAMES:
            with pytest.MonkeyPatch.context() as monkeypatch:
                at(step, Killed(), monkeypatch)
                with pytest.raises(Killed):
                    prepared.cut_over().run()
        with pytest.raises(CutOverFailed, match=r"at the target, as .* already.*Nothing was"):
            prepared.cut_over().run()
    there = source.compute.get_server(server.id).metadata[MIGRATED_TO]
    assert_arrived(source, target, server.id, there)
    assert not [i for i in source.image.images() if server.id in i.name]


def test_a_stopped_server_arrives_stopped(
    pair: Site, tenant: Tenant, source: Connection, target: Connection, tmp_path: Path
) -> None:
    """Its power state travels; there is no downtime to tell of."""
    server = served(tenant)
    tenant.connection.compute.stop_server(server)
    tenant.connection.compute.wait_for_server(server, "SHUTOFF")
    with ExitStack() as stack:
        arrived = prepare(stack, pair, tmp_path, server.id, Mover.REBUILD).cut_over().run()
    copy = assert_arrived(source, target, server.id, arrived.target_id)
    assert (copy.status, arrived.downtime_s) == ("SHUTOFF", None)
