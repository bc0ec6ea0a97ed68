"""Where the cut-overs of servers that belong together wait for one another."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import uuid4

from pumphouse.errors import Interrupted, LeftTogether

RENEWED = "renew"
"""A part of *stop*: what was copied ahead before a cut-over was taken back is copied anew."""

POINTS = ("prepare", "bulk", RENEWED, "stop", "isolate", "check", "mark")
"""Steps after which all wait for all: none is touched before all can be, none is stopped before
all is copied ahead, which may take hours, no disk is copied before all are down, no address is at
the target before it has left the source, and none is noted as moved before all are verified."""

RETURN_POINTS = ("prepare", "stop", "release", "check", "unlock")
"""The same of a return: and none forgets how it was before all are to stay at the source."""

Found = TypeVar("Found")

START_S = 300.0
"""The last one must have come as far as its preparation by then; nothing is touched yet."""


class Meeting:
    """
    One group. Each member calls `meet` after every step, in a thread of its own.

    When one fails, all others that wait or come later fail too, and undo what they did.
    """

    def __init__(self, size: int = 1, points: Sequence[str] = POINTS) -> None:
        self._points = points
        self._done: dict[str, Future[Any]] = {}
        self.turn = threading.RLock()
        """Held for what only one member may do at a time."""
        self._barrier = threading.Barrier(size)
        self._lock = threading.Lock()
        self._first = ""
        self._is_through = False
        self.over = threading.Event()
        """Set as soon as one failed, unless all had come through: the others need not go on."""
        self.id = uuid4().hex
        """Its members have it in their journals: who is taken back finds the others by it."""

    def meet(self, member: str, step: str) -> None:
        """
        Wait after *step* until every member has done it.

        Raises:
            LeftTogether: Another member failed.
        """
        if self.over.is_set():
            raise LeftTogether(member, self._first)
        if step not in self._points:
            return
        try:
            self._barrier.wait(START_S if step == "prepare" else None)
        except threading.BrokenBarrierError:
            why = self._first or f"Not all of them had begun within {START_S:g} s."
            raise LeftTogether(member, why) from None
        self._is_through = step == self._points[-1]

    def once(self, what: str, act: Callable[[], Found]) -> Found:
        """Return what *act* finds; it is done by the first member that asks for *what*."""
        with self._lock:
            is_first = what not in self._done
            future = self._done.setdefault(what, Future())
        if is_first:
            try:
                future.set_result(act())
            except BaseException as error:
                future.set_exception(error)
                raise
        found: Found = future.result()
        return found

    @contextmanager
    def seat(self, member: str) -> Iterator[None]:
        """Be *member* inside: whatever goes wrong in there ends the group."""
        try:
            yield
        except BaseException:
            self.leave(_failed(member))
            raise

    def ended(self, member: str, error: BaseException) -> BaseException:
        """
        End the group as soon as *member* fails of *error*; return what it really failed of.

        Its undo may take long: meanwhile the others, which are down too, undo what they did.
        """
        if isinstance(error, Interrupted) and self.over.is_set():
            return LeftTogether(member, self._first)
        self.leave(_failed(member))
        return error

    def leave(self, why: str) -> None:
        """End the group, because of *why*."""
        with self._lock:
            self._first = self._first or why
            if not self._is_through:
                self.over.set()
        self._barrier.abort()


def _failed(member: str) -> str:
    return f"{member} failed."
