"""
The command line: granular work for one operator, on this machine or through a server.

Nothing heavy is imported here or at the top of a command's module: ``pumphouse --help``
answers at once, and Prefect's settings are decided before Prefect is imported.
"""

import sys
from typing import Annotated, Any

import typer
import typer.main

from pumphouse import __version__
from pumphouse.cli import (
    configuration,
    deploying,
    finalizing,
    granular,
    hosts,
    inventory,
    maintenance,
    plans,
    releases,
    rollbacks,
    runs,
    upgrades,
    watch,
)
from pumphouse.cli.console import (
    begin,
    errors,
    is_verbose,
    out,
    print_error,
    print_json_error,
)
from pumphouse.cli.groups import add_common_options
from pumphouse.cli.options import VerboseOption
from pumphouse.errors import PumphouseError

app = typer.Typer(
    name="pumphouse",
    help="Turn an old OpenStack cloud into a new one: its workloads, and its hosts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    # Typer's rich help costs 0.4 s of imports, more than all the rest.
    rich_markup_mode=None,
)
app.add_typer(configuration.app, name="config")
app.command("discover")(runs.discover)
app.add_typer(plans.app, name="plan")
app.add_typer(granular.app, name="migrate")
app.command("rollback")(rollbacks.rollback)
app.command("finalize")(finalizing.finalize)
app.command("evacuate")(maintenance.evacuate)
app.add_typer(maintenance.app, name="maintenance")
app.add_typer(hosts.app, name="hosts")
app.command("upgrade-host")(upgrades.upgrade_host)
app.command("reassign", help="The same as upgrade-host.")(upgrades.upgrade_host)
app.command("release-host")(releases.release_host)
app.command("approve")(upgrades.approve)
app.command("watch")(watch.watch)
app.add_typer(inventory.app, name="inventory")
app.command("deploy")(deploying.deploy)


def _version(asked: bool) -> None:
    if asked:
        out.print(f"pumphouse {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Turn an old OpenStack cloud into a new one: its workloads, and its hosts."""


def main() -> None:
    """
    Run the command line and exit.

    0 done, 1 failed, 2 wrong input, 3 refused; an interrupt is 130, as shells have it.
    """
    begin()
    try:
        command()(prog_name="pumphouse")
    except PumphouseError as error:
        if is_verbose():
            errors.print_exception()
        print_error(error)
        sys.exit(error.exit_code)
    except SystemExit as ended:
        if ended.code:
            _tell_as_json(ended)
        raise
    except Exception as error:
        print_json_error(type(error).__name__, str(error), 1)
        raise


def _tell_as_json(ended: SystemExit) -> None:
    """Tell who asked for JSON why Typer ended the command: wrong words, or an interrupt."""
    why, code = ended.__context__, ended.code if isinstance(ended.code, int) else 1
    if words := getattr(why, "format_message", None):
        print_json_error("UsageError", words(), code)
    else:
        cause = (why and why.__cause__) or why
        print_json_error(type(cause).__name__, "The command was broken off.", code)


def command() -> Any:
    """Return the whole command line, as click has it."""
    made = typer.main.get_command(app)
    add_common_options(made)
    return made
