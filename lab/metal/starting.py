"""Starting the machines of a lab with it."""

import os
import sys
from pathlib import Path

from lab.layout import Lab
from lab.metal.guests import missing_packages
from lab.output import say
from lab.processes import Processes
from lab.waiting import wait_until

METAL = "metal"
METAL_PORT = 14900
FUEL_PORT = 14800
START_S = 120.0


def metal_home(lab: Lab) -> Path:
    """Return the directory of the machines' sockets, state and consoles."""
    return lab.run / METAL


def metal_port(lab: Lab) -> int:
    """Return the port of the server that QEMU machines boot from."""
    return METAL_PORT + lab.port_offset


def fuel_url(lab: Lab) -> str:
    """Return the URL of the Fuel that machines report to; $PUMPHOUSE_LAB_FUEL_URL overrides."""
    given = os.environ.get("PUMPHOUSE_LAB_FUEL_URL")
    return given or f"http://127.0.0.1:{FUEL_PORT + lab.port_offset}"


def kinds(lab: Lab) -> dict[str, str]:
    """Return the kind of each of the source's hosts; the last is QEMU's where it can be.

    $PUMPHOUSE_LAB_QEMU names other hosts, or none when it is empty.
    """
    hosts = lab.cloud("source").hosts
    asked = os.environ.get("PUMPHOUSE_LAB_QEMU", hosts[-1]).replace(",", " ").split()
    missing = missing_packages()
    if asked and missing:
        say(f"no machine is emulated by QEMU: {', '.join(missing)} not installed")
        asked = []
    return {host: "qemu" if host in asked else "light" for host in hosts}


def metal_command(lab: Lab) -> list[str]:
    """Return the command of the daemon."""
    return [
        *(sys.executable, "-m", "lab.metal", "serve"),
        *("--home", str(metal_home(lab)), "--cache", str(lab.root / "metal")),
        *("--port", str(metal_port(lab)), "--fuel", fuel_url(lab)),
        *(word for host, kind in kinds(lab).items() for word in ("--host", f"{host}={kind}")),
    ]


def metal_environment() -> dict[str, str]:
    """Return the environment of the daemon: it finds this package wherever it starts."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}


def start_metal(lab: Lab, processes: Processes) -> None:
    """Start the daemon and wait until every machine has its socket."""
    processes.start(METAL, metal_command(lab), metal_environment())
    sockets = [metal_home(lab) / f"{host}.sock" for host in lab.cloud("source").hosts]
    wait_until(
        lambda: all(socket.exists() for socket in sockets) or not processes.leader(METAL),
        lambda: f"the machines never had their sockets; see {processes.log(METAL)}",
        START_S,
    )
