"""A switch for tests: a real OpenSSH server beside a real Linux bridge, in network namespaces."""

import getpass
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pumphouse.switches import SwitchAccess

SSHD = Path("/usr/sbin/sshd")
START_S = 20.0
CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/sshd.pid
PasswordAuthentication no
KbdInteractiveAuthentication no
PubkeyAuthentication yes
PermitRootLogin yes
StrictModes no
UsePAM no
PrintMotd no
ForceCommand {shell}
"""


def run(*words: str) -> str:
    """Return what a command prints; fail with what it says."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}{done.stdout}"
    return done.stdout


@dataclass
class Switch:
    """
    A bridge in a namespace of its own, and the SSH server that leads into it.

    Attributes:
        space: Its network namespace.
    """

    folder: Path
    space: str
    port: int

    def access(self, **changes: Any) -> SwitchAccess:
        """Return how to reach it."""
        values = {
            "address": "127.0.0.1",
            "port": self.port,
            "user": getpass.getuser(),
            "key_file": str(self.folder / "key"),
            "known_hosts": str(self.folder / "known_hosts"),
            "timeout_s": 20,
        }
        return SwitchAccess(**{**values, **changes})

    def ip(self, *words: str) -> str:
        """Run ``ip`` in the namespace."""
        return run("ip", "-n", self.space, *words)

    def bridge(self, *words: str) -> str:
        """Run ``bridge`` in the namespace."""
        return run("bridge", "-n", self.space, *words)

    def plug(self, port: str, master: str) -> None:
        """Give the bridge *master* a port with something plugged in."""
        self.ip("link", "add", port, "type", "veth", "peer", "name", f"{port}-peer")
        self.ip("link", "set", port, "master", master)
        for name in (port, f"{port}-peer"):
            self.ip("link", "set", name, "up")


@contextmanager
def switch(folder: Path) -> Iterator[Switch]:
    """Yield a switch without bridges; skip where none can be made."""
    if not SSHD.exists():
        pytest.skip("there is no sshd: install openssh-server")
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    made = Switch(folder, f"ph-switch-{os.getpid()}-{time.monotonic_ns() % 10**6}", _free_port())
    with ExitStack() as stack:
        run("ip", "netns", "add", made.space)
        stack.callback(run, "ip", "netns", "delete", made.space)
        stack.enter_context(_ssh(made))
        yield made


def filtering_bridge(made: Switch, name: str) -> None:
    """Give the switch a bridge that knows VLANs; skip where the kernel has none."""
    words = ["ip", "-n", made.space, "link", "add", name, "type", "bridge"]
    done = subprocess.run([*words, "vlan_filtering", "1"], capture_output=True, text=True)
    if "not supported" in done.stderr:
        pytest.skip("this kernel's bridges know no VLANs (CONFIG_BRIDGE_VLAN_FILTERING)")
    assert done.returncode == 0, done.stderr
    made.ip("link", "set", name, "up")


@contextmanager
def _ssh(made: Switch) -> Iterator[None]:
    folder = made.folder
    for name in ("host_key", "key"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    (folder / "authorized_keys").write_text((folder / "key.pub").read_text())
    kind, key, *_ = (folder / "host_key.pub").read_text().split()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{made.port} {kind} {key}\n")
    # Whoever logs in is in the switch, as on a real one.
    shell = f"/usr/sbin/ip netns exec {made.space} /bin/bash --norc --noprofile -i"
    config = folder / "sshd_config"
    config.write_text(CONFIG.format(port=made.port, folder=folder, shell=shell))
    # Privilege separation wants its folder, which Debian's unit makes.
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    log = (folder / "sshd.log").open("wb")
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", config], stdout=log, stderr=log)
    log.close()
    try:
        end = time.monotonic() + START_S
        while not _listens(made.port):
            assert process.poll() is None, (folder / "sshd.log").read_text()
            assert time.monotonic() < end, "sshd does not listen"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
