"""Fixtures for tests against the lab's two real clouds.

Use them with `pytest_plugins = ["tests.lab"]` and mark such tests with `lab`. The lab is
started when it is down and left running unless PUMPHOUSE_LAB_STOP is 1. Every tenant has a
project, a network and names of its own, and is removed from both clouds after its test.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from openstack.connection import Connection

from lab.connections import connect
from lab.layout import Lab
from lab.lifecycle import running
from lab.settings import load_lab
from tests.lab_tenants import Tenant, create_tenant, leaks, remove_named, resources

ROOT = Path(__file__).parent.parent
LABEL = f"t{uuid.uuid4().hex[:6]}"


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Return the running lab; fail the session when it has more in it afterwards."""
    found = load_lab()
    if not running(found):
        subprocess.run(
            [sys.executable, "-m", "lab", "up", "--size", "small"], cwd=ROOT, check=True
        )
    admins = {cloud.name: connect(cloud) for cloud in found.clouds}
    before = {name: resources(admin) for name, admin in admins.items()}
    yield found
    left = [
        f"{name}: {line}"
        for name, admin in admins.items()
        for line in leaks(before[name], resources(admin), LABEL)
    ]
    if os.environ.get("PUMPHOUSE_LAB_STOP") == "1":
        _command("down")
    assert not left, "tests left something in the lab:\n" + "\n".join(left)


@pytest.fixture(scope="session")
def source(lab: Lab) -> Connection:
    """Return the admin's connection to the source."""
    return connect(lab.cloud("source"))


@pytest.fixture(scope="session")
def target(lab: Lab) -> Connection:
    """Return the admin's connection to the target."""
    return connect(lab.cloud("target"))


@pytest.fixture
def clouds_file(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let everything in the test find the clouds `source` and `target` by name."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(lab.clouds_file))
    return lab.clouds_file


@pytest.fixture
def make_tenant(
    lab: Lab, source: Connection, target: Connection
) -> Iterator[Callable[[], Tenant]]:
    """Return a maker of tenants at the source; remove them and their copies afterwards."""
    made: list[str] = []

    def make() -> Tenant:
        name = f"{LABEL}-{uuid.uuid4().hex[:6]}"
        made.append(name)
        return create_tenant(lab.cloud("source"), source, name)

    yield make
    for name in made:
        remove_named(source, name)
        remove_named(target, name)


@pytest.fixture
def tenant(make_tenant: Callable[[], Tenant]) -> Tenant:
    """Return one tenant at the source."""
    return make_tenant()


def _command(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "lab", *words], cwd=ROOT, check=True)
