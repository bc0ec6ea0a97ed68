"""A server counts as moved only when Nova's record and the server say so together."""

from typing import Any

import pytest

from pumphouse.verdicts import (
    HOST,
    TASK,
    Verdict,
    failure,
    judge_cold,
    judge_evacuation,
    judge_live,
    newest,
)

ERROR = [{"event": "conductor", "result": "Error", "details": "No valid host was found."}]


def server(host: str = "cmp1", task: str | None = None, status: str = "ACTIVE") -> dict[str, Any]:
    return {HOST: host, TASK: task, "status": status}


def record(status: str, id_: int = 7, kind: str = "live-migration") -> dict[str, Any]:
    return {"id": id_, "status": status, "migration_type": kind, "source_compute": "cmp1"}


@pytest.mark.parametrize(
    ("seen", "of", "events", "verdict"),
    [
        (server(), None, [], Verdict.UNDER_WAY),  # the race: not begun, and ACTIVE already
        (server(), record("accepted"), [], Verdict.UNDER_WAY),
        (server(task="migrating"), record("running"), [], Verdict.UNDER_WAY),
        (server("cmp2", "migrating"), record("completed"), [], Verdict.UNDER_WAY),
        (server("cmp2"), record("running"), [], Verdict.UNDER_WAY),
        (server("cmp1"), record("completed"), [], Verdict.UNDER_WAY),
        (server("cmp2"), record("completed"), [], Verdict.DONE),
        (server(), record("error"), [], Verdict.FAILED),
        (server(), record("failed"), [], Verdict.FAILED),
        (server(), record("cancelled"), [], Verdict.FAILED),
        (server(task="migrating"), record("failed"), [], Verdict.UNDER_WAY),
        (server(), None, ERROR, Verdict.FAILED),
    ],
)
def test_live(
    seen: dict[str, Any],
    of: dict[str, Any] | None,
    events: list[dict[str, Any]],
    verdict: Verdict,
) -> None:
    """Host, task and record have to agree; a failure counts when it is rolled back."""
    assert verdict == judge_live(seen, of, events, "cmp1")


@pytest.mark.parametrize(
    ("seen", "of", "verdict"),
    [
        (server(), None, Verdict.UNDER_WAY),
        (server(), record("migrating"), Verdict.UNDER_WAY),
        (server(task="resize_migrating", status="RESIZE"), record("migrating"), Verdict.UNDER_WAY),
        (server("cmp2", status="VERIFY_RESIZE"), record("finished"), Verdict.DONE),
        (server("cmp2"), record("confirmed"), Verdict.DONE),
        (server(), record("error"), Verdict.FAILED),
        (server(status="ERROR"), record("error"), Verdict.FAILED),
    ],
)
def test_cold(seen: dict[str, Any], of: dict[str, Any] | None, verdict: Verdict) -> None:
    """Done means that it can be confirmed, or that the cloud did so by itself."""
    assert verdict == judge_cold(seen, of, [], "cmp1")
    assert judge_cold(server(), None, ERROR, "cmp1") == Verdict.FAILED


def test_evacuation() -> None:
    """A server that was in error before stays under way until its record is done."""
    broken = server(status="ERROR")

    assert judge_evacuation(broken, record("accepted"), [], "cmp1") == Verdict.UNDER_WAY
    assert judge_evacuation(server("cmp2"), record("done"), [], "cmp1") == Verdict.DONE
    ended = server("cmp2", status="ERROR")
    assert judge_evacuation(ended, record("done"), [], "cmp1") == Verdict.FAILED


def test_the_newest_record_of_this_move_counts() -> None:
    """Records of earlier moves, of other kinds and from other hosts are of no use."""
    records = [
        record("completed", 3),
        record("running", 9),
        record("finished", 11, "resize"),
        {**record("running", 12), "source_compute": "cmp2"},
    ]

    assert records[1] == newest(records, "live-migration", "cmp1", [3])
    assert newest(records, "live-migration", "cmp1", [3, 9]) is None


def test_the_reason_is_novas_own() -> None:
    """The words of the event that failed; the last line of a traceback where there are none."""
    traceback = {"event": "x", "result": "Error", "traceback": "File a\nnova.NoRoom: full\n"}

    assert failure(ERROR) == "No valid host was found."
    assert failure([{"event": "y", "result": "Success"}, traceback]) == "nova.NoRoom: full"
    assert failure([{"event": "x", "result": "Error"}]) == "x failed without a reason."
    assert failure([{"event": "y", "result": None}]) == ""
