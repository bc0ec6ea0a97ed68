"""Volumes that change clouds within a pool of Ceph, or from pool to pool: on real clouds."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection
from openstack.exceptions import NotFoundException

from lab.ceph import backends
from lab.ceph.layout import Ceph
from pumphouse.blocks.site import Site
from pumphouse.errors import CutOverFailed, RequestFailed, ReturnFailed
from pumphouse.models import SOURCE_ID, Mover
from pumphouse.tasks import rbd_copies
from pumphouse.tasks.cutover import CutOver
from tests import pools
from tests.lab_tenants import Tenant
from tests.migrations import Prepared, Writes, prepare, site
from tests.test_lab_rollback import Killed, assert_rests, assert_runs, at

pytest_plugins = ("tests.lab", "tests.ceph")
pytestmark = [pytest.mark.lab, pytest.mark.ceph]

POOL = "volumes-shared"


@pytest.fixture(name="pair")
def _pair(ceph: Ceph, clouds_file: Path, tmp_path: Path) -> Site:
    return site(
        clouds_file,
        tmp_path / "store",
        ("source", "target"),
        migrate=pools.options(ceph),
        finalize={"grace_period": "0m"},
    )


def in_pool(ceph: Ceph, pool: str, *ids: str) -> list[str]:
    """Return the names of the images in *pool* that have one of *ids* in their name."""
    return [name for name in pools.images(ceph, pool) if any(id_ in name for id_ in ids)]


def copies(target: Connection, source_id: str) -> list[Any]:
    """Return the target's volumes that carry a source id."""
    every = target.block_storage.volumes(all_projects=True)
    return [volume for volume in every if volume.metadata.get(SOURCE_ID) == source_id]


def served(tenant: Tenant, volume: Any) -> Any:
    """Return a server with a volume that Nova deletes with it."""
    image, flavor = tenant.create_image(), tenant.create_flavor()
    mapping = [
        {"boot_index": 0, "uuid": image.id, "source_type": "image", "destination_type": "local",
         "delete_on_termination": True},
        {"boot_index": -1, "uuid": volume.id, "source_type": "volume",
         "destination_type": "volume", "delete_on_termination": True},
    ]  # fmt: skip
    network = tenant.create_network()
    return tenant.create_server(image, flavor, network, block_device_mapping_v2=mapping)


def broken_after(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a step of a cut-over fail when it has done its work."""
    real = getattr(CutOver, f"do_{step}")

    def broken(way: CutOver) -> None:
        real(way)
        raise RequestFailed("target", "POST /x", 500, "It broke on purpose.")

    monkeypatch.setattr(CutOver, f"do_{step}", broken)


def test_a_server_takes_its_very_volume_along_and_every_failure_gives_it_back(
    pair: Site, ceph: Ceph, tenant: Tenant, source: Connection, target: Connection, tmp_path: Path
) -> None:
    """Failed at each step: one image, the source's. Done: the same image, the target's."""
    volume = tenant.create_volume(volume_type=backends.SHARED)
    home = f"{POOL}/volume-{volume.id}"
    pools.write(ceph, home, 16)
    written, identity = pools.digest(ceph, home), pools.image_id(ceph, home)
    server = served(tenant, volume)
    with ExitStack() as stack:
        prepared = prepare(stack, pair, tmp_path, server.id, Mover.REBUILD)
        assert prepared.item.movers == {volume.id: Mover.MANAGE}
        for step in ("bulk", "move", "boot", "mark"):
            with pytest.MonkeyPatch.context() as monkeypatch:
                broken_after(step, monkeypatch)
                with pytest.raises(CutOverFailed, match="Everything was undone"):
                    prepared.cut_over().run()
            assert in_pool(ceph, POOL, volume.id) == [f"volume-{volume.id}"]
            assert copies(target, volume.id) == []
            assert (pools.image_id(ceph, home), pools.digest(ceph, home)) == (identity, written)
            assert source.compute.get_server(server.id).status == "ACTIVE"
            assert source.block_storage.get_volume(volume.id).metadata == {}
        arrived = prepared.cut_over().run()
        (copy,) = copies(target, volume.id)
        there = f"{POOL}/volume-{copy.id}"
        assert in_pool(ceph, POOL, volume.id, copy.id) == [f"volume-{copy.id}"]
        assert (pools.image_id(ceph, there), pools.digest(ceph, there)) == (identity, written)
        assert arrived.bytes == 0
        assert [a["server_id"] for a in copy.attachments] == [arrived.target_id]
        assert_owned(prepared, copy)
        attached = target.compute.volume_attachments(arrived.target_id)
        assert [a.delete_on_termination for a in attached] == [True]
        prepared.undo()
    assert in_pool(ceph, POOL, volume.id, copy.id) == [f"volume-{volume.id}"]
    assert pools.digest(ceph, home) == written


def assert_owned(prepared: Prepared, copy: Any) -> None:
    """A volume of the target belongs to the copy of its owner, in the copy of its project."""
    row = prepared.item.row
    owner = (prepared.ids["projects"][row["project_id"]], prepared.ids["users"][row["user_id"]])
    assert (copy.project_id, copy.user_id) == owner


@pytest.mark.prefect
@pytest.mark.usefixtures("prefect_server")
def test_volumes_that_were_handed_over_return_and_are_finalized_without_their_image(
    pair: Site, ceph: Ceph, tenant: Tenant, source: Connection, target: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Twice there writes nothing; a rollback brings all back; finalize deletes no image."""
    from pumphouse.flows.finalize import finalize
    from pumphouse.flows.migrate import migrate
    from pumphouse.flows.rollback import rollback

    used = tenant.create_volume(volume_type=backends.SHARED, name=f"{tenant.name}-used")
    alone = tenant.create_volume(volume_type=backends.SHARED, name=f"{tenant.name}-alone")
    apart = tenant.create_volume(volume_type=backends.OWN, name=f"{tenant.name}-apart")
    pools.write(ceph, f"volumes-source/volume-{apart.id}", 8)
    homes = [f"volume-{used.id}", f"volume-{alone.id}"]
    written = {}
    for name in homes:
        pools.write(ceph, f"{POOL}/{name}", 8)
        written[name] = pools.digest(ceph, f"{POOL}/{name}")
    server = served(tenant, used)
    pair.save("lab-movers", overwrite=True)
    options = {"projects": [tenant.name], "site": "lab-movers"}
    everything = {"selection": [f"project:{tenant.name}"], "site": "lab-movers"}
    for is_last in (False, True):
        writes = Writes(monkeypatch.setattr)
        migrate(**options)
        theirs = [copy.id for volume in (used, alone) for copy in copies(target, volume.id)]
        images = [f"volume-{id_}" for id_ in theirs]
        assert sorted(in_pool(ceph, POOL, used.id, alone.id, *theirs)) == sorted(images)
        assert [pools.digest(ceph, f"{POOL}/{name}") for name in images] == list(written.values())
        del writes.seen[:]
        assert migrate(**options).done == 0
        assert writes.seen == []
        if not is_last:
            rollback(**everything, discard_changes=True, delete_copy=True)
            assert sorted(in_pool(ceph, POOL, used.id, alone.id, *theirs)) == sorted(homes)
            assert {n: pools.digest(ceph, f"{POOL}/{n}") for n in homes} == written
            assert source.compute.get_server(server.id).status == "ACTIVE"
            assert [copies(target, volume.id) for volume in (used, alone)] == [[], []]
    (copied,) = copies(target, apart.id)
    kept = pools.contents(ceph, f"volumes-source/volume-{apart.id}")
    assert pools.contents(ceph, f"volumes-target/volume-{copied.id}") == kept
    finalize(**everything, delete=True)
    assert in_pool(ceph, "volumes-source", apart.id) == []
    assert pools.contents(ceph, f"volumes-target/volume-{copied.id}") == kept
    for volume in (used, alone, apart):
        with pytest.raises(NotFoundException):
            source.block_storage.get_volume(volume.id)
    assert sorted(in_pool(ceph, POOL, used.id, alone.id, *theirs)) == sorted(images)
    assert [pools.digest(ceph, f"{POOL}/{name}") for name in images] == list(written.values())


def snapshots(ceph: Ceph, spec: str) -> list[str]:
    """Return the names of an image's snapshots."""
    return [line.split()[1] for line in pools.rbd(ceph, "snap", "ls", spec).splitlines()[1:]]


def test_a_volume_goes_from_pool_to_pool_while_its_server_runs_and_the_delta_after_the_stop(
    pair: Site, ceph: Ceph, tenant: Tenant, source: Connection, target: Connection, tmp_path: Path
) -> None:
    """Killed ahead: the next goes on. Failed: nothing is left. Done: the bytes of the stop."""
    volume = tenant.create_volume(volume_type=backends.OWN)
    home = f"volumes-source/volume-{volume.id}"
    pools.write(ceph, home, 48)
    server = served(tenant, volume)
    with ExitStack() as stack:
        prepared = prepare(stack, pair, tmp_path, server.id, Mover.REBUILD)
        assert prepared.item.movers == {volume.id: Mover.RBD}
        for step in ("bulk", "move", "mark"):
            with pytest.MonkeyPatch.context() as monkeypatch:
                broken_after(step, monkeypatch)
                with pytest.raises(CutOverFailed, match="Everything was undone"):
                    prepared.cut_over().run()
            assert copies(target, volume.id) == []
            assert snapshots(ceph, home) == []
            assert source.compute.get_server(server.id).status == "ACTIVE"
            assert source.block_storage.get_volume(volume.id).metadata == {}
        with pytest.MonkeyPatch.context() as monkeypatch:
            killed_ahead(monkeypatch)
            with pytest.raises(Killed):
                prepared.cut_over().run()
        (begun,) = copies(target, volume.id)
        with pytest.MonkeyPatch.context() as monkeypatch:
            # Where there was something before: of a new object, all up to its end is sent.
            written_before("stop", lambda: pools.write(ceph, home, 2, "seq", 64), monkeypatch)
            arrived = prepared.cut_over().run()
        (copy,) = copies(target, volume.id)
        there = f"volumes-target/volume-{copy.id}"
        assert copy.id == begun.id
        assert 0 < arrived.bytes <= 4 << 20
        assert pools.contents(ceph, there) == pools.contents(ceph, home)
        assert (snapshots(ceph, home), snapshots(ceph, there)) == ([], [])
        assert copy.description in (None, "")
        assert_owned(prepared, copy)
        prepared.undo()
    assert copies(target, volume.id) == []


def killed_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run end when it has copied ahead."""
    real = CutOver.do_bulk

    def killed(way: CutOver) -> None:
        real(way)
        raise Killed

    monkeypatch.setattr(CutOver, "do_bulk", killed)


def written_before(step: str, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the guest write before a step of a cut-over."""
    real = getattr(CutOver, f"do_{step}")

    def later(way: CutOver) -> None:
        write()
        real(way)

    monkeypatch.setattr(CutOver, f"do_{step}", later)


def test_bytes_that_changed_on_the_way_are_seen(
    pair: Site, ceph: Ceph, tenant: Tenant, target: Connection, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """What was read back differs from what was sent: undone, and nothing is left."""
    volume = tenant.create_volume(volume_type=backends.OWN)
    home = f"volumes-source/volume-{volume.id}"
    pools.write(ceph, home, 4)
    server = served(tenant, volume)
    sent = rbd_copies.send

    def spoiled(*given: Any, **more: Any) -> Any:
        digest = sent(*given, **more)
        digest.update(b"")
        digest._digest.update(b"another byte")
        return digest

    monkeypatch.setattr(rbd_copies, "send", spoiled)
    with ExitStack() as stack:
        prepared = prepare(stack, pair, tmp_path, server.id, Mover.REBUILD)
        with pytest.raises(CutOverFailed, match=r"bulk: .*read back(.|\n)*Everything was undone"):
            prepared.cut_over().run()
    assert copies(target, volume.id) == []
    assert snapshots(ceph, home) == []


def test_a_return_has_one_owner_of_the_volume_and_of_the_address_at_every_moment(
    pair: Site, ceph: Ceph, tenant: Tenant, source: Connection, target: Connection, tmp_path: Path
) -> None:
    """Failed: the copy has its volume and its floating IP. Killed: the next run brings them."""
    volume = tenant.create_volume(volume_type=backends.SHARED)
    home = f"{POOL}/volume-{volume.id}"
    pools.write(ceph, home, 4)
    written, identity = pools.digest(ceph, home), pools.image_id(ceph, home)
    server = served(tenant, volume)
    address = tenant.expose(server, source.network.find_network(f"{tenant.name}-net"))

    def has_address(cloud: Connection, server_id: str) -> bool:
        ports = {port.id for port in cloud.network.ports(device_id=server_id)}
        found = cloud.network.ips(floating_ip_address=address.floating_ip_address)
        return any(ip.port_id in ports for ip in found)

    with ExitStack() as stack:
        prepared = prepare(stack, pair, tmp_path, server.id, Mover.REBUILD)
        copy_id = prepared.cut_over().run().target_id
        (copy,) = copies(target, volume.id)
        there = f"{POOL}/volume-{copy.id}"
        for step in ("fetch", "restore", "check"):
            with pytest.MonkeyPatch.context() as monkeypatch:
                at(step, RequestFailed("source", "POST /x", 500, "It broke."), monkeypatch)
                with pytest.raises(ReturnFailed, match="Everything was undone"):
                    prepared.way_back().run()
            assert in_pool(ceph, POOL, volume.id, copy.id) == [f"volume-{copy.id}"]
            assert (pools.image_id(ceph, there), pools.digest(ceph, there)) == (identity, written)
            assert_runs(target, copy_id)
            assert_rests(source, server.id)
            assert (has_address(source, server.id), has_address(target, copy_id)) == (False, True)
        for step in ("release", "fetch", "start", "leave"):
            with pytest.MonkeyPatch.context() as monkeypatch:
                at(step, Killed(), monkeypatch)
                with pytest.raises(Killed):
                    prepared.way_back(deletes_copy=True).run()
            assert len(in_pool(ceph, POOL, volume.id, copy.id)) == 1
        prepared.way_back(deletes_copy=True).run()
    assert in_pool(ceph, POOL, volume.id, copy.id) == [f"volume-{volume.id}"]
    assert (pools.image_id(ceph, home), pools.digest(ceph, home)) == (identity, written)
    back = assert_runs(source, server.id)
    assert [key for key in back.metadata if key.startswith("pumphouse:")] == []
    assert has_address(source, server.id)
    assert copies(target, volume.id) == []
