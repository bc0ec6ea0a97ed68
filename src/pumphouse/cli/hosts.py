"""``pumphouse hosts``: every hypervisor of both clouds, what keeps it, and the way back."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pumphouse.cli import engine
from pumphouse.cli.console import errors, escape, out, print_json, run_lines, table, trouble
from pumphouse.cli.files import ConfigOption, load, load_if_any
from pumphouse.cli.options import (
    DeploymentOption,
    JsonOption,
    QuietOption,
    SiteOption,
    YesOption,
)
from pumphouse.cli.running import Way, confirm, run
from pumphouse.errors import ConfigError, PumphouseError, Refused
from pumphouse.models import Role

if TYPE_CHECKING:
    from pumphouse.tasks.rosters import Reached

app = typer.Typer(
    help="Show the hosts of both clouds, check them, and bring one back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

HostsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[HOST]…", help="Else all of config.yaml.")
]


@app.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """
    Show every hypervisor with its cloud, state, servers, BMC, node in Fuel and upgrade.

    Only reads. Ends with 1 when something does not answer.
    """
    settings = load(config)
    engine.quieten(os.environ)
    from pumphouse.blocks.registration import bmc_of, cloud_of, fuel_of
    from pumphouse.tasks.rosters import read

    bmcs = {name: bmc for name in settings.hosts if (bmc := bmc_of(settings, name))}
    clouds = {role: cloud_of(settings, role) for role in Role}
    found = read(clouds, fuel_of(settings), settings.hosts, bmcs)
    if as_json:
        rows = [line.model_dump() for line in found.lines]
        print_json({"hosts": rows, "problems": list(found.problems)})
    else:
        _print(settings.name, found)
    if found.problems:
        raise typer.Exit(1)


def _print(site: str, found: "Reached") -> None:
    heads = ("Host", "State", "Servers", "VCPUs, RAM", "BMC", "Fuel", "Upgrade")
    for cloud in (*Role, ""):
        lines = [line for line in found.lines if line.cloud == cloud]
        if not lines:
            continue
        whose = f"the {cloud}" if cloud else "neither cloud"
        shown = table(f"Hosts of {whose} ({site})", *heads)
        shown.columns[0].no_wrap = True
        for line in sorted(lines, key=lambda line: line.host):
            servers = "" if line.servers is None else str(line.servers)
            node = line.fuel.removeprefix(f"{line.host} ")
            capacity = line.capacity.replace(" VCPUs", "")
            cells = (line.state, servers, capacity, line.bmc, node, line.upgrade)
            shown.add_row(*map(escape, (line.host, *cells)))
        out.print(shown)
    for problem in found.problems:
        errors.print(f"  [red]✗[/] {escape(problem)}")


@app.command()
def check(
    hosts: HostsArgument = None,
    config: ConfigOption = None,
    site: SiteOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """
    Say for each host what stands in the way of its upgrade, and how far that is.

    Only reads. Ends with 3 when something stands in the way of one.
    """
    settings = load_if_any(config)
    chosen = hosts or (list(settings.hosts) if settings else [])
    if not chosen:
        raise ConfigError("hosts", ["Name a host: the configuration has none."])
    name = engine.use(settings, site, "pumphouse.flows.upgrade_host")
    from pumphouse.flows.upgrade_host import upgrade_host

    failed: list[PumphouseError] = []
    found: dict[str, dict[str, Any]] = {}
    for host in chosen:
        try:
            with engine.answering(), run_lines(True):
                state = upgrade_host(host=host, dry_run=True, site=name).state
        except Refused as refused:
            failed.append(refused)
            found[host] = {"ready": False, "reasons": refused.reasons}
            trouble(f"[red]✗[/] [bold]{escape(host)}[/]")
            for reason in refused.reasons:
                trouble(f"    • {escape(reason)}")
        except PumphouseError as error:
            failed.append(error)
            found[host] = {"ready": False, "reasons": [str(error)]}
            trouble(f"[red]✗[/] [bold]{escape(host)}[/] {escape(str(error))}")
        else:
            found[host] = {"ready": True, "state": state}
            out.print(f"[green]✓[/] [bold]{escape(host)}[/] {escape(state)}")
    if as_json:
        print_json(found)
    if failed:
        raise typer.Exit(max(error.exit_code for error in failed))


@app.command("return")
def return_(
    host: Annotated[str, typer.Argument(metavar="HOST", help="As the source's Nova has it.")],
    yes: YesOption = False,
    config: ConfigOption = None,
    site: SiteOption = None,
    deployment: DeploymentOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Bring a host back to the source, as long as Fuel has not written its disks."""
    if not yes:
        question = f"Take {host} out of Fuel, restart it from its disk, and enable it again?"
        confirm(f"The return of host {host}", question, "--yes")
    if done := run("return-host", {"host": host}, Way(config, site, deployment, quiet, as_json)):
        out.print(f"[green]✓[/] {escape(done.state)}")
