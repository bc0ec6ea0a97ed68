"""The whole product: real clouds, server, worker, deployments, command line and browser."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from openstack.connection import Connection

from lab.layout import Lab
from pumphouse.models import SOURCE_ID
from tests.lab_tenants import Tenant
from tests.stack import CHROMIUM, Stack, running_server, wait_for

pytest_plugins = ("tests.lab",)
pytestmark = pytest.mark.e2e

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def stack(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Return a server with a worker, where everything is registered and deployed."""
    folder = tmp_path_factory.mktemp("stack")
    config = folder / "config.yaml"
    config.write_text(
        "name: e2e\n"
        f"source: {{entry: source, clouds_yaml: {lab.clouds_file}}}\n"
        f"target: {{entry: target, clouds_yaml: {lab.clouds_file}}}\n"
        f"storage: {{url: {folder / 'storage'}, web_url: 'http://reports.example'}}\n"
        f"passwords: {{file: {folder / 'passwords.csv'}}}\n"
    )
    with running_server(folder / "prefect") as services:
        made = Stack(services, config)
        for words in (["config", "register"], ["deploy"]):
            done = made.pumphouse(*words)
            assert done.returncode == 0, done.stdout + done.stderr
        services.start_worker()
        yield made


def test_the_check_shows_both_clouds(stack: Stack) -> None:
    """An administrator of the lab misses no right."""
    done = stack.pumphouse("config", "check")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("rights are there") == 2
    assert "2.96" in done.stdout


def test_discover_runs_on_the_server(stack: Stack) -> None:
    """The same command, watched from here, with the run's address and its artifacts."""
    done = stack.pumphouse("discover", "--deployment")

    assert done.returncode == 0, done.stdout + done.stderr
    run = stack.newest_run()
    assert run["state_type"] == "COMPLETED"
    assert f"/runs/flow-run/{run['id']}" in done.stdout
    assert "e2e-report" in done.stdout
    assert list(stack.config.parent.glob("storage/inventories/e2e/*/source/servers.parquet"))


@needs_browser
def test_the_browser_shows_the_run(stack: Stack) -> None:
    """What an operator sees after a run; a picture is kept."""
    run = stack.newest_run()

    page = stack.look(f"/runs/flow-run/{run['id']}", "run")

    assert run["name"] in page
    assert "Completed" in page


@needs_browser
def test_the_browser_shows_forms(stack: Stack) -> None:
    """Parameters and blocks have titles and help, and no text field for JSON."""
    deployment = stack.post(
        "/deployments/filter", {"deployments": {"name": {"any_": ["migrate"]}}}
    )
    kinds = stack.post("/block_types/filter", {})
    ours = {kind["slug"]: kind for kind in kinds if kind["slug"] in BLOCKS}

    form = stack.look(f"/deployments/deployment/{deployment[0]['id']}/run", "form-migrate")

    assert "dry_run" in form.lower() or "dry run" in form.lower()
    assert "Names or ids of projects" in form
    for slug, words in BLOCKS.items():
        page = stack.look(f"/blocks/catalog/{ours[slug]['slug']}/create", f"form-{slug}")
        assert words in page


BLOCKS = {"openstack-cloud": "Entry of clouds.yaml", "pumphouse-site": "Limits"}


def test_secrets_stay_secret(stack: Stack) -> None:
    """A block read back through the API shows no password."""
    documents = stack.post("/block_documents/filter", {})
    cloud = next(d for d in documents if d["name"] == "e2e-source")

    assert cloud["data"].get("password") in (None, "********")


def test_a_refused_selection_ends_with_its_code(stack: Stack) -> None:
    """The error on the worker is the error here."""
    done = stack.pumphouse("migrate", "--project", "no-such-project", "--deployment", "--dry-run")

    assert done.returncode == 2, done.stdout + done.stderr
    assert "no-such-project" in done.stderr


def test_killed_in_the_middle_it_goes_on(
    stack: Stack, tenant: Tenant, source: Connection, target: Connection
) -> None:
    """The worker and the run are killed while a server is down: a second run finishes it."""
    server = tenant.create_server(
        tenant.create_image(size_mib=64), tenant.create_flavor(), tenant.create_network()
    )
    words = ["migrate", "--project", tenant.name, "--deployment", "--yes"]
    watching = stack.start(*words)
    stopped = lambda: source.compute.get_server(server.id).status == "SHUTOFF"  # noqa: E731
    wait_for(stopped, 400, "the source server is stopped")

    _kill_worker(stack)
    watching.kill()
    watching.wait()
    stack.services.start_worker()
    done = stack.pumphouse(*words)

    assert done.returncode == 0, done.stdout + done.stderr
    copies = _copies(target, server)
    assert [copy.status for copy in copies] == ["ACTIVE"]
    assert source.compute.get_server(server.id).status == "SHUTOFF"


def test_cancelled_in_the_middle_the_server_runs_as_before(
    stack: Stack, tenant: Tenant, source: Connection, target: Connection
) -> None:
    """The cut-over is undone, the ledger says so, and the run is cancelled in the end."""
    server = tenant.create_server(
        tenant.create_image(size_mib=900), tenant.create_flavor(), tenant.create_network()
    )
    watching = stack.start("migrate", "--project", tenant.name, "--deployment", "--yes")
    wait_for(lambda: _is_down(source, server), 400, "the source server is stopped")

    stack.cancel(run := stack.newest_run())
    output, _ = watching.communicate(timeout=300)

    assert watching.returncode == 1
    assert "Cancelled" in output
    assert source.compute.get_server(server.id).status == "ACTIVE"
    assert not _copies(target, server)
    assert not [key for key in _metadata(source, server) if key.startswith("pumphouse:")]
    ledger = pd.read_parquet(_ledger(stack, run))
    assert ledger.set_index("kind").status["servers"] == "failed"


def test_a_killed_run_is_taken_back_by_its_worker(
    stack: Stack, tenant: Tenant, source: Connection, target: Connection
) -> None:
    """The server does not stay down until somebody comes: it runs at the source again."""
    server = tenant.create_server(
        tenant.create_image(size_mib=64), tenant.create_flavor(), tenant.create_network()
    )
    watching = stack.start("migrate", "--project", tenant.name, "--deployment", "--yes")
    wait_for(lambda: _is_down(source, server), 400, "the source server is stopped")
    run = stack.newest_run()

    os.kill(_process_of(stack, run["id"]), signal.SIGKILL)
    output, _ = watching.communicate(timeout=300)
    wait_for(lambda: not _is_down(source, server), 120, "the source server runs again")

    assert "Crashed" in output
    wait_for(lambda: not _metadata(source, server), 60, "the journal is removed")
    assert not _copies(target, server)
    paced = ("--canary", "1", "--max-parallel", "1", "--until", "23:59 Europe/Berlin")
    again = stack.pumphouse("migrate", "--project", tenant.name, "--deployment", "--yes", *paced)
    assert again.returncode == 0, again.stdout + again.stderr
    assert [copy.status for copy in _copies(target, server)] == ["ACTIVE"]


def _is_down(source: Connection, server: Any) -> bool:
    return bool(source.compute.get_server(server.id).status == "SHUTOFF")


def _metadata(cloud: Connection, server: Any) -> dict[str, str]:
    return dict(cloud.compute.get_server(server.id).metadata)


def _ledger(stack: Stack, run: Any) -> Path:
    """Return the ledger of a flow run."""
    runs = stack.config.parent / "storage" / "runs"
    (found,) = runs.glob(f"*-{run['id'][:8]}/ledger.parquet")
    return found


def _process_of(stack: Stack, run_id: str) -> int:
    """Return the process of a flow run: the worker's child that has its id."""
    worker = stack.services.worker.pid
    assert worker
    for child in psutil.Process(worker).children(recursive=True):
        if child.environ().get("PREFECT__FLOW_RUN_ID") == run_id:
            return int(child.pid)
    raise AssertionError(f"no process has run {run_id}")


def _copies(target: Connection, server: Any) -> list[Any]:
    return [
        copy
        for copy in target.compute.servers(all_projects=True, name=server.name)
        if copy.metadata.get(SOURCE_ID) == server.id
    ]


def _kill_worker(stack: Stack) -> None:
    """Kill the worker and every process that it started, with no chance to clean up."""
    worker = stack.services.worker.pid
    assert worker
    started = [worker]
    for pid in started:
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            started += map(int, path.read_text().split())
    for pid in started:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: stack.services.worker.pid is None, 10, "the worker is gone")
