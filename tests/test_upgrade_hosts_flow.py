"""The upgrade of several hosts in waves, each with a BMC of its own, one of which may fail."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pumphouse.errors import ConfigError, UpgradesIncomplete
from pumphouse.flows.upgrade_hosts import upgrade_hosts
from tests.bmcs import own_bmc
from tests.rack import HOST, SITE, Rack, macs_of, standing

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]

ALL = [HOST, "cmp11", "cmp12", "cmp13"]
NUMBER = 80
QUICK: dict[str, Any] = {"retries": {"provision": 0}}


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Rack]:
    """Four hosts that are empty and in maintenance."""
    with standing(tmp_path) as found, ExitStack() as stack:
        for number, host in enumerate(ALL[1:], NUMBER):
            folder = tmp_path / host
            folder.mkdir()
            found.add(host, number, stack.enter_context(own_bmc(folder)))
        yield found


def fails(rack: Rack, host: str) -> None:
    """Let the host's provisioning fail once."""
    rack.fuel.fault("provision_error", mac=macs_of(rack.hosts[host][0])[0])


def resets(rack: Rack) -> dict[str, int]:
    """Return how often each host was reset."""
    return {
        host: sum(order.startswith("reset") for order in bmc.machine.told)
        for host, (_, bmc) in rack.hosts.items()
    }


def test_all_become_compute_nodes_canary_first(rack: Rack, tmp_path: Path) -> None:
    """Two at once after the canary; each is reset once, and the source has none of them."""
    rack.save(tmp_path, waves={"parallel": 2})

    done = upgrade_hosts(hosts=ALL[:3], site=SITE)

    assert done.waves == ((HOST,), ("cmp11", "cmp12"))
    assert resets(rack) == {HOST: 1, "cmp11": 1, "cmp12": 1, "cmp13": 0}
    for host in ALL[:3]:
        assert rack.node(host).status == "ready"
        assert rack.target.services[host]["status"] == "enabled"
        assert host not in rack.source.services
    assert rack.source.services["cmp13"]["state"] == "up"


def test_no_host_is_begun_after_a_canary_that_failed(rack: Rack, tmp_path: Path) -> None:
    """The others run the source's system as before, and the error says so of each."""
    rack.save(tmp_path, waves={"parallel": 3}, **QUICK)
    fails(rack, HOST)

    with pytest.raises(UpgradesIncomplete) as caught:
        upgrade_hosts(hosts=ALL, site=SITE)

    assert [line.partition(":")[0] for line in caught.value.failed] == [HOST]
    assert [line.partition(":")[0] for line in caught.value.left] == ALL[1:]
    assert "The canary cmp1 failed" in str(caught.value)
    assert resets(rack) == {HOST: 1, "cmp11": 0, "cmp12": 0, "cmp13": 0}
    assert all(rack.source.services[host]["state"] == "up" for host in ALL[1:])


def test_a_failure_within_a_wave_leaves_the_next_wave(rack: Rack, tmp_path: Path) -> None:
    """Its neighbours end well; run again, only what is left is done."""
    rack.save(tmp_path, waves={"parallel": 2}, **QUICK)
    fails(rack, "cmp11")

    with pytest.raises(UpgradesIncomplete) as caught:
        upgrade_hosts(hosts=ALL, site=SITE)

    assert caught.value.done == [HOST, "cmp12"]
    assert "Forward: pumphouse upgrade-host cmp11" in caught.value.failed[0]
    assert "failure_budget" in caught.value.left[0]
    assert resets(rack) == {HOST: 1, "cmp11": 1, "cmp12": 1, "cmp13": 0}

    done = upgrade_hosts(hosts=ALL, site=SITE)

    assert set(done.hosts) == set(ALL)
    assert resets(rack) == dict.fromkeys(ALL, 1)
    assert all(rack.target.services[host]["status"] == "enabled" for host in ALL)


def test_a_failure_within_the_budget_holds_nobody_up(rack: Rack, tmp_path: Path) -> None:
    """The next wave is begun; the run still ends failed and names the one."""
    rack.save(tmp_path, waves={"parallel": 1, "failure_budget": 1}, **QUICK)
    fails(rack, "cmp11")

    with pytest.raises(UpgradesIncomplete) as caught:
        upgrade_hosts(hosts=ALL[:3], site=SITE)

    assert caught.value.done == [HOST, "cmp12"]
    assert caught.value.left == []


def test_an_unknown_host_stops_all_before_the_first(rack: Rack, tmp_path: Path) -> None:
    """Nothing is done to those that are known."""
    rack.save(tmp_path)

    with pytest.raises(ConfigError, match="cmp99"):
        upgrade_hosts(hosts=[HOST, "cmp99"], site=SITE)

    assert not any(resets(rack).values())
