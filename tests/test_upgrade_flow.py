"""The upgrade of one host through Prefect, against Fuel's stand-in and a real BMC."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import cast

import pytest

from pumphouse.blocks.bmc import Bmc
from pumphouse.blocks.site import Site
from pumphouse.bmc import BmcAccess
from pumphouse.config import bmc_block
from pumphouse.errors import (
    EvacuationFailed,
    EvacuationIncomplete,
    HostReturnFailed,
    LeaveFailed,
    Refused,
    UpgradeFailed,
)
from pumphouse.flows import evacuate as evacuate_flow
from pumphouse.flows import host_steps
from pumphouse.flows.maintenance import Action, maintenance
from pumphouse.flows.return_host import return_host
from pumphouse.flows.upgrade_host import upgrade_host
from pumphouse.service_marks import Mark
from pumphouse.tasks import slots
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


def test_a_host_that_does_not_come_back_is_told_with_both_ways(rack: Rack, tmp_path: Path) -> None:
    """It boots again, and the source does not hear of it in time: it is still disabled."""
    rack.save(tmp_path, timeouts={"registration_s": 1})
    rack.source.services[HOST]["state"] = "down"

    with pytest.raises(HostReturnFailed) as caught:
        return_host(host=HOST, site=SITE)

    said = str(caught.value)
    assert "Host cmp1 was not brought back: return: Waited in vain for the compute service" in said
    assert f"Forward: pumphouse upgrade-host {HOST}. Back: pumphouse" in said
    assert rack.source.services[HOST]["status"] == "disabled"


def test_a_host_that_does_not_leave_maintenance_is_told_with_both_ways(
    rack: Rack, tmp_path: Path
) -> None:
    """Its BMC is away, so that nobody can power it on: its service stays disabled."""
    off = Mark(is_powered_off=True).text
    rack.source.services[HOST].update(state="down", disabled_reason=off)
    rack.bmc.stop()
    access = rack.bmc.access(timeout_s=1)
    Bmc(**access.model_dump()).save(bmc_block(SITE, HOST), overwrite=True)

    with pytest.raises(LeaveFailed) as caught:
        maintenance(host=HOST, action=Action.LEAVE, site=SITE)

    said = str(caught.value)
    assert "Host cmp1 was not taken out of maintenance: leave: BMC ipmi://" in said
    assert "Its compute service is disabled and down" in said
    assert f"Back: pumphouse maintenance leave {HOST}." in said


def test_an_evacuation_that_breaks_off_says_how_the_host_is(
    rack: Rack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks it off comes after the host was disabled: nothing was touched is no more."""
    rack.source.services[HOST].update(status="enabled", disabled_reason=None)

    def breaks(*_: object) -> None:
        raise Refused("The migration", ["The target is full. Nothing was touched."])

    monkeypatch.setattr(evacuate_flow, "_send_to_target", breaks)

    with pytest.raises(EvacuationFailed) as caught:
        evacuate_flow.evacuate(host=HOST, site=SITE)

    said = str(caught.value)
    assert "Host cmp1 was not emptied: evacuate: The migration" in said
    assert "Its compute service is disabled and up (pumphouse: maintenance; was enabled)" in said
    assert f"Forward: pumphouse evacuate {HOST}." in said


def test_emptying_is_tried_again_as_often_as_configured(
    rack: Rack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like every other step; then the upgrade fails where it is."""
    rack.source.services[HOST].update(status="enabled", disabled_reason=None)
    rack.save(tmp_path, retries={"evacuate": 2})
    tries: list[str] = []

    def fails(host: str, site: str) -> None:
        tries.append(host)
        raise EvacuationIncomplete(host, ["Server web (1): No."], [], "disabled and up")

    monkeypatch.setattr(host_steps, "evacuate", fails)

    with pytest.raises(UpgradeFailed, match="not upgraded: evacuate: Host cmp1 is not empty"):
        upgrade_host(host=HOST, site=SITE)

    assert tries == [HOST] * 3
    assert rack.bmc.machine.told == []


def test_a_host_that_got_a_server_meanwhile_is_not_reset(rack: Rack) -> None:
    """Somebody booted one there after the host was emptied: asked once more, right before."""
    follow = rack.bmc.machine._follow
    server = {"id": "1", "name": "web", "status": "ACTIVE"}

    def gets_a_server(name: str, values: list[str]) -> None:
        follow(name, values)
        rack.source.fake.listing("compute", "/servers/detail", "servers", [server])

    rack.bmc.machine._follow = gets_a_server  # type: ignore[method-assign]

    with pytest.raises(UpgradeFailed) as caught:
        upgrade_host(host=HOST, site=SITE)

    assert caught.value.step == "reset"
    assert "Nova has 1 server(s) there: web (1, ACTIVE)" in str(caught.value)
    assert f"Back: pumphouse maintenance leave {HOST}" in str(caught.value)
    assert (rack.bmc.machine.told, rack.node()) == (["boot pxe"], None)


def test_two_runs_never_work_on_one_host(rack: Rack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits a while for the first, and is refused before it has touched anything."""
    monkeypatch.setattr(slots, "PATIENCE_S", 1.0)
    is_held, is_over = Event(), Event()

    def works() -> None:
        with slots.only_run(SITE, HOST):
            is_held.set()
            is_over.wait(300)

    first = Thread(target=works)
    first.start()
    assert is_held.wait(60)
    try:
        with pytest.raises(Refused, match="Another run works on it"):
            upgrade_host(host=HOST, site=SITE)
        with pytest.raises(Refused, match="Another run works on it"):
            return_host(host=HOST, site=SITE)
    finally:
        is_over.set()
        first.join()

    assert (rack.bmc.machine.told, rack.node()) == ([], None)
    assert rack.source.fake.sent("PUT") == []
    assert upgrade_host(host=HOST, site=SITE).done[-1] == "retire"


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
