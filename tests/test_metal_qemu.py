"""A machine that QEMU emulates, from the source's system to the installed one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.metal.booting import BOOTSTRAP, INSTALLED, SOURCE
from lab.metal.daemon import Daemon, Plan
from lab.metal.guests import DISK_SIZES
from lab.metal.images import boot_files
from lab.metal.machines import Machine, Site, Timing
from lab.metal.protocol import ask
from lab.metal.provisioning import install
from lab.packages import QEMU_PACKAGES, missing
from lab.settings import default_root
from tests.recording_fuel import RecordingFuel
from tests.stack import free_port

pytestmark = pytest.mark.hosts

LIMIT_S = 900.0
HOST = "cmp3"


@pytest.fixture(scope="module")
def cache() -> Path:
    """Return the lab's directory of bootstrap images, with one made; skip where it cannot be."""
    lacking = missing(QEMU_PACKAGES)
    if lacking:
        pytest.skip(f"QEMU's machines need the packages {', '.join(lacking)}")
    place = default_root() / "metal"
    try:
        boot_files(place)
    except LabError as error:
        pytest.skip(f"no bootstrap image can be made: {error}")
    return place


@pytest.fixture
def fuel() -> Iterator[RecordingFuel]:
    """Return a Fuel that records what agents say."""
    server = RecordingFuel()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def plan(tmp_path: Path, cache: Path, fuel: RecordingFuel) -> Plan:
    """Return a plan with one QEMU machine."""
    site = Site(tmp_path, fuel.url, Timing(keepalive_s=5, limit_s=LIMIT_S))
    return Plan(site, {HOST: "qemu"}, free_port(), cache)


def reaches(machine: Machine, system: str) -> bool:
    """Wait until a system runs on the machine, or the machine is off."""
    with machine.changed:
        return machine.changed.wait_for(
            lambda: (machine.state.system if machine.state.power else "off") == system, LIMIT_S
        )


def console(machine: Machine) -> str:
    return machine.console.read_text(errors="replace")


def test_a_whole_life(plan: Plan, fuel: RecordingFuel) -> None:
    """Real firmware, network boot, kernel and disk go the way that a host goes.

    One test, for every boot costs seconds: the source's disk boots; a one-time network boot
    registers the real hardware, and the reset after it boots the disk again; a failed
    installation leaves the bootstrap image at work, a good one boots from the disk; the daemon
    restarts; the system shuts itself down.
    """
    daemon = Daemon(plan)
    daemon.start()
    try:
        machine, home = daemon.machines[HOST], plan.site.home
        path, hardware = home / f"{HOST}.sock", machine.hardware
        assert reaches(machine, SOURCE), console(machine)
        assert not fuel.calls

        ask(path, "set boot pxe")
        ask(path, "set reset 1")
        call = fuel.wait(lambda call: call.status == 201, LIMIT_S)
        nics, disks = call.body["meta"]["interfaces"], call.body["meta"]["disks"]
        assert (call.body["status"], call.body["ip"]) == ("discover", hardware.ip)
        assert [nic["mac"] for nic in nics] == list(hardware.macs)
        assert [nic["max_speed"] for nic in nics] == [1000, 1000, 10000, 10000]
        assert [nic["pxe"] for nic in nics] == [True, False, False, False]
        assert len({nic["bus_info"] for nic in nics}) == 4
        assert [disk["size"] for disk in disks] == list(DISK_SIZES.values())
        assert call.body["meta"]["system"]["serial"] == hardware.serial
        assert ask(path, "get boot") == "boot:default persistent:0 uefi:0"
        ask(path, "set reset 1")
        assert reaches(machine, SOURCE), console(machine)

        ask(path, "set boot pxe")
        ask(path, "set reset 1")
        fuel.wait(lambda call: call.status == 409, LIMIT_S)
        fuel.wait(lambda call: call.method == "PUT" and call.status == 200, LIMIT_S)
        ask(path, "set fault install-fails")
        order = {"mac": hardware.macs[0], "fqdn": "node-1.example.net"}
        with pytest.raises(LabError, match="machine cmp3: vda holds"):
            install(home, order, [], LIMIT_S)
        assert machine.state.system == BOOTSTRAP
        ask(path, "set fault none")
        begin = len(fuel.calls)
        assert install(home, order, [], LIMIT_S) == HOST
        call = fuel.wait(lambda call: "status" not in call.body, LIMIT_S, begin)
        assert call.body["meta"]["system"]["fqdn"] == "node-1.example.net"
        assert call.body["mac"] == hardware.macs[0]
        assert list(fuel.nodes) == [hardware.macs[0]]
    finally:
        daemon.stop()

    kept = json.loads((home / HOST / "state.json").read_text())
    assert (kept["power"], kept["disk"], kept["system"]) == (True, INSTALLED, INSTALLED)
    again = Daemon(plan)
    again.start()
    try:
        machine = again.machines[HOST]
        assert reaches(machine, INSTALLED), console(machine)
        ask(path, "set shutdown 1")
        assert reaches(machine, "off"), console(machine)
        assert "shutting down" in console(machine)
    finally:
        again.stop()
