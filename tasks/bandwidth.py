"""The limit on how fast bytes are read from the source, for all copies of a process together."""

import threading
import time


class Bandwidth:
    """
    A bucket that fills by *rate* bytes a second and never holds more than a second's worth.

    A rate of zero lets everything pass.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._free_at = 0.0
        self._lock = threading.Lock()

    def spend(self, count: int) -> None:
        """Wait until *count* bytes more may have been read."""
        if not self.rate:
            return
        with self._lock:
            now = time.monotonic()
            # Who was idle may catch up one second, not the whole idle time.
            begin = max(self._free_at, now - 1.0)
            self._free_at = begin + count / self.rate
            wait = begin - now
        if wait > 0:
            time.sleep(wait)
