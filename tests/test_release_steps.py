"""The steps of a release without Prefect: Fuel's stand-in, a real BMC, a real switch."""

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from pumphouse.blocks.bmc import Bmc
from pumphouse.blocks.fuel import Fuel
from pumphouse.blocks.site import Site
from pumphouse.blocks.switch import Switch
from pumphouse.handover import Found
from pumphouse.hosts import HostSettings
from pumphouse.release_options import ReleaseOptions
from pumphouse.switches import SwitchAccess, SwitchPort
from pumphouse.tasks import host_power, host_return, release_facts, release_steps
from pumphouse.tasks.upgrade_steps import ACTIONS
from pumphouse.tasks.upgrading import Work
from pumphouse.upgrade import REGISTER
from tests import switches
from tests.fuel_server import ENVIRONMENT
from tests.rack import HOST, MACS, NUMBER, SITE, Rack, follow_power, standing
from tests.test_switch_ssh import BY_BRIDGES, NEW, OLD

pytestmark = pytest.mark.hosts

ALL = ["pxe", "power-off", "port", "power-on", "register"]


@pytest.fixture
def hurdles() -> list[Callable[[], bool]]:
    """What all must hold for a network boot to reach Fuel."""
    return []


@pytest.fixture
def rack(tmp_path: Path, hurdles: list[Callable[[], bool]]) -> Iterator[Rack]:
    """A host that is empty and in maintenance."""
    with standing(tmp_path) as found:
        follow_power(found, lambda: all(holds() for holds in hurdles))
        yield found


def work_on(
    rack: Rack,
    monkeypatch: pytest.MonkeyPatch,
    switch: SwitchAccess | None = None,
    has_fuel: bool = True,
    **bmc: Any,
) -> Work:
    """Return the host's work, its blocks in memory and no environment at the target."""
    blocks = {
        "bmc": Bmc(**rack.bmc.access(**bmc).model_dump()),
        "switch": Switch(**switch.model_dump()) if switch else None,
    }
    for name, block in blocks.items():
        monkeypatch.setattr(Site, name, staticmethod(lambda *names, block=block: block))
    port = SwitchPort(switch="rack-3", port="swp7")
    pair = Site(
        source=rack.source.fake.block(),
        target=rack.target.fake.block(),
        fuel=Fuel(**rack.fuel.access().model_dump()) if has_fuel else None,
        hosts={HOST: HostSettings(boot_mac=MACS[0], macs=MACS, switch_port=port)},
        release=ReleaseOptions(vlan=NEW, return_vlan=OLD),
    )
    return Work(pair, SITE, HOST)


def go(work: Work, until: str = "") -> list[str]:
    """Do what is not done, as a run does; return the names of the steps."""
    found, done = release_facts.look(work), []
    assert found.objections(is_emptied=True) == ()
    for step in found.steps:
        if step.is_done(found.checked.facts):
            continue
        if step.name == until:
            break
        if step is REGISTER:
            host_power.register(work)
        else:
            ACTIONS[step.name](work)
        done.append(step.name)
    return done


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What operators were told on the run's page."""
    words: list[str] = []
    monkeypatch.setattr(release_steps, "_show", lambda work, text: words.append(text))
    return words


def test_a_host_goes_to_fuel_and_comes_back(
    rack: Rack,
    hurdles: list[Callable[[], bool]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its port is moved while it is off: else Fuel never hears of it. A second run rests."""
    folder = tmp_path / "switch"
    folder.mkdir()
    with switches.switch(folder) as real:
        for number in (OLD, NEW):
            real.ip("link", "add", f"br{number}", "type", "bridge")
        real.plug("swp7", f"br{OLD}")

        def vlan() -> str:
            shown = real.ip("-o", "link", "show", "dev", "swp7")
            return shown.partition("master ")[2].split()[0]

        hurdles.append(lambda: vlan() == f"br{NEW}")
        work = work_on(rack, monkeypatch, real.access(commands=BY_BRIDGES))
        done = go(work)

        assert done == ALL
        # A lost answer over UDP is asked for again, so an order may come twice in a row.
        told = [order for order, _ in groupby(rack.bmc.machine.told)]
        assert told == ["boot pxe", "shutdown 1", "boot pxe", "power 1"]
        assert (rack.node().status, rack.node().cluster_id) == ("discover", None)
        after = release_facts.look(work)
        assert "It waits in Fuel's bootstrap as cmp1" in after.where()
        assert go(work) == []
        assert rack.bmc.machine.told[-1] == "power 1"

        host_return.bring_back(work)

        assert vlan() == f"br{OLD}"
        assert rack.source.services[HOST]["status"] == "enabled"


def test_without_a_switch_an_operator_is_told(
    rack: Rack, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the run goes on."""
    done = go(work_on(rack, monkeypatch))

    assert done == ALL
    assert len(told) == 1
    assert "Move port swp7 of switch rack-3 to VLAN 30, untagged, by hand" in told[0]


def test_objections_come_all_at_once(rack: Rack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that somebody uses, a BMC that is away, a switch that does not answer."""
    rack.fuel.register(NUMBER)
    with rack.fuel.client() as client:
        client.assign(ENVIRONMENT, rack.node().id, ["controller"])
    rack.bmc.stop()
    off = SwitchAccess(address="127.0.0.1", port=9, user="u", password="p", timeout_s=1)

    found: Found = release_facts.look(work_on(rack, monkeypatch, off, timeout_s=1))

    said = " ".join(found.objections(is_emptied=False))
    assert f"belongs to environment {ENVIRONMENT}" in said
    assert "BMC ipmi://127.0.0.1" in said
    assert "Switch rack-3 (linux://127.0.0.1:9)" in said


def test_a_run_that_was_killed_while_the_host_was_off_goes_on(
    rack: Rack, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host is not switched off twice, and the words say where it is meanwhile."""
    work = work_on(rack, monkeypatch)
    assert go(work, until="port") == ["pxe", "power-off"]
    between = release_facts.look(work)
    assert between.checked.power == "off"
    assert "It is switched off" in between.where()

    done = go(work)

    assert done == ["port", "power-on", "register"]
    assert rack.bmc.machine.told.count("shutdown 1") == 1


def test_a_host_that_does_not_shut_down_is_switched_off(
    rack: Rack, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its system is empty, and may hang."""
    rack.bmc.machine.ignored.add("shutdown")

    go(work_on(rack, monkeypatch, power_timeout_s=2))

    assert "power 0" in rack.bmc.machine.told


def test_without_fuel_a_host_is_not_switched_off_again(
    rack: Rack, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much later: nobody knows what it has become."""
    work = work_on(rack, monkeypatch, has_fuel=False)
    assert go(work) == ALL[:-1]
    service = rack.source.services[HOST]
    stamp = service["disabled_reason"].partition("reset ")[2].partition(";")[0]
    service["disabled_reason"] = service["disabled_reason"].replace(stamp, "2020-01-01T00:00:00Z")

    assert go(work) == []
    assert "find it there by its MACs" in release_facts.look(work).where()
