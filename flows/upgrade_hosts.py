"""Upgrade several hosts in waves: canaries first, and no further wave when too many failed."""

from typing import Annotated, Any, cast

from prefect import flow, get_run_logger, runtime, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import BaseModel, ConfigDict, Field

from pumphouse.blocks.site import load_site
from pumphouse.errors import ConfigError, Refused, UpgradesIncomplete
from pumphouse.flows.upgrade_host import upgrade_host
from pumphouse.waves import hindrance, waves

RUNNER: Any = ThreadPoolTaskRunner(max_workers=64)
DEPLOYMENT = "upgrade-host/upgrade-host"
POLL_S = 5.0


class UpgradedHosts(BaseModel):
    """What the upgrade of several hosts did: one word or sentence for each."""

    model_config = ConfigDict(frozen=True)

    site: str
    waves: tuple[tuple[str, ...], ...]
    hosts: dict[str, str]


@flow(
    name="upgrade-hosts",
    flow_run_name="upgrade {hosts}",
    task_runner=RUNNER,
    persist_result=True,
)
def upgrade_hosts(
    hosts: list[str],
    parallel: Annotated[int, Field(ge=0, le=64)] = 0,
    approve: bool = False,
    dry_run: bool = False,
    site: str = "default",
) -> UpgradedHosts:
    """
    Upgrade several hosts in waves.

    The canaries go first, one by one; if one fails, no other is begun. Then come waves, until
    more hosts failed than the budget allows. Each host is a run of its own.

    Args:
        hosts: Their names, as the source's Nova has them, in this order.

        parallel: How many at once. 0 takes the site's.

        approve: Ask for an approval of each, also where the site does not.

        dry_run: Do all the checks for each, and change nothing.

        site: Name of the saved Pumphouse Site block.

    Raises:
        ConfigError: A host is not configured. Nothing was changed.
        UpgradesIncomplete: Some failed or were not begun.
    """
    pair = load_site(site)
    if not hosts:
        raise ConfigError("hosts", ["Name at least one host."])
    for host in hosts:
        pair.host(host)
    options = pair.upgrade.waves
    if parallel:
        options = options.model_copy(update={"parallel": parallel})
    if (approve or pair.upgrade.approve) and not runtime.deployment.id and not dry_run:
        reason = "Approvals are asked for, and only a deployment's run can wait for them."
        raise Refused("The upgrade", [reason, "Run it with --deployment."])
    planned = waves(hosts, options)
    ended: dict[str, str] = {}
    failed: list[str] = []
    reason = ""
    for begun, wave in enumerate(planned):
        if reason := hindrance(failed, begun, options):
            break
        get_run_logger().info("Wave %d of %d: %s", begun + 1, len(planned), ", ".join(wave))
        futures = {host: upgrade_one.submit(host, approve, dry_run, site) for host in wave}
        for host, future in futures.items():
            result = future.result(raise_on_failure=False)
            if not isinstance(result, str):
                failed.append(host)
            ended[host] = str(result)
    return _end(site, planned, hosts, ended, failed, reason)


@task(name="upgrade-one", task_run_name="upgrade {host}", cache_policy=NO_CACHE)
def upgrade_one(host: str, approve: bool, dry_run: bool, site: str) -> str:
    """
    Upgrade one host, as a run of its own where there are workers; return where it is then.

    Safe to repeat: the run finds what is done, and its slot keeps a second one out.

    Raises:
        PumphouseError: As `upgrade_host`; of a run on a worker, RuntimeError with its words.
    """
    if not runtime.deployment.id:
        return upgrade_host(host=host, approve=approve, dry_run=dry_run, site=site).state
    ended = run_deployment(
        DEPLOYMENT,
        parameters={"host": host, "approve": approve, "dry_run": dry_run, "site": site},
        flow_run_name=f"upgrade {host}",
        poll_interval=POLL_S,
        timeout=None,
        as_subflow=True,
    )
    state = cast(FlowRun, ended).state
    if state is None or not state.is_completed():
        raise RuntimeError((state and state.message) or "Its run did not complete.")
    return "It is done; its own run says more." if not dry_run else "Nothing stands in its way."


def _end(
    site: str,
    planned: tuple[tuple[str, ...], ...],
    hosts: list[str],
    ended: dict[str, str],
    failed: list[str],
    reason: str,
) -> UpgradedHosts:
    """Publish how each host ended; raise if not all were upgraded."""
    left = [host for host in dict.fromkeys(hosts) if host not in ended]
    words = ended | {host: f"Not begun: {reason}" for host in left}
    rows = [
        {"wave": number + 1, "host": host, "how": words[host]}
        for number, wave in enumerate(planned)
        for host in wave
    ]
    create_table_artifact(rows, key=f"upgrades-{site}", description="Hosts that were upgraded")
    if failed or left:
        raise UpgradesIncomplete(
            [f"{host}: {ended[host]}" for host in failed],
            [f"{host}: {reason}" for host in left],
            [host for host in ended if host not in failed],
        )
    return UpgradedHosts(site=site, waves=planned, hosts=words)
