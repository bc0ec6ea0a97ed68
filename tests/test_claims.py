"""Two runs never move one server: who is dead loses it, who may live keeps it."""

import os
import socket
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import httpx
import psutil
import pytest
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Running, State

from pumphouse.checks import RETURNING, SINCE, STATE, WAS
from pumphouse.errors import ServerClaimed
from pumphouse.finalization import Removal
from pumphouse.tasks import claims, finalizing, servers
from pumphouse.tasks.crossing import MIGRATED

RUN_ID = "0190a5a6-0000-7000-8000-000000000001"


def elsewhere(patch: pytest.MonkeyPatch, answer: Any) -> str:
    """Return what is said of a run of another machine, when Prefect answers so."""

    class Client:
        def __enter__(self) -> "Client":
            return self

        def __exit__(self, *error: Any) -> None:
            """End."""

        def read_flow_run(self, run_id: Any) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return SimpleNamespace(name="migrate at x", state=answer)

    patch.setattr(claims, "get_client", lambda sync_client: Client())
    return claims.rival(f"{RUN_ID} other-machine 4711 1700000000")


def test_nobody_is_nobody() -> None:
    """A server without a note is free."""
    assert claims.rival("") == ""


def test_the_same_process_may_go_on() -> None:
    """A retry inside of a process finds its own note."""
    assert claims.rival(claims.own()) == ""


def test_a_living_process_of_this_machine_keeps_it() -> None:
    """No server has to be asked."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        began = psutil.Process(other.pid).create_time()
        note = f"{RUN_ID} {socket.gethostname()} {other.pid} {began:.0f}"
        assert f"process {other.pid}" in claims.rival(note)
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(other.pid).status() == psutil.STATUS_ZOMBIE
        assert claims.rival(note) == ""
    assert claims.rival(note) == ""


def test_a_number_that_was_given_again_is_another_process() -> None:
    """Numbers of processes come back; when they began does not."""
    note = f"{RUN_ID} {socket.gethostname()} {os.getppid()} {time.time() - 10**7:.0f}"
    assert claims.rival(note) == ""


@pytest.mark.parametrize("state", [Completed(), None])
def test_an_ended_run_of_another_machine_loses_it(
    monkeypatch: pytest.MonkeyPatch, state: State[Any] | None
) -> None:
    """Prefect knows."""
    assert elsewhere(monkeypatch, state) == ""


def test_a_running_one_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name and state are said."""
    assert "migrate at x" in (said := elsewhere(monkeypatch, Running()))
    assert "Running" in said


@pytest.mark.parametrize("error", [ObjectNotFound(OSError()), httpx.ConnectError("no")])
def test_who_cannot_be_asked_about_keeps_it(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """It may be another operator's own run; the way out is said."""
    assert f"delete the metadata key {claims.RUN}" in elsewhere(monkeypatch, error)


@pytest.mark.parametrize(
    ("metadata", "is_it"),
    [
        ({WAS: "ACTIVE", STATE: f"{SINCE}17", claims.RUN: f"{RUN_ID} h 1 1"}, True),
        ({WAS: "ACTIVE", STATE: f"{SINCE}17", claims.RUN: "another h 1 1"}, False),
        ({WAS: "ACTIVE", STATE: MIGRATED, claims.RUN: f"{RUN_ID} h 1 1"}, False),
        ({RETURNING: "ACTIVE", STATE: MIGRATED, claims.RUN: f"{RUN_ID} h 1 1"}, True),
        ({RETURNING: "ACTIVE", claims.RUN: "another h 1 1"}, False),
        ({}, False),
    ],
)
def test_only_what_the_dead_run_had_in_hand_is_half_way(
    metadata: dict[str, str], is_it: bool
) -> None:
    """Other runs' servers and those that arrived are none of it."""
    assert claims.is_half_way(metadata, RUN_ID) is is_it


def removal() -> Removal:
    return Removal(
        kind="servers", source_id="s", name="web", project="shop", target_id="S",
        is_removed=True, reason="",
    )  # fmt: skip


def test_two_runs_never_delete_one_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is refused with a sentence that names the first; a dead one is no hindrance."""
    written: list[dict[str, str]] = []
    monkeypatch.setattr(servers, "write_metadata", lambda api, id_, values: written.append(values))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        began = psutil.Process(other.pid).create_time()
        note = f"{RUN_ID} {socket.gethostname()} {other.pid} {began:.0f}"
        live = {"metadata": {claims.FINALIZING: note}}
        monkeypatch.setattr(servers, "read_server", lambda api, id_: live)
        api: Any = object()
        with pytest.raises(ServerClaimed, match=rf"web \(s\) is taken: Run {RUN_ID} deletes it"):
            finalizing.claim(api, removal())
        assert written == []
        other.kill()
    finalizing.claim(api, removal())
    assert written == [{claims.FINALIZING: claims.own()}]


def test_what_a_rollback_returns_is_not_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It began after finalize had looked at the server."""
    live = {"metadata": {RETURNING: "ACTIVE"}}
    monkeypatch.setattr(servers, "read_server", lambda api, id_: live)
    api: Any = object()
    with pytest.raises(ServerClaimed, match="A rollback returns it"):
        finalizing.claim(api, removal())
