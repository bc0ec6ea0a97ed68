"""Put a host of the source into maintenance, take it back, or say how it is."""

from enum import StrEnum
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from pumphouse.blocks.site import Site, load_site
from pumphouse.errors import ConfigError, LeaveFailed, PumphouseError, Refused
from pumphouse.flows.evacuate import evacuate
from pumphouse.flows.occupied import SAY_WHERE, where_if_known
from pumphouse.models import StrategyChoice
from pumphouse.tasks import fencing
from pumphouse.tasks import maintenance as hosts


class Action(StrEnum):
    """What is done with the host."""

    ENTER = "enter"
    LEAVE = "leave"
    STATUS = "status"


@flow(
    name="maintenance",
    flow_run_name="maintenance: {action} {host}",
    on_cancellation=[SAY_WHERE],
    on_crashed=[SAY_WHERE],
)
def maintenance(
    host: str,
    action: Action = Action.STATUS,
    strategy: StrategyChoice = StrategyChoice.CONFIGURED,
    fence: bool = False,
    fenced: bool = False,
    dry_run: bool = False,
    site: str = "default",
) -> dict[str, Any]:
    """
    Put a host of the source into maintenance, take it back, or say how it is.

    Args:
        host: Nova's name of the host.

        action: enter disables its compute service and moves its servers to other hosts of the
            source. leave makes the service exactly as it was before, and powers on what fence
            powered off; servers do not come back by themselves. status only reads.

        strategy: For enter: how servers move. configured: as the site says.

        fence: For enter: the host is dead; let its BMC power it off, and start its servers
            elsewhere.

        fenced: For enter: the host is dead and you vouch that it is powered off.

        dry_run: For enter: do all the checks, and change nothing.

        site: Name of the saved Pumphouse Site block: the pair of clouds, limits and storage.

    Raises:
        ConfigError: There is no such host.
        Refused: Something stands in the way. Nothing was touched.
        FencingFailed: The host may still be on; its servers were left alone.
        EvacuationIncomplete: Servers are still there; the others moved.
        LeaveFailed: The host was not taken back; the message says how it is.
    """
    pair = load_site(site)
    if action is Action.ENTER:
        evacuate(
            host=host,
            strategy=strategy,
            fence=fence,
            fenced=fenced,
            dry_run=dry_run,
            site=site,
        )
    elif action is Action.LEAVE:
        give_back(pair, site, host)
    return look_at(pair, host)


@task(task_run_name="give {host} back", cache_policy=NO_CACHE)
def give_back(pair: Site, site: str, host: str) -> str:
    """Make it as it was before maintenance. A second time there is nothing to do."""
    log = get_run_logger()
    try:
        said = fencing.leave(pair, host, Site.bmc(site, host), log.info)
    except (ConfigError, Refused):
        raise
    except PumphouseError as error:
        raise LeaveFailed(host, "leave", str(error), where_if_known(pair, host)) from error
    log.info(said)
    return said


@task(task_run_name="look at {host}", cache_policy=NO_CACHE)
def look_at(pair: Site, host: str) -> dict[str, Any]:
    """Return how the host is. Only reads."""
    status = hosts.maintenance_status(pair, host)
    get_run_logger().info("Host %s is %s", host, status["service"])
    return status
