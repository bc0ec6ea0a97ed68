"""Processes of the lab: started in a session of their own, found again by pid file.

A pid alone proves nothing after a crash or a reboot, so the file also holds the start
time of the process (in clock ticks, from /proc) and the boot that it belongs to. Every
process leads a session; while one member lives the kernel gives its number to nobody else.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.files import write

STOP_S = 10.0
# Set in the environment of every process, so that it is known as the lab's.
MARK = "PUMPHOUSE_LAB_RUN"


@dataclass(frozen=True)
class Status:
    """What /proc says about one process; `started` is in clock ticks since boot."""

    pid: int
    state: str
    session: int
    started: int


@dataclass(frozen=True)
class Record:
    """What a pid file holds."""

    pid: int
    started: int
    boot: str


def parse_status(text: str) -> Status:
    """Read a line of /proc/PID/stat; the command's name may hold any character."""
    pid, rest = text.split(" (", 1)
    fields = rest.rsplit(")", 1)[1].split()
    return Status(int(pid), fields[0], int(fields[3]), int(fields[19]))


def read_status(pid: int) -> Status | None:
    """Return the state of a process, or nothing when there is none."""
    try:
        return parse_status(Path(f"/proc/{pid}/stat").read_text())
    except (OSError, IndexError, ValueError):
        return None


def boot_id() -> str:
    """Return the kernel's name of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def owns(record: Record, status: Status, boot: str) -> bool:
    """Tell whether a process is the recorded one or lives in its session."""
    if record.boot != boot or status.state == "Z":
        return False
    if status.pid == record.pid:
        return status.started == record.started
    return status.session == record.pid and status.started >= record.started


class Processes:
    """The processes of one lab: a directory of pid files and one of logs."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._pids = run / "pids"
        self._logs = run / "logs"

    def names(self) -> list[str]:
        """Return the names of all processes that were started and not stopped."""
        return sorted(path.name for path in self._pids.glob("*")) if self._pids.exists() else []

    def log(self, name: str) -> Path:
        """Return the log of a process."""
        return self._logs / f"{name}.log"

    def pid_file(self, name: str) -> Path:
        """Return the pid file of a process."""
        return self._pids / name

    def leader(self, name: str) -> int | None:
        """Return the pid of a living process that is proven to be the lab's."""
        record = self._record(name)
        status = read_status(record.pid) if record else None
        if record is None or status is None or not owns(record, status, boot_id()):
            return None
        return record.pid

    def members(self, *names: str) -> list[int]:
        """Return the pids of processes and of everything in their sessions."""
        records = [record for name in names if (record := self._record(name))]
        if not records:
            return []
        boot = boot_id()
        return [s.pid for s in _all() if any(owns(record, s, boot) for record in records)]

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> bool:
        """Start a process unless it runs; return whether it was started."""
        if self.leader(name):
            return False
        self.stop([name])
        self._logs.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as log:
            child = subprocess.Popen(
                argv,
                env={**env, MARK: str(self._run)},
                cwd=self._run,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.adopt(name, child.pid)
        return True

    def adopt(self, name: str, pid: int) -> None:
        """Write the pid file of a process that leads a session."""
        status = read_status(pid)
        started = status.started if status else 0
        record = {"pid": pid, "started": started, "boot": boot_id()}
        write(self.pid_file(name), json.dumps(record))

    def stop(self, names: Iterable[str], wait_s: float = STOP_S) -> None:
        """Ask processes to end, all at once, and kill what is left after `wait_s`."""
        names = list(names)
        _signal(self.members(*names), signal.SIGTERM)
        end = time.monotonic() + wait_s
        while time.monotonic() < end and self.members(*names):
            _reap()
            time.sleep(0.1)
        _signal(self.members(*names), signal.SIGKILL)
        _reap()
        for name in names:
            self.pid_file(name).unlink(missing_ok=True)

    def _record(self, name: str) -> Record | None:
        try:
            return Record(**json.loads(self.pid_file(name).read_text()))
        except (OSError, ValueError, TypeError):
            return None


def leftovers(run: Path) -> list[int]:
    """Return processes whose environment says that they belong to the lab at `run`."""
    mark = f"{MARK}={run}".encode()
    return [status.pid for status in _all() if mark in _environment(status.pid)]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _all() -> list[Status]:
    found = (read_status(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [status for status in found if status is not None]


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _reap() -> None:
    """Collect children that ended, so that they are no zombies of this command."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
