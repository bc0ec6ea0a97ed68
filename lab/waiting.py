"""Waiting for ports and answers, with a limit and with the log to look into."""

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from lab.errors import LabError

START_S = 300.0


def wait_until(done: Callable[[], bool], failure: Callable[[], str], limit_s: float) -> None:
    """Call `done` until it is true; raise LabError with `failure()` after the limit."""
    end = time.monotonic() + limit_s
    pause_s = 0.05
    while not done():
        if time.monotonic() > end:
            raise LabError(f"{failure()} (waited {limit_s:.0f} s)")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.5)


def listens(port: int) -> bool:
    """Tell whether something accepts connections on a port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str) -> bool:
    """Tell whether a URL gives versions (200, 300) or asks for a token (401)."""
    try:
        with urllib.request.urlopen(url, timeout=20):
            return True
    except urllib.error.HTTPError as error:
        return error.code in (300, 401)
    except OSError:
        return False


def wait_port(port: int, what: str, log: Path, limit_s: float = START_S) -> None:
    """Wait until `what` listens."""
    wait_until(
        lambda: listens(port), lambda: f"{what} never opened port {port}; see {log}", limit_s
    )


def wait_answer(url: str, what: str, log: Path, limit_s: float = START_S) -> None:
    """Wait until `what` answers at its URL."""
    wait_until(lambda: answers(url), lambda: f"{what} never answered {url}; see {log}", limit_s)
