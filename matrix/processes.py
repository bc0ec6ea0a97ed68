"""Run a piece of work in a process of its own, which may be killed in it."""

import multiprocessing
import signal
from collections.abc import Callable
from typing import Any

LONGEST_S = 900.0


def apart(work: Callable[[], Any]) -> tuple[str, Any]:
    """
    Return how *work* ended in a process of its own: ``done``, ``failed`` or ``killed``.

    With it goes what it returned, the words of its error, or nothing.
    """
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(work, there))
    child.start()
    there.close()
    try:
        answer = here.recv() if here.poll(LONGEST_S) else None
    except EOFError:
        answer = None
    child.join(30)
    if child.is_alive():
        child.kill()
        child.join()
        return "failed", f"It did not end in {LONGEST_S:.0f} s."
    if answer is None:
        killed = child.exitcode == -signal.SIGKILL
        return ("killed", None) if killed else ("failed", f"It ended with {child.exitcode}.")
    how, value = answer
    return how, value


def _child(work: Callable[[], Any], pipe: Any) -> None:
    try:
        pipe.send(("done", work()))
    except Exception as error:  # noqa: BLE001 - whatever it is, the cell shows it
        pipe.send(("failed", f"{type(error).__name__}: {error}"))
    finally:
        pipe.close()
