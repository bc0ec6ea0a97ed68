"""What the tasks of one migration, rollback or finalize share: limits, switches, a clock."""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pumphouse.blocks.site import Site
from pumphouse.health import Check
from pumphouse.ledger import Entry, Status, entry
from pumphouse.limits import backend_limit, backends_of, copies_limit, cutovers_limit
from pumphouse.models import Role
from pumphouse.pacing import Pacing
from pumphouse.plan import Item
from pumphouse.tasks.api import Api
from pumphouse.tasks.bandwidth import Bandwidth
from pumphouse.tasks.gate import Gate
from pumphouse.tasks.meeting import Meeting
from pumphouse.tasks.slots import held


@dataclass(frozen=True)
class Slots:
    """
    How many copies and cut-overs run at once: in this process, and at the whole site.

    Attributes:
        is_shared: Whether the site's Prefect limits are asked too.

        backends: Of the source's back ends that have a limit: how many copies from each.
    """

    site: str
    copies: threading.Semaphore
    cutovers: threading.Semaphore
    is_shared: bool
    backends: Mapping[str, threading.Semaphore] = field(default_factory=dict)

    @contextmanager
    def copy(self, *items: Item) -> Iterator[None]:
        """
        Hold the slot of one image or volume, or of a server's disks.

        items: The volumes or servers; of each back end that has a limit one slot is held too.
        """
        with ExitStack() as stack:
            for name in backends_of(items, self.backends):
                limit = backend_limit(self.site, name)
                stack.enter_context(self._both(self.backends[name], limit))
            stack.enter_context(self._both(self.copies, copies_limit(self.site)))
            yield

    def cutover(self) -> AbstractContextManager[None]:
        """Return the slot of one server."""
        return self._both(self.cutovers, cutovers_limit(self.site))

    @contextmanager
    def _both(self, here: threading.Semaphore, everywhere: str) -> Iterator[None]:
        with here, held(everywhere) if self.is_shared else nullcontext():
            yield


@dataclass(frozen=True)
class Work:
    """What every task of one migration shares. Not pickled: tasks run in threads."""

    pair: Site
    slots: Slots
    stop: threading.Event = field(default_factory=threading.Event)
    checks: Mapping[str, tuple[Check, ...]] = field(default_factory=dict)
    moves_unhealthy: bool = False
    gate: Gate = field(default_factory=lambda: Gate(Pacing()))
    bandwidth: Bandwidth = field(default_factory=lambda: Bandwidth(0))
    meeting: Meeting | None = None
    domains: Mapping[str, str] = field(default_factory=dict)

    def open(self, stack: ExitStack, role: Role) -> Api:
        """Open one of the two clouds until the end of *stack*."""
        return stack.enter_context(
            Api(self.pair.cloud(role), role.value, bandwidth=self.bandwidth)
        )


class Clock:
    """When one action began, and how long it has taken: made when it has its slots."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC)
        self._began = time.monotonic()

    def entry(self, item: Item, target_id: str, apis: Iterable[Api], **values: Any) -> Entry:
        """Return the entry of an action that is done now, by calls of *apis*."""
        done = entry(item, Status.DONE, item.reason, target_id)
        return done.model_copy(update={**self.spent(apis), **values})

    def spent(self, apis: Iterable[Api]) -> dict[str, Any]:
        """Return what an entry has of an action by calls of *apis* until now, however it ended."""
        return {
            "started_at": self.started,
            "seconds": round(time.monotonic() - self._began, 3),
            "request_ids": tuple(id_ for api in apis for id_ in api.changes),
        }
