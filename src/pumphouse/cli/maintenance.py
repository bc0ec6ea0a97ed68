"""``pumphouse evacuate`` and ``pumphouse maintenance``: the flows about one host of the source."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

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
from pumphouse.models import StrategyChoice

if TYPE_CHECKING:
    from pumphouse.flows.evacuate import Emptied

app = typer.Typer(
    help="Take a host of the source out of service, and back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

HostArgument = Annotated[str, typer.Argument(help="Nova's name of the host.", metavar="HOST")]
StrategyOption = Annotated[
    StrategyChoice, typer.Option(help="How servers move; configured: as config.yaml says.")
]
FenceOption = Annotated[
    bool,
    typer.Option(
        "--fence", help="The host is dead: let its BMC power it off, and go on when it is."
    ),
]
FencedOption = Annotated[
    bool,
    typer.Option(
        "--fenced", help="The host is dead, and you vouch that it is powered off. See the docs."
    ),
]


def evacuate(
    host: HostArgument,
    to_target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SELECTION",
            help="Which of its servers go to the target first, as in plan: everything, NAME, "
            "project:NAME, servers[CONDITION] … Repeatable. The rest stays in the source.",
        ),
    ] = None,
    strategy: StrategyOption = StrategyChoice.CONFIGURED,
    to_host: Annotated[
        str, typer.Option(help="The host that all others go to. Else Nova chooses for each.")
    ] = "",
    fence: FenceOption = False,
    fenced: FencedOption = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    config: ConfigOption = None,
    site: SiteOption = None,
    deployment: DeploymentOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Empty a host of the source: disable it, and move its servers to the target or elsewhere."""
    chosen = {
        "host": host,
        "to_target": to_target or [],
        "strategy": strategy.value,
        "to_host": to_host,
        "fence": fence,
        "fenced": fenced,
        "dry_run": dry_run,
    }
    if not (dry_run or yes):
        confirm(f"Emptying host {host}", _question(host, fence))
    if done := run("evacuate", chosen, Way(config, site, deployment, quiet, as_json)):
        _print_emptied(done)


@app.command()
def enter(
    host: HostArgument,
    strategy: StrategyOption = StrategyChoice.CONFIGURED,
    fence: FenceOption = False,
    fenced: FencedOption = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    config: ConfigOption = None,
    site: SiteOption = None,
    deployment: DeploymentOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Disable a host and move its servers to other hosts of the source."""
    chosen = {
        "host": host,
        "action": "enter",
        "strategy": strategy.value,
        "fence": fence,
        "fenced": fenced,
        "dry_run": dry_run,
    }
    if not (dry_run or yes):
        confirm(f"Maintenance of host {host}", _question(host, fence))
    _maintain(chosen, Way(config, site, deployment, quiet, as_json))


@app.command()
def leave(
    host: HostArgument,
    yes: YesOption = False,
    config: ConfigOption = None,
    site: SiteOption = None,
    deployment: DeploymentOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """
    Make a host's service exactly as it was before maintenance. Its servers stay elsewhere.

    A host that --fence powered off is powered on, and its nova-compute waited for.
    """
    if not yes:
        question = f"Power {host} on if --fence powered it off, and make its service as it was?"
        confirm(f"The end of {host}'s maintenance", question, "--yes")
    _maintain({"host": host, "action": "leave"}, Way(config, site, deployment, quiet, as_json))


@app.command()
def status(
    host: HostArgument,
    config: ConfigOption = None,
    site: SiteOption = None,
    deployment: DeploymentOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say how a host is: its service, its servers, and whether all agree that it is empty."""
    _maintain({"host": host, "action": "status"}, Way(config, site, deployment, quiet, as_json))


def _question(host: str, fence: bool) -> str:
    if fence:
        return f"Power host {host} off, disable it, and start all its servers elsewhere?"
    return f"Disable host {host} and move all its servers?"


def _maintain(chosen: dict[str, Any], way: Way) -> None:
    if found := run("maintenance", chosen, way):
        _print_status(found)


def _print_emptied(done: "Emptied") -> None:
    word = "would leave" if done.dry_run else "left"
    listing = table(f"Servers that {word} {done.host}", "Server", "State", "How", "")
    for row in done.servers:
        cells = (row["server"], row["state"], row["how"], row["why"])
        listing.add_row(*(escape(cell) for cell in cells))
    out.print(listing if done.servers else f"Host {done.host} has no servers.")
    out.print(f"Host {done.host} is {escape(done.service)}.")
    if not done.dry_run:
        out.print(f"{done.moved} moved; files: {escape(done.location)}", soft_wrap=True)
    err.print(f"[dim]{done.seconds:.1f} s[/]")


def _print_status(found: dict[str, Any]) -> None:
    held = "in maintenance" if found["in_maintenance"] else "not in maintenance"
    out.print(f"Host [bold]{escape(found['host'])}[/] is {held}: {escape(found['service'])}.")
    if found["servers"]:
        listing = table("Servers", "Name", "State", "Id")
        for server in found["servers"]:
            listing.add_row(escape(server["name"]), server["status"], server["id"])
        out.print(listing)
    if not found["not_empty"]:
        out.print("[green]✓[/] Nova, Placement and the hypervisor agree that it is empty.")
    for sentence in found["not_empty"]:
        out.print(f"  • {escape(sentence)}")
