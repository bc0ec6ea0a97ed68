"""The lab's machines: protocol, boot order, hardware, and whole lives of light ones."""

import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.layout import Lab
from lab.metal import guests
from lab.metal.__main__ import main
from lab.metal.agent import report
from lab.metal.booting import (
    BLANK,
    BOOTSTRAP,
    DISK,
    INSTALLED,
    NETWORK,
    NO_PXE,
    NOTHING,
    SOURCE,
    WRONG_DEVICE,
    Boot,
    State,
    after_boot,
    boot_order,
    landing,
    resume_order,
)
from lab.metal.daemon import Daemon, Plan
from lab.metal.following import follow
from lab.metal.hardware import hardware_of, meta
from lab.metal.images import source_boot_sector
from lab.metal.machines import Site, Timing
from lab.metal.protocol import ask, parse
from lab.metal.provisioning import describe_all, install, macs_in
from lab.processes import Processes
from lab.releases import RELEASES
from tests.recording_fuel import RecordingFuel

ROOT = Path(__file__).parent.parent
QUICK = Timing(
    boot_s=0.05, install_s=0.05, shutdown_s=0.05, keepalive_s=0.1, retry_s=0.05, limit_s=20
)
MAC = hardware_of("cmp1", 0).macs[0]

Start = Callable[..., Daemon]


@pytest.fixture
def fuel() -> Iterator[RecordingFuel]:
    """Return a Fuel that records what agents say."""
    server = RecordingFuel()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def start(tmp_path: Path, fuel: RecordingFuel) -> Iterator[Start]:
    """Return a starter of the daemon with two light machines; the last start is stopped."""
    running: list[Daemon] = []

    def begin(timing: Timing = QUICK, on_change: tuple[str, ...] = ()) -> Daemon:
        for daemon in running:
            daemon.stop()
        site = Site(tmp_path, fuel.url, timing)
        hosts = {"cmp1": "light", "cmp2": "light"}
        running[:] = [Daemon(Plan(site, hosts, 0, tmp_path / "cache", on_change))]
        running[0].start()
        return running[0]

    yield begin
    for daemon in running:
        daemon.stop()


def reaches(daemon: Daemon, system: str, host: str = "cmp1") -> bool:
    """Wait until a system runs on a machine, or `off` or the limit is reached."""
    machine = daemon.machines[host]
    with machine.changed:
        return machine.changed.wait_for(
            lambda: (machine.state.system if machine.state.power else "off") == system, 20
        )


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State(), (DISK, NETWORK)),
        (State(boot=Boot("none")), (DISK, NETWORK)),
        (State(boot=Boot("disk")), (DISK, NETWORK)),
        (State(boot=Boot("cdrom")), (DISK, NETWORK)),
        (State(boot=Boot("pxe")), (NETWORK, DISK)),
        (State(boot=Boot("bios")), ()),
        (State(boot=Boot("pxe"), faults=(NO_PXE,)), (DISK,)),
        (State(boot=Boot("pxe"), faults=(WRONG_DEVICE,)), (DISK,)),
        (State(faults=(WRONG_DEVICE,)), (NETWORK,)),
    ],
)
def test_the_override_decides_the_boot_order(state: State, expected: tuple[str, ...]) -> None:
    """The disk is first, unless the BMC says the network; faults break just that."""
    assert expected == boot_order(state)


@pytest.mark.parametrize(
    ("boot", "left"),
    [
        (Boot("pxe"), Boot()),
        (Boot("pxe", uefi=True), Boot()),
        (Boot("pxe", persistent=True), Boot("pxe", persistent=True)),
    ],
)
def test_a_one_time_override_is_used_up(boot: Boot, left: Boot) -> None:
    """Only a persistent override is there for the next boot."""
    state = after_boot(State(power=False, boot=boot, local_boot=True), (NETWORK,))
    assert state == State(power=True, boot=left, system=NOTHING, order=(NETWORK,))


@pytest.mark.parametrize(
    ("order", "disk", "local", "expected"),
    [
        ((DISK, NETWORK), SOURCE, False, SOURCE),
        ((DISK, NETWORK), BLANK, False, BOOTSTRAP),
        ((NETWORK, DISK), SOURCE, False, BOOTSTRAP),
        ((NETWORK, DISK), INSTALLED, True, INSTALLED),
        ((DISK,), BLANK, False, NOTHING),
        ((), INSTALLED, False, NOTHING),
    ],
)
def test_a_boot_ends_at_the_first_device_that_works(
    order: tuple[str, ...], disk: str, local: bool, expected: str
) -> None:
    """A blank disk falls through to the network, and a local boot through to the disk."""
    assert expected == landing(order, disk, local)


def test_a_machine_resumes_what_ran() -> None:
    """What ran is booted again; a boot under way is done again with its own order."""
    assert resume_order(State(system=BOOTSTRAP)) == (NETWORK,)
    assert resume_order(State(system=INSTALLED)) == (DISK, NETWORK)
    assert resume_order(State(system=NOTHING, order=(NETWORK, DISK))) == (NETWORK, DISK)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "get",
        "get fan",
        "set power 2",
        "set reset",
        "set reset 0",
        "set boot floppy",
        "set boot pxe for-ever",
        "set fault unheard-of",
        "set fault slow,unheard-of",
        "install",
        "install [1]",
        "install {",
        "power 1",
    ],
)
def test_what_is_not_in_the_protocol_is_refused(line: str) -> None:
    """Nothing is guessed from a malformed request."""
    with pytest.raises(ValueError, match=r"."):
        parse(line)


def test_a_boot_override_has_flags() -> None:
    """Both flags are kept, in any order."""
    assert Boot("pxe", True, True) == parse("set boot pxe uefi persistent\n").boot
    assert Boot("disk") == parse("set boot disk").boot


def test_hardware_is_decided_by_the_name() -> None:
    """The same host has the same hardware each time, and no two share a MAC or an address."""
    machines = [hardware_of(f"source-cmp{number}", number) for number in range(40)]
    assert machines[3] == hardware_of("source-cmp3", 3)
    macs = [mac for machine in machines for mac in machine.macs]
    assert len(macs) == len(set(macs)) == 160
    assert len({machine.ip for machine in machines}) == 40


def test_meta_is_what_nailgun_stores() -> None:
    """One interface boots from the network; speeds are in Mbit/s, sizes in bytes."""
    hardware = hardware_of("cmp1", 0)
    found = meta(hardware, "bootstrap")
    assert [nic["pxe"] for nic in found["interfaces"]] == [True, False, False, False]
    assert [nic["max_speed"] for nic in found["interfaces"]] == [1000, 1000, 10000, 10000]
    assert found["interfaces"][0]["ip"] == hardware.ip
    assert [disk["size"] for disk in found["disks"]] == [480 * 2**30, 960 * 2**30]
    assert found["disks"][0]["disk"] == "disk/by-path/pci-0000:18:00.0-scsi-0:0:0:0"
    assert len(found["cpu"]["spec"]) == found["cpu"]["total"] == 32
    nodes = found["numa_topology"]["numa_nodes"]
    assert sum(node["memory"] for node in nodes) == found["memory"]["total"]


def test_faults_change_what_is_reported() -> None:
    """An interface is missing, a disk is smaller, and nothing else differs."""
    hardware = hardware_of("cmp1", 0)
    whole = meta(hardware, "bootstrap")
    less = meta(hardware, "bootstrap", ("missing-nic", "small-disk"))
    assert whole["interfaces"][:-1] == less["interfaces"]
    assert [disk["size"] for disk in less["disks"]] == [240 * 2**30, 960 * 2**30]
    assert {k: v for k, v in whole.items() if k not in ("interfaces", "disks")} == {
        k: v for k, v in less.items() if k not in ("interfaces", "disks")
    }


def test_the_checksum_changes_with_what_is_reported() -> None:
    """The same report has the same checksum; another system or hardware has another."""
    hardware = hardware_of("cmp1", 0)
    states = [
        State(system=BOOTSTRAP),
        State(system=INSTALLED),
        State(system=INSTALLED, hostname="node-7"),
        State(system=BOOTSTRAP, faults=("missing-nic",)),
    ]
    sums = [report(hardware, state)["agent_checksum"] for state in states]
    assert len(set(sums)) == 4
    assert sums == [report(hardware, state)["agent_checksum"] for state in states]


def test_only_the_bootstrap_image_reports_a_status() -> None:
    """An installed system leaves the status to Fuel."""
    hardware = hardware_of("cmp1", 0)
    assert report(hardware, State(system=BOOTSTRAP))["status"] == "discover"
    assert "status" not in report(hardware, State(system=INSTALLED))


def test_macs_are_found_wherever_an_order_has_them() -> None:
    """The node's own, its interfaces', those given by hand; in lower case."""
    order = {"mac": "AA", "macs": ["bb"], "meta": {"interfaces": [{"mac": "cc"}]}}
    assert macs_in(order, ["dd"]) == {"aa", "bb", "cc", "dd"}
    assert macs_in({"interfaces": [{"name": "bond0", "mac": None}]}) == set()


def test_a_whole_life(tmp_path: Path, start: Start, fuel: RecordingFuel) -> None:
    """Network boot, registration, installation, and the installed system's own reports."""
    daemon = start()
    path = tmp_path / "cmp1.sock"
    assert ask(path, "get power") == "power:1"
    assert ask(path, "set boot pxe") == "ok"
    assert ask(path, "get boot") == "boot:pxe persistent:0 uefi:0"
    assert not fuel.calls
    ask(path, "set reset 1")
    call = fuel.wait(lambda call: call.status == 201)
    assert (call.path, call.body["mac"], call.body["status"]) == ("/api/nodes/", MAC, "discover")
    assert ask(path, "get boot") == "boot:default persistent:0 uefi:0"

    order = {"mac": MAC, "fqdn": "node-1.example.net", "volumes": [{"name": "os"}]}
    assert install(tmp_path, order, [], 30) == "cmp1"
    assert json.loads((tmp_path / "cmp1" / "sda.json").read_text()) == order
    call = fuel.wait(lambda call: "status" not in call.body)
    assert (call.method, call.path, call.status) == ("PUT", "/api/nodes/agent/", 200)
    assert call.body["meta"]["system"]["fqdn"] == "node-1.example.net"
    ask(path, "set reset 1")
    assert reaches(daemon, INSTALLED)
    assert "cmp2" not in {machine for machine in fuel.nodes}
    assert list(fuel.nodes) == [MAC]


def test_a_known_node_is_refreshed(start: Start, tmp_path: Path, fuel: RecordingFuel) -> None:
    """A second boot from the network is answered 409 and then reported to the same node."""
    start()
    for _ in range(2):
        ask(tmp_path / "cmp1.sock", "set boot pxe")
        ask(tmp_path / "cmp1.sock", "set reset 1")
        begin = len(fuel.calls)
        fuel.wait(lambda call: call.method == "POST", after=begin)
    fuel.wait(lambda call: call.status == 409)
    assert fuel.nodes == {MAC: 1}


def test_a_forgotten_node_comes_back_with_another_id(
    start: Start, tmp_path: Path, fuel: RecordingFuel
) -> None:
    """Fuel deletes a node whose machine stays in the bootstrap image: it registers again."""
    start()
    ask(tmp_path / "cmp1.sock", "set boot pxe")
    ask(tmp_path / "cmp1.sock", "set reset 1")
    fuel.wait(lambda call: call.status == 201)
    fuel.forget(MAC)
    fuel.wait(lambda call: call.status == 400)
    fuel.wait(lambda call: call.status == 201 and fuel.nodes.get(MAC) == 2)
    assert fuel.nodes == {MAC: 2}


def test_a_machine_that_is_off_is_silent(
    start: Start, tmp_path: Path, fuel: RecordingFuel
) -> None:
    """No keepalive comes from it, a reset is refused, and power on boots it again."""
    daemon = start()
    path = tmp_path / "cmp1.sock"
    ask(path, "set boot pxe persistent")
    ask(path, "set reset 1")
    fuel.wait(lambda call: call.method == "PUT")
    ask(path, "set power 0")
    assert ask(path, "get power") == "power:0"
    count = len(fuel.calls)
    threading.Event().wait(QUICK.keepalive_s * 5)
    # A report that was under way when the power went may still arrive.
    assert len(fuel.calls) <= count + 1
    with pytest.raises(LabError, match="it is off, so it cannot be reset"):
        ask(path, "set reset 1")
    ask(path, "set power 1")
    assert reaches(daemon, BOOTSTRAP)
    assert ask(path, "get boot") == "boot:pxe persistent:1 uefi:0"


def test_a_shutdown_lets_the_system_end_itself(start: Start, tmp_path: Path) -> None:
    """The machine is off a little later; a machine that is off takes it with ease."""
    daemon = start()
    ask(tmp_path / "cmp1.sock", "set shutdown 1")
    assert reaches(daemon, "off")
    assert ask(tmp_path / "cmp1.sock", "set shutdown 1") == "ok"


def test_the_state_survives_the_daemon(start: Start, tmp_path: Path, fuel: RecordingFuel) -> None:
    """Power, override, faults and what runs are as before; a boot is not repeated."""
    start()
    ask(tmp_path / "cmp1.sock", "set boot pxe")
    ask(tmp_path / "cmp1.sock", "set reset 1")
    ask(tmp_path / "cmp2.sock", "set power 0")
    ask(tmp_path / "cmp2.sock", "set boot pxe persistent uefi")
    ask(tmp_path / "cmp2.sock", "set fault slow,no-pxe")
    fuel.wait(lambda call: call.status == 201)
    before = describe_all(tmp_path)
    daemon = start()
    assert before == describe_all(tmp_path)
    begin = len(fuel.calls)
    fuel.wait(lambda call: call.body["mac"] == MAC, after=begin)
    assert daemon.machines["cmp2"].state.faults == ("slow", "no-pxe")


@pytest.mark.parametrize(
    ("fault", "line", "power", "boot", "system"),
    [
        ("ignores-reset", "set reset 1", "power:1", "boot:pxe", SOURCE),
        ("ignores-off", "set power 0", "power:1", "boot:pxe", SOURCE),
        ("ignores-off", "set shutdown 1", "power:1", "boot:pxe", SOURCE),
        ("ignores-boot", "set boot disk", "power:1", "boot:pxe", SOURCE),
        ("no-pxe", "set reset 1", "power:1", "boot:default", SOURCE),
        ("wrong-device", "set reset 1", "power:1", "boot:default", SOURCE),
        ("none", "set reset 1", "power:1", "boot:default", BOOTSTRAP),
    ],
)
def test_faults_do_what_they_say(
    start: Start, tmp_path: Path, fault: str, line: str, power: str, boot: str, system: str
) -> None:
    """The BMC answers ok each time; only the effect tells."""
    daemon = start()
    path = tmp_path / "cmp1.sock"
    ask(path, "set boot pxe")
    assert ask(path, f"set fault {fault}") == "ok"
    assert ask(path, line) == "ok"
    threading.Event().wait(QUICK.shutdown_s * 3)
    assert reaches(daemon, system)
    assert ask(path, "get power") == power
    assert ask(path, "get boot").split()[0] == boot


def test_a_refusing_machine_says_so(start: Start, tmp_path: Path) -> None:
    """Every change is an error, and nothing changes; faults can still be taken away."""
    start()
    path = tmp_path / "cmp1.sock"
    ask(path, "set fault refuses")
    with pytest.raises(LabError, match="machine cmp1: the machine refuses"):
        ask(path, "set power 0")
    ask(path, "set fault none")
    assert ask(path, "set power 0") == "ok"


def test_a_machine_is_installed_only_from_the_bootstrap_image(
    start: Start, tmp_path: Path
) -> None:
    """Whatever else it runs, the words say what, and its disk stays as it was."""
    daemon = start()
    with pytest.raises(LabError, match="runs source and not the bootstrap image; nothing was"):
        install(tmp_path, {"mac": MAC}, [], 10)
    ask(tmp_path / "cmp1.sock", "set power 0")
    with pytest.raises(LabError, match="runs nothing, for it is off"):
        install(tmp_path, {"mac": MAC}, [], 10)
    assert daemon.machines["cmp1"].state.disk == SOURCE


def test_an_unknown_mac_names_what_there_is(start: Start, tmp_path: Path) -> None:
    """The words say which MAC was asked for, and which machines there are."""
    start()
    with pytest.raises(LabError, match=r"0 machines have one of the MACs 00:00; nothing .* cmp2"):
        install(tmp_path, {"mac": "00:00"}, [], 10)


def test_a_failed_installation_leaves_a_blank_disk(start: Start, tmp_path: Path) -> None:
    """The old system is gone, so the next boot falls through to the network."""
    daemon = start()
    path = tmp_path / "cmp1.sock"
    ask(path, "set boot pxe")
    ask(path, "set reset 1")
    assert reaches(daemon, BOOTSTRAP)
    ask(path, "set fault install-fails")
    with pytest.raises(LabError, match="the disk holds nothing bootable"):
        install(tmp_path, {"mac": MAC}, [], 10)
    ask(path, "set reset 1")
    assert reaches(daemon, BOOTSTRAP)
    assert daemon.machines["cmp1"].state.disk == BLANK


def test_a_reset_ends_an_installation(start: Start, tmp_path: Path) -> None:
    """The one who installs is told why; the machine boots again."""
    daemon = start(Timing(boot_s=0.05, install_s=60, keepalive_s=1, retry_s=1, limit_s=20))
    path = tmp_path / "cmp1.sock"
    ask(path, "set boot pxe")
    ask(path, "set reset 1")
    assert reaches(daemon, BOOTSTRAP)
    failures: list[str] = []

    def attempt() -> None:
        try:
            install(tmp_path, {"mac": MAC}, [], 30)
        except LabError as error:
            failures.append(str(error))

    thread = threading.Thread(target=attempt)
    thread.start()
    machine = daemon.machines["cmp1"]
    with machine.changed:
        assert machine.changed.wait_for(lambda: machine.state.disk == BLANK, 20)
    ask(path, "set reset 1")
    thread.join(20)
    assert failures == ["machine cmp1: it was reset or switched off while it installed"]


def test_a_persistent_network_boot_survives_the_installation(start: Start, tmp_path: Path) -> None:
    """The boot server lets the machine boot its disk once; the next reset loses it again."""
    daemon = start()
    path = tmp_path / "cmp1.sock"
    ask(path, "set boot pxe persistent")
    ask(path, "set reset 1")
    assert reaches(daemon, BOOTSTRAP)
    install(tmp_path, {"mac": MAC}, [], 20)
    assert reaches(daemon, INSTALLED)
    ask(path, "set reset 1")
    assert reaches(daemon, BOOTSTRAP)


def test_each_change_runs_the_hook(start: Start, tmp_path: Path) -> None:
    """The command is told the host and what runs now, in order."""
    notes = tmp_path / "notes"
    program = "import sys; open(sys.argv[1], 'a').write(' '.join(sys.argv[2:]) + '\\n')"
    daemon = start(on_change=(sys.executable, "-c", program, str(notes)))
    ask(tmp_path / "cmp1.sock", "set boot pxe")
    ask(tmp_path / "cmp1.sock", "set reset 1")
    assert reaches(daemon, BOOTSTRAP)
    ask(tmp_path / "cmp1.sock", "set power 0")
    expected = ["cmp1 nothing", "cmp1 bootstrap", "cmp1 off"]
    waiting = threading.Event()
    for _ in range(200):
        if notes.exists() and len(notes.read_text().splitlines()) == len(expected):
            break
        waiting.wait(0.1)
    assert notes.read_text().splitlines() == expected


def chassis(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program as ipmi_sim does."""
    program = ROOT / "lab" / "drivers" / "chassis.py"
    argv = [sys.executable, program, str(path), "0x20", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_the_chassis_program_speaks_ipmi_sims_words(start: Start, tmp_path: Path) -> None:
    """`default` is the default hard disk and `none` is no override, as IPMI numbers them."""
    start()
    path = tmp_path / "cmp1.sock"
    assert chassis(path, "get", "power", "boot").stdout == "power:1\nboot:none\n"
    for word, kept in (("pxe", "pxe"), ("default", "disk"), ("cdrom", "cdrom"), ("bios", "bios")):
        assert chassis(path, "set", "boot", word).returncode == 0
        assert ask(path, "get boot") == f"boot:{kept} persistent:0 uefi:0"
        assert chassis(path, "get", "boot").stdout == f"boot:{word}\n"
    assert chassis(path, "set", "boot", "none", "power", "0").returncode == 0
    assert chassis(path, "get", "boot", "power").stdout == "boot:none\npower:0\n"


def test_the_chassis_program_fails_when_the_machine_does(start: Start, tmp_path: Path) -> None:
    """ipmi_sim turns a failure into a completion code; the words are for its log."""
    start()
    path = tmp_path / "cmp1.sock"
    ask(path, "set power 0")
    refused = chassis(path, "set", "reset", "1")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "cannot be reset" in refused.stderr
    assert chassis(tmp_path / "none.sock", "get", "power").returncode == 1
    assert chassis(path, "set", "boot").returncode == 1


def test_provision_reads_the_order_from_stdin(
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 0 when the machine runs from its disk, else 1 and the reason."""
    home = tmp_path / "run" / "metal"
    site = Site(home, "", QUICK)
    daemon = Daemon(Plan(site, {"cmp1": "light"}, 0, tmp_path / "cache"))
    daemon.start()
    try:

        def provision(order: Any) -> int:
            monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(order)))
            return main(["--dir", str(tmp_path), "provision"])

        assert provision({"mac": MAC.upper()}) == 1
        assert "nothing was installed" in capsys.readouterr().err
        ask(home / "cmp1.sock", "set boot pxe")
        ask(home / "cmp1.sock", "set reset 1")
        assert reaches(daemon, BOOTSTRAP)
        assert provision({"mac": MAC.upper()}) == 0
        assert capsys.readouterr().out == "cmp1 is installed and runs from its disk\n"
        assert main(["--dir", str(tmp_path), "fault", "cmp1", "slow"]) == 0
        assert main(["--dir", str(tmp_path), "status"]) == 0
        assert f"{MAC} slow" in capsys.readouterr().out
    finally:
        daemon.stop()


def test_qemu_boots_in_the_order_given(tmp_path: Path) -> None:
    """A device that is not in the order gets no index, and without one it is never tried."""
    hardware = hardware_of("cmp3", 2)

    def words(order: tuple[str, ...], *faults: str) -> str:
        return " ".join(guests.command(hardware, tmp_path, "http://boot", order, faults))

    both = words((NETWORK, DISK))
    assert "accel=tcg" in both
    assert "strict=on" in both
    assert f"mac={hardware.macs[0]},addr=0x3,speed=1000,duplex=full,bootindex=0" in both
    assert "drive=vda,addr=0x8" in both
    assert both.count("bootindex") == 2
    assert words((DISK,)).count("bootindex") == 1
    assert words(()).count("bootindex") == 0
    assert hardware.macs[-1] not in words((DISK,), "missing-nic")


def test_guests_reach_loopback_by_their_gateway() -> None:
    """A URL of this machine's loopback is told to guests with their gateway's address."""
    assert guests.seen_from_guest("http://127.0.0.1:8000") == "http://10.20.0.2:8000"
    assert guests.seen_from_guest("http://fuel.example:8000") == "http://fuel.example:8000"
    assert guests.seen_from_guest("") == ""


def test_a_disk_keeps_its_content_when_it_shrinks(tmp_path: Path) -> None:
    """The fault halves the first disk; its system is still there, and the size comes back."""
    for faults in ((), ("small-disk",), ()):
        guests.make_disks(tmp_path, State(faults=faults))
        path = tmp_path / "vda.img"
        assert path.stat().st_size == guests.DISK_SIZES["vda"] // (2 if faults else 1)
        with path.open("rb") as file:
            assert file.read(512) == source_boot_sector()


def test_nova_compute_follows_its_machine(tmp_path: Path) -> None:
    """It runs while the source's system does; a second telling of the same changes nothing."""
    lab = Lab(tmp_path, RELEASES["zed"], RELEASES["2026.2"])
    program = Path(lab.cloud("source").program("nova-compute"))
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    lab.run.mkdir()
    processes = Processes(lab.run)
    name = "source-nova-compute-source-cmp1"
    try:
        assert follow(lab, processes, "source-cmp1", SOURCE) == [f"started {name}"]
        assert follow(lab, processes, "source-cmp1", SOURCE) == []
        assert follow(lab, processes, "source-cmp2", "off") == []
        assert processes.leader(name)
        assert follow(lab, processes, "source-cmp1", NOTHING) == [f"stopped {name}"]
        assert processes.names() == []
    finally:
        processes.stop(processes.names())


def test_nobody_is_told_what_did_not_change(start: Start, tmp_path: Path) -> None:
    """A restart of the daemon is no event in a machine's life."""
    notes = tmp_path / "notes"
    program = "import sys; open(sys.argv[1], 'a').write(' '.join(sys.argv[2:]) + '\\n')"
    daemon = start(on_change=(sys.executable, "-c", program, str(notes)))
    assert reaches(daemon, SOURCE)
    assert [machine["told"] for machine in describe_all(tmp_path)] == [SOURCE, SOURCE]
    assert not notes.exists()
