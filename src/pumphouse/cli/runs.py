"""``pumphouse discover`` and ``pumphouse migrate``: the same flows, here or on the server."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pumphouse.cli.console import err, escape, out, table
from pumphouse.cli.files import ConfigOption
from pumphouse.cli.options import (
    CanaryOption,
    DeploymentOption,
    DryRunOption,
    JsonOption,
    MaxFailuresOption,
    MaxParallelOption,
    MoverOption,
    QuietOption,
    SiteOption,
    SnapshotsOption,
    TogetherOption,
    UntilOption,
    YesOption,
)
from pumphouse.cli.running import Way, confirm, run
from pumphouse.errors import ConfigError
from pumphouse.models import Clouds, MoverChoice

if TYPE_CHECKING:
    from pumphouse.flows.discover import Discovery
    from pumphouse.flows.migrate import Migration

AGE = re.compile(r"^(\d{1,6})([mhd])$")
PLANS = (".yaml", ".yml", ".parquet")
MINUTES = {"m": 1, "h": 60, "d": 1440}


def discover(
    cloud: Annotated[Clouds, typer.Option(help="Which cloud to read.")] = Clouds.BOTH,
    max_age: Annotated[
        str, typer.Option(help="Take over tables that are younger than this: 30m, 2h, 1d.")
    ] = "0m",
    config: ConfigOption = None,
    site: SiteOption = None,
    deployment: DeploymentOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read both clouds into tables, and report on them. Changes nothing."""
    age = minutes(max_age)
    parameters = {"clouds": cloud.value, "max_age_minutes": age}
    if found := run("discover", parameters, Way(config, site, deployment, quiet, as_json)):
        _print_discovery(found)


def migrate(
    selection: Annotated[
        list[str] | None,
        typer.Argument(
            help="What to move, in the words of pumphouse plan; or one plan's file.",
            show_default=False,
        ),
    ] = None,
    project: Annotated[
        list[str] | None, typer.Option(help="Name or id of a project to move whole. Repeatable.")
    ] = None,
    host: Annotated[
        list[str] | None, typer.Option(help="Hypervisor whose servers move. Repeatable.")
    ] = None,
    server: Annotated[
        list[str] | None, typer.Option(help="Name or id of a server. Repeatable.")
    ] = None,
    query: Annotated[
        str, typer.Option(help='Servers by their columns: status == "ACTIVE" and ram_mib <= 2048')
    ] = "",
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="What stays: a server, or in the words of pumphouse plan. Repeatable."),
    ] = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            help="Of it only this, with what that needs: identity, images, networks, volumes, "
            "servers, or any kind of a plan. Repeatable."
        ),
    ] = None,
    mover: MoverOption = MoverChoice.CONFIGURED,
    snapshots: SnapshotsOption = False,
    plan: Annotated[
        str,
        typer.Option(help="A plan's file: do exactly that, or refuse if it drifted."),
    ] = "",
    replan: Annotated[
        bool, typer.Option("--replan", help="Show what changed since the plan; change nothing.")
    ] = False,
    move_unhealthy: Annotated[
        bool,
        typer.Option("--move-unhealthy", help="Also servers that fail health checks before."),
    ] = False,
    max_parallel: MaxParallelOption = 0,
    canary: CanaryOption = 0,
    max_failures: MaxFailuresOption = 0,
    until: UntilOption = "",
    together: TogetherOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    config: ConfigOption = None,
    site: SiteOption = None,
    deployment: DeploymentOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Move chosen servers, and everything that they depend on, to the target."""
    texts = selection or []
    if len(texts) == 1 and texts[0].endswith(PLANS) and not plan:
        plan, texts = texts[0], []
    chosen: dict[str, Any] = {
        "selection": texts,
        "projects": project or [],
        "hosts": host or [],
        "servers": server or [],
        "query": query,
        "exclude": exclude or [],
        "kinds": kinds or [],
        "snapshots": snapshots,
        "plan": plan,
        "replan": replan,
        "move_unhealthy": move_unhealthy,
        "max_parallel": max_parallel,
        "canary": canary,
        "max_failures": max_failures,
        "until": until,
        "together": together or [],
        "dry_run": dry_run,
    }
    if mover is not MoverChoice.CONFIGURED:
        chosen["mover"] = mover.value
    carry_out(chosen, yes, Way(config, site, deployment, quiet, as_json))


def carry_out(chosen: dict[str, Any], yes: bool, way: Way) -> None:
    """
    Migrate by the parameters *chosen*, after asking unless *yes* or nothing changes; show it.

    Raises:
        ConfigError: Nothing is chosen, or too much.
    """
    chosen["plan"] = located(chosen["plan"])
    _require_selection(chosen)
    if not (chosen["dry_run"] or chosen.get("replan") or yes):
        _confirm(chosen)
    if done := run("migrate", chosen, way):
        _print_migration(done)


def _require_selection(chosen: dict[str, Any]) -> None:
    named = [chosen.get(key) for key in ("selection", "projects", "hosts", "servers", "query")]
    if chosen.get("replan") and not chosen["plan"]:
        raise ConfigError("migrate", ["--replan needs the plan: give --plan FILE."])
    own = [chosen["exclude"], chosen.get("mover"), chosen.get("snapshots")]
    if chosen["plan"] and any([*named, *own]):
        raise ConfigError("migrate", ["The plan says what is selected; give --plan alone."])
    if not chosen["plan"] and not any(named):
        raise ConfigError(
            "migrate",
            [
                "Nothing is chosen: give --plan, --project, --host, --server or --query, or a "
                "selection in the words of pumphouse plan."
            ],
        )


def located(plan: str) -> str:
    """Return the full path of a plan's file, so that it is found from anywhere; a URL as it is."""
    return str(Path(plan).expanduser().absolute()) if plan and "://" not in plan else plan


def _confirm(chosen: dict[str, Any]) -> None:
    """Ask, in the words of what was chosen."""
    words = [
        f"{key} {', '.join(value) if isinstance(value, list) else value}"
        for key, value in chosen.items()
        if value
    ]
    kinds = chosen.get("kinds") or []
    stops = not kinds or "servers" in kinds
    what = "Stop and move the servers of" if stops else "Copy to the target"
    confirm("The migration", f"{what} {'; '.join(words)}?")


def minutes(age: str) -> int:
    """
    Return how many minutes *age* (``30m``, ``2h``, ``1d``) is.

    Raises:
        ConfigError: It is something else, or longer than any inventory is kept.
    """
    given = AGE.match(age)
    if not given:
        problem = f"{age!r} is not a number with m, h or d, as in 30m; six digits at most."
        raise ConfigError("--max-age", [problem])
    return int(given[1]) * MINUTES[given[2]]


def _print_discovery(found: "Discovery") -> None:
    roles = list(found.rows)
    listing = table(f"Inventory of {found.site}", "Table")
    for role in roles:
        listing.add_column(role.capitalize(), justify="right")
    kinds = {kind: None for rows in found.rows.values() for kind in rows}
    for kind in kinds:
        counts = [found.rows[role].get(kind, 0) for role in roles]
        if any(counts):
            listing.add_row(kind.replace("_", " "), *(f"{count:,}" for count in counts))
    out.print(listing)
    for role, location in found.locations.items():
        out.print(f"{role}: {escape(location)}", soft_wrap=True)
    out.print(f"report: {escape(found.report)}", soft_wrap=True)
    err.print(f"[dim]{found.calls} calls in {found.seconds:.1f} s[/]")


def _print_migration(done: "Migration") -> None:
    word = "Dry run" if done.dry_run else "Migration"
    actions = ", ".join(f"{count} {action}" for action, count in done.actions.items() if count)
    out.print(f"[bold]{word}[/] of {done.site}: {actions or 'nothing to do'}")
    if done.downtimes_s:
        listing = table("Downtime", "Server", "Seconds")
        for server, seconds in done.downtimes_s.items():
            listing.add_row(escape(server), f"{seconds:.1f}")
        out.print(listing)
    if not done.dry_run:
        out.print(f"{done.done} done, {done.found} there before, {done.bytes:,} bytes copied")
    out.print(f"files: {escape(done.location)}", soft_wrap=True)
    if done.report:
        out.print(f"report: {escape(done.report)}", soft_wrap=True)
    if done.dry_run:
        out.print(f"plan: {escape(done.plan)}", soft_wrap=True)
    if done.changed:
        out.print(f"[bold]{len(done.changed)} difference(s) to the plan that was given[/]")
    for sentence in done.changed:
        out.print(f"  • {escape(sentence)}", soft_wrap=True)
    err.print(f"[dim]{done.seconds:.1f} s[/]")
