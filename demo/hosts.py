"""The demo's host: how to reach hosts and Fuel, which host is upgraded, and what became of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from demo.views import connect
from lab.bmc.starting import access as bmc_access
from lab.layout import Lab
from lab.metal.hardware import hardware_of
from lab.nailgun.seeds import TARGET
from lab.nailgun.starting import access as fuel_access
from lab.tenants.images import PUBLIC_IMAGE
from lab.tenants.projects import SMALL_FLAVOR
from pumphouse.models import Role

Row = tuple[str, str, int]
"""Of one compute host: its service's status and state, and how many servers it has."""

Look = dict[Role, dict[str, Row]]
"""The compute hosts of each cloud by their names."""


@dataclass(frozen=True)
class Choice:
    """A host, and which of its servers goes to the target; the rest stays in the source."""

    host: str
    server: str


def sections(lab: Lab) -> Mapping[str, Any]:
    """Return the configuration's sections about hosts and Fuel."""
    return {
        "fuel": fuel_access(lab),
        "hosts": {
            host: {"bmc": bmc_access(lab, host), "boot_mac": macs[0], "macs": list(macs)}
            for number, host in enumerate(lab.cloud("source").hosts)
            if (macs := hardware_of(host, number).macs)
        },
        "upgrade": {
            "environment": TARGET,
            "probe": {"image": PUBLIC_IMAGE, "flavor": SMALL_FLAVOR},
        },
    }


def choose(clouds_file: Path, project: str) -> Choice:
    """Return the source's host with most running servers of *project*, and one of these."""
    with connect(clouds_file, Role.SOURCE.value) as cloud:
        owner = cloud.identity.find_project(project)
        servers = cloud.compute.servers(all_projects=True, project_id=owner.id, status="ACTIVE")
        places = {server.name: server.compute_host for server in servers}
    # The first of equals: the last host is the one that QEMU emulates, which takes longest.
    host = max(sorted(Counter(places.values())), key=list(places.values()).count)
    return Choice(host, min(name for name, place in places.items() if place == host))


def look(clouds_file: Path) -> Look:
    """Return the compute hosts of both clouds, as they are now."""
    return {role: _look(clouds_file, role.value) for role in Role}


def _look(clouds_file: Path, entry: str) -> dict[str, Row]:
    with connect(clouds_file, entry) as cloud:
        servers = Counter(s.compute_host for s in cloud.compute.servers(all_projects=True))
        services = cloud.compute.services(binary="nova-compute")
        return {s.host: (s.status, s.state, servers[s.host]) for s in services}


def show(console: Console, before: Look, after: Look) -> None:
    """Print the compute hosts of both clouds, before and after."""
    table = Table(title="Compute hosts", title_justify="left")
    for column in ("Host", "source before", "source after", "target before", "target after"):
        table.add_column(column)
    names = {name for seen in (before, after) for role in Role for name in seen[role]}
    for name in sorted(names):
        cells = [_cell(seen[role].get(name)) for role in Role for seen in (before, after)]
        table.add_row(name, *cells)
    console.print(table)


def _cell(row: Row | None) -> str:
    if row is None:
        return "-"
    status, state, count = row
    return f"{status}, {state}, {count} server{'' if count == 1 else 's'}"
