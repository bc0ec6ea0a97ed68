"""BMCs for tests: the lab's, each before a machine of the test; a network that loses packets."""

import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

from lab.bmc.probing import bmc_answers
from lab.bmc.simulator import simulator_command
from lab.bmc.users import ADMIN, Endpoint, User
from pumphouse.bmc import BmcAccess
from tests.machines import Machine, machine

START_S = 60.0
QUIET: Any = {name: subprocess.DEVNULL for name in ("stdin", "stdout", "stderr")}
TIMEOUT_S = 30.0
ROOT = Path(__file__).parent.parent


@dataclass
class Peer:
    """One BMC: its process, its port and the machine behind it."""

    endpoint: Endpoint
    machine: Machine
    command: Sequence[str]
    folder: Path
    cwd: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Start the BMC, and return when it answers."""
        log = (self.folder / f"{self.endpoint.name}.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                self.command, cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        end = time.monotonic() + START_S
        while not bmc_answers(self.endpoint.port):
            assert self.process.poll() is None, f"the BMC ended with {self.process.returncode}"
            assert time.monotonic() < end, "the BMC never answered"

    def stop(self) -> None:
        """Kill the BMC: it says goodbye to nobody."""
        self.process.kill()
        self.process.wait()

    def access(self, by: User = ADMIN, **changes: Any) -> BmcAccess:
        """Return how to reach it; *changes* are fields of the access."""
        given = {
            "address": "127.0.0.1",
            "port": self.endpoint.port,
            "user": by.name,
            "password": by.password,
            "timeout_s": TIMEOUT_S,
            "power_timeout_s": TIMEOUT_S,
        }
        return BmcAccess(**{**given, **changes})

    def ipmitool(self, *words: str) -> str:
        """Return what ipmitool prints, which is the judge of what we set and read."""
        done = subprocess.run(
            [*ipmitool(self.access()), *words], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sessions(self) -> int:
        """Return how many sessions the BMC has, without the one that asks."""
        return active_sessions(self.access())


def ipmitool(access: BmcAccess) -> list[str]:
    """Return how ipmitool is called for a BMC: it tries once a second, as often as we would."""
    secret = access.password.get_secret_value()
    return [
        *("ipmitool", "-I", "lanplus", "-C", "3", "-H", access.address),
        *("-p", str(access.port), "-U", access.user, "-P", secret),
    ]


def active_sessions(access: BmcAccess) -> int:
    """Return how many sessions a BMC has by its own count, without the one that asks."""
    words = [*ipmitool(access), "raw", "6", "0x3d", "0"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    return int(done.stdout.split()[2], 16) - 1


@contextmanager
def own_bmc(folder: Path, *nature: str) -> Iterator[Peer]:
    """Yield a BMC of the lab's own make; *nature* are options of ``python -m lab.bmc``."""

    def command(endpoint: Endpoint) -> Sequence[str]:
        place = ["--port", str(endpoint.port), "--machine", str(endpoint.socket)]
        return [sys.executable, "-m", "lab.bmc", *place, *nature]

    with _peer(folder, "own", command, ROOT) as peer:
        yield peer


@contextmanager
def simulator(folder: Path) -> Iterator[Peer]:
    """Yield OpenIPMI's simulator."""
    home = folder / "simulator"
    with _peer(folder, "sim", lambda at: simulator_command(at, home), folder) as peer:
        yield peer


# A machine that is always on and boots from the network: no process of ours is asked.
ALWAYS_ON = """\
#!/bin/sh
[ "$2" = get ] || exit 0
shift 2
for name; do
  case $name in power) echo power:1 ;; boot) echo boot:pxe ;; *) echo "$name:0" ;; esac
done
"""


@contextmanager
def many_simulators(folder: Path, number: int) -> Iterator[list[BmcAccess]]:
    """Yield the access to *number* of OpenIPMI's simulators, each a process."""
    chassis = folder / "chassis.sh"
    chassis.write_text(ALWAYS_ON)
    chassis.chmod(0o755)
    with ExitStack() as stack:
        ports = []
        for name in map(str, range(number)):
            endpoint = Endpoint(name, free_port(), folder / "none.sock")
            command = simulator_command(endpoint, folder / name, [str(chassis)])
            process = subprocess.Popen(command, cwd=folder, **QUIET)
            stack.callback(process.wait)
            stack.callback(process.kill)
            ports.append(endpoint.port)
        end = time.monotonic() + START_S
        while not all(bmc_answers(port) for port in ports):
            assert time.monotonic() < end, "some BMC never answered"
        common = {"user": ADMIN.name, "password": ADMIN.password, "timeout_s": 30}
        yield [BmcAccess(address="127.0.0.1", port=port, **common) for port in ports]


@contextmanager
def _peer(
    folder: Path, name: str, command: Callable[[Endpoint], Sequence[str]], cwd: Path
) -> Iterator[Peer]:
    endpoint = Endpoint(name, free_port(), folder / f"{name}.sock")
    with ExitStack() as stack:
        behind = stack.enter_context(machine(endpoint.socket))
        peer = Peer(endpoint, behind, command(endpoint), folder, cwd)
        peer.start()
        stack.callback(peer.stop)
        yield peer


def free_port() -> int:
    """Return a UDP port of loopback that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Network:
    """
    A relay of UDP packets to a BMC.

    Attributes:
        loses: Called with the direction (``there`` or ``back``) and the packet's number in it,
            counted from when it was set; true loses the packet.
    """

    def __init__(self, port: int) -> None:
        self._bmc = ("127.0.0.1", port)
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind(("127.0.0.1", 0))
        self.port = int(self._front.getsockname()[1])
        self._back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._client: Any = None
        self._over = Event()
        self.lose(lambda way, number: False)

    def lose(self, loses: Callable[[str, int], bool]) -> None:
        """Lose packets as *loses* says, from now on."""
        self._counts = {"there": 0, "back": 0}
        self._loses = loses

    def __enter__(self) -> "Network":
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._front.close()
        self._back.close()

    def _run(self) -> None:
        while not self._over.is_set():
            for ready in select.select([self._front, self._back], [], [], 0.05)[0]:
                packet, sender = ready.recvfrom(4096)
                if ready is self._front:
                    self._client = sender
                    self._pass("there", self._back, packet, self._bmc)
                else:
                    self._pass("back", self._front, packet, self._client)

    def _pass(self, way: str, out: socket.socket, packet: bytes, to: Any) -> None:
        self._counts[way] += 1
        if not self._loses(way, self._counts[way]):
            out.sendto(packet, to)
