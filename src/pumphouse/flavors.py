"""The flavors that servers have: those of the cloud, and those that only servers remember."""

from pumphouse.estate import Estate
from pumphouse.tables import Row


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
    numbers = ("vcpus", "ram_mib", "disk_gib", "ephemeral_gib", "swap_mib")
    return {
        **{column: server[column] for column in numbers},
        "id": f"embedded:{server['flavor_name']}",
        "name": server["flavor_name"],
        "description": None,
        "rxtx_factor": None,
        "is_public": False,
        "is_disabled": False,
        "extra_specs": server["flavor_extra_specs"] or {},
        "access_project_ids": [server["project_id"]],
    }
