"""``pumphouse release-host``: hand a host of the source to Fuel, for the target's first nodes."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pumphouse.cli.console import err, escape, out
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

if TYPE_CHECKING:
    from pumphouse.flows.release_host import Released


def release_host(
    host: Annotated[str, typer.Argument(metavar="HOST", help="As the source's Nova has it.")],
    approve: Annotated[
        bool, typer.Option("--approve", help="Ask for approval before the host is given up.")
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    config: ConfigOption = None,
    site: SiteOption = None,
    deployment: DeploymentOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Empty a host and hand it to Fuel's admin network, for the target's first nodes."""
    if not (dry_run or yes):
        question = f"Empty {host}, switch it off, and start it from Fuel's admin network?"
        confirm(f"The release of host {host}", question)
    chosen: dict[str, Any] = {"host": host, "approve": approve, "dry_run": dry_run}
    if done := run("release-host", chosen, Way(config, site, deployment, quiet, as_json)):
        _print(done)


def _print(done: "Released") -> None:
    if done.move:
        out.print(escape(done.move), soft_wrap=True)
    out.print(f"[bold]{escape(done.host)}[/] {escape(done.state)}", soft_wrap=True)
    err.print(f"[dim]{done.seconds:.1f} s[/]")
