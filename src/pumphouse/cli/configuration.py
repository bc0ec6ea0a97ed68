"""``pumphouse config``: check, show and register the configuration."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pumphouse.cli import engine
from pumphouse.cli.console import err, escape, out, print_json, table, trouble
from pumphouse.cli.files import ConfigOption, find, load
from pumphouse.cli.options import JsonOption
from pumphouse.errors import PumphouseError
from pumphouse.models import Role

if TYPE_CHECKING:
    from pumphouse.config import Config
    from pumphouse.tasks.access import Right, Service

app = typer.Typer(
    help="Check, show and register config.yaml.", no_args_is_help=True, rich_markup_mode=None
)


@app.command()
def check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """
    Validate the file, log in to all that it names, and say what is missing.

    Both clouds with their services and our rights, the databases for passwords, Fuel, and BMCs.

    Only reads. Ends with 1 when something cannot be used or a right is missing.
    """
    path = find(config)
    settings = load(path)
    _warn_of_readers(path, settings)
    engine.quieten(os.environ)
    with ThreadPoolExecutor(len(Role)) as pool:
        reports = list(pool.map(lambda role: _inspect(settings, role), Role))
    machines, silent = _machines(settings)
    unusable = _databases(settings)
    if as_json:
        print_json(
            {
                "config": str(path),
                "clouds": reports,
                "machines": machines,
                "databases": unusable,
            }
        )
    else:
        out.print(f"{path} is valid. Site [bold]{settings.name}[/].\n")
        for report in reports:
            _print_report(report)
        _print_machines(machines)
        for problem in unusable:
            trouble(escape(problem))
    if silent or unusable or any(report["problems"] for report in reports):
        raise typer.Exit(1)


def _databases(config: "Config") -> list[str]:
    """Return what is wrong with the databases that password hashes are copied between."""
    if config.passwords.mode != "hashes":
        return []
    from pumphouse.tasks.password_hashes import problems

    return problems(config.passwords)


def _machines(config: "Config") -> tuple[list[dict[str, str]], bool]:
    """Return a row for Fuel and each host's BMC, and whether one of them does not answer."""
    if not (config.fuel.url or config.hosts):
        return [], False
    from pumphouse.blocks.registration import bmc_of, fuel_of
    from pumphouse.tasks.rosters import reach

    bmcs = {name: bmc for name in config.hosts if (bmc := bmc_of(config, name))}
    found = reach(fuel_of(config), bmcs)
    rows = [{"what": "Fuel", "where": config.fuel.url, "says": found.fuel or "not configured"}]
    for name in config.hosts:
        bmc = bmcs.get(name)
        says = f"power {found.power[name]}" if bmc else "has no BMC"
        rows.append({"what": name, "where": bmc.endpoint if bmc else "", "says": says})
    return rows, bool(found.problems)


def _print_machines(rows: list[dict[str, str]]) -> None:
    if not rows:
        return
    shown = table("Fuel and BMCs", "", "Where", "Says")
    for row in rows:
        shown.add_row(*(escape(row[key]) for key in ("what", "where", "says")))
    out.print(shown)


def _warn_of_readers(path: Path, config: "Config") -> None:
    """Warn when a file with secrets in it can be read by others."""
    inline = any(
        cloud.password or cloud.application_credential_secret
        for cloud in (config.source, config.target)
    )
    inline |= bool(config.fuel.password.get_secret_value())
    inline |= bool(config.passwords.source_database.get_secret_value())
    inline |= any(host.bmc is not None for host in config.hosts.values())
    if inline and path.stat().st_mode & 0o044:
        err.print(f"[yellow]{path} can be read by others; chmod 600 {path}.[/]")


def _inspect(config: "Config", role: Role) -> dict[str, Any]:
    from dataclasses import asdict

    from pumphouse.blocks.registration import cloud_of
    from pumphouse.tasks import access
    from pumphouse.tasks.api import Api

    report: dict[str, Any] = {"cloud": str(role), "problems": []}
    try:
        with Api(cloud_of(config, role), role) as api:
            me = access.identity(api)
            present = access.services(api)
            granted = access.rights(api, me, present)
    except PumphouseError as error:
        report["problems"] = [str(error)]
        return report
    report["identity"] = asdict(me)
    report["services"] = [asdict(service) for service in present]
    report["rights"] = [asdict(right) for right in granted]
    report["problems"] = _problems(present, granted)
    return report


def _problems(services: "list[Service]", rights: "list[Right]") -> list[str]:
    """Return what hinders the job: a right that is missing, a service that does not answer."""
    silent = [
        f"{s.name}: {s.problem}" for s in services if s.problem and "catalogue" not in s.problem
    ]
    return silent + [f"{r.what}: {r.refused}" for r in rights if r.refused]


def _print_report(report: dict[str, Any]) -> None:
    cloud = str(report["cloud"]).capitalize()
    if "identity" not in report:
        trouble(f"[bold]{cloud}[/] [red]✗[/] {escape(report['problems'][0])}\n")
        return
    me = report["identity"]
    out.print(
        f"[bold]{cloud}[/] {escape(me['user'])} in {escape(me['scope'])}, "
        f"roles {', '.join(me['roles'])}"
    )
    services = table("", "Service", "Endpoint", "Microversions", "Used")
    for s in report["services"]:
        missing = f"[yellow]{escape(s['problem'])}[/]" if s["problem"] else escape(s["endpoint"])
        services.add_row(s["name"], missing, s["microversions"], s["used"])
    out.print(services)
    refused = [right for right in report["rights"] if right["refused"]]
    if not refused:
        out.print(f"[green]✓[/] all {len(report['rights'])} rights are there.\n")
        return
    for right in refused:
        answer = f"{right['call']} [red]{escape(right['refused'])}[/]"
        trouble(f"  [red]✗[/] may not read {right['what']}: {answer}")
    out.print(
        f"Give {escape(me['user'])} the role [bold]admin[/] in its project, or use another user.\n"
    )


@app.command()
def show(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the configuration as Pumphouse understands it: defaults filled in, secrets hidden."""
    settings = load(config).model_dump(mode="json")
    if as_json:
        print_json(settings)
        return
    import yaml

    out.print(yaml.safe_dump(settings, sort_keys=False), markup=False, end="")


@app.command()
def register(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Write the blocks and concurrency limits to the Prefect server, in place of older ones."""
    settings = load(config)
    engine.require_server()
    with engine.answering():
        from pumphouse.blocks.registration import register as write

        written = write(settings)
    if as_json:
        print_json([vars(item) for item in written])
        return
    listing = table(f"Written to {engine.server_url()}", "What", "Name", "Value")
    for item in written:
        listing.add_row(item.kind, item.name, escape(item.detail))
    out.print(listing)
