"""What every command that runs a flow does: ask, run it here or on the server, show the result."""

import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from pumphouse.cli import console, engine
from pumphouse.cli.console import print_json, run_lines
from pumphouse.cli.files import load_if_any
from pumphouse.errors import ConfigError, Refused
from pumphouse.models import MoverChoice

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
QuietOption = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Only errors; with --json also that.", callback=console.be_quiet
    ),
]
VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Also tracebacks, and Prefect's own messages.",
        callback=console.be_verbose,
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document, the result or the error, and nothing else.",
        callback=console.be_json,
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Do all the checks, and change nothing.")
]
MoverOption = Annotated[
    MoverChoice,
    typer.Option(help="How root disks move; configured: as config.yaml says."),
]
MaxParallelOption = Annotated[
    int, typer.Option("--max-parallel", min=0, help="Servers at once. 0: as the site's limit.")
]
CanaryOption = Annotated[
    int, typer.Option("--canary", min=0, help="So many go first; if one fails, no other goes.")
]
MaxFailuresOption = Annotated[
    int, typer.Option("--max-failures", min=0, help="No other goes after so many failed.")
]
UntilOption = Annotated[
    str,
    typer.Option(
        "--until", help="No server is begun after: 05:30 (UTC), 05:30 Europe/Berlin, or a date."
    ),
]
SnapshotsOption = Annotated[
    bool, typer.Option("--snapshots", help="Volumes bring their snapshots. Else as config.yaml.")
]
TogetherOption = Annotated[
    list[str] | None,
    typer.Option(
        "--together",
        help="Servers that all arrive or all stay: group:web, project:shop, tag:blue. Repeatable.",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before starting.")]


@dataclass(frozen=True)
class Way:
    """How a flow is run: the options that all these commands have."""

    config: Path | None
    site: str | None
    deployment: bool
    quiet: bool
    as_json: bool = False


def run(flow: str, parameters: dict[str, Any], way: Way) -> Any:
    """
    Run a flow by its name, for example ``upgrade-host``; its deployment has the same name.

    Returns:
        What the flow returned; None when it was shown already, by the server or as JSON.
    """
    if way.deployment:
        from pumphouse.cli import watch

        parameters = with_site(parameters, way.config, way.site)
        watch.run(f"{flow}/{flow}", parameters, way.quiet, way.as_json)
        return None
    name = flow.replace("-", "_")
    module = f"pumphouse.flows.{name}"
    site = engine.use(load_if_any(way.config), way.site, module)
    with engine.answering(), run_lines(way.quiet):
        done = getattr(import_module(module), name)(**parameters, site=site)
    if way.as_json:
        print_json(done if isinstance(done, dict) else done.model_dump(mode="json"))
        return None
    return done


def confirm(what: str, question: str) -> None:
    """
    Ask a person at a terminal once; a script is taken at its word only with --yes.

    Raises:
        ConfigError: There is nobody to ask.
        Refused: The answer was no.
    """
    if not sys.stdin.isatty():
        raise ConfigError(what, ["There is nobody to ask; give --yes, or --dry-run."])
    try:
        is_wanted = typer.confirm(question, default=False, err=True)
    except typer.Abort:
        is_wanted = False
    if not is_wanted:
        raise Refused(what, ["You said no."])


def with_site(parameters: dict[str, Any], config: Any, site: str | None) -> dict[str, Any]:
    """Add the site's name; the configuration need not be here when the name is given."""
    if site is None:
        found = load_if_any(config)
        site = found.name if found else "default"
    return {**parameters, "site": site}
