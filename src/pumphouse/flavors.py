"""The flavors that servers have: those of the cloud, and those that only servers remember."""

from collections.abc import Mapping

from pumphouse.estate import Estate
from pumphouse.tables import Row

NUMBERS = ("vcpus", "ram_mib", "disk_gib", "ephemeral_gib", "swap_mib")
DISKS = ("disk_gib", "ephemeral_gib", "swap_mib")


def used(estate: Estate, servers: list[Row], homes: set[str], alone: list[Row]) -> list[Row]:
    """Return the flavors of *servers* and those named *alone*, with the access that moves too."""
    rows: dict[str, Row] = {}
    for server in servers:
        name = server["flavor_name"]
        if name not in rows:
            known = estate.where("flavors", "name", name)
            rows[name] = known[0] if known else embedded(server)
    for row in alone:
        rows.setdefault(row["name"], row)
    found: dict[str, Row] = {}
    for name, row in rows.items():
        # Other projects' access comes with those projects.
        access = [p for p in row["access_project_ids"] or [] if p in homes]
        found[name] = {**row, "access_project_ids": access}
    return list(found.values())


def embedded(server: Row) -> Row:
    """Return the flavor that a server keeps although it was deleted from the cloud."""
    return {
        **size(server),
        "id": f"embedded:{server['flavor_name']}",
        "name": server["flavor_name"],
        "description": None,
        "rxtx_factor": None,
        "is_public": False,
        "is_disabled": False,
        "extra_specs": server["flavor_extra_specs"] or {},
        "access_project_ids": [server["project_id"]],
    }


def size(row: Mapping[str, int | None]) -> dict[str, int]:
    """Return the numbers of a flavor, or of the one that a server remembers."""
    return {column: row[column] or 0 for column in NUMBERS}


def changes(server: Row, flavor: Row) -> list[str]:
    """Return where *flavor* is another by now than when *server* was built with one so named."""
    then, now = _felt(server, server), _felt(flavor, server)
    found = [f"{name}: {then[name]} → {now[name]}" for name in then if then[name] != now[name]]
    # None, where Nova does not show them.
    specs = server["flavor_extra_specs"]
    if specs is not None and specs != (flavor["extra_specs"] or {}):
        found.append(f"extra specs: {specs} → {flavor['extra_specs'] or {}}")
    return found


def too_small(server: Row, flavor: Row) -> list[str]:
    """Return the disks of *server* that *flavor* does not hold: Nova refuses to boot them."""
    has, holds = _felt(server, server), _felt(flavor, server)
    return [f"{n}: {has[n]} > {holds[n]}" for n in DISKS if n in has and has[n] > holds[n]]


def _felt(row: Row, server: Row) -> dict[str, int]:
    """Return the numbers that a server feels: its root disk may be a volume."""
    return {n: value for n, value in size(row).items() if n != "disk_gib" or server["image_id"]}
