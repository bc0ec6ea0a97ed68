"""The report of a discovery: what each cloud has, where it is, and how full it is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from pumphouse.inventory import Inventory
from pumphouse.reports import plots, summary
from pumphouse.reports.pages import page, plot
from pumphouse.schemas import SCHEMAS

SHOWN = {
    "servers": ("status", "project_id"),
    "volumes": ("volume_type", "size_gib"),
    "images": ("id", "name", "size_bytes"),
}
WHOLE = ("services", "endpoints", "domains", "projects", "hypervisors")
COLUMNS = {
    kind: SHOWN.get(kind, schema.key[:1]) for kind, schema in SCHEMAS.items() if kind not in WHOLE
}
"""By kind, all that `html` looks at; of most tables it is how long they are."""

USES = (
    ("vCPUs", "vcpus_used", "vcpus_allocatable", 1),
    ("RAM, GiB", "ram_used_mib", "ram_allocatable_mib", 1024),
    ("Local disk, GiB", "disk_used_gib", "disk_allocatable_gib", 1),
)
"""Caption, column of the use, column of the capacity, and what divides them to the unit."""


@dataclass(frozen=True)
class Figure:
    """One plot of a page: of which cloud, what it shows, and its SVG; no SVG, nothing to show."""

    role: str
    caption: str
    svg: Markup | None


@dataclass(frozen=True)
class Section:
    """Plots that belong together."""

    title: str
    text: str
    figures: list[Figure]


def html(title: str, inventories: Sequence[Inventory]) -> str:
    """Return the report of one or two clouds as one HTML page."""
    counted = summary.counts(inventories)
    read = [inventory.read_at for inventory in inventories if inventory.read_at]
    return page(
        "discovery.html",
        {
            "title": title,
            "read_at": f"{min(read):%Y-%m-%d %H:%M} UTC" if read else "",
            "clouds": [
                {
                    "role": inventory.role.value,
                    "location": inventory.location,
                    "figures": summary.figures(inventory),
                    "services": summary.services(inventory),
                }
                for inventory in inventories
            ],
            "sections": [
                Section(name, text, [f for i in inventories for f in draw(i)])
                for name, text, draw in SECTIONS
            ],
            "counts": counted,
            "notes": summary.notes(counted),
        },
    )


def capacity(inventory: Inventory) -> Iterator[Figure]:
    """Yield use and capacity of each host; the fullest first, the rest together."""
    if "hypervisors" not in inventory:
        return
    hosts = inventory["hypervisors"]
    for caption, used, capacity_column, divisor in USES:
        table = pd.DataFrame(
            {
                "host": hosts["name"].fillna("?"),
                "used": hosts[used].fillna(0).astype(float) / divisor,
                "capacity": hosts[capacity_column].fillna(0).astype(float) / divisor,
            }
        )
        yield _shares(inventory, caption, _fullest(table))


def _fullest(table: pd.DataFrame) -> pd.DataFrame:
    """Return the hosts with the greatest part in use, and one line for the others."""
    share = table["used"] / table["capacity"].where(table["capacity"] > 0)
    ordered = table.loc[share.fillna(0).sort_values(ascending=False, kind="stable").index]
    if len(ordered) <= plots.TOP + 1:
        return ordered
    shown, rest = ordered.iloc[: plots.TOP], ordered.iloc[plots.TOP :]
    others = pd.DataFrame(
        {
            "host": [plots.others(len(rest))],
            "used": [rest["used"].sum()],
            "capacity": [rest["capacity"].sum()],
        }
    )
    return pd.concat([shown, others], ignore_index=True)


def _shares(inventory: Inventory, caption: str, table: pd.DataFrame) -> Figure:
    role = inventory.role
    if table.empty:
        return Figure(role.value, caption, None)
    labels, used, room = (list(table[name]) for name in ("host", "used", "capacity"))
    svg = plots.shares(labels, used, room, role, f"{caption} {role}")
    return Figure(role.value, caption, plot(svg))


def _bars(inventory: Inventory, caption: str, values: plots.Values, unit: str) -> Figure:
    role = inventory.role
    if values.empty:
        return Figure(role.value, caption, None)
    svg = plots.bars(plots.top(values), unit, role, f"{caption} {role}")
    return Figure(role.value, caption, plot(svg))


def servers_per_project(inventory: Inventory) -> Iterator[Figure]:
    """Yield how many servers each project has."""
    if "servers" not in inventory:
        return
    names = summary.project_names(inventory)
    projects = inventory["servers"]["project_id"].fillna("?")
    yield _bars(inventory, "Servers", projects.map(lambda i: names.get(i, i)).value_counts(), "")


def volumes_per_type(inventory: Inventory) -> Iterator[Figure]:
    """Yield how many volumes of each type there are, and how large they are together."""
    if "volumes" not in inventory:
        return
    volumes = inventory["volumes"]
    types = volumes["volume_type"].fillna("no type")
    yield _bars(inventory, "Volumes", types.value_counts(), "")
    sizes = volumes["size_gib"].fillna(0).astype(float).groupby(types).sum()
    yield _bars(inventory, "Size", sizes, "GiB")


def images_by_size(inventory: Inventory) -> Iterator[Figure]:
    """Yield the largest images."""
    if "images" not in inventory:
        return
    images = inventory["images"]
    sizes = images["size_bytes"].fillna(0).astype(float) / 2**20
    sizes.index = pd.Index(images["name"].fillna(images["id"]))
    yield _bars(inventory, "Size", sizes, "MiB")


SECTIONS: tuple[tuple[str, str, Callable[[Inventory], Iterator[Figure]]], ...] = (
    (
        "Capacity and use per host",
        "Used, of what the scheduler may give out: after reservations and allocation ratios.",
        capacity,
    ),
    ("Servers per project", "", servers_per_project),
    ("Volumes per type", "", volumes_per_type),
    ("Images by size", "", images_by_size),
)
"""Title, explanation, and what draws the plots of one cloud."""
