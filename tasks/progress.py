"""Show bytes under way: a line in the log and a progress artifact in Prefect's UI."""

import threading
import time
from typing import Any

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from pumphouse.live import bytes_text

LOG_EVERY_S = 10.0


class Progress:
    """
    The progress of one resource's disks. Showing it never breaks a copy.

    Called from the threads that watch copies, at most once a second each.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._artifacts: dict[str, object] = {}
        self._logged: dict[str, float] = {}
        self._lock = threading.Lock()

    def __call__(self, what: str, done: int, size: int) -> None:
        """Show that *done* of the *size* bytes of *what* are written."""
        share = 100.0 * done / size if size else 100.0
        with self._lock:
            try:
                self._log(what, done, size, share)
                self._show(what, share, f"Bytes of {bytes_text(self.name, what, done, size)}")
            except MissingContextError:
                return
            except Exception as error:  # noqa: BLE001 - a silent Prefect server stops no copy
                get_run_logger().warning("Progress could not be shown: %s", error)

    def _log(self, what: str, done: int, size: int, share: float) -> None:
        now = time.monotonic()
        if share < 100 and now - self._logged.get(what, -LOG_EVERY_S) < LOG_EVERY_S:
            return
        self._logged[what] = now
        text = bytes_text(self.name, what, done, size)
        get_run_logger().info("%s (%.0f %%)", text, share)

    def _show(self, what: str, share: float, text: str) -> None:
        known: Any = self._artifacts.get(what)
        if known:
            update_progress_artifact(known, share, text)
        else:
            self._artifacts[what] = create_progress_artifact(share, description=text)
