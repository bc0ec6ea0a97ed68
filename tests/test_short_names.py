"""Bare deployment names, by a plugin of Prefect's client: it must not break without a word."""

import subprocess
import sys
from importlib.metadata import entry_points
from typing import Any

import pytest

from pumphouse.deployments import settings, short_names
from pumphouse.deployments.services import options

TRY = """
import sys
from prefect.client.orchestration import SyncPrefectClient
client = SyncPrefectClient("http://127.0.0.1:9/api")
asked = []
def request(method, path, path_params=None, **_):
    asked.append("/".join(path_params.values()))
    raise LookupError
client.request = request
try:
    client.read_deployment_by_name(sys.argv[1])
except LookupError:
    print(asked[0])
except ValueError as error:
    print(error)
"""


def asked_for(name: str, environment: dict[str, str]) -> str:
    """Return what a new Prefect asks its server for when it is given *name*."""
    command = [sys.executable, "-c", TRY, name]
    own = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PATH": "/usr/bin"}
    done = subprocess.run(
        command, env=own | environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_prefect_is_as_the_plugin_expects_it() -> None:
    """This fails when Prefect changes underneath: then look at deployments/short_names.py."""
    import prefect

    for client in short_names.clients():
        assert short_names.changed(client, prefect.__version__) == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [("upgrade-host", "upgrade-host/upgrade-host"), ("discover/nightly", "discover/nightly")],
)
def test_our_settings_make_prefect_take_bare_names(name: str, expected: str) -> None:
    """A new process, with nothing but the settings that `make server` writes."""
    assert asked_for(name, settings.client(options({}))) == expected


def test_without_our_settings_prefect_is_as_it_is() -> None:
    """Installing the package alone changes nothing."""
    assert "Invalid deployment name format" in asked_for("upgrade-host", {})


def test_the_plugin_is_an_entry_point_and_the_only_one_allowed() -> None:
    """The settings let no other package's plugin in."""
    names = {found.name for found in entry_points(group="prefect.plugins")}

    assert settings.PLUGINS["PREFECT_PLUGINS_ALLOW"] in names


class Renamed:
    """A client that lost the method."""


class Widened:
    """A client whose method takes more."""

    def read_deployment_by_name(self, name: str, tags: Any = None) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("client", "version", "said"),
    [
        (Renamed, "3.9.1", "Renamed has no read_deployment_by_name"),
        (Widened, "3.9.1", "takes self, name, tags"),
        (Widened, "4.0.0", "Prefect is 4.0.0"),
    ],
)
def test_another_prefect_is_left_alone(client: type, version: str, said: str) -> None:
    """Rather no bare names than a broken client."""
    assert said in short_names.changed(client, version)
