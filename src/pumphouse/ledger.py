"""What a run did: one entry for each action, as a table."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import pandas as pd
from pydantic import BaseModel, ConfigDict

from pumphouse.plan import Item


class Status(StrEnum):
    """How an action ended."""

    DONE = "done"
    FOUND = "found"
    FAILED = "failed"
    LEFT = "left"
    READY = "ready"


class Entry(BaseModel):
    """
    One action. `status` *found* means nothing had to be done, *left* that it was not tried,
    *ready* that it can be done and was not asked for: a dry run.

    Attributes:
        downtime_s: From the stop of the source server to the verified copy; where that failed,
            until all was undone.

        size_bytes: Of its disks as the plan has them; *bytes* are those that were sent.

        predicted_s: The downtime that the plan foretold.

        health: What became of its health checks.

        checksum: ``algorithm:value`` of the bytes, equal on both ends.

        request_ids: Of the calls that changed something.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    source_id: str
    target_id: str | None = None
    name: str
    project: str = ""
    action: str
    status: Status
    started_at: datetime | None = None
    seconds: float = 0
    bytes: int = 0
    size_bytes: int = 0
    mover: str = ""
    predicted_s: float | None = None
    downtime_s: float | None = None
    health: str = ""
    checksum: str = ""
    request_ids: tuple[str, ...] = ()
    message: str = ""

    @property
    def key(self) -> str:
        """How plan items refer to what it is about."""
        return f"{self.kind}:{self.source_id}"


COLUMNS = tuple(Entry.model_fields)


def entry(item: Item, status: Status, message: str = "", target_id: str | None = None) -> Entry:
    """Return an entry about *item* without times."""
    return Entry(
        kind=item.kind,
        source_id=item.source_id,
        target_id=target_id or item.target_id,
        name=item.name,
        project=item.project,
        size_bytes=item.size_bytes,
        mover=item.mover.value if item.mover else "",
        predicted_s=item.downtime_estimate_s or None,
        action=item.action.value,
        status=status,
        message=message,
    )


def table(entries: Iterable[Entry]) -> pd.DataFrame:
    """Return the ledger: one row an action, columns as `Entry` has fields."""
    records = [
        {**e.model_dump(mode="json"), "request_ids": " ".join(e.request_ids)} for e in entries
    ]
    frame = pd.DataFrame(records, columns=list(COLUMNS))
    frame["started_at"] = pd.to_datetime(frame["started_at"], utc=True, format="ISO8601")
    for name in ("seconds", "downtime_s", "predicted_s"):
        frame[name] = frame[name].astype("Float64")
    for name in ("bytes", "size_bytes"):
        frame[name] = frame[name].astype("Int64")
    return frame


def failures(entries: Iterable[Entry]) -> list[str]:
    """Return ``kind name: reason`` of each entry that failed or was left."""
    return [
        f"{e.kind} {e.name} ({e.source_id}): {e.message}"
        for e in entries
        if e.status in (Status.FAILED, Status.LEFT)
    ]
