"""Prefect on PostgreSQL: for more than one operator, host or server."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import Stack, free_port, running_server

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
USER = "postgres"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not BINARIES, reason="Debian's package postgresql is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to run a database as its own user"),
]


@pytest.fixture
def database_url() -> Iterator[str]:
    """Start an empty database and return its URL."""
    folder = Path("/var/tmp") / f"pumphouse-pg-{os.getpid()}"
    folder.mkdir()
    shutil.chown(folder, USER, USER)
    port = free_port()
    postgres = f"{BINARIES[-1]}/pg_ctl"
    _as_postgres(f"{BINARIES[-1]}/initdb", "-D", f"{folder}/d", "-A", "trust", "-U", USER)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    log = f"{folder}/log"
    try:
        _as_postgres(postgres, "-D", f"{folder}/d", "-w", "-l", log, "-o", options, "start")
        yield f"postgresql+asyncpg://{USER}@127.0.0.1:{port}/{USER}"
    finally:
        _as_postgres(postgres, "-D", f"{folder}/d", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def _as_postgres(*command: str) -> None:
    subprocess.run(
        ["runuser", "-u", USER, "--", *command], check=True, cwd="/", stdout=subprocess.DEVNULL
    )


def test_a_server_keeps_everything_in_postgresql(tmp_path: Path, database_url: str) -> None:
    """Server, authentication and registered blocks work on it, and no SQLite file appears."""
    config = tmp_path / "config.yaml"
    config.write_text("source: {entry: old}\ntarget: {entry: new}\n")
    folder = tmp_path / "prefect"
    with running_server(folder, database_url=database_url, auth="ops:secret") as services:
        stack = Stack(services, config)
        done = stack.pumphouse("config", "register", "--json")
        locked_out = stack.environment | {"PREFECT_API_AUTH_STRING": "ops:wrong"}
        refused = subprocess.run(
            [*_command(), "config", "register"], env=locked_out, capture_output=True, text=True
        )

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"name": "default"' in done.stdout
    assert refused.returncode == 1
    assert "refused us (401)" in " ".join(refused.stderr.split())
    assert list(folder.rglob("*.db")) == []


def _command() -> list[str]:
    return [sys.executable, "-m", "pumphouse"]
