"""Starting the machines of a lab with it."""

import os
import sys
from pathlib import Path

from lab.errors import LabError
from lab.layout import Lab
from lab.metal.images import boot_files
from lab.output import say
from lab.packages import QEMU_PACKAGES, missing
from lab.processes import Processes
from lab.waiting import wait_until

METAL = "metal"
METAL_PORT = 14900
FUEL_PORT = 14800
START_S = 120.0


def metal_home(lab: Lab) -> Path:
    """Return the directory of the machines' sockets, state and consoles."""
    return lab.run / METAL


def metal_cache(lab: Lab) -> Path:
    """Return the directory of the bootstrap image, which outlives `down --wipe`."""
    return lab.root / METAL


def metal_port(lab: Lab) -> int:
    """Return the port of the server that QEMU machines boot from."""
    return METAL_PORT + lab.port_offset


def fuel_url(lab: Lab) -> str:
    """Return the URL of the Fuel that machines report to; $PUMPHOUSE_LAB_FUEL_URL overrides."""
    given = os.environ.get("PUMPHOUSE_LAB_FUEL_URL")
    return given or f"http://127.0.0.1:{FUEL_PORT + lab.port_offset}"


def wanted_guests(lab: Lab) -> list[str]:
    """Return the hosts that QEMU shall emulate: the source's last one.

    $PUMPHOUSE_LAB_QEMU names others, or none when it is empty.
    """
    given = os.environ.get("PUMPHOUSE_LAB_QEMU", lab.cloud("source").hosts[-1])
    return given.replace(",", " ").split()


def kinds(lab: Lab) -> dict[str, str]:
    """Return the kind of each of the source's hosts; say why none is QEMU's."""
    hosts, guests = lab.cloud("source").hosts, wanted_guests(lab)
    lacking = missing(QEMU_PACKAGES)
    if guests and lacking:
        say(f"no machine is emulated by QEMU: {', '.join(lacking)} not installed")
        guests = []
    return {host: "qemu" if host in guests else "light" for host in hosts}


def metal_command(lab: Lab) -> list[str]:
    """Return the command of the daemon."""
    hosts = kinds(lab)
    if "qemu" in hosts.values() and not _image_is_made(lab):
        hosts = dict.fromkeys(hosts, "light")
    return [
        *(sys.executable, "-m", "lab.metal", "serve"),
        *("--home", str(metal_home(lab)), "--cache", str(metal_cache(lab))),
        *("--port", str(metal_port(lab)), "--fuel", fuel_url(lab)),
        *("--on-change", f"{sys.executable} -m lab.metal --dir {lab.root} follow"),
        *(word for host, kind in hosts.items() for word in ("--host", f"{host}={kind}")),
    ]


def metal_environment() -> dict[str, str]:
    """Return the environment of the daemon: it finds this package wherever it starts."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}


def start_metal(lab: Lab, processes: Processes) -> None:
    """Start the daemon unless it runs, and wait until every machine has its socket."""
    sockets = [metal_home(lab) / f"{host}.sock" for host in lab.cloud("source").hosts]
    if not processes.leader(METAL):
        for socket in sockets:
            socket.unlink(missing_ok=True)
        processes.start(METAL, metal_command(lab), metal_environment())
    wait_until(
        lambda: all(socket.exists() for socket in sockets) or not processes.leader(METAL),
        lambda: f"the machines never had their sockets; see {processes.log(METAL)}",
        START_S,
    )
    if not processes.leader(METAL):
        raise LabError(f"the machines' daemon ended at once; see {processes.log(METAL)}")


def _image_is_made(lab: Lab) -> bool:
    """Make the bootstrap image, which the first time takes a download of 27 MB."""
    try:
        boot_files(metal_cache(lab))
    except LabError as error:
        say(f"no machine is emulated by QEMU, for there is no bootstrap image: {error}")
        return False
    return True
