"""A host is fenced only by its BMC's word, read back; and taking it back powers it on."""

from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from pumphouse.blocks.site import Site
from pumphouse.bmc import BmcAccess, Power, Switch
from pumphouse.config import Storage
from pumphouse.errors import ConfigError, FencingFailed, Refused, RequestFailed, WaitFailed
from pumphouse.evacuation import Asked, MaintenanceOptions
from pumphouse.fencing import Seen, is_fenced, problems
from pumphouse.flows.evacuate import evacuate
from pumphouse.flows.maintenance import Action, maintenance
from pumphouse.flows.occupied import where
from pumphouse.tasks import fencing
from pumphouse.tasks.bmc import open_bmc
from pumphouse.tasks.maintenance import enter_maintenance
from tests.bmcs import Peer, own_bmc, simulator
from tests.fakecloud import Answer, FakeCloud, Request
from tests.rack import HOST, SITE, Cloud, standing
from tests.test_ipmi import needs_simulator
from tests.test_redfish import Service, as_it_comes, service

AnyBmc = Peer | Service
BMC = "ipmi://10.1.0.17:623"
ON, OFF = (Seen(bmc=BMC, power=power) for power in (Power.ON, Power.OFF))
SILENT = Seen(bmc=BMC, trouble="No answer.")
NONE = Seen()


@pytest.mark.parametrize(
    ("asked", "seen", "fenced", "words"),
    [
        ({}, NONE, False, ""),
        ({}, ON, False, ""),
        ({}, OFF, True, ""),
        ({}, SILENT, False, "could not be asked"),
        ({"is_fenced": True}, NONE, True, ""),
        ({"is_fenced": True}, OFF, True, ""),
        ({"is_fenced": True}, SILENT, True, ""),
        ({"is_fenced": True}, ON, False, "says that it is on"),
        ({"fence": True}, NONE, False, "has no BMC here"),
        ({"fence": True}, SILENT, False, "cannot be read"),
        ({"fence": True}, ON, False, ""),
        ({"fence": True}, OFF, True, ""),
    ],
)
def test_what_a_bmc_says_goes_before_what_a_person_says(
    asked: dict[str, bool], seen: Seen, fenced: bool, words: str
) -> None:
    """No word is never a yes: a person may vouch for a silent BMC, and --fence needs its word."""
    what = Asked(host="cmp1", **asked)  # type: ignore[arg-type]

    assert fenced == is_fenced(what, seen)
    assert bool(words) == bool(problems(what, seen))
    assert all(words in problem for problem in problems(what, seen))


@pytest.fixture(name="nova")
def _nova() -> Iterator[Cloud]:
    with FakeCloud() as fake:
        cloud = Cloud(fake)
        cloud.add("cmp1", state="down")
        cloud.add("cmp2")
        cloud.serve()
        yield cloud


@pytest.fixture(name="pair")
def _pair(nova: Cloud, tmp_path: Path) -> Site:
    block = nova.fake.block()
    return Site(
        source=block,
        target=block,
        storage=Storage(url=str(tmp_path)),
        maintenance=MaintenanceOptions(start_timeout_s=60, off_for_s=0.5),
    )


@pytest.fixture(name="bmc")
def _bmc(tmp_path: Path) -> Iterator[Peer]:
    with own_bmc(tmp_path) as peer:
        yield peer


KINDS = {"own": own_bmc, "simulator": simulator, "redfish": service}
"""Our own, OpenIPMI's simulator, and sushy-tools' emulator."""


@pytest.fixture(
    name="any_bmc",
    params=[
        "own",
        pytest.param("simulator", marks=[pytest.mark.hosts, needs_simulator]),
        pytest.param("redfish", marks=pytest.mark.hosts),
    ],
)
def _any_bmc(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyBmc]:
    """Yield a BMC of each kind."""
    with KINDS[request.param](tmp_path) as found:
        yield found


def quick(bmc: AnyBmc) -> BmcAccess:
    """Return an access that gives up soon: only for a BMC that does not do it."""
    return bmc.access(timeout_s=2, power_timeout_s=1)


def said(_: str, *__: object) -> None:
    """Take a log line."""


def test_a_host_is_powered_off_read_back_and_then_forced_down(
    pair: Site, nova: Cloud, any_bmc: AnyBmc
) -> None:
    """Twice is once; what the reason says is enough to take it all back."""
    note = fencing.fence(pair, "cmp1", any_bmc.access(), said)
    again = fencing.fence(pair, "cmp1", any_bmc.access(), said)

    service = nova.services["cmp1"]
    assert (any_bmc.machine.power, any_bmc.machine.told) == (False, ["power 0"])
    assert (service["status"], service["forced_down"]) == ("disabled", True)
    assert note == again == service["disabled_reason"]
    assert note == "pumphouse: maintenance, forced down, powered off; was enabled"


def test_the_note_comes_before_the_power_goes(pair: Site, nova: Cloud, any_bmc: AnyBmc) -> None:
    """A run that is killed in between leaves a host that can be taken back."""
    any_bmc.machine.ignored = {"power 0"}

    with pytest.raises(FencingFailed, match="may still run its servers"):
        fencing.fence(pair, "cmp1", any_bmc.access(power_timeout_s=1), said)

    service = nova.services["cmp1"]
    assert service["disabled_reason"] == "pumphouse: maintenance, powered off; was enabled"
    assert (service["forced_down"], any_bmc.machine.power) == (False, True)
    assert "pumphouse maintenance leave cmp1" in str(FencingFailed("cmp1", "No."))


def test_a_bmc_that_goes_away_leaves_the_servers_alone(
    pair: Site, nova: Cloud, any_bmc: AnyBmc
) -> None:
    """Nova is not told that a host is down whose power nobody can read."""
    any_bmc.stop()

    with pytest.raises(FencingFailed, match="could not be fenced"):
        fencing.fence(pair, "cmp1", quick(any_bmc), said)

    assert tuple(nova.services["cmp1"][key] for key in ("forced_down", "status")) == (
        False,
        "enabled",
    )


def test_a_host_that_a_restart_was_under_way_of_is_switched_off_once_more(
    pair: Site, nova: Cloud, bmc: Peer
) -> None:
    """A BMC says off in the midst of a restart; evacuated then, the servers would run twice."""
    bmc.machine.power = False
    pair.maintenance = MaintenanceOptions(off_for_s=2)
    Timer(0.7, bmc.machine.answer, ("set power 1",)).start()

    note = fencing.fence(pair, "cmp1", bmc.access(), said)

    assert bmc.machine.told == ["power 1", "power 0"]
    assert note == "pumphouse: maintenance, forced down, powered off; was enabled"


def test_a_host_that_comes_on_again_and_again_is_not_fenced(
    pair: Site, nova: Cloud, bmc: Peer
) -> None:
    """Something else switches it on: its servers are left alone."""
    follow = bmc.machine._follow

    def comes_back(name: str, values: list[str]) -> None:
        follow(name, values)
        if values == ["0"]:
            Timer(2, follow, ("power", ["1"])).start()

    bmc.machine._follow = comes_back  # type: ignore[method-assign]
    pair.maintenance = MaintenanceOptions(off_for_s=6)

    with pytest.raises(FencingFailed, match="comes on again by itself"):
        fencing.fence(pair, "cmp1", bmc.access(), said)

    assert bmc.machine.told == ["power 0", "power 0"]
    assert not nova.services["cmp1"]["forced_down"]


@pytest.mark.hosts
def test_a_restart_that_redfish_is_about_to_carry_out_is_not_taken_for_off(
    pair: Site, nova: Cloud, tmp_path: Path
) -> None:
    """The emulator as it comes says off at once, takes no order to be off, and comes on later."""
    pair.maintenance = MaintenanceOptions(off_for_s=12)
    with as_it_comes(tmp_path) as access:
        with open_bmc(access) as session:
            session.power_on()
            session._machine.switch(Switch.RESET)
            assert session.power() is Power.OFF
        seen = fencing.look_at_power(access, 12)
        with open_bmc(access) as session:
            session._machine.switch(Switch.RESET)
            assert session.power() is Power.OFF
        note = fencing.fence(pair, "cmp1", access, said)
        with open_bmc(access) as session:
            is_off = session.stays_off(12)

    assert (seen.power, is_off) == (Power.ON, True)
    assert note == "pumphouse: maintenance, forced down, powered off; was enabled"


def test_what_was_off_before_is_not_powered_on_afterwards(
    pair: Site, nova: Cloud, bmc: Peer
) -> None:
    """Leaving makes a host as it was, and it was off."""
    bmc.machine.power = False
    fencing.fence(pair, "cmp1", bmc.access(), said)

    words = fencing.leave(pair, "cmp1", bmc.access(), said)

    assert (bmc.machine.power, bmc.machine.told) == (False, [])
    assert words == "Host cmp1 is enabled again."


def refusing(nova: Cloud, times: int) -> list[str]:
    """Let Nova refuse so often that the host is up, as it does until nova-compute cleaned up."""
    refused: list[str] = []
    changed = nova._changed

    def change(request: Request) -> Any:
        if request.json().get("forced_down") is False and len(refused) < times:
            refused.append(request.path)
            return Answer(400, {"badRequest": {"message": "`done` evacuation records remain"}})
        return changed(request)

    nova.fake.route("PUT", "compute", "/os-services/{id}", change)
    return refused


def test_leaving_powers_on_what_we_powered_off(pair: Site, nova: Cloud, any_bmc: AnyBmc) -> None:
    """Nova takes the host back only when its nova-compute has cleaned up; that is waited for."""
    before = dict(nova.services["cmp1"])
    fencing.fence(pair, "cmp1", any_bmc.access(), said)
    refused = refusing(nova, 2)

    words = fencing.leave(pair, "cmp1", any_bmc.access(), said)

    assert any_bmc.machine.told == ["power 0", "power 1"]
    assert words == "Host cmp1 was powered on. Host cmp1 is enabled again."
    assert (2, before) == (len(refused), nova.services["cmp1"])
    assert "Nothing was changed" in fencing.leave(pair, "cmp1", any_bmc.access(), said)


def test_a_host_that_does_not_come_back_stays_disabled(pair: Site, nova: Cloud, bmc: Peer) -> None:
    """The message has Nova's words; it is on by then, and leave may be run again."""
    fencing.fence(pair, "cmp1", bmc.access(), said)
    pair.maintenance = MaintenanceOptions(start_timeout_s=1)
    refusing(nova, 999)

    with pytest.raises(WaitFailed, match="`done` evacuation records remain"):
        fencing.leave(pair, "cmp1", bmc.access(), said)

    service = nova.services["cmp1"]
    assert (
        service["status"],
        service["forced_down"],
        bmc.machine.power,
    ) == ("disabled", True, True)


def test_without_a_bmc_a_fenced_host_is_not_taken_back(pair: Site, nova: Cloud, bmc: Peer) -> None:
    """Nova would send servers to a host that is off."""
    fencing.fence(pair, "cmp1", bmc.access(), said)

    with pytest.raises(ConfigError, match="no BMC here to power it on"):
        fencing.leave(pair, "cmp1", None, said)

    assert nova.services["cmp1"]["status"] == "disabled"


def test_what_an_operator_forced_down_is_refused_at_once(
    pair: Site, nova: Cloud, bmc: Peer
) -> None:
    """Nobody powers that host on, so nothing is waited for."""
    nova.services["cmp1"] |= {
        "status": "disabled",
        "forced_down": True,
        "disabled_reason": "pumphouse: maintenance, forced down; was enabled",
    }
    refused = refusing(nova, 999)

    with pytest.raises(RequestFailed):
        fencing.leave(pair, "cmp1", bmc.access(), said)

    assert (bmc.machine.told, len(refused)) == ([], 1)


def test_nothing_is_evacuated_that_was_only_meant_to_be_fenced(pair: Site, nova: Cloud) -> None:
    """The plain function does not fence: it refuses what is not fenced yet."""
    with pytest.raises(Refused, match="not fenced yet"):
        enter_maintenance(pair, Asked(host="cmp1", fence=True))

    assert nova.services["cmp1"]["status"] == "enabled"


@pytest.mark.prefect
@pytest.mark.usefixtures("prefect_server")
def test_a_dead_host_is_fenced_and_taken_back_by_the_flows(tmp_path: Path) -> None:
    """Refused while it lives, and dry it changes nothing; then off, forced down, and on again."""
    with standing(tmp_path) as rack:
        rack.save(tmp_path)
        service, machine = rack.source.services[HOST], rack.bmc.machine
        with pytest.raises(Refused, match="fencing it would cut off"):
            evacuate(host=HOST, fence=True, site=SITE)
        service["state"] = "down"
        with pytest.raises(Refused, match="may still run its servers"):
            evacuate(host=HOST, site=SITE)
        with pytest.raises(ConfigError, match="give one of them"):
            evacuate(host=HOST, fence=True, fenced=True, site=SITE)
        evacuate(host=HOST, fence=True, dry_run=True, site=SITE)
        assert (machine.told, rack.source.fake.sent("PUT")) == ([], [])

        done = evacuate(host=HOST, fence=True, site=SITE)

        assert (machine.told, service["forced_down"]) == (["power 0"], True)
        assert "forced down, powered off" in done.service
        found = maintenance(host=HOST, action=Action.LEAVE, site=SITE)
        assert (machine.told, service["forced_down"]) == (["power 0", "power 1"], False)
        assert not found["in_maintenance"]


@pytest.mark.prefect
@pytest.mark.usefixtures("prefect_server")
def test_a_host_without_a_readable_bmc_is_not_fenced(tmp_path: Path) -> None:
    """Said before anything is touched, with what would help."""
    with standing(tmp_path) as rack:
        rack.save(tmp_path)
        rack.source.services[HOST]["state"] = "down"
        rack.source.add("cmp3", state="down")
        with pytest.raises(Refused, match=r"no BMC here.*hosts\.cmp3\.bmc"):
            evacuate(host="cmp3", fence=True, site=SITE)
        rack.bmc.stop()
        with pytest.raises(Refused, match="The power of host cmp1 cannot be read"):
            evacuate(host=HOST, fence=True, site=SITE)

        assert rack.source.fake.sent("PUT") == []


def test_a_cancelled_run_says_how_the_host_is_and_both_ways(
    pair: Site, nova: Cloud, bmc: Peer
) -> None:
    """Read when it ends, so that it is true then."""
    fencing.fence(pair, "cmp1", bmc.access(), said)

    words = where(pair, "cmp1")

    assert "disabled and down, forced down (pumphouse: maintenance" in words
    assert "0 servers are on it. Forward: pumphouse evacuate cmp1." in words
    assert "Back: pumphouse maintenance leave cmp1." in words
