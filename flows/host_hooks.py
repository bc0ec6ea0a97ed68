"""What a run about one host says when it is cancelled or crashes: where the host is then."""

from collections.abc import Callable
from typing import Any

from prefect.logging.loggers import flow_run_logger

from pumphouse.tasks.upgrade_steps import reason_of


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
