"""The release of one host through Prefect: Fuel's stand-in, a real BMC, a real switch."""

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import pytest
from prefect.artifacts import Artifact

from pumphouse.blocks.bmc import Bmc
from pumphouse.blocks.site import Site
from pumphouse.blocks.switch import Switch
from pumphouse.config import bmc_block, switch_block
from pumphouse.errors import Refused, ReleaseFailed
from pumphouse.flows.release_host import release_host
from pumphouse.flows.return_host import return_host
from pumphouse.release_options import ReleaseOptions
from pumphouse.service_marks import parse
from pumphouse.switches import SwitchPort
from pumphouse.tasks import release_steps, upgrade_steps
from tests import switches
from tests.fuel_server import ENVIRONMENT
from tests.rack import HOST, MACS, NUMBER, SITE, Rack, follow_power, standing
from tests.test_switch_ssh import BY_BRIDGES, NEW, OLD

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]

ALL = ("pxe", "power-off", "port", "power-on", "register")


@pytest.fixture
def hurdles() -> list[Callable[[], bool]]:
    """What must all be true for the network to take a host to Fuel."""
    return []


@pytest.fixture
def rack(tmp_path: Path, hurdles: list[Callable[[], bool]]) -> Iterator[Rack]:
    """A host that is empty and in maintenance, whose port is moved by hand."""
    with standing(tmp_path) as found:
        # No environment: the target is not there yet.
        found.save(tmp_path, environment="")
        change(release=ReleaseOptions(vlan=NEW, return_vlan=OLD))
        follow_power(found, lambda: all(is_taken() for is_taken in hurdles))
        yield found


def change(**fields: Any) -> None:
    """Change fields of the saved site."""
    site = cast(Site, Site.load(SITE))
    for name, value in fields.items():
        setattr(site, name, value)
    site.save(SITE, overwrite=True)


def plug(port: SwitchPort | None) -> None:
    """Say where the host is plugged in."""
    known = cast(Site, Site.load(SITE)).hosts[HOST]
    change(hosts={HOST: known.model_copy(update={"switch_port": port})})


def told(rack: Rack) -> list[str]:
    """Return the BMC's orders; one whose answer was lost over UDP may come twice in a row."""
    return [order for order, _ in groupby(rack.bmc.machine.told)]


def test_a_host_goes_to_fuel_and_comes_back(
    rack: Rack, hurdles: list[Callable[[], bool]], tmp_path: Path
) -> None:
    """Its port is moved while it is off: else Fuel never hears of it. A second run rests."""
    folder = tmp_path / "switch"
    folder.mkdir()
    with switches.switch(folder) as real:
        for number in (OLD, NEW):
            real.ip("link", "add", f"br{number}", "type", "bridge")
        real.plug("swp7", f"br{OLD}")
        access = real.access(commands=BY_BRIDGES)
        Switch(**{k: getattr(access, k) for k in type(access).model_fields}).save(
            switch_block(SITE, "rack-3"), overwrite=True
        )
        plug(SwitchPort(switch="rack-3", port="swp7"))

        def vlan() -> str:
            shown = real.ip("-o", "link", "show", "dev", "swp7")
            return shown.partition("master ")[2].split()[0]

        hurdles.append(lambda: vlan() == f"br{NEW}")
        done = release_host(host=HOST, site=SITE)

        assert done.found == ("evacuate",)
        assert done.done == ALL
        assert told(rack) == ["boot pxe", "shutdown 1", "boot pxe", "power 1"]
        assert (rack.node().status, rack.node().cluster_id) == ("discover", None)
        assert "It waits in Fuel's bootstrap as cmp1" in done.state
        assert "create the target's environment" in done.state

        again = release_host(host=HOST, site=SITE)

        assert again.done == ()
        assert told(rack)[-1] == "power 1"

        return_host(host=HOST, site=SITE)

        assert vlan() == f"br{OLD}"
        assert rack.source.services[HOST]["status"] == "enabled"


def test_without_a_switch_an_operator_is_told(rack: Rack) -> None:
    """On the run's page, before the host is started."""
    plug(SwitchPort(switch="patch panel 2", port="17"))

    done = release_host(host=HOST, site=SITE)

    words = "Move port 17 of switch patch panel 2 to VLAN 30, untagged, by hand"
    assert done.done == ALL
    assert words in done.move
    shown = Artifact.get(key=f"release-port-{HOST}")
    assert shown is not None
    assert words in str(shown)


def test_a_dry_run_changes_nothing(rack: Rack) -> None:
    """It says what would be done with the port, and where the host is."""
    done = release_host(host=HOST, dry_run=True, site=SITE)

    assert f"with MAC {MACS[0]} to VLAN 30" in done.move
    assert done.done == ()
    assert rack.bmc.machine.told == []
    assert rack.source.fake.sent("PUT") == []
    assert rack.node() is None


def test_objections_come_all_at_once(rack: Rack) -> None:
    """A node that somebody uses, a BMC that is away, a switch that does not answer."""
    rack.fuel.register(NUMBER)
    with rack.fuel.client() as client:
        client.assign(ENVIRONMENT, rack.node().id, ["controller"])
    rack.bmc.stop()
    bmc = rack.bmc.access(timeout_s=1)
    bmc_block_saved(bmc)
    Switch(address="127.0.0.1", port=9, user="u", key_file=__file__, timeout_s=1).save(
        switch_block(SITE, "off"), overwrite=True
    )
    plug(SwitchPort(switch="off", port="swp1"))

    with pytest.raises(Refused) as caught:
        release_host(host=HOST, site=SITE)

    said = " ".join(caught.value.reasons)
    assert f"belongs to environment {ENVIRONMENT}" in said
    assert "BMC ipmi://127.0.0.1" in said
    assert "Switch off (linux://127.0.0.1:9)" in said


def bmc_block_saved(access: Any) -> None:
    """Replace the host's BMC."""
    Bmc(**access.model_dump()).save(bmc_block(SITE, HOST), overwrite=True)


def test_a_run_that_failed_while_the_host_was_off_goes_on(
    rack: Rack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run does not switch it off again, and the error said where it was."""

    def breaks(work: Any) -> None:
        raise Refused("Moving the port", ["Nobody is there to do it."])

    actions = {**upgrade_steps.ACTIONS, "port": breaks}
    monkeypatch.setattr(upgrade_steps, "ACTIONS", actions)
    with pytest.raises(ReleaseFailed) as caught:
        release_host(host=HOST, site=SITE)
    assert caught.value.step == "port"
    assert "It is switched off; its disks still hold the source's system." in str(caught.value)
    assert "Back: pumphouse hosts return cmp1" in str(caught.value)
    monkeypatch.setattr(upgrade_steps, "ACTIONS", {**actions, "port": release_steps.move_port})

    done = release_host(host=HOST, site=SITE)

    assert "power-off" in done.found
    assert told(rack).count("shutdown 1") == 1
    assert rack.node() is not None


def test_a_host_that_does_not_shut_down_is_switched_off(rack: Rack) -> None:
    """Its system is empty, and may hang."""
    rack.bmc.machine.ignored.add("shutdown")
    bmc_block_saved(rack.bmc.access(power_timeout_s=1))

    release_host(host=HOST, site=SITE)

    assert "power 0" in rack.bmc.machine.told


def test_without_fuel_it_ends_when_the_host_is_on(rack: Rack) -> None:
    """And however much later a second run comes, the host is not switched off again."""
    change(fuel=None)

    done = release_host(host=HOST, site=SITE)

    assert done.done == ALL[:-1]
    assert "find it there by its MACs" in done.state
    service = rack.source.services[HOST]
    mark = parse(service["disabled_reason"])
    assert mark is not None
    long_ago = mark.model_copy(update={"reset_at": "2020-01-01T00:00:00Z"})
    service["disabled_reason"] = long_ago.text
    assert release_host(host=HOST, site=SITE).done == ()
