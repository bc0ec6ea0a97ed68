"""Stop signals that are given for more than one reason."""

import math
import threading
import time

LOOK_S = 0.2
"""How often one who waits for two signals looks at the other one."""


class Deadline(threading.Event):
    """
    Looks like the run's stop signal, and is set as well once *seconds* have passed.

    Waits that obey a stop signal thereby obey the step's time-out, whatever they wait for.
    """

    def __init__(self, stop: threading.Event, seconds: float) -> None:
        super().__init__()
        self._stop = stop
        self._end = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether the time has passed, and nobody stopped the run."""
        return time.monotonic() >= self._end and not self._stop.is_set()

    def is_set(self) -> bool:
        """Tell if the run was stopped or the time has passed."""
        return self._stop.is_set() or time.monotonic() >= self._end

    def wait(self, timeout: float | None = None) -> bool:
        """Return at the signal, or after *timeout* seconds: whether it was given."""
        left = max(0.0, self._end - time.monotonic())
        self._stop.wait(left if timeout is None else min(timeout, left))
        return self.is_set()


class Either(threading.Event):
    """Looks like the run's stop signal, and is set as well once *other* is."""

    def __init__(self, stop: threading.Event, other: threading.Event) -> None:
        super().__init__()
        self._stops = (stop, other)

    def is_set(self) -> bool:
        """Tell if one of them was given."""
        return any(each.is_set() for each in self._stops)

    def wait(self, timeout: float | None = None) -> bool:
        """Return at either signal, or after *timeout* seconds: whether one was given."""
        end = math.inf if timeout is None else time.monotonic() + timeout
        stop, other = self._stops
        while not other.is_set() and (left := end - time.monotonic()) > 0:
            if stop.wait(min(left, LOOK_S)):
                return True
        return self.is_set()
