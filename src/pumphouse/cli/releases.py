"""``pumphouse release-host``: hand a host of the source to Fuel, for the target's first nodes."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pumphouse.cli import engine
from pumphouse.cli.console import err, escape, out, print_json, run_lines
from pumphouse.cli.files import ConfigOption, load_if_any
from pumphouse.cli.runs import DeploymentOption, JsonOption, QuietOption, SiteOption, with_site
from pumphouse.errors import ConfigError, Refused

if TYPE_CHECKING:
    from pumphouse.flows.release_host import Released


def release_host(
    host: Annotated[str, typer.Argument(metavar="HOST", help="As the source's Nova has it.")],
    approve: Annotated[
        bool, typer.Option("--approve", help="Ask for approval before the host is given up.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do all the checks, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before starting.")] = False,
    config: ConfigOption = None,
    site: SiteOption = None,
    deployment: DeploymentOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Empty a host and hand it to Fuel's admin network, for the target's first nodes."""
    if not (dry_run or yes):
        _confirm(host)
    chosen: dict[str, Any] = {"host": host, "approve": approve, "dry_run": dry_run}
    if deployment:
        from pumphouse.cli import watch

        watch.run("release-host/release-host", with_site(chosen, config, site), quiet)
        return
    name = engine.use(load_if_any(config), site, "pumphouse.flows.release_host")
    from pumphouse.flows.release_host import release_host as flow

    with engine.answering(), run_lines(quiet):
        done = flow(**chosen, site=name)
    if as_json:
        print_json(done.model_dump(mode="json"))
        return
    _print(done)


def _confirm(host: str) -> None:
    """Ask a person at a terminal once; a script is taken at its word only with --yes."""
    if not sys.stdin.isatty():
        raise ConfigError("release-host", ["There is nobody to ask; give --yes, or --dry-run."])
    question = f"Empty {host}, switch it off, and start it from Fuel's admin network?"
    if not typer.confirm(question, default=False, err=True):
        raise Refused(f"The release of host {host}", ["You said no."])


def _print(done: "Released") -> None:
    if done.move:
        out.print(escape(done.move), soft_wrap=True)
    out.print(f"[bold]{escape(done.host)}[/] {escape(done.state)}", soft_wrap=True)
    err.print(f"[dim]{done.seconds:.1f} s[/]")
