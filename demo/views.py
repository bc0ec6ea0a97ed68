"""What the demo shows: the project in both clouds before and after, read from the clouds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import openstack
import pandas as pd
import yaml
from rich.console import Console
from rich.table import Table

from pumphouse.models import Role

Servers = dict[str, str]
"""Name of a server to its status."""

Look = dict[Role, tuple[dict[str, int], Servers]]
"""What each cloud has of the project: how many of each kind, and its servers."""


def has_project(clouds_file: Path, name: str) -> bool:
    """Return whether the source has the project."""
    with connect(clouds_file, "source") as cloud:
        return cloud.identity.find_project(name) is not None


def look(config: Path, project: str) -> Look:
    """Return what both clouds have of *project* now."""
    sections = yaml.safe_load(config.read_text())
    found: Look = {}
    for role in Role:
        section = sections[role.value]
        with connect(Path(section["clouds_yaml"]), section["entry"]) as cloud:
            found[role] = _look(cloud, project)
    return found


def _look(cloud: Any, name: str) -> tuple[dict[str, int], Servers]:
    project = cloud.identity.find_project(name)
    if project is None:
        return {}, {}
    owned = {"project_id": project.id}
    servers = list(cloud.compute.servers(all_projects=True, **owned))
    counts = {
        "servers": len(servers),
        "volumes": _count(cloud.block_storage.volumes(all_projects=True, **owned)),
        "images": _count(i for i in cloud.image.images() if i.owner_id == project.id),
        "networks": _count(cloud.network.networks(**owned)),
        "subnets": _count(cloud.network.subnets(**owned)),
        "routers": _count(cloud.network.routers(**owned)),
        "ports": _count(cloud.network.ports(**owned)),
        "floating IPs": _count(cloud.network.ips(**owned)),
        "security groups": _count(cloud.network.security_groups(**owned)),
    }
    return counts, {server.name: server.status for server in servers}


def _count(items: Any) -> int:
    return sum(1 for _ in items)


def connect(clouds_file: Path, entry: str) -> Any:
    """Return a connection to a cloud of the lab."""
    loader = openstack.config.OpenStackConfig(config_files=[str(clouds_file)], load_envvars=False)
    return openstack.connection.Connection(config=loader.get_one(cloud=entry))


def downtimes(storage: Path) -> dict[str, float]:
    """Return seconds of downtime by server name, from the ledgers of all runs."""
    found: dict[str, float] = {}
    for path in sorted(storage.glob("runs/*/ledger.parquet")):
        ledger = pd.read_parquet(path)
        moved = ledger[ledger["downtime_s"].notna()]
        found |= dict(zip(moved["name"], moved["downtime_s"], strict=True))
    return found


def newest(storage: Path, pattern: str) -> str:
    """Return the newest page below *storage* that matches *pattern*, relative to it."""
    return str(max(storage.glob(pattern)).relative_to(storage))


def show(
    console: Console, project: str, before: Look, after: Look, seconds: Mapping[str, float]
) -> None:
    """Print the two tables: what each cloud has, and what became of each server."""
    console.print(_counts(project, before, after))
    console.print(_servers(before, after, seconds))


def _counts(project: str, before: Look, after: Look) -> Table:
    table = Table(title=f"Project {project}", title_justify="left")
    table.add_column("")
    for moment in ("before", "after"):
        for role in Role:
            table.add_column(f"{role.value} {moment}", justify="right")
    for kind in after[Role.SOURCE][0]:
        looks = [look[role][0].get(kind, 0) for look in (before, after) for role in Role]
        table.add_row(kind, *map(str, looks))
    return table


def _servers(before: Look, after: Look, seconds: Mapping[str, float]) -> Table:
    table = Table(title="Servers", title_justify="left")
    for column in ("Server", "source before", "source after", "target after", "downtime"):
        table.add_column(column, justify="right" if column == "downtime" else "left")
    for name, status in sorted(before[Role.SOURCE][1].items()):
        down = f"{seconds[name]:.1f} s" if name in seconds else ""
        now = [after[role][1].get(name, "-") for role in Role]
        table.add_row(name, status, *now, down)
    return table
