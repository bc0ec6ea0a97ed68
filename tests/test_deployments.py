"""Settings of server and worker, and processes that outlive their starter."""

import os
import sys
import time
from pathlib import Path

import pytest

from pumphouse.deployments import settings
from pumphouse.deployments.local import encryption_key
from pumphouse.deployments.processes import Process
from pumphouse.deployments.services import Services, options
from pumphouse.deployments.settings import is_loopback
from pumphouse.errors import ConfigError

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "ops.example"])
def test_beyond_loopback_the_server_needs_a_password(host: str) -> None:
    """An open server hands out the clouds' passwords to everybody."""
    with pytest.raises(ConfigError, match="PUMPHOUSE_AUTH=user:password"):
        options({"PUMPHOUSE_HOST": host})

    assert options({"PUMPHOUSE_HOST": host, "PUMPHOUSE_AUTH": "ops:secret"}).auth


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_on_loopback_it_does_not(host: str) -> None:
    """One operator on one machine starts without ceremony."""
    assert is_loopback(host)
    assert options({"PUMPHOUSE_HOST": host}).auth is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"PUMPHOUSE_AUTH": "secret"}, "must be user:password"),
        ({"PUMPHOUSE_PORT": "many"}, "PUMPHOUSE_PORT: Input should be a valid integer"),
        ({"PUMPHOUSE_PORT": "70000"}, "less than or equal to 65535"),
    ],
)
def test_a_wrong_option_is_named_and_never_shown(given: dict[str, str], said: str) -> None:
    """The variable, and what is allowed; not a password."""
    with pytest.raises(ConfigError) as caught:
        options(given)

    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_server_talks_to_nobody() -> None:
    """Telemetry and promotion are off, the tracking UI is not the default."""
    chosen = settings.server(options({}), "key")

    assert chosen["DO_NOT_TRACK"] == "1"
    assert chosen["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert chosen["PREFECT_SERVER_UI_V2_ENABLED"] == "false"
    assert chosen["PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT"] == "false"
    assert chosen["PREFECT_SERVER_ENCRYPTION_KEY"] == "key"


def test_password_and_database_reach_the_server_and_only_the_password_its_clients() -> None:
    """A worker needs to log in; it does not need the database."""
    given = {
        "PUMPHOUSE_AUTH": "ops:secret",
        "PUMPHOUSE_DATABASE_URL": "postgresql+asyncpg://db/prefect",
        "PUMPHOUSE_PUBLIC_URL": "https://prefect.example/",
    }
    server, worker = settings.server(options(given), "key"), settings.worker(options(given))

    assert server["PREFECT_SERVER_API_AUTH_STRING"] == "ops:secret"
    assert given["PUMPHOUSE_DATABASE_URL"] == server["PREFECT_SERVER_DATABASE_CONNECTION_URL"]
    assert server["PREFECT_SERVER_UI_API_URL"] == "https://prefect.example/api"
    assert worker["PREFECT_API_AUTH_STRING"] == "ops:secret"
    assert worker["PREFECT_API_URL"] == "https://prefect.example/api"
    assert worker["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    assert not any("DATABASE" in name or "ENCRYPTION" in name for name in worker)


def test_the_encryption_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    """A new key would make every saved block unreadable."""
    first = encryption_key(tmp_path)

    assert first == encryption_key(tmp_path)
    assert len(first) == 44
    assert (tmp_path / "encryption.key").stat().st_mode & 0o777 == 0o600


def test_a_process_is_started_once_and_stopped(tmp_path: Path) -> None:
    """Starting twice gives one process; stopping twice is no error."""
    process = Process(tmp_path, "sleeper")

    assert process.start(SLEEP, os.environ)
    pid = process.pid
    assert pid
    assert not process.start(SLEEP, os.environ)
    assert pid == Process(tmp_path, "sleeper").pid
    assert process.stop()
    assert process.pid is None
    assert not process.stop()


def test_a_pid_of_somebody_else_is_not_ours(tmp_path: Path) -> None:
    """Pids are used again: a record from before a reboot must stop nobody."""
    (tmp_path / "sleeper.pid").write_text(f"{os.getpid()} 12345")
    process = Process(tmp_path, "sleeper")

    assert process.pid is None
    assert not process.stop()


def test_a_process_keeps_its_last_words(tmp_path: Path) -> None:
    """What a dead process printed is there for its error message."""
    process = Process(tmp_path, "sleeper")
    process.start([sys.executable, "-c", "print('no disk')"], os.environ)
    deadline = time.monotonic() + 10
    while process.pid and time.monotonic() < deadline:
        time.sleep(0.05)

    assert process.tail() == "no disk"


def test_the_environment_file_is_private_and_can_be_sourced(tmp_path: Path) -> None:
    """It holds the password, and nothing that a shell would run."""
    given = {"PUMPHOUSE_AUTH": "ops:it's $(touch x)", "PUMPHOUSE_HOST": "127.0.0.1"}
    services = Services(tmp_path, options(given))
    services.home.mkdir()

    services.write_environment()

    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600
    script = f'. {tmp_path}/env && printf %s "$PREFECT_API_AUTH_STRING"'
    assert given["PUMPHOUSE_AUTH"] == os.popen(script).read()
