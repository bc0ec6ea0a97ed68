"""Servers off a host: an entry for each, and an end when too many failed."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pumphouse.blocks.site import Site
from pumphouse.errors import Interrupted, PumphouseError
from pumphouse.evacuation import Asked, Move, Way
from pumphouse.ledger import Entry, Status
from pumphouse.models import Role
from pumphouse.tasks.api import Api
from pumphouse.tasks.relocations import Relocation
from pumphouse.tasks.waiting import NEVER


@dataclass
class Batch:
    """
    What all moves off one host share. Not pickled: they run in threads.

    Attributes:
        log: Is told each step of each server, in one sentence.

        errors: By server id, why it did not move.

        entries: By server id, what was done.
    """

    asked: Asked
    stop: threading.Event = NEVER
    log: Callable[[str], None] = lambda text: None
    errors: dict[str, PumphouseError] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)

    @property
    def hindrance(self) -> str:
        """Why no further server is begun; nothing when they go on."""
        if self.stop.is_set():
            return "The run was cancelled before its turn."
        limit = self.asked.options.max_failures
        if len(self.errors) > limit:
            return (
                f"It was not begun: more than {limit} servers failed (maintenance.max_failures)."
            )
        return ""


def move_one(pair: Site, batch: Batch, move: Move) -> Entry:
    """
    Move one server and return its entry. A failure is an entry, not an exception.

    A second run finds it moved, or finishes what was begun.
    """
    if move.way is Way.NONE or batch.hindrance:
        return entry_of(move, batch.asked, Status.LEFT, message=batch.hindrance or move.reason)
    began, started = time.monotonic(), datetime.now(UTC)
    with Api(pair.source, Role.SOURCE.value) as api:
        relocation = Relocation(api, batch.asked, move, batch.log, batch.stop)
        try:
            way, host = relocation.run()
        except Interrupted as error:
            done = entry_of(move, batch.asked, Status.LEFT, message=str(error))
        except PumphouseError as error:
            batch.errors[move.server_id] = error
            done = entry_of(move, batch.asked, Status.FAILED, message=str(error))
        else:
            done = entry_of(move, batch.asked, Status.DONE, *_told(move, batch.asked, way, host))
        seconds = round(time.monotonic() - began, 3)
        changes = {"started_at": started, "seconds": seconds, "request_ids": tuple(api.changes)}
        batch.entries[move.server_id] = done.model_copy(update=changes)
        return batch.entries[move.server_id]


def _told(move: Move, asked: Asked, way: Way, host: str) -> tuple[Way, str]:
    """Return what the entry of a server that left says: how, and from where to where."""
    path = f"{asked.host} → {host or 'no host'}"
    if move.way is Way.TARGET:
        return Way.TARGET, f"Its copy is at the target; its stopped original: {path}"
    return way, path


def entry_of(
    move: Move, asked: Asked, status: Status, way: Way | None = None, message: str = ""
) -> Entry:
    """Return an entry about *move*, without times."""
    return Entry(
        kind="servers",
        source_id=move.server_id,
        name=move.name,
        project=move.project,
        action=(way or move.way).value,
        status=status,
        message=message,
    )
