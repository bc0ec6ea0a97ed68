"""``pumphouse finalize``: delete from the source what was migrated."""

from typing import TYPE_CHECKING, Annotated

import typer

from pumphouse.cli.console import err, escape, out, table
from pumphouse.cli.files import ConfigOption
from pumphouse.cli.options import DeploymentOption, JsonOption, QuietOption, SiteOption
from pumphouse.cli.running import Way, run
from pumphouse.cli.runs import located

if TYPE_CHECKING:
    from pumphouse.finalization import Removal
    from pumphouse.flows.finalize import Finalized


def finalize(
    selection: Annotated[
        list[str] | None,
        typer.Argument(help="What, in the words of pumphouse plan: project:NAME, NAME …"),
    ] = None,
    project: Annotated[
        list[str] | None, typer.Option(help="A project, whole. Repeatable.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="What not. Repeatable.")] = None,
    plan: Annotated[str, typer.Option(help="A plan's file, instead of a selection.")] = "",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Delete it. Without, only say what would be.")
    ] = False,
    clean_marks: Annotated[
        bool, typer.Option("--clean-marks", help="Take our marks off the copies afterwards.")
    ] = False,
    config: ConfigOption = None,
    site: SiteOption = None,
    deployment: DeploymentOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete from the source what was migrated, after its grace period. There is no way back."""
    chosen = {
        "selection": selection or [],
        "projects": project or [],
        "exclude": exclude or [],
        "plan": located(plan),
        "delete": yes,
        "clean_marks": clean_marks,
    }
    if done := run("finalize", chosen, Way(config, site, deployment, quiet, as_json)):
        _print(done)


def _print(done: "Finalized") -> None:
    word = "Would be deleted" if done.dry_run else "Deleted"
    out.print(_listing(word, done.removed) if done.removed else f"{word}: nothing.")
    if done.left:
        out.print(_listing("Left", done.left))
    out.print(f"report: {escape(done.report)}", soft_wrap=True)
    if done.dry_run and done.removed:
        out.print("Nothing was changed. To delete it for good, say it again with --yes.")
    err.print(f"[dim]{done.seconds:.1f} s[/]")


def _listing(title: str, every: "list[Removal]") -> object:
    listing = table(title, "Kind", "Name", "Project", "Id", "Why")
    for each in every:
        kind = each.kind.replace("_", " ")
        cells = (kind, each.name, each.project, each.source_id, each.reason)
        listing.add_row(*(escape(cell) for cell in cells))
    return listing
