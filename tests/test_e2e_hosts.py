"""
A host of the lab from the source to the target: real clouds, server, worker, Redfish, browser.

The host is the tests' own, and its machine answers sushy-tools' emulator: without power, or
booted from the network, it has no nova-compute in the source. Fuel is the lab's stand-in, and
what it deploys becomes a compute host of the target.
"""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from openstack.connection import Connection

from lab import hosts
from lab.layout import Lab
from lab.tenants.images import ensure_image
from pumphouse.tasks.maintenance import leave_maintenance
from tests.fuel_server import ENVIRONMENT, PASSWORD, FuelServer, serving
from tests.lab_tenants import Tenant
from tests.migrations import site
from tests.rack import MACS, NUMBER
from tests.stack import CHROMIUM, Stack, running_server, wait_for
from tests.test_redfish import Service, service

pytest_plugins = ("tests.lab",)
pytestmark = pytest.mark.e2e

HOST, PROBE = "source-upgraded", "upgraded-probe"
STEPS = (
    "evacuate", "pxe", "reset", "register", "assign", "disks", "nics", "provision", "deploy",
    "compute", "probe", "enable", "retire",
)  # fmt: skip


@pytest.fixture(scope="module", name="fuel")
def _fuel(lab: Lab) -> Iterator[FuelServer]:
    """Yield a Fuel that starts the host's nova-compute in the target when it has deployed it."""
    lab_command = shlex.join([sys.executable, "-m", "lab", "--dir", str(lab.root)])
    # Its clock runs fast, and no agent tells it every minute that the host is still there.
    with serving(
        hosts={MACS[0]: HOST},
        on_deploy=f"{lab_command} compute add target {{host}}",
        keepalive_timeout_s=86400.0,
    ) as server:
        yield server


@pytest.fixture(scope="module", name="bmc")
def _bmc(
    lab: Lab, fuel: FuelServer, target: Connection, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Yield the BMC; a start from the network ends the source's system, and Fuel hears of it."""
    cloud = lab.cloud("source")
    with service(tmp_path_factory.mktemp("bmc")) as found:
        machine, follow = found.machine, found.machine._follow

        def boots() -> None:
            hosts.kill(lab, cloud, HOST)
            fuel.register(NUMBER)

        def following(name: str, values: list[str]) -> None:
            follow(name, values)
            if name == "reset" and machine.boot[0] == "pxe":
                Thread(target=boots, daemon=True).start()

        machine._follow = following  # type: ignore[method-assign]
        hosts.add(lab, cloud, HOST)
        yield found
        _vacate(target)
        for name in ("source", "target"):
            hosts.remove(lab, lab.cloud(name), HOST)


def _vacate(target: Connection) -> None:
    """Let what others put onto the new host move on before it goes."""
    if (ours := service_of(target)) is None:
        return
    target.compute.disable_service(ours, HOST, "nova-compute")
    here = lambda: list(target.compute.servers(all_projects=True, host=HOST))  # noqa: E731
    for server in here():
        target.compute.live_migrate_server(server, host=None, block_migration="auto")
    wait_for(lambda: not here(), 300, "nobody is on the new host")


@pytest.fixture(scope="module", name="probe")
def _probe(target: Connection) -> Iterator[dict[str, str]]:
    """Yield the image and flavor of the probe at the target."""
    image = ensure_image(target, PROBE, 1)
    flavor = target.compute.create_flavor(name=PROBE, vcpus=1, ram=64, disk=1)
    yield {"image": PROBE, "flavor": PROBE}
    target.compute.delete_flavor(flavor)
    target.image.delete_image(image)


@pytest.fixture(scope="module", name="stack")
def _stack(
    lab: Lab, fuel: FuelServer, bmc: Service, probe: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:  # fmt: skip
    """Yield a server with a worker, where the site, its host and its deployments are known."""
    folder = tmp_path_factory.mktemp("stack")
    access = bmc.access()
    secret = {"password": access.password.get_secret_value()}
    clouds = {
        role: {"entry": role, "clouds_yaml": str(lab.clouds_file)} for role in ("source", "target")
    }
    settings = {
        **clouds,
        "storage": {"url": str(folder / "storage")},
        "fuel": {"url": fuel.url, "username": "admin", "password": PASSWORD},
        "hosts": {
            HOST: {
                "bmc": access.model_dump() | secret,
                "boot_mac": MACS[0],
                "macs": list(MACS),
            }
        },
        "upgrade": {"environment": "target", "probe": probe, "retry_pause_s": 1},
    }
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    with running_server(folder / "prefect") as services:
        made = Stack(services, config)
        for words in (["config", "register"], ["deploy"]):
            done = made.pumphouse(*words)
            assert done.returncode == 0, done.stdout + done.stderr
        services.start_worker()
        yield made


@pytest.fixture(name="boot")
def _boot(
    lab: Lab, tenant: Tenant, bmc: Service, source: Connection, tmp_path: Path
) -> Iterator[Any]:
    """Return a function that boots a server on the host, which is enabled again if need be."""
    leave_maintenance(site(lab.clouds_file, tmp_path, ("source", "target")), HOST)
    image, flavor, network = (
        tenant.create_image(),
        tenant.create_flavor(),
        tenant.create_network(),
    )
    made: list[Any] = []

    def boot(name: str, **metadata: str) -> Any:
        server = source.compute.create_server(
            name=f"{tenant.name}-{name}",
            flavor_id=flavor.id,
            image_id=image.id,
            networks=[{"uuid": network.id}],
            availability_zone=f"nova:{HOST}",
            metadata=metadata,
        )
        made.append(server)
        return source.compute.wait_for_server(server, wait=300)

    yield boot
    with ExitStack() as stack:
        for server in made:
            stack.callback(source.compute.wait_for_delete, server, wait=120)
            source.compute.delete_server(server)


def service_of(cloud: Connection) -> Any:
    """Return the host's compute service; None when the cloud has none."""
    found = cloud.compute.services(binary="nova-compute")
    return next((s for s in found if s.host == HOST), None)


def slots_taken(stack: Stack) -> int:
    """Return how many slots of any limit are taken."""
    limits = stack.post("/v2/concurrency_limits/filter", {})
    return sum(round(one["active_slots"]) for one in limits)


def test_hosts_are_listed_and_checked(stack: Stack) -> None:
    """State, servers, power and way of each; what stands in the way of one, before it is begun."""
    listed = stack.pumphouse("hosts", "list", "--json")
    checked = stack.pumphouse("hosts", "check", HOST)

    assert listed.returncode == 0, listed.stdout + listed.stderr
    rows = {row["host"]: row for row in json.loads(listed.stdout)["hosts"]}
    ours = rows[HOST]
    assert (ours["cloud"], ours["state"]) == ("source", "enabled, up")
    assert ours["servers"] is not None
    assert (ours["bmc"], ours["upgrade"]) == ("on", "")
    assert {row["cloud"] for row in rows.values()} >= {"source", "target"}
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"pumphouse upgrade-host {HOST}" in checked.stdout


def test_a_cancelled_evacuation_leaves_servers_running_and_says_how_the_host_is(
    stack: Stack, source: Connection, boot: Any
) -> None:
    """As the button in the UI does it: the migration is called off, and every limit is free."""
    server = boot("endless", **{"lab:fault": "live-hang"})
    watching = stack.start("evacuate", HOST, "--deployment", "--yes")
    moving = lambda: source.compute.get_server(server.id).task_state == "migrating"  # noqa: E731
    wait_for(moving, 400, "the server is on its way")

    stack.cancel(run := stack.newest_run())
    output, _ = watching.communicate(timeout=300)

    assert watching.returncode == 1, output
    wait_for(lambda: stack.state(run)["type"] == "CANCELLED", 120, "the run is cancelled")
    wait_for(
        lambda: f"Host {HOST}: Its compute service is disabled" in stack.log(run),
        120,
        "it says how the host is",
    )
    said = stack.log(run)
    assert f"Forward: pumphouse evacuate {HOST}." in said
    assert f"Back: pumphouse maintenance leave {HOST}." in said

    def is_as_before() -> bool:
        now = source.compute.get_server(server.id)
        return (now.status, now.compute_host, now.task_state) == ("ACTIVE", HOST, None)

    wait_for(is_as_before, 120, "its live migration was called off")
    wait_for(lambda: slots_taken(stack) == 0, 120, "every limit is free")

    done = stack.pumphouse("maintenance", "leave", HOST, "--deployment", "--yes")

    assert done.returncode == 0, done.stdout + done.stderr
    assert (service_of(source).status, service_of(source).state) == ("enabled", "up")


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_form_of_an_upgrade_explains_itself(stack: Stack) -> None:
    """Who starts it in the browser needs no other page; a picture is kept."""
    named = {"deployments": {"name": {"any_": ["upgrade-host"]}}}
    [deployment] = stack.post("/deployments/filter", named)

    form = stack.look(f"/deployments/deployment/{deployment['id']}/run", "form-upgrade-host")

    for words in (
        "Its name, as the source's Nova has it",
        "Suspend the run for an approval before the host's disks are given up",
        "Do all the checks, and change nothing",
        "Name of the saved Pumphouse Site block",
    ):
        assert words in form.replace("&#39;", "'")


def test_an_occupied_host_becomes_a_compute_node_of_the_target(
    stack: Stack, source: Connection, target: Connection, boot: Any, bmc: Service, fuel: FuelServer
) -> None:
    """By one command of Prefect's, by its bare name: emptied, approved, reset by Redfish, new."""
    server = boot("web")
    prefect = [sys.executable, "-m", "prefect", "deployment", "run", "upgrade-host"]
    given = ["-p", f"host={HOST}", "-p", "approve=true"]
    told = subprocess.run(
        [*prefect, *given], env=stack.environment, capture_output=True, text=True, timeout=300
    )
    assert told.returncode == 0, told.stdout + told.stderr
    run = stack.newest_run()
    wait_for(
        lambda: stack.state(run)["name"] in ("Suspended", "Failed", "Crashed"), 500, "it asks"
    )
    assert stack.state(run)["name"] == "Suspended", stack.state(run)["message"]
    assert (bmc.machine.told, source.compute.get_server(server.id).status) == ([], "ACTIVE")
    assert stack.post(f"/flow_runs/{run['id']}/resume", {"run_input": {}})["status"] == "REJECT"

    done = stack.pumphouse("approve", run["id"], "--who", "Kim", "--comment", "rack 3 is ours")

    assert done.returncode == 0, done.stdout + done.stderr
    over = ("COMPLETED", "FAILED", "CRASHED")
    wait_for(lambda: stack.state(run)["type"] in over, 900, "it ends")
    assert stack.state(run)["type"] == "COMPLETED", stack.state(run)["message"]
    assert bmc.machine.told == ["boot pxe", "reset 1"]
    assert (service_of(source), service_of(target).status) == (None, "enabled")
    now = source.compute.get_server(server.id)
    assert (now.status, now.compute_host != HOST) == ("ACTIVE", True)
    with fuel.client() as client:
        node = client.find_node(MACS)
    assert node is not None
    assert (node.cluster_id, node.status, node.roles) == (ENVIRONMENT, "ready", ("compute",))
    assert not any("/changes" in call for call in fuel.calls())
    assert list(target.compute.servers(all_projects=True, name="pumphouse-probe")) == []
    wait_for(lambda: slots_taken(stack) == 0, 120, "every limit is free")
    _shows(stack, run)


def _shows(stack: Stack, run: Any) -> None:
    """Check what an operator sees of a run that has ended: its page, its steps, the progress."""
    mine = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}
    # Its process ended while it was suspended, and another went on: the newest of each counts.
    found = sorted(stack.post("/artifacts/filter", mine), key=lambda one: one["created"])
    shown = {one["key"]: one["data"] for one in found}
    assert [row["step"] for row in json.loads(shown[f"upgrade-{HOST}"])] == list(STEPS)
    assert float(shown[f"upgrade-{HOST}-progress"]) == 100
    if CHROMIUM is None:
        return
    page = stack.look(f"/runs/flow-run/{run['id']}", "run-upgrade-host")
    assert "Completed" in page
    assert f"upgrade {HOST}" in page
    [*_, newest] = [one["id"] for one in found if one["key"] == f"upgrade-{HOST}"]
    table = stack.look(f"/artifacts/artifact/{newest}", "steps-upgrade-host")
    assert [step for step in STEPS if step not in table] == []
