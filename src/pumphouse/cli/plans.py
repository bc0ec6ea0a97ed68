"""``pumphouse plan``: make a plan, show one, and say where two differ."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pumphouse.cli.console import err, escape, out, print_json, table
from pumphouse.cli.files import ConfigOption
from pumphouse.cli.groups import by_default
from pumphouse.cli.options import (
    DeploymentOption,
    JsonOption,
    MoverOption,
    QuietOption,
    SiteOption,
    SnapshotsOption,
)
from pumphouse.cli.running import Way, run
from pumphouse.errors import ConfigError, Refused
from pumphouse.models import MoverChoice

if TYPE_CHECKING:
    from pumphouse.flows.plan import Planned
    from pumphouse.plan import PlanRow

MAKE = "make"
SHOWN = 40
"""Obstacles and differences that the terminal shows at most; files have all."""


app = typer.Typer(
    cls=by_default(MAKE),
    help="Work out what a migration would do: plan SELECTION…, plan show FILE, plan diff A B.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

PlanArgument = Annotated[str, typer.Argument(metavar="PLAN", help="A plan: YAML or Parquet.")]


@app.command(MAKE)
def make(
    selection: Annotated[
        list[str],
        typer.Argument(
            help="What to move: project:NAME, host:NAME, zone:, flavor:, image:, network:, tag:, "
            "metadata:KEY=VALUE, SERVER, KIND:NAME, 'KIND[condition]', or everything."
        ),
    ],
    exclude: Annotated[
        list[str] | None, typer.Option(help="What stays, in the same words. Repeatable.")
    ] = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this of it, with what that needs: identity, images, networks, volumes, "
            "servers, or any kind of a plan. Repeatable."
        ),
    ] = None,
    mover: MoverOption = MoverChoice.CONFIGURED,
    snapshots: SnapshotsOption = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it here: .yaml or .parquet.")
    ] = None,
    config: ConfigOption = None,
    site: SiteOption = None,
    deployment: DeploymentOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """
    Make a plan of what is selected. Changes nothing.

    Ends with 3 when something stands in the way: the plan is written all the same.
    """
    _check_output(output, deployment)
    parameters: dict[str, Any] = {
        "selection": selection,
        "exclude": exclude or [],
        "kinds": kinds or [],
        "mover": mover.value,
        "snapshots": snapshots,
    }
    if deployment:
        # What the flow returns stays on the worker, so that only the run itself can tell.
        parameters["strict"] = True
    # Here its obstacles are still to be judged when it was shown.
    made = run("plan", parameters, Way(config, site, deployment, quiet, deployment and as_json))
    if made is None:
        return
    if output:
        _write(made, output)
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        _print(made, output)
    if made.obstacles:
        raise Refused("A migration by this plan", made.obstacles[:SHOWN])


def _check_output(output: Path | None, deployment: bool) -> None:
    problems = []
    if output and output.suffix not in (".yaml", ".yml", ".parquet"):
        problems.append(f"{output} must end with .yaml, .yml or .parquet.")
    if output and deployment:
        problems.append("A worker writes its plan to the site's storage; leave --output out.")
    if output and not output.parent.is_dir():
        problems.append(f"There is no folder {output.parent}.")
    if problems:
        raise ConfigError("--output", problems)


def _write(made: "Planned", output: Path) -> None:
    from pumphouse import plan_texts
    from pumphouse.tasks.plan_storage import load_plan

    try:
        output.write_bytes(plan_texts.write(load_plan(made.plan), output.name))
    except OSError as error:
        problem = f"It cannot be written: {error.strerror}. The plan is {made.plan}."
        raise ConfigError(str(output), [problem]) from error


def _print(made: "Planned", output: Path | None) -> None:
    actions = ", ".join(f"{count} {action}" for action, count in made.actions.items())
    out.print(f"[bold]Plan[/] of {made.site}: {actions or 'nothing to do'}")
    for note in made.notes:
        err.print(f"[yellow]{escape(note)}[/]")
    out.print(
        f"{made.bytes / 2**30:,.1f} GiB to carry, longest downtime "
        f"{made.longest_downtime_s:,.0f} s, {made.duration_s / 60:,.1f} min in all. "
        f"{escape(made.estimates)}"
    )
    out.print(f"plan: {escape(str(output or made.plan))}", soft_wrap=True)
    out.print(f"page: {escape(made.report)}", soft_wrap=True)
    err.print(f"[dim]{made.seconds:.1f} s[/]")


@app.command()
def show(
    plan: PlanArgument,
    every: Annotated[
        bool, typer.Option("--all", help="Also what the target has already.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a plan as a table, with its edits, if they are allowed. Needs no cloud."""
    from pumphouse import plan_files
    from pumphouse.plan import DONE
    from pumphouse.tasks.plan_storage import load_plan

    file = load_plan(plan)
    plan_files.edits(file, plan)
    rows = [row for row in file.rows if every or row.action not in DONE]
    if as_json:
        print_json([row.model_dump(mode="json", exclude={"seal"}) for row in rows])
        return
    listing = table(
        f"{file.header.site}: {' '.join(file.header.include)}",
        "Action", "Kind", "Name", "Project", "Mover", "Down s", "Why",
    )  # fmt: skip
    for row in rows:
        listing.add_row(*(escape(cell) for cell in _cells(row)))
    out.print(listing)


def _cells(row: "PlanRow") -> tuple[str, ...]:
    down = f"{row.downtime_estimate_s:.0f}" if row.downtime_estimate_s else ""
    why = " ".join([row.reason, *(f"Lost: {loss}" for loss in row.losses)])
    mover = row.mover.value if row.mover else ""
    return row.action.value, row.kind, row.name, row.project, mover, down, why


@app.command()
def diff(
    old: PlanArgument,
    new: Annotated[str, typer.Argument(metavar="PLAN", help="Another one.")],
    as_json: JsonOption = False,
) -> None:
    """Say where two plans differ. Needs no cloud. Ends with 1 when they do."""
    from pumphouse.drift import differences, header_differences
    from pumphouse.tasks.plan_storage import load_plan

    before, after = load_plan(old), load_plan(new)
    found = header_differences(before.header, after.header) + differences(before.rows, after.rows)
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
    elif not found:
        out.print("They are equal.")
    else:
        listing = table(f"{len(found)} difference(s)", "Change", "Kind", "Name", "What")
        for each in found:
            listing.add_row(
                each.change, each.kind, escape(each.label), escape("\n".join(each.what))
            )
        out.print(listing)
    if found:
        raise typer.Exit(1)
