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
            "is_failed": any(kind in i.failures for i in inventories),
        }
        for kind in SCHEMAS
    ]


def notes(lines: Sequence[Line]) -> list[Line]:
    """
    Return the notes of `counts`, failures first: ``tables``, ``note``, ``is_failed``.

    A service that a cloud does not have leaves a dozen tables empty for one reason: it is one row.
    """
    tables: dict[tuple[bool, object], list[str]] = {}
    for line in lines:
        if line["note"]:
            tables.setdefault((not line["is_failed"], line["note"]), []).append(str(line["table"]))
    return [
        {"tables": ", ".join(names), "note": note, "is_failed": not is_read}
        for (is_read, note), names in sorted(tables.items(), key=lambda item: item[0][0])
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


def services(inventory: Inventory) -> list[Line]:
    """
    Return a row for each service and region: service, type, region, and where it answers.

    ``urls`` are ``{interfaces, url, is_off}``: interfaces that share one URL are together.
    """
    found: dict[tuple[object, ...], dict[tuple[object, bool], list[str]]] = {}
    for line in endpoints(inventory):
        urls = found.setdefault((line["service"], line["type"], line["region"]), {})
        urls.setdefault((line["url"], not line["enabled"]), []).append(str(line["interface"]))
    return [
        {
            "service": service,
            "type": kind,
            "region": region,
            "urls": [
                {"interfaces": ", ".join(interfaces), "url": url, "is_off": is_off}
                for (url, is_off), interfaces in urls.items()
            ],
        }
        for (service, kind, region), urls in found.items()
    ]


def figures(inventory: Inventory) -> list[Line]:
    """Return the few numbers that say how large a cloud is: ``{label, value}``, value as text."""
    found: list[Line] = []

    def add(label: str, value: float | str) -> None:
        text = value if isinstance(value, str) else number(value)
        found.append({"label": label, "value": text})

    if "servers" in inventory:
        servers = inventory["servers"]
        add("servers", len(servers))
        add("of them running", int((servers["status"] == "ACTIVE").sum()))
    if "hypervisors" in inventory:
        hosts = inventory["hypervisors"]
        add("hosts", len(hosts))
        add("vCPUs used", _sum(hosts["vcpus_used"]))
        add("RAM used", size(_sum(hosts["ram_used_mib"]) * 2**20))
    for kind in ("projects", "networks", "volumes"):
        if kind in inventory:
            add(kind, len(inventory[kind]))
    if "volumes" in inventory:
        add("in volumes", size(_sum(inventory["volumes"]["size_gib"]) * 2**30))
    if "images" in inventory:
        add("images", len(inventory["images"]))
        add("in images", size(_sum(inventory["images"]["size_bytes"])))
    return found


def number(value: float) -> str:
    """Return *value* for a reader: no needless digits, thousands set apart."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def size(size_bytes: float) -> str:
    """Return a size for a reader, in the unit that keeps it short."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size_bytes < 1024 or unit == "TiB":
            break
        size_bytes /= 1024
    return f"{number(round(size_bytes, 1))} {unit}"


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
