"""Starting the BMCs of a lab with it: one for each host of the source, and Redfish for all."""

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from lab.bmc.probing import bmc_answers
from lab.bmc.simulator import installed, simulator_command
from lab.bmc.users import ADMIN, Endpoint
from lab.layout import Lab
from lab.metal.starting import metal_home
from lab.output import say
from lab.processes import Processes
from lab.waiting import wait_port, wait_until

BMC_PORT = 14623
REDFISH_PORT = 14443
REDFISH = "redfish"
START_S = 60.0


def bmc_name(host: str) -> str:
    """Return the name of the process that is a host's BMC."""
    return f"bmc-{host}"


def endpoints(lab: Lab) -> Mapping[str, Endpoint]:
    """Return the BMC of every host of the source."""
    base = BMC_PORT + lab.port_offset
    return {
        host: Endpoint(host, base + number, metal_home(lab) / f"{host}.sock")
        for number, host in enumerate(lab.cloud("source").hosts)
    }


def access(lab: Lab, host: str, protocol: str = "ipmi") -> Mapping[str, object]:
    """Return how to reach a host's BMC, in the words of Pumphouse's configuration."""
    words: dict[str, object] = {"address": "127.0.0.1", "protocol": protocol}
    words |= {"user": ADMIN.name, "password": ADMIN.password}
    if protocol == "ipmi":
        return words | {"port": endpoints(lab)[host].port}
    return words | {
        "port": redfish_port(lab),
        "system": host,
        "ca_file": str(bmc_home(lab) / "redfish.pem"),
    }


def redfish_port(lab: Lab) -> int:
    """Return the TCP port of the Redfish service."""
    return REDFISH_PORT + lab.port_offset


def bmc_home(lab: Lab) -> Path:
    """Return the directory of the BMCs' configuration."""
    return lab.run / "bmc"


def bmc_commands(lab: Lab) -> Mapping[str, list[str]]:
    """Return the command of every BMC by the name of its process.

    OpenIPMI's simulator where it is installed; $PUMPHOUSE_LAB_BMC=own asks for our own, which
    also keeps the flags of a boot override.
    """
    own = os.environ.get("PUMPHOUSE_LAB_BMC") == "own" or not installed()
    commands = {
        bmc_name(host): own_command(endpoint)
        if own
        else simulator_command(endpoint, bmc_home(lab) / host)
        for host, endpoint in endpoints(lab).items()
    }
    if find_spec("sushy_tools"):
        commands[REDFISH] = redfish_command(lab)
    return commands


def own_command(endpoint: Endpoint) -> list[str]:
    """Return the command of a BMC of our own make."""
    return [
        *(sys.executable, "-m", "lab.bmc", "--name", endpoint.name),
        *("--port", str(endpoint.port), "--machine", str(endpoint.socket)),
    ]


def redfish_command(lab: Lab) -> list[str]:
    """Return the command of the Redfish service with all hosts."""
    return [
        *(sys.executable, "-m", "lab.bmc.redfish", "--home", str(bmc_home(lab))),
        *("--port", str(redfish_port(lab))),
        *(f"{host}={endpoint.socket}" for host, endpoint in endpoints(lab).items()),
    ]


def bmc_environment() -> dict[str, str]:
    """Return the environment of the BMCs: they find this package wherever they start."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}


def start_bmcs(lab: Lab, processes: Processes) -> None:
    """Start all BMCs; `wait_bmcs` waits for them."""
    bmc_home(lab).mkdir(parents=True, exist_ok=True)
    for name, command in bmc_commands(lab).items():
        processes.start(name, command, bmc_environment())


def wait_bmcs(lab: Lab, processes: Processes) -> None:
    """Wait until all BMCs answer."""
    for host, endpoint in endpoints(lab).items():
        _wait_bmc(endpoint, host, processes)
    if REDFISH in processes.names():
        wait_port(redfish_port(lab), REDFISH, processes.log(REDFISH), START_S)
    else:
        say("no Redfish: sushy-tools is not installed in this Python")


def _wait_bmc(endpoint: Endpoint, host: str, processes: Processes) -> None:
    wait_until(
        lambda: bmc_answers(endpoint.port),
        lambda: f"the BMC of {host} never answered; see {processes.log(bmc_name(host))}",
        START_S,
    )
