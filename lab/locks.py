"""One command at a time: the kernel drops the lock when its holder dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lab.errors import LabError


@contextmanager
def locked(root: Path, patience_s: float = 0) -> Iterator[None]:
    """Hold the lab's lock, or say after `patience_s` which process has it."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("a+") as file:
        end = time.monotonic() + patience_s
        while not _taken(file):
            if time.monotonic() >= end:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise LabError(
                    f"another command of the lab is at work (pid {holder}); wait for it"
                )
            time.sleep(0.2)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _taken(file: IO[str]) -> bool:
    """Take the lock if it is free; return whether it was."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
