"""The release of a host by its deployment: a real server, a worker, an operator who decides."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from pumphouse.release_options import ReleaseOptions
from tests.rack import HOST, SITE, Rack, follow_power, standing
from tests.stack import Stack, running_server, wait_for

pytestmark = pytest.mark.prefect

VLAN = 30


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A server with a worker and our deployments."""
    folder = tmp_path_factory.mktemp("stack")
    with running_server(folder / "prefect") as services:
        made = Stack(services, folder / "none.yaml")
        done = made.pumphouse("deploy")
        assert done.returncode == 0, done.stdout + done.stderr
        services.start_worker()
        yield made


@pytest.fixture
def rack(stack: Stack, tmp_path: Path) -> Iterator[Rack]:
    """A host that is empty and in maintenance, whose port is moved by hand; no environment yet."""
    with standing(tmp_path) as found:
        follow_power(found)
        with temporary_settings({PREFECT_API_URL: stack.services.options.api_url}):
            found.save(tmp_path, patient=True, environment="", release=ReleaseOptions(vlan=VLAN))
        yield found


def started(stack: Stack) -> Any:
    """Start the release, which asks for an approval; return its run when it waits for that."""
    body = {
        "parameters": {"host": HOST, "site": SITE, "approve": True},
        "state": {"type": "SCHEDULED"},
    }
    deployments = stack.post("/deployments/filter", {})
    [mine] = [one["id"] for one in deployments if one["name"] == "release-host"]
    run = stack.post(f"/deployments/{mine}/create_flow_run", body)
    wait_for(lambda: stack.state(run)["type"] in ("PAUSED", "FAILED"), 300, "it waits")
    assert stack.state(run)["name"] == "Suspended", stack.state(run)["message"]
    return run


def test_a_host_is_released_when_an_operator_says_so(stack: Stack, rack: Rack) -> None:
    """Suspended before the power is touched; an empty answer is none; approved, it goes on."""
    run = started(stack)
    assert rack.bmc.machine.told == []

    answer = stack.post(f"/flow_runs/{run['id']}/resume", {"run_input": {}})
    assert answer["status"] == "REJECT", answer
    assert stack.state(run)["name"] == "Suspended"

    done = stack.pumphouse("approve", run["id"], "--who", "Kim", "--comment", "rack 3 is ours")
    assert done.returncode == 0, done.stdout + done.stderr
    wait_for(
        lambda: stack.state(run)["type"] in ("COMPLETED", "FAILED", "CRASHED"), 300, "it ends"
    )

    ended = stack.state(run)
    assert ended["type"] == "COMPLETED", ended["message"]
    assert "Kim approved it. rack 3 is ours" in stack.log(run)
    assert rack.bmc.machine.told.count("power 1") == 1
    assert (rack.node().status, rack.node().cluster_id, rack.node().name) == (
        "discover",
        None,
        HOST,
    )
    shown = stack.post("/artifacts/filter", {})
    [port] = [one for one in shown if one["key"] == f"release-port-{HOST}"]
    assert f"to VLAN {VLAN}" in json.dumps(port["data"])


def test_a_rejected_release_leaves_the_host_running(stack: Stack, rack: Rack) -> None:
    """It ends failed, with who said no, the state that the host is in, and both ways."""
    run = started(stack)

    done = stack.pumphouse("approve", run["id"], "--reject", "--who", "Kim")
    assert done.returncode == 0, done.stdout + done.stderr
    wait_for(lambda: stack.state(run)["type"] in ("COMPLETED", "FAILED"), 300, "it ends")

    message = stack.state(run)["message"]
    assert "Kim rejected it" in message
    assert f"Back: pumphouse maintenance leave {HOST}" in message
    assert rack.bmc.machine.told == []
    assert rack.source.services[HOST]["state"] == "up"
