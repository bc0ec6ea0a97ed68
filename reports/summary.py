"""What an inventory says in short: rows for a terminal, an artifact or a page."""

from collections.abc import Sequence

import pandas as pd

from pumphouse.inventory import Inventory
from pumphouse.schemas import SCHEMAS

Line = dict[str, object]


def counts(inventories: Sequence[Inventory]) -> list[Line]:
    """Return a row for each kind: how many rows each cloud has, None where not read; notes."""
    counted = {i.role.value: i.counts for i in inventories}
    return [
        {
            "table": kind,
            **{role: of.get(kind) for role, of in counted.items()},
            "note": " ".join(_notes(kind, inventories)),
        }
        for kind in SCHEMAS
    ]


def _notes(kind: str, inventories: Sequence[Inventory]) -> list[str]:
    found = [(i, i.failures.get(kind) or i.notes.get(kind)) for i in inventories]
    return [f"{i.role.value}: {text}" for i, text in found if text]


def endpoints(inventory: Inventory) -> list[Line]:
    """Return a row for each endpoint: service, type, region, interface, URL, state."""
    if "endpoints" not in inventory:
        return []
    table = inventory["endpoints"].sort_values(["service_type", "interface", "region_id"])
    return [
        {
            "service": row["service_name"] or row["service_id"],
            "type": row["service_type"],
            "region": row["region_id"],
            "interface": row["interface"],
            "url": row["url"],
            "enabled": row["is_enabled"],
        }
        for row in table.astype(object).where(table.notna(), None).to_dict("records")
    ]


def figures(inventory: Inventory) -> list[Line]:
    """Return the few numbers that say how large a cloud is: ``{label, value, unit}``."""
    found: list[Line] = []

    def add(label: str, value: float, unit: str = "") -> None:
        found.append({"label": label, "value": value, "unit": unit})

    if "servers" in inventory:
        servers = inventory["servers"]
        add("servers", len(servers))
        add("of them running", int((servers["status"] == "ACTIVE").sum()))
    if "hypervisors" in inventory:
        hosts = inventory["hypervisors"]
        add("hosts", len(hosts))
        add("vCPUs used", _sum(hosts["vcpus_used"]))
        add("RAM used", _sum(hosts["ram_used_mib"]) / 1024, "GiB")
    for kind in ("projects", "networks", "volumes"):
        if kind in inventory:
            add(kind, len(inventory[kind]))
    if "volumes" in inventory:
        add("in volumes", _sum(inventory["volumes"]["size_gib"]), "GiB")
    if "images" in inventory:
        add("images", len(inventory["images"]))
        add("in images", _sum(inventory["images"]["size_bytes"]) / 2**30, "GiB")
    return found


def _sum(column: "pd.Series[int]") -> float:
    return float(column.fillna(0).sum())


def project_names(inventory: Inventory) -> dict[str, str]:
    """Return the projects' names by id; ``domain/name`` where two have one name."""
    if "projects" not in inventory:
        return {}
    projects = inventory.rows("projects")
    domains = inventory.by_id("domains") if "domains" in inventory else {}
    taken = pd.Series([p["name"] for p in projects]).value_counts()
    return {
        p["id"]: p["name"]
        if taken[p["name"]] == 1
        else f"{domains.get(p['domain_id'], {}).get('name', p['domain_id'])}/{p['name']}"
        for p in projects
    }
