"""``pumphouse upgrade-host`` and ``approve``: the flows that turn hosts of the source over."""

import getpass
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from pumphouse.cli import engine
from pumphouse.cli.console import err, escape, out, table
from pumphouse.cli.files import ConfigOption
from pumphouse.cli.options import (
    DeploymentOption,
    DryRunOption,
    JsonOption,
    QuietOption,
    SiteOption,
    YesOption,
)
from pumphouse.cli.running import Way, confirm, run
from pumphouse.errors import ConfigError, Refused

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun


def upgrade_host(
    hosts: Annotated[
        list[str], typer.Argument(metavar="HOST…", help="As the source's Nova has them.")
    ],
    parallel: Annotated[
        int, typer.Option(min=0, max=64, help="Hosts at once; 0: as config.yaml says.")
    ] = 0,
    approve: Annotated[
        bool, typer.Option("--approve", help="Ask for approval before disks are given up.")
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    config: ConfigOption = None,
    site: SiteOption = None,
    deployment: DeploymentOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Turn hosts of the source into compute nodes of the target; to go on, run it again."""
    if not (dry_run or yes):
        question = f"Empty {', '.join(hosts)}, restart, and let Fuel overwrite the disks?"
        confirm("The upgrade", question)
    chosen: dict[str, Any] = {"approve": approve, "dry_run": dry_run}
    several = len(hosts) > 1
    chosen |= {"hosts": hosts, "parallel": parallel} if several else {"host": hosts[0]}
    done = run(
        "upgrade-hosts" if several else "upgrade-host",
        chosen,
        Way(config, site, deployment, quiet, as_json),
    )
    if done is None:
        return
    if several:
        listing = table("Upgrades", "Host", "")
        for host, words in done.hosts.items():
            listing.add_row(escape(host), escape(words))
        out.print(listing)
        return
    out.print(f"[bold]{escape(done.host)}[/] {escape(done.state)}")
    err.print(f"[dim]{done.seconds:.1f} s[/]")


def approve(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name or id of a suspended run.")],
    reject: Annotated[bool, typer.Option("--reject", help="Say no: the run ends.")] = False,
    who: Annotated[str, typer.Option(help="Your name. Else that of your account here.")] = "",
    comment: Annotated[str, typer.Option(help="Kept with the run.")] = "",
) -> None:
    """Approve a run that is suspended before it gives up a host's disks, or reject it."""
    engine.require_server()
    with engine.answering():
        from prefect.client.orchestration import get_client

        with get_client(sync_client=True) as client:
            found = _suspended(client, run)
            answer = {
                "decision": "reject" if reject else "approve",
                "who": who or getpass.getuser(),
                "comment": comment,
            }
            _resume(client, found, answer)
    out.print(f"[green]✓[/] {escape(found.name)} {'rejected' if reject else 'approved'}.")


def _suspended(client: "SyncPrefectClient", run: str) -> "FlowRun":
    """Return the suspended run with this name or id; ConfigError when there is none."""
    body = {"flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}}, "limit": 200}
    found = client.request("POST", "/flow_runs/filter", json=body).json()
    matching = [raw["id"] for raw in found if run in (raw["id"], raw["name"])]
    if len(matching) != 1:
        names = ", ".join(f"{raw['name']} ({raw['id']})" for raw in found) or "none"
        many = "Several runs are" if matching else "No run that waits for approval is"
        raise ConfigError("RUN", [f"{many} called {run!r}; waiting: {names}."])
    return client.read_flow_run(UUID(matching[0]))


def _resume(client: "SyncPrefectClient", run: "FlowRun", answer: dict[str, str]) -> None:
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.responses import SetStateStatus

    response = client.resume_flow_run(run.id, run_input=answer)
    if response.status is SetStateStatus.ACCEPT:
        return
    ended = response.state is not None and response.state.type is StateType.FAILED
    reason = getattr(response.details, "reason", None) or "Prefect gives no reason."
    help_ = " It waited too long; start the upgrade again." if ended else ""
    raise Refused(f"Run {run.name}", [f"{reason}{help_}"])
