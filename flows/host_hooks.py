"""What a run about one host does and says when it is cancelled or crashes."""

import threading
from collections.abc import Callable
from typing import Any

from prefect.futures import wait
from prefect.logging.loggers import flow_run_logger

from pumphouse.tasks.upgrade_steps import reason_of

GRACE_S = 20.0
"""A cancelled run's tasks have this long to come to a safe end; Prefect kills them after 30 s."""


def hook_saying(say: Callable[[str, str], str], way_on: Callable[[str], str]) -> Any:
    """
    Return a hook that says in which state a cancelled or crashed run's host is.

    It works wherever Prefect runs it. *say* is called with the site and the host.
    """

    def say_where(flow: Any, flow_run: Any, state: Any) -> None:
        host, site = flow_run.parameters["host"], flow_run.parameters.get("site", "default")
        # A worker runs this outside of the run, with the run's id in the environment.
        logger = flow_run_logger(flow_run, flow)
        try:
            logger.warning("Host %s: %s", host, say(site, host))
        except Exception as error:  # noqa: BLE001 - a hook has nobody to raise to
            text = "Host %s was left as it was. Carry on with: %s (%s)"
            logger.warning(text, host, way_on(host), reason_of(error))

    return say_where


def result_of(future: Any, stop: threading.Event, all_of_them: list[Any]) -> Any:
    """Return what *future* ends in; let a cancelled run call its live migrations off first."""
    try:
        return future.result(raise_on_failure=False)
    except BaseException:
        # Without this the process would end before its threads have looked.
        stop.set()
        wait(all_of_them, timeout=GRACE_S)
        raise
