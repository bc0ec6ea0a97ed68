"""Upgrades by their deployments: a real server and a real worker, cancelled and in waves."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from matrix.runs import Runs, served
from tests.bmcs import own_bmc
from tests.rack import HOST, Rack, standing
from tests.stack import wait_for

pytestmark = pytest.mark.prefect

SLOW, QUICK = 0.05, 60.0
OTHER, NUMBER = "cmp11", 80


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """A server with our deployments, and a worker."""
    with served(tmp_path_factory.mktemp("stack") / "prefect") as found:
        yield found


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Rack]:
    """A host that is empty and in maintenance."""
    with standing(tmp_path) as found:
        yield found


def test_cancelled_within_a_step_a_run_says_where_the_host_is_and_frees_its_limit(
    runs: Runs, rack: Rack, tmp_path: Path
) -> None:
    """As the button in the UI does it. What Fuel does goes on, and the next run finds it."""
    site = "cancelled"
    runs.save(rack, tmp_path, site)
    clock, is_at_work = rack.fuel.world.clock, threading.Event()

    def slow(call: str) -> None:
        if "/provision/" in call:
            clock.now()
            clock.speed = SLOW
            is_at_work.set()

    rack.fuel.world.watchers.append(slow)
    run = runs.start(site)
    assert is_at_work.wait(400), runs.state(run)
    runs.cancel(run)

    assert runs.ended(run)["type"] == "CANCELLED"
    assert runs.says(run, "Stopped at step provision. ")
    assert runs.says(run, f"Forward: pumphouse upgrade-host {HOST}")
    wait_for(lambda: runs.slots_taken(site) == 0, 120, "the host's limit is free")
    clock.now()
    clock.speed = QUICK
    again = runs.ended(runs.start(site))
    assert again["type"] == "COMPLETED", again["message"]
    jobs = [task["name"] for task in rack.fuel.world.store.all("task")]
    assert (rack.resets, jobs.count("provision"), jobs.count("deploy")) == (1, 1, 1)


def test_several_hosts_go_in_waves_each_as_a_run_of_its_own(
    runs: Runs, rack: Rack, tmp_path: Path
) -> None:
    """The canary has ended before the next is begun; all are compute nodes of the target."""
    site, folder = "waves", tmp_path / OTHER
    folder.mkdir()
    with own_bmc(folder) as bmc:
        rack.add(OTHER, NUMBER, bmc)
        runs.save(rack, tmp_path, site)

        run = runs.start(site, deployment="upgrade-hosts", hosts=[HOST, OTHER])

        ended = runs.ended(run)
        assert ended["type"] == "COMPLETED", ended["message"]
        told = rack.bmc.machine.orders[-1][0], bmc.machine.orders[0][0]
    children = runs.runs_of("upgrade-host", site)
    assert sorted(child["parameters"]["host"] for child in children) == [HOST, OTHER]
    assert all(child["state"]["type"] == "COMPLETED" for child in children)
    assert told == tuple(sorted(told))
    for host in (HOST, OTHER):
        assert rack.node(host).status == "ready"
        assert rack.target.services[host]["status"] == "enabled"
        assert host not in rack.source.services
