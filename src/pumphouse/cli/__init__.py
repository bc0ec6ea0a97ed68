"""
The command line: granular work for one operator, on this machine or through a server.

Nothing heavy is imported here or at the top of a command's module: ``pumphouse --help``
answers at once, and Prefect's settings are decided before Prefect is imported.
"""

import os
import sys
from typing import Annotated

import typer

from pumphouse import __version__
from pumphouse.cli import (
    configuration,
    deploying,
    finalizing,
    hosts,
    inventory,
    maintenance,
    plans,
    releases,
    rollbacks,
    runs,
    upgrades,
)
from pumphouse.cli.console import err, out, print_error
from pumphouse.errors import PumphouseError

VERBOSE = "PUMPHOUSE_VERBOSE"

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
app.command("migrate")(runs.migrate)
app.command("rollback")(rollbacks.rollback)
app.command("finalize")(finalizing.finalize)
app.command("evacuate")(maintenance.evacuate)
app.add_typer(maintenance.app, name="maintenance")
app.add_typer(hosts.app, name="hosts")
app.command("upgrade-host")(upgrades.upgrade_host)
app.command("reassign", help="The same as upgrade-host.")(upgrades.upgrade_host)
app.command("release-host")(releases.release_host)
app.command("approve")(upgrades.approve)
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
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show tracebacks and Prefect's own messages.")
    ] = False,
) -> None:
    """Turn an old OpenStack cloud into a new one: its workloads, and its hosts."""
    if verbose:
        os.environ[VERBOSE] = "1"


def main() -> None:
    """
    Run the command line and exit.

    0 done, 1 failed, 2 wrong input, 3 refused; an interrupt is 130, as shells have it.
    """
    try:
        app()
    except PumphouseError as error:
        if os.environ.get(VERBOSE):
            err.print_exception()
        print_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("Interrupted.")
        sys.exit(130)
