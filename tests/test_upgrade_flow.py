"""The upgrade of one host through Prefect, against Fuel's stand-in and a real BMC."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from pumphouse.blocks.bmc import Bmc
from pumphouse.blocks.site import Site
from pumphouse.bmc import BmcAccess
from pumphouse.config import bmc_block
from pumphouse.errors import Refused, UpgradeFailed
from pumphouse.flows.return_host import return_host
from pumphouse.flows.upgrade_host import upgrade_host
from pumphouse.upgrade_facts import VERIFIED
from tests.rack import HOST, MACS, SITE, Rack, standing
from tests.test_redfish import emulator, free_port

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Rack]:
    """A host that is empty and in maintenance."""
    with standing(tmp_path) as found:
        found.save(tmp_path)
        yield found


def test_a_host_of_the_source_becomes_one_of_the_target(rack: Rack) -> None:
    """One reset, one node, one role; enabled there, gone here. A second run does nothing."""
    done = upgrade_host(host=HOST, site=SITE)

    node = rack.node()
    assert done.state == "It is a compute node of the target; nothing is left to do."
    assert done.found == ("evacuate",)
    assert rack.bmc.machine.told == ["boot pxe", "reset 1"]
    assert (node.status, node.roles, node.name, node.hostname) == (
        "ready",
        ("compute",),
        HOST,
        HOST,
    )
    assert VERIFIED in node.labels
    assert rack.target.services[HOST]["status"] == "enabled"
    assert HOST not in rack.source.services
    calls = rack.fuel.calls()
    assert sum("/provision/" in call for call in calls) == 1
    assert sum("/deploy/" in call for call in calls) == 1
    assert not any("/changes" in call for call in calls)

    again = upgrade_host(host=HOST, site=SITE)

    assert again.done == ()
    assert rack.resets == 1


def test_objections_come_before_anything_is_touched(rack: Rack, tmp_path: Path) -> None:
    """All at once, and Fuel, BMC and clouds are as before."""
    rack.save(tmp_path, model_node="nobody", aggregates=["gold"])

    with pytest.raises(Refused) as caught:
        upgrade_host(host=HOST, site=SITE)

    said = " ".join(caught.value.reasons)
    assert "No node is called 'nobody'" in said
    assert "no aggregate gold" in said
    assert rack.bmc.machine.told == []
    assert rack.node() is None


def test_a_dry_run_changes_nothing(rack: Rack) -> None:
    """It reads, and says where the host is."""
    done = upgrade_host(host=HOST, dry_run=True, site=SITE)

    assert done.done == ()
    assert rack.bmc.machine.told == []
    assert rack.source.fake.sent("PUT") == rack.target.fake.sent("PUT") == []


def test_a_failed_provisioning_says_where_the_host_is_and_goes_on(
    rack: Rack, tmp_path: Path
) -> None:
    """The next run provisions anew, without a second reset."""
    rack.save(tmp_path, retries={"provision": 0})
    rack.fuel.fault("provision_error", mac=MACS[0])

    with pytest.raises(UpgradeFailed) as caught:
        upgrade_host(host=HOST, site=SITE)

    assert caught.value.step == "provision"
    assert f"Forward: pumphouse upgrade-host {HOST}" in str(caught.value)
    assert upgrade_host(host=HOST, site=SITE).done[0] == "provision"
    assert rack.resets == 1


def test_a_host_is_brought_back_from_bootstrap(rack: Rack, tmp_path: Path) -> None:
    """Out of Fuel's environment, booted from its disk, enabled as it was."""
    rack.save(tmp_path, retries={"assign": 0}, strategy="fixed", fixed={"disks": {"sdz": {}}})
    with pytest.raises(UpgradeFailed) as caught:
        upgrade_host(host=HOST, site=SITE)
    assert caught.value.step == "disks"
    assert "Back: pumphouse hosts return cmp1" in str(caught.value)
    follow = rack.bmc.machine._follow

    def boots_from_disk(name: str, values: list[str]) -> None:
        follow(name, values)
        if name == "reset" and rack.bmc.machine.boot[0] == "disk":
            rack.source.services[HOST]["state"] = "up"
            rack.fuel.fault("offline", mac=MACS[0])

    rack.bmc.machine._follow = boots_from_disk  # type: ignore[method-assign]
    return_host(host=HOST, site=SITE)

    assert rack.node().cluster_id is None
    assert rack.source.services[HOST]["status"] == "enabled"
    assert rack.bmc.machine.told[-2:] == ["boot disk", "reset 1"]


def test_a_host_is_upgraded_by_redfish(rack: Rack, tmp_path: Path) -> None:
    """The same steps over HTTPS, with a certificate that is verified."""
    port = free_port()
    words = ["--home", str(tmp_path), "--port", str(port), f"{HOST}={rack.bmc.endpoint.socket}"]
    with emulator(tmp_path, port, "-m", "lab.bmc.redfish", *words):
        by_ipmi = rack.bmc.access()
        redfish = {"protocol": "redfish", "port": port, "system": HOST}
        certificate = {"ca_file": str(tmp_path / "redfish.pem")}
        access = BmcAccess(**{**by_ipmi.model_dump(), **redfish, **certificate})
        Bmc(**access.model_dump()).save(bmc_block(SITE, HOST), overwrite=True)
        rack.bmc.stop()

        done = upgrade_host(host=HOST, site=SITE)

    assert done.state == "It is a compute node of the target; nothing is left to do."
    assert rack.bmc.machine.told == ["boot pxe", "reset 1"]
    assert rack.target.services[HOST]["status"] == "enabled"


def test_a_uefi_host_boots_from_the_network_by_uefi(rack: Rack, tmp_path: Path) -> None:
    """For one start, in the mode that the inventory names; Fuel's loader would not start else."""
    site = cast(Site, Site.load(SITE))
    known = site.hosts[HOST].model_copy(update={"boot_mode": "uefi"})
    site.hosts = {HOST: known}
    site.save(SITE, overwrite=True)

    upgrade_host(host=HOST, site=SITE)

    assert rack.bmc.machine.told == ["boot pxe uefi", "reset 1"]
