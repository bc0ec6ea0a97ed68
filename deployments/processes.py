"""Processes that outlive their starter: started once, recorded by pid, stopped by pid."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

STOP_TIMEOUT_S = 20.0


class Process:
    """
    One long-running process that belongs to *folder*.

    Its pid is kept with the time it started, since pids are used again.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._record = folder / f"{name}.pid"

    @property
    def pid(self) -> int | None:
        """Its pid while it runs, else None."""
        try:
            pid, began = self._record.read_text(encoding="ascii").split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if _began(int(pid)) == began else None

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> bool:
        """Start it unless it runs; return whether it was started. Output goes to `log`."""
        if self.pid:
            return False
        with self.log.open("ab") as log:
            started = subprocess.Popen(
                list(command),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._record.write_text(f"{started.pid} {_began(started.pid)}", encoding="ascii")
        return True

    def stop(self) -> bool:
        """Stop it and what it started; return whether it ran. Killed after 20 s."""
        pid = self.pid
        if pid is None:
            self._record.unlink(missing_ok=True)
            return False
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self.pid and time.monotonic() < deadline:
            time.sleep(0.1)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        self._record.unlink(missing_ok=True)
        return True

    def tail(self, lines: int = 15) -> str:
        """Return the last *lines* of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _began(pid: int) -> str:
    """Return when process *pid* started, in clock ticks since boot; empty when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]
