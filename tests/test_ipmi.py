"""IPMI over real UDP, against OpenIPMI's simulator and the lab's own BMC."""

import os
import re
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lab.bmc.simulator import installed
from lab.bmc.users import OPERATOR, USER, User
from pumphouse.bmc import BmcAccess, BootDevice, Device, Power
from pumphouse.errors import (
    BmcError,
    BmcFailed,
    BmcRefused,
    BmcUnreachable,
    Interrupted,
)
from pumphouse.tasks import ipmi
from pumphouse.tasks.bmc import BmcSession, open_bmc
from tests.bmcs import (
    Network,
    Peer,
    active_sessions,
    free_port,
    many_simulators,
    own_bmc,
    simulator,
)

pytestmark = pytest.mark.hosts

SLACK_S = 5.0
"""What a busy machine may add to a time limit."""

needs_simulator = pytest.mark.skipif(not installed(), reason="ipmi_sim (openipmi) is missing")
needs_ipmitool = pytest.mark.skipif(not shutil.which("ipmitool"), reason="ipmitool is missing")


@pytest.fixture(scope="module")
def own_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Give one BMC of our own to all tests that leave it as it was."""
    with own_bmc(tmp_path_factory.mktemp("own")) as peer:
        yield peer


@pytest.fixture(scope="module")
def sim_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Give one simulator to all tests that leave it as it was."""
    with simulator(tmp_path_factory.mktemp("sim")) as peer:
        yield peer


@pytest.fixture
def own(own_shared: Peer) -> Iterator[Peer]:
    """Give our BMC with its machine as new."""
    yield from _as_new(own_shared)


@pytest.fixture(params=["own", pytest.param("sim", marks=needs_simulator)])
def bmc(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """Give either BMC with its machine as new."""
    yield from _as_new(request.getfixturevalue(f"{request.param}_shared"))


def _as_new(peer: Peer) -> Iterator[Peer]:
    machine = peer.machine
    machine.power, machine.boot = True, ("default", False, False)
    machine.orders.clear()
    machine.ignored.clear()
    machine.refuses = False
    yield peer


def refused(access: BmcAccess, work: Callable[[BmcSession], Any]) -> tuple[BmcError, float]:
    """Return the error of *work*, and the seconds it took."""
    began = time.monotonic()
    with pytest.raises(BmcError) as caught, open_bmc(access) as session:
        work(session)
    return caught.value, time.monotonic() - began


def read(session: BmcSession) -> Power:
    """Read the power state, which needs a login."""
    return session.power()


# ---- what it can do


def test_power_is_switched_and_read(bmc: Peer) -> None:
    """Each change is there when the call returns."""
    with open_bmc(bmc.access()) as session:
        assert session.power() == Power.ON
        session.power_off()
        assert (session.power(), bmc.machine.power) == (Power.OFF, False)
        session.power_on()
        assert (session.power(), bmc.machine.power) == (Power.ON, True)
        session.shutdown()
        assert (session.power(), bmc.machine.power) == (Power.OFF, False)


def test_what_is_so_already_is_not_ordered(bmc: Peer) -> None:
    """A second run changes nothing."""
    with open_bmc(bmc.access()) as session:
        session.power_on()
        session.power_off()
        session.power_off()
        session.shutdown()

    assert bmc.machine.told == ["power 0"]


def test_reset_starts_a_machine_from_any_state(bmc: Peer) -> None:
    """One that is off is switched on."""
    with open_bmc(bmc.access()) as session:
        session.reset()
        session.power_off()
        session.reset()

    assert bmc.machine.told == ["reset 1", "power 0", "power 1"]


@pytest.mark.parametrize("uefi", [False, True], ids=["legacy", "uefi"])
@pytest.mark.parametrize("persistent", [False, True], ids=["once", "always"])
@pytest.mark.parametrize("device", [Device.PXE, Device.DISK, Device.CDROM])
def test_boot_overrides_are_read_as_they_were_set(
    own: Peer, device: Device, persistent: bool, uefi: bool
) -> None:
    """Device, one-shot or persistent, legacy or UEFI: all of it comes back."""
    with open_bmc(own.access()) as session:
        wanted = session.set_boot(device, persistent, uefi)

        assert wanted == session.boot_device()
        assert own.machine.boot == (device, persistent, uefi)

        session.set_boot("default")
        assert BootDevice(device=Device.DEFAULT) == session.boot_device()


@needs_simulator
def test_a_bmc_that_keeps_no_flags_is_believed_the_device(sim_shared: Peer) -> None:
    """OpenIPMI's simulator shows the device only; the machine behind it was told."""
    with open_bmc(sim_shared.access()) as session:
        session.set_boot("pxe", persistent=True, uefi=True)
        assert sim_shared.machine.boot[0] == "pxe"

        session.set_boot("disk")
        assert sim_shared.machine.boot[0] == "disk"


@needs_ipmitool
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ["only next boot", "BIOS PC Compatible (legacy) boot", "Force PXE"]),
        ({"persistent": True, "uefi": True}, ["all future boots", "EFI boot", "Force PXE"]),
    ],
)
def test_ipmitool_reads_what_we_set(own: Peer, given: Any, words: list[str]) -> None:
    """Another client sees the same override."""
    with open_bmc(own.access()) as session:
        session.set_boot("pxe", **given)

    seen = " ".join(own.ipmitool("chassis", "bootparam", "get", "5").split())
    assert [w for w in words if w not in seen] == []


@needs_ipmitool
def test_we_read_what_ipmitool_set(own: Peer) -> None:
    """The other way round, and the power state too."""
    own.ipmitool("chassis", "bootdev", "disk", "options=efiboot,persistent")
    own.ipmitool("chassis", "power", "off")

    with open_bmc(own.access()) as session:
        expected = BootDevice(device=Device.DISK, persistent=True, uefi=True)
        assert (expected, Power.OFF) == (session.boot_device(), session.power())


@pytest.mark.parametrize("suite", ["3", "17"])
def test_both_cipher_suites_work(own: Peer, suite: str) -> None:
    """SHA-1, and SHA-256, which ipmitool finds right as well."""
    with open_bmc(own.access(cipher_suite=suite)) as session:
        assert session.power() == Power.ON


def test_a_bmc_without_sha256_gets_sha1(tmp_path: Path) -> None:
    """Unless the configuration says 17: then there is no login."""
    with own_bmc(tmp_path, "--suite", "3") as peer:
        with open_bmc(peer.access()) as session:
            assert session.power() == Power.ON
        error, _ = refused(peer.access(cipher_suite="17"), read)

    assert "It refuses cipher suite 17." in str(error)
    assert isinstance(error, BmcRefused)


# ---- what can go wrong before


@pytest.mark.parametrize(
    ("user", "changes", "words"),
    [
        (User("admin", "wrong", "admin"), {}, "does not accept the password"),
        (User("nobody", "lab", "admin"), {}, "has no user nobody"),
        (USER, {}, "may not have the privilege operator"),
        (OPERATOR, {"privilege": "administrator"}, "may not have the privilege administrator"),
    ],
    ids=["password", "user", "too low for operator", "too low for administrator"],
)
def test_a_refused_login_is_told_at_once(own: Peer, user: User, changes: Any, words: str) -> None:
    """One clear error, no retry, no password in it, no session left."""
    error, took_s = refused(own.access(user, **changes), read)

    assert isinstance(error, BmcRefused)
    assert words in str(error)
    assert user.password == "lab" or user.password not in str(error)
    assert took_s < 1 + SLACK_S


@needs_simulator
@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"user": "nobody"}], ids=str)
def test_the_simulator_refuses_alike(sim_shared: Peer, wrong: Any) -> None:
    """The same errors from a BMC that is not ours."""
    error, took_s = refused(sim_shared.access(**wrong), read)

    assert isinstance(error, BmcRefused)
    assert took_s < 1 + SLACK_S


@needs_ipmitool
def test_a_privilege_refused_after_the_login_leaves_no_session(tmp_path: Path) -> None:
    """pyghmi takes this for no session and leaves it at the BMC; so does a lesser one."""
    with own_bmc(tmp_path, "--late") as peer:
        low, _ = refused(peer.access(USER), read)
        less, _ = refused(peer.access(OPERATOR, privilege="administrator"), read)

        assert peer.sessions() == 0
    assert "may not have the privilege operator" in str(low)
    assert "may not have the privilege administrator" in str(less)


def test_a_right_that_a_command_lacks_is_told(tmp_path: Path) -> None:
    """Some BMCs let operators in and only administrators switch."""
    with own_bmc(tmp_path, "--control", "admin") as peer:
        error, _ = refused(peer.access(OPERATOR), BmcSession.power_off)

        assert isinstance(error, BmcRefused)
        assert "Privilege operator does not suffice. Nothing was changed." in str(error)
        assert peer.machine.power


def test_a_bmc_that_answers_another_suite_is_not_trusted(tmp_path: Path) -> None:
    """pyghmi takes what it proposed for agreed, and fails with a struct.error."""
    with own_bmc(tmp_path, "--stubborn", "--suite", "3") as peer:
        error, _ = refused(peer.access(), read)

        assert isinstance(error, BmcRefused)
        with open_bmc(peer.access(cipher_suite="3")) as session:
            assert session.power() == Power.ON


def test_silence_ends_in_time() -> None:
    """Nobody listens, or nobody answers: the same error within the limit."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        for port in (silent.getsockname()[1], free_port()):
            access = BmcAccess(
                address="127.0.0.1", port=port, user="admin", password="lab", timeout_s=1
            )
            error, took_s = refused(access, read)

            assert isinstance(error, BmcUnreachable)
            assert "It does not answer over UDP. Nothing was changed." in str(error)
            assert took_s < 1 + SLACK_S


# Nobody may send to all, and to these reserved ones there is no way.
@pytest.mark.parametrize("address", ["255.255.255.255", "240.0.0.1", "2001:db8::1"])
def test_an_address_that_nothing_can_be_sent_to_is_told_in_time(address: str) -> None:
    """pyghmi fails with an OSError there, from its own wake-up through loopback."""
    access = BmcAccess(address=address, user="admin", password="lab", timeout_s=1)
    error, took_s = refused(access, read)

    assert isinstance(error, BmcUnreachable)
    assert "Nothing was changed." in str(error)
    assert took_s < 1 + SLACK_S


@pytest.mark.parametrize("name", ["no-such-host.invalid", "999.1.1.1"])
def test_a_name_that_does_not_resolve_is_told(name: str) -> None:
    """Not a socket.gaierror."""
    access = BmcAccess(address=name, user="admin", password="lab", timeout_s=5)
    error, took_s = refused(access, read)

    assert isinstance(error, BmcUnreachable)
    assert f"The name {name} cannot be resolved" in str(error)
    assert took_s < 5 + SLACK_S


def test_a_resolver_that_hangs_does_not_hang_us(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's resolver has no limit of its own."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [][: over.wait(30)])
    access = BmcAccess(address="bmc.example", user="admin", password="lab", timeout_s=1)
    try:
        error, took_s = refused(access, read)
    finally:
        over.set()

    assert "no answer in 1 s" in str(error)
    assert took_s < 1 + SLACK_S


# ---- what can go wrong in between


def test_a_bmc_that_dies_in_a_session_is_told_in_time(tmp_path: Path) -> None:
    """And when it is back, the same object goes on."""
    with own_bmc(tmp_path) as peer, open_bmc(peer.access(timeout_s=4)) as session:
        session.power()
        peer.stop()
        began = time.monotonic()
        with pytest.raises(BmcUnreachable, match="It does not answer over UDP"):
            session.power()
        assert time.monotonic() - began < 4 + SLACK_S

        peer.start()
        assert session.power() == Power.ON


def test_a_bmc_that_restarted_is_logged_in_to_again(tmp_path: Path) -> None:
    """It knows nothing of the session, and does not say so."""
    with own_bmc(tmp_path) as peer, open_bmc(peer.access(timeout_s=6)) as session:
        session.power()
        peer.stop()
        peer.start()
        assert session.power() == Power.ON
        session.set_boot("pxe")


def test_a_bmc_that_pauses_is_waited_for(own: Peer) -> None:
    """A busy BMC is not a dead one."""
    with open_bmc(own.access(timeout_s=8)) as session:
        session.power()
        os.kill(own.process.pid, signal.SIGSTOP)
        wake = threading.Timer(1.5, os.kill, (own.process.pid, signal.SIGCONT))
        wake.start()
        try:
            assert session.power() == Power.ON
        finally:
            wake.join()


def test_lost_packets_are_sent_again(tmp_path: Path) -> None:
    """Every eighth packet is lost, either way; everything works."""
    with own_bmc(tmp_path) as peer, Network(peer.endpoint.port) as network:
        network.lose(lambda way, number: number % 8 == 7)
        with open_bmc(peer.access(port=network.port, timeout_s=60)) as session:
            session.set_boot("pxe", uefi=True)
            session.power_off()
            session.power_on()

        assert peer.machine.boot == ("pxe", False, True)
        assert peer.machine.power


def test_a_reset_without_answer_is_not_repeated_late(own: Peer) -> None:
    """A machine that begins to install must not be reset again; the error says what is known."""
    with (
        Network(own.endpoint.port) as network,
        open_bmc(own.access(port=network.port, timeout_s=6)) as session,
    ):
        session.power()
        # The power state is asked first, which is packet 1.
        network.lose(lambda way, number: way == "back" and number > 1)
        with pytest.raises(BmcUnreachable, match="whether it took the command is not known"):
            session.reset()

    times = [at for at, words in own.machine.orders if words == "reset 1"]
    assert times
    assert times[-1] - times[0] < ipmi.REPEAT_RESET_S + 0.5


@needs_ipmitool
def test_an_idle_session_is_opened_anew(own: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """BMCs forget idle sessions; the old one is closed first."""
    monkeypatch.setattr(ipmi, "IDLE_S", 0.2)
    with open_bmc(own.access()) as session:
        for _ in range(4):
            session.power()
            time.sleep(0.4)
        assert own.sessions() == 1
    assert own.sessions() == 0


def test_a_busy_bmc_is_asked_again(tmp_path: Path) -> None:
    """Completion code C0h: not now."""
    with own_bmc(tmp_path, "--busy", "3") as peer, open_bmc(peer.access()) as session:
        assert session.power() == Power.ON


# ---- what can go wrong after


def test_a_machine_that_ignores_a_shutdown_is_told(bmc: Peer) -> None:
    """The error says that it is still on."""
    bmc.machine.ignored.add("shutdown")
    error, took_s = refused(bmc.access(), lambda session: session.shutdown(timeout_s=1))

    assert isinstance(error, BmcFailed)
    assert "the machine is still on after 1 s" in str(error)
    assert took_s < 1 + SLACK_S


@pytest.mark.parametrize("order", ["power_off", "power_on"])
def test_a_power_state_that_never_changes_is_told(own: Peer, order: str) -> None:
    """Within the power time-out."""
    own.machine.power = order == "power_off"
    own.machine.ignored.add("power")
    error, took_s = refused(own.access(power_timeout_s=1), lambda s: getattr(s, order)())

    assert isinstance(error, BmcFailed)
    assert "the machine is still" in str(error)
    assert took_s < 1 + SLACK_S


def test_a_boot_override_that_is_not_kept_is_told(own: Peer) -> None:
    """The BMC said yes, and shows another device."""
    own.machine.ignored.add("boot")
    error, took_s = refused(own.access(timeout_s=1), lambda session: session.set_boot("pxe"))

    assert isinstance(error, BmcFailed)
    assert "still says default" in str(error)
    assert took_s < 1 + SLACK_S


def test_a_refused_order_is_told(own: Peer) -> None:
    """With the BMC's own code."""
    own.machine.refuses = True
    error, _ = refused(own.access(), BmcSession.power_off)

    assert isinstance(error, BmcFailed)
    assert "0xff" in str(error)
    assert own.machine.power


def test_a_bmc_without_reset_switches_off_and_on(tmp_path: Path) -> None:
    """The machine starts anew all the same."""
    with own_bmc(tmp_path, "--no-reset") as peer:
        with open_bmc(peer.access()) as session:
            session.reset()

        assert peer.machine.told == ["power 0", "power 1"]


def test_waiting_can_be_stopped(own: Peer) -> None:
    """A cancelled run does not wait for a machine."""
    own.machine.ignored.add("shutdown")
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Interrupted), open_bmc(own.access(), stop) as session:
        session.shutdown(timeout_s=60)
    assert time.monotonic() - began < 0.5 + SLACK_S


# ---- sessions, threads and sockets


@needs_ipmitool
def test_no_session_is_left_at_the_bmc(bmc: Peer) -> None:
    """Not after success, nor after an error in the middle."""
    before = bmc.sessions()
    for _ in range(5):
        with open_bmc(bmc.access()) as session:
            session.power()
        with pytest.raises(ValueError, match="floppy"), open_bmc(bmc.access()) as session:
            session.set_boot(Device(session.power() and "floppy"))

    assert before == bmc.sessions() == 0


def test_sessions_that_are_all_in_use_are_told(tmp_path: Path) -> None:
    """And there is one again when another client leaves."""
    with own_bmc(tmp_path, "--sessions", "1") as peer:
        with open_bmc(peer.access()) as first:
            first.power()
            error, _ = refused(peer.access(), read)
            assert isinstance(error, BmcUnreachable)
            assert "All its sessions are in use" in str(error)
        with open_bmc(peer.access()) as second:
            assert second.power() == Power.ON


def test_nothing_is_left_in_the_process(own: Peer) -> None:
    """No thread is started, and no socket stays open, whether it went well or not."""
    threads = threading.active_count()
    files = len(os.listdir("/proc/self/fd"))
    for access in (own.access(), own.access(password="wrong"), own.access(port=free_port())):
        try:
            with open_bmc(access.model_copy(update={"timeout_s": 1.0})) as session:
                session.power()
        except BmcError:
            pass

    assert threads == threading.active_count()
    assert files == len(os.listdir("/proc/self/fd"))


def test_many_threads_may_ask_one_bmc(own: Peer) -> None:
    """Each has a session of its own; pyghmi would give them the same one."""

    def work(_: int) -> Power:
        with open_bmc(own.access()) as session:
            session.set_boot("pxe")
            return session.power()

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, range(12))) == [Power.ON] * 12


@needs_simulator
def test_forty_bmcs_at_once_finish(tmp_path: Path) -> None:
    """None hangs (pyghmi's own locks do from 15 to 30 threads on), and no session is left."""

    def work(access: BmcAccess) -> Power:
        with open_bmc(access) as session:
            session.set_boot("pxe")
            session.reset()
            return session.power()

    with many_simulators(tmp_path, 40) as accesses:
        began = time.monotonic()
        with ThreadPoolExecutor(40) as pool:
            assert list(pool.map(work, accesses)) == [Power.ON] * 40
        assert time.monotonic() - began < 60
        assert [active_sessions(access) for access in accesses[:5]] == [0] * 5


def test_waiting_finds_every_answer_at_once(own: Peer) -> None:
    """pyghmi notices some answers half a second late: 88 s for 200 commands."""
    with open_bmc(own.access()) as session:
        session.power()
        began = time.monotonic()
        for _ in range(100):
            session.power()

    assert time.monotonic() - began < 10


def test_pyghmi_is_the_one_that_was_repaired() -> None:
    """Every private name that is replaced is still there; otherwise a repair is lost."""
    from pyghmi.ipmi.private import session as pyghmi

    names = ["iothread", "iothreadready", "iosockets", "ipv6support", "myself", "_io_wait"]
    methods = [
        *("_initsession", "_got_rmcp_response", "_get_session_challenge", "_timedout"),
        *("_mark_broken", "wait_for_rsp", "raw_command", "send_payload", "onlogon"),
    ]
    source = Path(pyghmi.__file__).read_text()

    assert [n for n in [*names, "_io_graball", "_monotonic_time"] if not hasattr(pyghmi, n)] == []
    assert [m for m in methods if not hasattr(pyghmi.Session, m)] == []
    # All waiting goes through the one function that is replaced.
    assert len(re.findall(r"select\.select\(|\.wait\(\)", source)) == 4
