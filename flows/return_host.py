"""Bring a host back to the source, as long as Fuel has not written its disks."""

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import BaseModel, ConfigDict

from pumphouse.blocks.site import Site, load_site
from pumphouse.errors import ConfigError, HostReturnFailed, PumphouseError, Refused
from pumphouse.flows import release_host, upgrade_host
from pumphouse.flows.host_hooks import hook_saying
from pumphouse.tasks import host_return
from pumphouse.tasks.slots import only_run
from pumphouse.tasks.upgrading import Work

RUNNER: Any = ThreadPoolTaskRunner(max_workers=1)


class Returned(BaseModel):
    """How a host came back."""

    model_config = ConfigDict(frozen=True)

    host: str
    site: str
    state: str


def where(pair: Site, site: str, host: str) -> str:
    """Say where the host is, and both ways from there; without an environment, of its release."""
    work = Work(pair, site, host)
    if pair.upgrade.environment:
        return upgrade_host.where_is(work, None)
    return release_host.where_is(work, None)


def way_on(host: str) -> str:
    """Return the command that goes on."""
    return f"pumphouse hosts return {host}"


SAY_WHERE = hook_saying(lambda site, host: where(load_site(site), site, host), way_on)


@flow(
    name="return-host",
    flow_run_name="return {host}",
    task_runner=RUNNER,
    on_cancellation=[SAY_WHERE],
    on_crashed=[SAY_WHERE],
)
def return_host(host: str, site: str = "default") -> Returned:
    """
    Bring a host back to the source that was reset for its upgrade, and take it out of Fuel.

    Args:
        host: Its name, as the source's Nova has it.

        site: Name of the saved Pumphouse Site block.

    Raises:
        Refused: Fuel has written its disks, or is at it. Nothing was changed.
        HostReturnFailed: It is not back, or not all the way; the message says where it is.
    """
    pair = load_site(site)
    with only_run(site, host):
        try:
            state = bring_back(pair, site, host)
        except (ConfigError, Refused):
            raise
        except PumphouseError as error:
            state = where(pair, site, host)
            raise HostReturnFailed(host, "return", str(error), state) from error
    get_run_logger().info("%s: %s", host, state)
    return Returned(host=host, site=site, state=state)


@task(task_run_name="bring {host} back", cache_policy=NO_CACHE)
def bring_back(pair: Site, site: str, host: str) -> str:
    """Take the host out of Fuel, boot it from its disk, and enable it. Safe to repeat."""
    logger = get_run_logger()
    work = Work(pair, site, host, log=lambda text: logger.info("%s: %s", host, text))
    return host_return.bring_back(work)
