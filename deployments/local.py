"""
A Prefect server of our own, for the time of one command.

Prefect would start one itself, after it was imported and before anything else is. Started by
us it comes up while Prefect, pandas and the SDK are imported: half the wait on two cores.
"""

import atexit
import ctypes
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

from pumphouse.errors import ServerUnreachable

READY_TIMEOUT_S = 300.0
PR_SET_PDEATHSIG = 1

SETTINGS = {
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    # Nothing is scheduled or triggered in the minutes that this server lives.
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
}


class LocalServer:
    """
    A Prefect server on loopback whose database lies in *home*; it ends with this process.

    `is_alone` says whether no other command uses *home* now: a killed one leaves its
    concurrency slots taken in the database, and who comes alone may free them.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock, self.is_alone = _lock(home)
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}/api"
        self.log = home / "server.log"
        chosen = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ENCRYPTION_KEY": encryption_key(home)}
        os.environ.update(SETTINGS | chosen)
        os.environ["PREFECT_API_URL"] = self.url
        command = [sys.executable, "-m", "uvicorn", "--factory", "--log-level", "error"]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        command += ["prefect.server.api.server:create_app"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # An interrupt at the terminal is ours to handle: the server ends after us.
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        # Registered before Prefect is imported, so run after Prefect sent its last events.
        atexit.register(self._stop)

    def wait(self) -> None:
        """
        Return when it answers.

        Raises:
            ServerUnreachable: It ended, or did not answer in five minutes.
        """
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urlopen(f"{self.url}/health", timeout=10):
                    return
            except (URLError, OSError):
                time.sleep(0.2)
        raise ServerUnreachable(self.url, f"it did not start; {self.log} says why.")

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()


def encryption_key(folder: Path) -> str:
    """Return the key that encrypts blocks in *folder*'s database; made once, mode 0600."""
    path = folder / "encryption.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    # What Fernet takes: 32 random bytes in URL-safe base64.
    key = urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")
    return key


def _lock(home: Path) -> tuple[IO[str], bool]:
    """Mark *home* as in use until this process ends; return whether nobody else uses it."""
    file = (home / "in-use.lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(file, fcntl.LOCK_SH)
        return file, False
    return file, True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    """Ask the kernel for a SIGTERM when the command that needs this server is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
