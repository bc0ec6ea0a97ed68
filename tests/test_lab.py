"""The parts of the lab that need no cloud."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.facts import clouds_yaml
from lab.files import render_ini
from lab.layout import SERVICE_PORTS, Lab
from lab.mounts import mounted
from lab.processes import Processes, Record, Status, owns, parse_status
from lab.releases import RELEASES, find_release
from lab.roster import compute_hosts, join, leave
from lab.services import worker_commands
from lab.settings import load_lab, record_lab
from tests.lab_tenants import leaks


@pytest.fixture
def somewhere(tmp_path: Path) -> Lab:
    """Return a lab that nobody started."""
    return Lab(tmp_path, RELEASES["zed"], RELEASES["2026.2"])


def sleeper(processes: Processes, name: str = "sleeper") -> int:
    processes.start(name, ["sleep", "60"], os.environ)
    leader = processes.leader(name)
    assert leader is not None
    return leader


def test_ini_writes_booleans_as_openstack_reads_them() -> None:
    """Booleans are in lower case, everything else as it prints."""
    text = render_ini({"DEFAULT": {"debug": True, "workers": 1}, "api": {"path": Path("/x")}})
    assert text == "[DEFAULT]\ndebug = true\nworkers = 1\n\n[api]\npath = /x\n"


def test_no_port_is_used_twice(somewhere: Lab) -> None:
    """Both clouds, the database and the broker with its neighbors have ports of their own."""
    ports = [cloud.port(name) for cloud in somewhere.clouds for name in SERVICE_PORTS]
    broker = somewhere.broker_port
    ports += [somewhere.database_port, broker - 1, broker, broker + 1]
    assert len(ports) == len(set(ports))


def test_the_offset_moves_every_port(tmp_path: Path, somewhere: Lab) -> None:
    """A second lab with an offset shares no port with the first."""
    other = Lab(tmp_path, somewhere.source, somewhere.target, port_offset=300)
    for one, two in zip(somewhere.clouds, other.clouds, strict=True):
        assert [one.port(name) + 300 for name in SERVICE_PORTS] == [
            two.port(name) for name in SERVICE_PORTS
        ]
    assert somewhere.database_port + 300 == other.database_port
    assert somewhere.broker_port + 300 == other.broker_port


def test_status_survives_any_command_name() -> None:
    """Blanks and brackets in a program's name do not shift the fields."""
    fields = " ".join(str(number) for number in range(4, 30))
    assert Status(42, "S", 6, 22) == parse_status(
        f"42 (a (b) c) S {fields}".replace("4 5 6", "4 5 6")
    )


@pytest.mark.parametrize(
    ("status", "boot", "expected"),
    [
        (Status(10, "S", 10, 500), "b", True),
        (Status(10, "S", 10, 501), "b", False),
        (Status(10, "S", 10, 500), "other", False),
        (Status(10, "Z", 10, 500), "b", False),
        (Status(11, "S", 10, 510), "b", True),
        (Status(11, "S", 10, 400), "b", False),
        (Status(11, "S", 9, 510), "b", False),
    ],
)
def test_a_process_is_ours_by_start_time_boot_and_session(
    status: Status, boot: str, expected: bool
) -> None:
    """A number that the kernel gave to another process is never taken for ours."""
    assert expected == owns(Record(10, 500, "b"), status, boot)


def test_a_process_is_started_once_and_stopped(tmp_path: Path) -> None:
    """A second start finds the first; after the stop neither process nor file is left."""
    processes = Processes(tmp_path)
    pid = sleeper(processes)
    assert not processes.start("sleeper", ["sleep", "60"], os.environ)
    assert pid == processes.leader("sleeper")
    processes.stop(["sleeper"])
    assert processes.names() == []
    assert not Path(f"/proc/{pid}").exists()


def test_a_stale_pid_file_harms_nobody(tmp_path: Path) -> None:
    """A process that only has the number of a recorded one is left alive."""
    processes = Processes(tmp_path)
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        processes.adopt("old", stranger.pid)
        record = json.loads(processes.pid_file("old").read_text())
        processes.pid_file("old").write_text(json.dumps(record | {"started": 1}))
        assert processes.leader("old") is None
        processes.stop(["old"])
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_mount_point_is_found_in_the_kernels_table() -> None:
    """Blanks are written in octal there, and a prefix is no match."""
    table = "dev /a\\040b ext4 rw 0 0\ndev /ab ext4 rw 0 0\n"
    assert mounted(Path("/a b"), table)
    assert not mounted(Path("/a"), table)


def test_an_unknown_release_names_those_that_exist() -> None:
    """The sentence says what was asked and what there is."""
    with pytest.raises(LabError, match=r"'yoga' is unknown; the lab has zed, 2026\.2"):
        find_release("yoga")


def test_a_lab_keeps_its_settings(somewhere: Lab) -> None:
    """Without options the recorded settings hold; others are refused."""
    moved = Lab(somewhere.root, somewhere.source, somewhere.target, 300)
    record_lab(moved)
    assert moved == load_lab(somewhere.root)
    with pytest.raises(LabError, match="nothing was changed"):
        load_lab(somewhere.root, port_offset=0)


def test_clouds_yaml_has_project_and_system_scope(somewhere: Lab) -> None:
    """Each cloud can be entered as a project's admin and as the system's."""
    text = clouds_yaml(somewhere)
    names = [
        line.strip(" :") for line in text.splitlines() if line.startswith("  ") and line[2] != " "
    ]
    assert names == ["source", "source-system", "target", "target-system"]
    assert text.count("system_scope: all") == 2


def test_pins_name_no_index() -> None:
    """Frozen versions are nothing but names and versions."""
    for release in RELEASES.values():
        lines = release.freeze.read_text().split()
        assert lines
        assert all("==" in line and "/" not in line for line in lines)
        assert set(release.packages) <= set(lines)


def test_a_leak_is_what_is_new_and_not_a_strangers() -> None:
    """What appears in somebody else's new project is theirs."""
    before = {"project": {"p0": ("admin", "")}, "server": {}}
    after = {
        "project": {"p0": ("admin", ""), "p1": ("other", ""), "p2": ("t1-a", "")},
        "server": {"s0": ("x", "p0"), "s1": ("y", "p1"), "s2": ("z", "p2")},
    }
    assert leaks(before, after, "t1") == ["project t1-a (p2)", "server x (s0)", "server z (s2)"]


def test_hosts_join_and_leave_a_cloud(somewhere: Lab) -> None:
    """The first three may leave and return; others are known only while they are in."""
    cloud = somewhere.cloud("target")
    first = cloud.hosts

    join(cloud, "new")
    join(cloud, "new")
    leave(cloud, first[0])

    assert (*first[1:], "new") == compute_hosts(cloud)
    assert "nova-compute-new" in worker_commands(cloud)
    leave(cloud, "new")
    join(cloud, first[0])
    assert first == compute_hosts(cloud)
