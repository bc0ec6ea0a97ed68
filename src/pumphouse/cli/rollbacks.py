"""``pumphouse rollback``: migrated servers return to the source."""

from collections.abc import Mapping
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
from pumphouse.errors import ConfigError

if TYPE_CHECKING:
    from pumphouse.flows.rollback import Rollback


def rollback(
    selection: Annotated[
        list[str] | None,
        typer.Argument(help="Which servers, in the words of pumphouse plan: NAME, project:NAME …"),
    ] = None,
    project: Annotated[
        list[str] | None, typer.Option(help="A project, whole. Repeatable.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Which of them not. Repeatable.")
    ] = None,
    discard_changes: Annotated[
        bool,
        typer.Option("--discard-changes", help="Lose what the copies wrote since their cut-over."),
    ] = False,
    delete_copy: Annotated[
        bool,
        typer.Option("--delete-copy", help="Delete the copies. Else they are left, stopped."),
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    config: ConfigOption = None,
    site: SiteOption = None,
    deployment: DeploymentOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Return migrated servers to the source; what their copies wrote since is lost."""
    chosen = {
        "selection": selection or [],
        "projects": project or [],
        "exclude": exclude or [],
        "discard_changes": discard_changes,
        "delete_copy": delete_copy,
        "dry_run": dry_run,
    }
    if not (selection or project):
        raise ConfigError("rollback", ["Nothing is chosen: name servers, or give --project."])
    if not (dry_run or yes):
        confirm("The rollback", _question(chosen))
    if done := run("rollback", chosen, Way(config, site, deployment, quiet, as_json)):
        _print(done)


def _question(chosen: Mapping[str, Any]) -> str:
    """Return what is asked: which servers, and what is lost for good by the options."""
    named = [*chosen["selection"], *(f"project {name}" for name in chosen["projects"])]
    but = f", but not of {', '.join(chosen['exclude'])}" if chosen["exclude"] else ""
    deleted = ", DELETE the copies with their disks" if chosen["delete_copy"] else ""
    lost = ", and LOSE what the copies wrote" if chosen["discard_changes"] else ""
    return f"Stop the copies of {', '.join(named)}{but}; start the source{deleted}{lost}?"


def _print(done: "Rollback") -> None:
    word = "would be done" if done.dry_run else "was done"
    listing = table(f"What {word}", "Server", "What", "Why", "What is lost")
    for each in done.servers:
        cells = (each.server, each.what.value, each.reason, " ".join(each.losses))
        listing.add_row(*(escape(cell) for cell in cells))
    out.print(listing)
    for server, seconds in done.downtimes_s.items():
        out.print(f"{escape(server)} was down for {seconds:.1f} s")
    if done.by_hand:
        out.print("[bold]What is left to you:[/]")
        for sentence in done.by_hand:
            out.print(f"  • {escape(sentence)}", soft_wrap=True)
    if done.dry_run and done.obstacles:
        out.print("[bold]It would be refused:[/]")
        for sentence in done.obstacles:
            out.print(f"  • {escape(sentence)}", soft_wrap=True)
    if done.report:
        out.print(f"report: {escape(done.report)}", soft_wrap=True)
    err.print(f"[dim]{done.seconds:.1f} s[/]")
