"""The lab's Ceph: what needs no cloud, and that both clouds really store in it."""

from pathlib import Path

import pytest
from openstack.connection import Connection

from lab.ceph import backends, cluster, starting
from lab.ceph.configuration import write_conf
from lab.ceph.layout import POOLS, Ceph
from lab.commands import run
from lab.errors import LabError
from lab.layout import Lab
from lab.lifecycle import processes_of
from lab.processes import Processes
from lab.releases import RELEASES
from tests.lab_tenants import Tenant

pytest_plugins = ("tests.lab", "tests.ceph")


def somewhere(path: Path, offset: int = 0) -> Lab:
    """Return a lab that nobody started."""
    return Lab(path, RELEASES["zed"], RELEASES["2026.2"], offset)


def test_two_labs_share_neither_ports_nor_keys(tmp_path: Path) -> None:
    """The offset moves all ports of Ceph, and names the keys, which lie in one directory."""
    first, second = Ceph(somewhere(tmp_path)), Ceph(somewhere(tmp_path, 4000))
    assert first.monitor_port + 4000 == second.monitor_port
    assert tuple(port + 4000 for port in first.other_ports) == second.other_ports
    assert first.user("source") != second.user("source")


def test_everything_of_ceph_is_on_loopback(tmp_path: Path) -> None:
    """No daemon listens beyond this machine."""
    ceph = Ceph(somewhere(tmp_path))
    write_conf(ceph, "00000000-0000-4000-8000-000000000000")
    text = ceph.conf.read_text()
    assert "public addr = 127.0.0.1\n" in text
    assert "cluster addr = 127.0.0.1\n" in text
    assert f"mon host = [v2:127.0.0.1:{ceph.monitor_port}]\n" in text


def test_the_copy_is_of_one_place_and_port(tmp_path: Path) -> None:
    """A prepared cluster, whose paths are written into it, is never used elsewhere."""
    here = cluster.copy_path(Ceph(somewhere(tmp_path)))
    assert here == cluster.copy_path(Ceph(somewhere(tmp_path)))
    assert here.name != cluster.copy_path(Ceph(somewhere(tmp_path, 300))).name
    assert here.name != cluster.copy_path(Ceph(somewhere(tmp_path / "other"))).name


def test_ceph_comes_after_the_clouds(tmp_path: Path) -> None:
    """Without running clouds nothing is installed or made."""
    lab = somewhere(tmp_path)
    with pytest.raises(LabError, match="nothing was changed"):
        starting.up(lab, Processes(lab.run))
    assert not Ceph(lab).home.exists()


@pytest.mark.lab
@pytest.mark.ceph
def test_both_clouds_store_in_their_own_and_in_the_shared_pool(
    ceph: Ceph, source: Connection, target: Connection, tenant: Tenant
) -> None:
    """A volume of the shared type lies in the pool that the other cloud's key reaches too."""
    shared = tenant.create_volume(volume_type=backends.SHARED)
    own = tenant.create_volume(volume_type=backends.OWN, name=f"{tenant.name}-own")
    listed = {pool: images(ceph, "admin", pool) for pool in POOLS}
    assert f"volume-{own.id}" in listed["volumes-source"]
    assert f"volume-{shared.id}" in listed["volumes-shared"]
    assert f"volume-{shared.id}" in images(ceph, ceph.user("target"), "volumes-shared")
    with pytest.raises(LabError):
        images(ceph, ceph.user("target"), "volumes-source")
    for cloud in (source, target):
        assert {backends.OWN, backends.SHARED} <= {t.name for t in cloud.block_storage.types()}


@pytest.mark.lab
@pytest.mark.ceph
def test_a_second_start_finds_the_first(ceph: Ceph) -> None:
    """`lab ceph up` again starts no process anew."""
    processes = processes_of(ceph.lab)
    before = {name: processes.leader(name) for name in starting.commands(ceph.lab)}
    starting.up(ceph.lab, processes)
    assert before == {name: processes.leader(name) for name in before}


def images(ceph: Ceph, user: str, pool: str) -> list[str]:
    """Return the names of the images that *user* sees in *pool*."""
    return run(["rbd", "-c", ceph.conf, "--id", user, "ls", pool], quiet=True).split()
