"""``pumphouse discover`` and ``pumphouse migrate``: the same flows, here or on the server."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from pumphouse.cli import engine, watch
from pumphouse.cli.console import err, out, print_json, run_lines, table
from pumphouse.cli.files import ConfigOption, load_if_any
from pumphouse.errors import ConfigError
from pumphouse.models import Clouds

if TYPE_CHECKING:
    from pumphouse.flows.discover import Discovery

SiteOption = Annotated[
    str | None,
    typer.Option(help="The site's block on the server. Else the name in config.yaml."),
]
DeploymentOption = Annotated[
    bool,
    typer.Option(
        "--deployment", help="Run on the server's worker, and watch from here. Ctrl-C asks."
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and results.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

AGE = re.compile(r"^(\d+)([mhd])$")
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
    parameters = {"clouds": cloud.value, "max_age_minutes": minutes(max_age)}
    if deployment:
        watch.run("discover/discover", _with_site(parameters, config, site), quiet)
        return
    with engine.use(load_if_any(config), site) as name, engine.answering():
        from pumphouse.flows.discover import discover as flow

        with run_lines(quiet):
            found = flow(**parameters, site=name)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    _print_discovery(found)


def minutes(age: str) -> int:
    """
    Return how many minutes *age* (``30m``, ``2h``, ``1d``) is.

    Raises:
        ConfigError: It is something else.
    """
    given = AGE.match(age)
    if not given:
        raise ConfigError("--max-age", [f"{age!r} is not a number with m, h or d, as in 30m."])
    return int(given[1]) * MINUTES[given[2]]


def _with_site(parameters: dict[str, Any], config: Any, site: str | None) -> dict[str, Any]:
    """Add the site's name; the configuration need not be here when the name is given."""
    if site is None:
        found = load_if_any(config)
        site = found.name if found else "default"
    return {**parameters, "site": site}


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
