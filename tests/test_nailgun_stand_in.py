"""The stand-in itself: what the lab relies on beyond Nailgun's own answers."""

import json
import sys
from pathlib import Path

import httpx
import pytest

from lab.nailgun.clock import Clock
from lab.nailgun.seeds import machine, seed
from lab.nailgun.store import Store
from lab.nailgun.world import Options, World
from pumphouse.fuel_judging import provision_failure
from pumphouse.tasks.fuel_waits import wait_registered, wait_task
from tests.fuel_server import ENVIRONMENT, MODEL, serving

pytestmark = pytest.mark.hosts

LONG_S = 60


def command(path: Path, code: int = 0) -> str:
    """Return a hook that writes its words and its input to *path* and ends with *code*."""
    script = (
        "import sys, json; order = json.load(sys.stdin); "
        f"open({str(path)!r}, 'w').write(json.dumps([sys.argv[1:], order])); "
        f"print('no such disk'); sys.exit({code})"
    )
    path.with_suffix(".py").write_text(script)
    return f"{sys.executable} {path.with_suffix('.py')}"


def test_a_hook_gets_the_mac_and_all_about_the_node(tmp_path: Path) -> None:
    """So the lab's machines install what Fuel decided."""
    told = tmp_path / "told"
    with serving(on_provision=command(told)) as server, server.client() as client:
        node = server.assigned(client)
        task = client.provision(ENVIRONMENT, [node.id])
        assert wait_task(client, task.id, LONG_S).status == "ready"
    words, order = json.loads(told.read_text())
    assert words == [node.mac]
    assert order["macs"] == sorted(node.macs)
    assert order["roles"] == ["compute"]
    assert [volume["name"] for volume in order["disks"][0]["volumes"]] == ["os", "vm"]


def test_a_hook_may_name_the_host_instead(tmp_path: Path) -> None:
    """A new compute service is started by the host's name in the lab."""
    told = tmp_path / "told"
    options = {
        "on_deploy": f"{command(told)} add {{host}}",
        "hosts": {"52:54:00:f0:4d:00": "cmp1"},
    }
    with serving(**options) as server, server.client() as client:
        node = server.assigned(client)
        wait_task(client, client.provision(ENVIRONMENT, [node.id]).id, LONG_S)
        wait_task(client, client.deploy(ENVIRONMENT, [node.id]).id, LONG_S)
    assert json.loads(told.read_text())[0] == ["add", "cmp1"]


def test_a_hook_that_fails_fails_the_node(tmp_path: Path) -> None:
    """What the machine cannot do is an error in Fuel."""
    with serving(on_provision=command(tmp_path / "told", 3)) as server, server.client() as client:
        node = server.assigned(client)
        task = client.provision(ENVIRONMENT, [node.id])
        failure = provision_failure(wait_task(client, task.id, LONG_S), client.node(node.id))
        words = [n.message for n in client.notifications(node.id) if n.topic == "error"]
    assert failure is not None
    assert "no such disk" in words[-1]


def test_nodes_without_a_machine_are_simulated(tmp_path: Path) -> None:
    """Controllers and the model exist only in Fuel."""
    told = tmp_path / "told"
    options = {"on_deploy": command(told), "hosts": {"52:54:00:f0:4d:00": "cmp1"}}
    with serving(**options) as server, server.client() as client:
        assert wait_task(client, client.deploy(ENVIRONMENT, [MODEL]).id, LONG_S).status == "ready"
    assert not told.exists()


def test_a_silent_agent_goes_offline_and_comes_back() -> None:
    """As the real one tells, after minutes: online is no proof of an installed system."""
    with serving(speed=400, keepalive_timeout_s=20) as server, server.client() as client:
        node_id = server.register()
        while (node := client.node(node_id)) and node.online:
            pass
        server.agent(mac="52:54:00:f0:4d:00", status="discover")
        wait_registered(client, ["52:54:00:f0:4d:00"], LONG_S)
        told = [n.message for n in client.notifications(node_id)]
    assert any("has gone away" in words for words in told)
    assert any("is back online" in words for words in told)


def test_a_job_under_way_is_begun_again(tmp_path: Path) -> None:
    """A restart of the lab's Fuel leaves no task running for ever."""
    path = tmp_path / "nailgun.sqlite"
    with serving(speed=1, store=Store(path)) as server, server.client() as client:
        task = client.deploy(ENVIRONMENT, [MODEL])
    with serving(store=Store(path)) as server, server.client() as client:
        assert wait_task(client, task.id, LONG_S).status == "ready"
        assert not client.running(ENVIRONMENT)


def test_what_it_knows_outlives_it(tmp_path: Path) -> None:
    """Nodes and ids are in the file, and no id comes twice."""
    path = tmp_path / "nailgun.sqlite"
    world = World(Store(path), Clock(), Options())
    seed(world, lab=True, source_hosts={"cmp1": machine("cmp1", 33)})
    before = world.store.all("node")
    world.store.close()
    again = Store(path)
    assert again.all("node") == before
    assert again.next_id("node") == before[-1]["id"] + 1


def test_a_source_that_fuel_installed_is_an_environment() -> None:
    """So that its hosts can be released through Fuel."""
    world = World(Store(), Clock(), Options())
    seed(world, lab=True, source_hosts={"cmp1": machine("cmp1", 33)})
    source = world.store.all("cluster")[1]
    assert [node["name"] for node in world.members(source["id"])] == ["cmp1"]
    assert source["status"] == "operational"


def test_every_request_is_counted() -> None:
    """The benchmark reads from this how gentle the product is."""
    with serving() as server, server.client() as client:
        client.version()
        server.control("/clock", {"speed": 10})
        calls = httpx.get(f"{server.url}/_lab/calls", timeout=5).json()
    assert [call["call"] for call in calls][-1] == "GET /api/version"
    assert not [call for call in calls if "_lab" in call["call"]]
