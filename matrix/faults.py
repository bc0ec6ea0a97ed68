"""Faults at the k-th effect of an operation: a request that changes something."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from pumphouse.errors import CephFailed
from pumphouse.tasks import rbd_copies
from pumphouse.tasks.rbd import Rbd

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


@dataclass
class Effects:
    """
    Notes every effect and lets *fault* happen at the *at*-th, from 1.

    Attributes:
        threads: Whose effects count; None counts those of all.
    """

    at: int
    fault: Fault
    threads: set[int] | None = None
    seen: list[str] = field(default_factory=list)

    def happen(
        self, name: str, act: Callable[[], Any], refused: Callable[[], Any], lost: Exception
    ) -> Any:
        """Return what *act* does; at the chosen effect what *refused* does, or raise *lost*."""
        if self.threads is not None and threading.get_ident() not in self.threads:
            return act()
        self.seen.append(name)
        if len(self.seen) != self.at:
            return act()
        if self.fault is Fault.REFUSED:
            return refused()
        act()
        if self.fault is Fault.KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        raise lost


@contextmanager
def effects(
    at: int = 0, fault: Fault = Fault.REFUSED, threads: set[int] | None = None
) -> Iterator[list[str]]:
    """
    Note every effect of this process within; let *fault* happen at the *at*-th, from 1.

    threads: Only these count, in which effects have an order; more may be added meanwhile.

    Effects are requests that change something, and commands that change a pool of Ceph. The
    fault happens once: what is repeated after it goes through.
    """
    found = Effects(at, fault, threads)
    send = requests.adapters.HTTPAdapter.send

    def noted(adapter: Any, request: Any, **options: Any) -> requests.Response:
        path = urlsplit(request.url).path
        if request.method in ("GET", "HEAD") or path.endswith(LOGINS):
            return send(adapter, request, **options)
        answer: requests.Response = found.happen(
            f"{request.method} {_short(path)}",
            lambda: send(adapter, request, **options),
            lambda: _refusal(request),
            requests.exceptions.ConnectionError("The answer was lost on purpose."),
        )
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.adapters.HTTPAdapter, "send", noted)
        _note_ceph(found, patch)
        yield found.seen


def _note_ceph(found: Effects, patch: pytest.MonkeyPatch) -> None:
    """Let commands that change a pool be effects too."""
    change, send = Rbd.change, rbd_copies.send

    def changed(rbd: Rbd, *words: str, **options: Any) -> Any:
        failed = CephFailed(rbd.role, words[0], "it failed on purpose")
        name = f"rbd {' '.join(word for word in words if '/' not in word)}"
        return found.happen(
            name, lambda: change(rbd, *words, **options), lambda: _raise(failed), failed
        )

    def sent(*given: Any, **options: Any) -> Any:
        failed = CephFailed("target", "import-diff", "it failed on purpose")
        return found.happen(
            "rbd import-diff", lambda: send(*given, **options), lambda: _raise(failed), failed
        )

    patch.setattr(Rbd, "change", changed)
    patch.setattr(rbd_copies, "send", sent)


def _raise(error: Exception) -> None:
    raise error


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
