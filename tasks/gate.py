"""The gate that every server of a batch passes before it is begun."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from pumphouse.checks import is_half_way
from pumphouse.pacing import Pacing
from pumphouse.plan import Item


class Gate:
    """Counts what failed, and says whether a further server may be begun. For several threads."""

    def __init__(self, pacing: Pacing) -> None:
        self.pacing = pacing
        self._failures = 0
        self._closed = ""
        self._lock = threading.Lock()

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count the server that is cut over inside, if it fails."""
        try:
            yield
        except Exception:
            with self._lock:
                self._failures += 1
            raise

    def close(self, reason: str) -> None:
        """Let no further server be begun."""
        self._closed = reason

    def hindrance(self, *servers: Item) -> str:
        """
        Return why *servers* are not begun any more, as a sentence; empty when they go on.

        One that a killed run has begun with is down: it and its group always go on.
        """
        if any(is_half_way(item.row.get("metadata")) for item in servers):
            return ""
        return self._closed or self.pacing.hindrance(self._failures, datetime.now(UTC))
