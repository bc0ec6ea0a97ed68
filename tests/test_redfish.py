"""Redfish over real HTTPS, against sushy-tools' emulator, on machines of the test and its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from lab.bmc.certificates import make_certificate
from lab.bmc.redfish import SESSIONS
from lab.bmc.users import ADMIN
from lab.waiting import listens
from pumphouse.bmc import BmcAccess, BootDevice, Device, Power
from pumphouse.errors import BmcError, BmcFailed, BmcRefused, BmcUnreachable
from pumphouse.tasks.bmc import BmcSession, open_bmc
from tests.bmcs import ROOT
from tests.machines import Machine, machine

pytestmark = pytest.mark.hosts

START_S = 60.0
SLACK_S = 5.0


@dataclass
class Service:
    """A Redfish service, the machine behind its system, and where it is."""

    port: int
    folder: Path
    machine: Machine
    process: subprocess.Popen[bytes]

    def access(self, **changes: Any) -> BmcAccess:
        """Return how to reach it; *changes* are fields of the access."""
        given = {
            "protocol": "redfish",
            "address": "127.0.0.1",
            "port": self.port,
            "user": ADMIN.name,
            "password": ADMIN.password,
            "system": "one",
            "ca_file": str(self.folder / "redfish.pem"),
            "power_timeout_s": 30,
        }
        return BmcAccess(**{**given, **changes})

    def stop(self) -> None:
        """Kill the service: it says goodbye to nobody."""
        self.process.kill()
        self.process.wait()

    def sessions(self) -> list[str]:
        """Return the paths of all sessions that the BMC has."""
        members = self._call("GET", SESSIONS).json()["Members"]
        return [member["@odata.id"] for member in members]

    def end_sessions(self) -> None:
        """Let the BMC forget all sessions, as after half an hour."""
        for path in self.sessions():
            self._call("DELETE", path)

    def _call(self, method: str, path: str) -> requests.Response:
        return requests.request(
            method,
            f"https://127.0.0.1:{self.port}{path}",
            auth=(ADMIN.name, ADMIN.password),
            verify=str(self.folder / "redfish.pem"),
            timeout=30,
        )


@contextmanager
def service(folder: Path, *nature: str) -> Iterator[Service]:
    """Yield the emulator with two systems; *nature* are options of `lab.bmc.redfish`."""
    port = free_port()
    with ExitStack() as stack:
        behind = stack.enter_context(machine(folder / "one.sock"))
        process = stack.enter_context(
            emulator(
                folder,
                port,
                *("-m", "lab.bmc.redfish", "--home", str(folder), "--port", str(port), *nature),
                *(f"one={behind.socket}", f"two={behind.socket}"),
            )
        )
        yield Service(port, folder, behind, process)


@contextmanager
def emulator(folder: Path, port: int, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program of Python's that listens on *port*, until the end of the block."""
    with (folder / "service.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=log, stderr=log)
    try:
        end = time.monotonic() + START_S
        while not listens(port):
            assert process.poll() is None, (folder / "service.log").read_text()
            assert time.monotonic() < end, "the service never listened"
            time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def as_it_comes(folder: Path) -> Iterator[BmcAccess]:
    """Run the emulator without a line of ours before it; yield the access to its one machine."""
    port = free_port()
    certificate, key = folder / "redfish.pem", folder / "redfish.key"
    make_certificate(certificate, key)
    # It keeps its systems in a folder of all users else, as its last run left them.
    settings = folder / "emulator.conf"
    settings.write_text(f"SUSHY_EMULATOR_STATE_DIR = {str(folder)!r}\n")
    words = ["-m", "sushy_tools.emulator.main", "--fake", "-i", "127.0.0.1", "-p", str(port)]
    words += ["--ssl-certificate", str(certificate), "--ssl-key", str(key)]
    with emulator(folder, port, *words, "--config", str(settings)):
        yield BmcAccess(
            protocol="redfish",
            address="127.0.0.1",
            port=port,
            user="any",
            password="any",
            ca_file=str(certificate),
        )


def free_port() -> int:
    """Return a TCP port of loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Give one service to all tests that leave it as it was."""
    with service(tmp_path_factory.mktemp("redfish")) as found:
        yield found


@pytest.fixture
def bmc(shared: Service) -> Service:
    """Give the service with its machine as new."""
    shared.machine.power, shared.machine.boot = True, ("default", False, False)
    shared.machine.orders.clear()
    shared.machine.ignored.clear()
    return shared


def refused(access: BmcAccess, work: Callable[[BmcSession], Any]) -> tuple[BmcError, float]:
    """Return the error of *work*, and the seconds it took."""
    began = time.monotonic()
    with pytest.raises(BmcError) as caught, open_bmc(access) as session:
        work(session)
    return caught.value, time.monotonic() - began


# ---- what it can do


def test_power_is_switched_and_read(bmc: Service) -> None:
    """Each change is there when the call returns, and what is so already is not ordered."""
    with open_bmc(bmc.access()) as session:
        session.power_on()
        session.power_off()
        session.power_off()
        assert session.power() == Power.OFF
        session.reset()
        session.reset()
        session.shutdown()
        assert session.power() == Power.OFF

    assert bmc.machine.told == ["power 0", "power 1", "reset 1", "shutdown 1"]


@pytest.mark.parametrize("uefi", [False, True], ids=["legacy", "uefi"])
@pytest.mark.parametrize("persistent", [False, True], ids=["once", "always"])
def test_boot_overrides_are_read_as_they_were_set(
    bmc: Service, persistent: bool, uefi: bool
) -> None:
    """Device, one-shot or persistent, legacy or UEFI: all of it comes back."""
    with open_bmc(bmc.access()) as session:
        wanted = session.set_boot("pxe", persistent, uefi)

        assert wanted == session.boot_device()
        assert bmc.machine.boot == ("pxe", persistent, uefi)

        session.set_boot("default")
        assert session.boot_device() == BootDevice(device=Device.DEFAULT)


def test_a_late_bmc_is_waited_for(tmp_path: Path) -> None:
    """Power follows a second and a half later, and boot overrides are told late."""
    nature = ("--power-delay", "1.5", "--stale", "1.5")
    with service(tmp_path, *nature) as late, open_bmc(late.access()) as session:
        wanted = session.set_boot("pxe")
        assert wanted == session.boot_device()
        session.power_off()
        assert not late.machine.power


def test_a_boot_override_that_stays_stale_is_told(tmp_path: Path) -> None:
    """The error says what the BMC tells, and that it took the order."""
    with service(tmp_path, "--stale", "60") as stale:
        error, took_s = refused(stale.access(timeout_s=2), lambda s: s.set_boot("pxe"))

    assert isinstance(error, BmcFailed)
    assert "It took that, and still says default after 2 s" in str(error)
    assert took_s < 2 + SLACK_S


def test_a_bmc_without_reset_switches_off_and_on(tmp_path: Path) -> None:
    """The machine starts anew all the same."""
    with service(tmp_path, "--refuse", "ForceRestart") as lacking:
        with open_bmc(lacking.access()) as session:
            session.reset()

        assert lacking.machine.told == ["power 0", "power 1"]


def test_the_emulator_as_it_comes(tmp_path: Path) -> None:
    """Without a line of ours before it: no sessions, one system, power up to 11 s late."""
    with as_it_comes(tmp_path) as access, open_bmc(access) as session:
        assert session.power() == Power.OFF
        # It takes every override for a persistent one, and is a UEFI machine.
        wanted = session.set_boot("pxe", persistent=True, uefi=True)
        assert wanted == session.boot_device()
        session.power_on()
        assert session.power() == Power.ON


def test_one_start_that_becomes_every_start_is_told(tmp_path: Path) -> None:
    """A host that boots from the network for ever would never run what was installed."""
    with as_it_comes(tmp_path) as access:
        slow = access.model_copy(update={"timeout_s": 2.0})
        error, _ = refused(slow, lambda s: s.set_boot("pxe", uefi=True))

    assert isinstance(error, BmcFailed)
    assert "still says pxe at every start (UEFI)" in str(error)


# ---- what can go wrong


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"user": "nobody"}], ids=str)
def test_a_refused_login_is_told(bmc: Service, wrong: Any) -> None:
    """One clear error, without the password."""
    error, _ = refused(bmc.access(**wrong), BmcSession.power)

    assert isinstance(error, BmcRefused)
    assert "It does not accept the user and password" in str(error)
    assert "wrong" not in str(error)


def test_a_certificate_of_nobody_is_refused(bmc: Service) -> None:
    """Unless the configuration says not to look."""
    error, _ = refused(bmc.access(ca_file=""), BmcSession.power)

    assert isinstance(error, BmcRefused)
    assert "Its certificate is not signed by an authority that is trusted here" in str(error)
    with open_bmc(bmc.access(ca_file="", verify_tls=False)) as session:
        assert session.power() == Power.ON


def test_a_missing_ca_file_is_named(bmc: Service) -> None:
    """Nothing was asked."""
    error, _ = refused(bmc.access(ca_file="/nowhere/ca.pem"), BmcSession.power)

    assert isinstance(error, BmcRefused)
    assert "The CA file /nowhere/ca.pem cannot be used" in str(error)


@pytest.mark.parametrize(
    ("system", "words"), [("three", "It has no system three"), ("", "It has several systems")]
)
def test_a_system_must_be_clear(bmc: Service, system: str, words: str) -> None:
    """The error names the key that settles it."""
    error, _ = refused(bmc.access(system=system), BmcSession.power)

    assert isinstance(error, BmcRefused)
    assert words in str(error)


def test_silence_ends_in_time() -> None:
    """Nobody listens, or somebody listens and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (silent.getsockname()[1], free_port()):
            access = BmcAccess(
                protocol="redfish",
                address="127.0.0.1",
                port=port,
                user="admin",
                password="lab",
                timeout_s=1,
            )
            error, took_s = refused(access, BmcSession.power)

            assert isinstance(error, BmcUnreachable)
            assert "It does not answer over HTTPS" in str(error)
            assert took_s < 1 + SLACK_S


def test_a_name_that_does_not_resolve_is_told(bmc: Service) -> None:
    """As with IPMI."""
    error, _ = refused(bmc.access(address="no-such-host.invalid"), BmcSession.power)

    assert isinstance(error, BmcUnreachable)
    assert "cannot be resolved" in str(error)


def test_a_bmc_that_dies_in_a_session_is_told_in_time(tmp_path: Path) -> None:
    """Within the limit, in the same words."""
    with service(tmp_path) as dying, open_bmc(dying.access(timeout_s=3)) as session:
        session.power()
        dying.stop()
        began = time.monotonic()
        with pytest.raises(BmcUnreachable):
            session.power()
        assert time.monotonic() - began < 3 + SLACK_S


def test_a_machine_that_ignores_a_shutdown_is_told(bmc: Service) -> None:
    """The error says that it is still on."""
    bmc.machine.ignored.add("shutdown")
    error, _ = refused(bmc.access(), lambda session: session.shutdown(timeout_s=1))

    assert isinstance(error, BmcFailed)
    assert "the machine is still on after 1 s" in str(error)


# ---- sessions


def test_no_session_is_left_at_the_bmc(bmc: Service) -> None:
    """Not after success, nor after an error in the middle."""
    with open_bmc(bmc.access()) as session:
        session.power()
        assert len(bmc.sessions()) == 1
    refused(bmc.access(system="three"), BmcSession.power)
    with pytest.raises(ValueError, match="floppy"), open_bmc(bmc.access()) as session:
        session.set_boot(session.power() and "floppy")

    assert bmc.sessions() == []


def test_a_session_that_the_bmc_forgot_is_opened_anew(bmc: Service) -> None:
    """In the middle of a long wait, for example."""
    with open_bmc(bmc.access()) as session:
        session.power()
        bmc.end_sessions()
        assert session.power() == Power.ON

    assert bmc.sessions() == []


def test_no_connection_is_left_in_the_process(bmc: Service) -> None:
    """Whether it went well or not."""
    files = len(os.listdir("/proc/self/fd"))
    with open_bmc(bmc.access()) as session:
        session.power()
    refused(bmc.access(password="wrong"), BmcSession.power)

    assert files == len(os.listdir("/proc/self/fd"))
