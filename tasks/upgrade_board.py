"""Show how far a host's upgrade is: a progress artifact while it runs, a table of its steps."""

import re
import threading
import time
from collections.abc import Sequence

from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from pumphouse.upgrade import Step

WAITS, FOUND, RUNS, DONE, FAILED = "waits", "found done", "runs", "done", "failed"


def key_of(job: str, host: str) -> str:
    """Return the key of an artifact about a host: small letters, digits and dashes."""
    return f"{job}-" + re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")


class Board:
    """
    The steps of one host's upgrade, and how each stands. Showing it never breaks a step.

    Called from the flow and from the threads of its steps.
    """

    def __init__(self, host: str, steps: Sequence[Step], job: str = "upgrade") -> None:
        self.host = host
        self.job = job
        self.steps = tuple(steps)
        self._states = {step.name: WAITS for step in steps}
        self._seconds: dict[str, float] = {}
        self._began: dict[str, float] = {}
        self._artifact: object = None
        self._lock = threading.Lock()

    @property
    def key(self) -> str:
        """The artifacts' key."""
        return key_of(self.job, self.host)

    def set(self, step: Step, state: str) -> None:
        """Note that *step* stands as *state* says, and show it."""
        now = time.monotonic()
        with self._lock:
            if state == RUNS:
                self._began[step.name] = now
            elif step.name in self._began:
                self._seconds[step.name] = now - self._began[step.name]
            self._states[step.name] = state
        self.show(step.name, 0)

    def show(self, name: str, percent: int) -> None:
        """Show the progress of all, *percent* of the running step *name* among it."""
        with self._lock:
            finished = sum(state in (FOUND, DONE) for state in self._states.values())
            inside = percent / 100 if self._states.get(name) == RUNS else 0
            share = 100.0 * (finished + inside) / len(self.steps)
            try:
                self._show(min(100.0, share))
            except MissingContextError:
                return
            except Exception as error:  # noqa: BLE001 - a silent Prefect server stops no upgrade
                get_run_logger().warning("Progress could not be shown: %s", error)

    def _show(self, share: float) -> None:
        if self._artifact is None:
            self._artifact = create_progress_artifact(
                share,
                key=f"{self.key}-progress",
                description=f"{self.job.capitalize()} of host {self.host}",
            )
        else:
            update_progress_artifact(self._artifact, share)  # type: ignore[arg-type]

    def publish(self, words: str) -> None:
        """Write the table of steps as an artifact, with *words* about the whole above it."""
        rows = [
            {
                "step": step.name,
                "state": self._states[step.name],
                "seconds": round(self._seconds.get(step.name, 0.0), 1),
                "what": step.doc,
            }
            for step in self.steps
        ]
        try:
            create_table_artifact(rows, key=self.key, description=words)
        except MissingContextError:
            return
        except Exception as error:  # noqa: BLE001 - a silent Prefect server stops no upgrade
            get_run_logger().warning("The table of steps could not be shown: %s", error)

    def seconds(self) -> dict[str, float]:
        """Return how long each step took that was done."""
        return {name: round(seconds, 1) for name, seconds in self._seconds.items()}
