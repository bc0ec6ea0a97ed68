"""
Whether a server has moved: judged on Nova's migration record and on the server together.

Pure. A server alone is no judge: it is ACTIVE before its live migration begins, after that
failed, and after it succeeded. A record alone is none either: Nova writes it before the server
is free again.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

Raw = Mapping[str, Any]

HOST = "OS-EXT-SRV-ATTR:host"
TASK = "OS-EXT-STS:task_state"
"""What Nova is doing to a server; empty when it is done."""

ATTACHED = "os-extended-volumes:volumes_attached"

FAILED = ("error", "failed", "cancelled")
FINISHED = ("completed", "done")
TYPES = {"live": "live-migration", "cold": "migration", "evacuate": "evacuation"}
"""Nova's types of migration record, by our ways."""


class Verdict(StrEnum):
    """What became of a move so far."""

    UNDER_WAY = "under way"
    DONE = "done"
    FAILED = "failed"


def newest(records: Iterable[Raw], kind: str, host: str, known: Iterable[int]) -> Raw | None:
    """
    Return the youngest record of *kind* (a value of `TYPES`) away from *host*.

    known: Ids of those that were there before; they are of other moves.
    """
    older = set(known)
    found = [
        record
        for record in records
        if record["migration_type"] == kind
        and record["source_compute"] == host
        and record["id"] not in older
    ]
    return max(found, key=lambda record: int(record["id"]), default=None)


def judge_live(server: Raw, record: Raw | None, events: Sequence[Raw], host: str) -> Verdict:
    """
    Return what became of a live migration away from *host*.

    events: Of the server's action that our request began; a request may fail before Nova
        writes a record.
    """
    if server[TASK]:
        return Verdict.UNDER_WAY
    if record is None:
        return Verdict.FAILED if failure(events) else Verdict.UNDER_WAY
    if record["status"] in FAILED:
        return Verdict.FAILED
    if record["status"] in FINISHED and server[HOST] != host:
        return Verdict.DONE
    return Verdict.UNDER_WAY


def judge_cold(server: Raw, record: Raw | None, events: Sequence[Raw], host: str) -> Verdict:
    """
    Return what became of a cold migration away from *host*: done means it can be confirmed.

    A cloud that confirms by itself (`resize_confirm_window`) may have done so already.
    """
    if server[TASK]:
        return Verdict.UNDER_WAY
    if server["status"] == "VERIFY_RESIZE" and server[HOST] != host:
        return Verdict.DONE
    if server["status"] == "ERROR":
        return Verdict.FAILED
    if record is None:
        return Verdict.FAILED if failure(events) else Verdict.UNDER_WAY
    if record["status"] in FAILED:
        return Verdict.FAILED
    is_confirmed = record["status"] == "confirmed" and server[HOST] != host
    return Verdict.DONE if is_confirmed else Verdict.UNDER_WAY


def judge_evacuation(server: Raw, record: Raw | None, events: Sequence[Raw], host: str) -> Verdict:
    """Return what became of the evacuation of a server off the dead *host*."""
    verdict = judge_live(server, record, events, host)
    is_broken = verdict is Verdict.DONE and server["status"] == "ERROR"
    return Verdict.FAILED if is_broken else verdict


def failure(events: Iterable[Raw]) -> str:
    """Return Nova's own words for what failed in an action; nothing when nothing did."""
    for event in events:
        if event.get("result") != "Error":
            continue
        lines = str(event.get("details") or event.get("traceback") or "").strip().splitlines()
        return lines[-1].strip() if lines else f"{event['event']} failed without a reason."
    return ""
