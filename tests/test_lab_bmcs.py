"""The lab's BMCs as `lab up` starts them, before the lab's machines; no cloud is needed."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bmc.starting import (
    REDFISH,
    access,
    bmc_name,
    endpoints,
    redfish_port,
    start_bmcs,
    wait_bmcs,
)
from lab.layout import Lab
from lab.metal.protocol import ask
from lab.metal.starting import metal_home, start_metal
from lab.processes import Processes
from lab.releases import find_release
from lab.waiting import listens
from pumphouse.bmc import BmcAccess, BootDevice, Device, Power
from pumphouse.errors import BmcFailed
from pumphouse.tasks.bmc import open_bmc

pytestmark = pytest.mark.hosts

HOST = "source-cmp1"
NONE = BootDevice(device=Device.DEFAULT)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Give a lab of machines and BMCs only, on ports of its own."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PUMPHOUSE_LAB_QEMU", "")
    made = Lab(tmp_path_factory.mktemp("lab"), find_release("zed"), find_release("2026.2"))
    while listens(redfish_port(made)) or not made.port_offset:
        offset = random.randrange(3000, 9000, 10)
        made = Lab(made.root, made.source, made.target, offset)
    made.run.mkdir()
    processes = Processes(made.run)
    try:
        start_metal(made, processes)
        start_bmcs(made, processes)
        wait_bmcs(made, processes)
        yield made
    finally:
        processes.stop(processes.names())
        patch.undo()


def test_every_host_of_the_source_has_a_bmc(lab: Lab) -> None:
    """A process each, and one Redfish service for all."""
    assert tuple(endpoints(lab)) == lab.cloud("source").hosts
    expected = {bmc_name(host) for host in endpoints(lab)} | {REDFISH}
    assert expected <= set(Processes(lab.run).names())


@pytest.mark.parametrize("protocol", ["ipmi", "redfish"])
def test_a_one_shot_override_is_used_up_by_the_machine(lab: Lab, protocol: str) -> None:
    """Set, used by the reset, and gone; the machine went to the network."""
    with open_bmc(BmcAccess.model_validate(access(lab, HOST, protocol))) as session:
        session.power_off()
        session.set_boot("pxe")
        assert _machine(lab, "get boot").startswith("boot:pxe persistent:0")
        session.reset()
        assert session.power() == Power.ON
        assert session.boot_device() == NONE
    assert _machine(lab, "get boot").startswith("boot:default")


def test_redfish_keeps_a_persistent_override(lab: Lab) -> None:
    """It outlives a start, until it is taken away."""
    with open_bmc(BmcAccess.model_validate(access(lab, HOST, "redfish"))) as session:
        wanted = session.set_boot("disk", persistent=True, uefi=True)
        session.reset()
        assert session.boot_device() == wanted
        session.set_boot("default")
        assert session.boot_device() == NONE


def test_a_machine_that_does_not_follow_is_no_success(lab: Lab) -> None:
    """The machine's own faults come through as errors of the BMC."""
    given = {**access(lab, HOST), "timeout_s": 5, "power_timeout_s": 1}
    _machine(lab, "set fault ignores-off")
    try:
        with (
            open_bmc(BmcAccess.model_validate(given)) as session,
            pytest.raises(BmcFailed, match="the machine is still on after 1 s"),
        ):
            session.power_off()
    finally:
        _machine(lab, "set fault none")


def _machine(lab: Lab, line: str) -> str:
    return ask(_socket(lab), line)


def _socket(lab: Lab) -> Path:
    return metal_home(lab) / f"{HOST}.sock"
