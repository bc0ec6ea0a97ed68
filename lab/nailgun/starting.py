"""Starting Fuel with the lab: it installs the lab's machines and deploys to the target."""

import json
import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lab.layout import PASSWORD, Lab
from lab.metal.hardware import hardware_of, meta
from lab.metal.starting import FUEL_PORT
from lab.output import say
from lab.processes import Processes
from lab.waiting import wait_port

FUEL = "fuel"
USER = "admin"
NEEDED = ("starlette", "uvicorn")
SOURCE_TOO = "PUMPHOUSE_LAB_FUEL_SOURCE"
"""Set to anything, it makes the source an environment of Fuel, too."""


def fuel_port(lab: Lab) -> int:
    """Return the port of Fuel, Keystone included."""
    return FUEL_PORT + lab.port_offset


def access(lab: Lab) -> dict[str, str]:
    """Return how to reach Fuel, in the words of Pumphouse's configuration."""
    url = f"http://127.0.0.1:{fuel_port(lab)}"
    return {"url": url, "username": USER, "password": PASSWORD}


def fuel_command(lab: Lab) -> list[str]:
    """Return the command of the stand-in, with what it calls for each machine of the lab."""
    python = shlex.quote(sys.executable)
    where = f"--dir {shlex.quote(str(lab.root))}"
    metal, clouds = f"{python} -m lab.metal {where}", f"{python} -m lab {where}"
    boot = f"{metal} ask {{host}} set boot pxe && {metal} ask {{host}} set reset 1"
    return [
        *(sys.executable, "-m", "lab.nailgun", "--port", str(fuel_port(lab))),
        *("--database", str(fuel_home(lab) / "nailgun.sqlite")),
        *("--user", USER, "--password", PASSWORD),
        *("--hosts", str(fuel_home(lab) / "hosts.json")),
        *("--on-provision", f"{metal} provision {{mac}}"),
        *("--on-deploy", f"{clouds} compute add target {{host}}"),
        *("--on-delete", f"sh -c {shlex.quote(boot)}"),
        *(["--source"] if os.environ.get(SOURCE_TOO) else []),
    ]


def fuel_environment() -> dict[str, str]:
    """Return the environment of the stand-in: it and its commands find this package."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}


def fuel_home(lab: Lab) -> Path:
    """Return the directory of the stand-in's state."""
    return lab.run / FUEL


def start_fuel(lab: Lab, processes: Processes) -> None:
    """Start the stand-in unless it runs, and wait until it listens.

    It is no part of the standard library alone: without its packages the lab goes on.
    """
    lacking = [name for name in NEEDED if find_spec(name) is None]
    if lacking:
        say(f"there is no Fuel, for {sys.executable} has no {', '.join(lacking)}")
        return
    home = fuel_home(lab)
    home.mkdir(parents=True, exist_ok=True)
    (home / "hosts.json").write_text(json.dumps(_reports(lab)))
    if not processes.leader(FUEL):
        processes.start(FUEL, fuel_command(lab), fuel_environment())
    wait_port(fuel_port(lab), "Fuel", processes.log(FUEL))


def _reports(lab: Lab) -> dict[str, dict[str, Any]]:
    """Return what the agent of each of the source's hosts sends, by host."""
    reports = {}
    for number, host in enumerate(lab.cloud("source").hosts):
        hardware = hardware_of(host, number)
        reports[host] = {
            "mac": hardware.macs[0],
            "ip": hardware.ip,
            "status": "discover",
            "os_platform": "ubuntu",
            "meta": meta(hardware, host),
        }
    return reports
