"""Faults at the k-th effect of an operation: a request that changes something."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import requests

LOGINS = ("/auth/tokens", "/ec2tokens")


class Fault(StrEnum):
    """
    What happens at an effect.

    `REFUSED`: it is answered 500 and does not happen. `LOST`: it happens and its answer is
    lost. `KILLED`: it happens and the process is killed before it sees the answer.
    """

    REFUSED = "refused"
    LOST = "lost"
    KILLED = "killed"


@contextmanager
def effects(at: int = 0, fault: Fault = Fault.REFUSED) -> Iterator[list[str]]:
    """
    Note every effect of this process within; let *fault* happen at the *at*-th, from 1.

    The fault happens once: what is repeated after it goes through.
    """
    seen: list[str] = []
    send = requests.adapters.HTTPAdapter.send

    def noted(adapter: Any, request: Any, **options: Any) -> requests.Response:
        path = urlsplit(request.url).path
        if request.method in ("GET", "HEAD") or path.endswith(LOGINS):
            return send(adapter, request, **options)
        seen.append(f"{request.method} {_short(path)}")
        if len(seen) != at:
            return send(adapter, request, **options)
        if fault is Fault.REFUSED:
            return _refusal(request)
        send(adapter, request, **options)
        if fault is Fault.KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        raise requests.exceptions.ConnectionError("The answer was lost on purpose.")

    requests.adapters.HTTPAdapter.send = noted  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        requests.adapters.HTTPAdapter.send = send  # type: ignore[method-assign]


def _refusal(request: Any) -> requests.Response:
    answer = requests.Response()
    answer.status_code = 500
    answer.request, answer.url = request, request.url
    answer._content = b'{"error": {"code": 500, "message": "It failed on purpose."}}'
    answer.headers["Content-Type"] = "application/json"
    return answer


def _short(path: str) -> str:
    """Return *path* with ids left out, so that two runs name an effect alike."""
    parts = [part for part in path.split("/") if part]
    return "/" + "/".join("…" if any(c.isdigit() for c in p) and len(p) > 20 else p for p in parts)
