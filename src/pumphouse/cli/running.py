"""What every command that runs a flow does: ask, run it here or on the server, show the result."""

import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from pumphouse.cli import engine
from pumphouse.cli.console import print_json, run_lines
from pumphouse.cli.files import load_if_any
from pumphouse.errors import ConfigError, Refused


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


def confirm(what: str, question: str, instead: str = "--yes, or --dry-run") -> None:
    """
    Ask a person at a terminal once; a script is taken at its word only with --yes.

    *instead* are the options of the command that need no answer.

    Raises:
        ConfigError: There is nobody to ask.
        Refused: The answer was no.
    """
    # A closed stdin is None.
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigError(what, [f"There is nobody to ask; give {instead}."])
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
