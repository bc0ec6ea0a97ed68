"""Where the cut-overs of servers that belong together wait for one another."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from pumphouse.errors import LeftTogether

POINTS = ("prepare", "stop", "check", "mark")
"""Steps after which all wait for all: none is touched before all can be, no disk is copied
before all are down, and none is noted as moved before all are verified."""

START_S = 300.0
"""The last one must have come as far as its preparation by then; nothing is touched yet."""


class Meeting:
    """
    One group. Each member calls `meet` after every step, in a thread of its own.

    When one fails, all others that wait or come later fail too, and undo what they did.
    """

    def __init__(self, size: int) -> None:
        self._barrier = threading.Barrier(size)
        self._lock = threading.Lock()
        self._first = ""
        self.id = uuid4().hex
        """Its members have it in their journals: who is taken back finds the others by it."""

    def meet(self, member: str, step: str) -> None:
        """
        Wait after *step* until every member has done it.

        Raises:
            LeftTogether: Another member failed.
        """
        if step not in POINTS:
            return
        try:
            self._barrier.wait(START_S if step == "prepare" else None)
        except threading.BrokenBarrierError:
            why = self._first or f"Not all of them had begun within {START_S:g} s."
            raise LeftTogether(member, why) from None

    @contextmanager
    def seat(self, member: str) -> Iterator[None]:
        """Be *member* inside: whatever goes wrong in there ends the group."""
        try:
            yield
        except BaseException:
            self.leave(f"{member} failed.")
            raise

    def leave(self, why: str) -> None:
        """End the group, because of *why*."""
        with self._lock:
            self._first = self._first or why
        self._barrier.abort()
