"""A stop signal that is also given when a step's time is over."""

import threading
import time


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
