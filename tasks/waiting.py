"""Wait for a cloud without asking it too often, and stop when the run is told to."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from pumphouse.errors import Interrupted, WaitFailed

T = TypeVar("T")

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
SHARE = 0.1
"""A wait pauses for this share of the time it has lasted: it adds a tenth at most."""

NEVER = threading.Event()
"""The stop signal of what is not cancelled."""


def poll(
    what: str,
    read: Callable[[], T],
    done: Callable[[T], bool],
    timeout_s: float,
    stop: threading.Event = NEVER,
) -> T:
    """
    Return what *read* returns as soon as *done* says so. *done* raises for what cannot heal.

    Raises:
        WaitFailed: It did not happen within *timeout_s*.
        Interrupted: *stop* was set.
    """
    began = time.monotonic()
    while not done(value := read()):
        waited = time.monotonic() - began
        if waited > timeout_s:
            raise WaitFailed(what, f"It did not happen within {timeout_s:g} s.")
        if stop.wait(min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, SHARE * waited))):
            raise Interrupted(f"waiting for {what}")
    return value
