"""The flavors that servers have: those of the cloud, and those that only servers remember."""

from collections.abc import Mapping

from pumphouse.comparison import differences
from pumphouse.estate import Estate
from pumphouse.tables import Row

NUMBERS = ("vcpus", "ram_mib", "disk_gib", "ephemeral_gib", "swap_mib")
DISKS = ("disk_gib", "ephemeral_gib", "swap_mib")


def used(estate: Estate, servers: list[Row], homes: set[str], alone: list[Row]) -> list[Row]:
    """
    Return the flavors of *servers* and those named *alone*, with the access that moves too.

    Beside its table's columns each has ``server_project_ids``: whose servers boot with it.
    """
    rows: dict[str, Row] = {}
    users: dict[str, set[str]] = {}
    for server in servers:
        name = server["flavor_name"]
        users.setdefault(name, set()).add(server["project_id"])
        if name not in rows:
            known = estate.where("flavors", "name", name)
            rows[name] = known[0] if known else embedded(server)
    for row in alone:
        rows.setdefault(row["name"], row)
    found: dict[str, Row] = {}
    for name, row in rows.items():
        # Other projects' access comes with those projects.
        access = [p for p in row["access_project_ids"] or [] if p in homes]
        booting = sorted(users.get(name, ()))
        if not row["is_public"]:
            # It may have been taken from them since; a deleted one remembers one server's only.
            access += [p for p in booting if p not in access]
        found[name] = {**row, "access_project_ids": access, "server_project_ids": booting}
    return list(found.values())


def lacking_access(
    row: Row, found: Row, source: Estate, target: Estate
) -> tuple[tuple[str, str], ...]:
    """Return who is to use the target's *found*, and may not: what its rule calls its parts."""
    if found["is_public"]:
        return ()
    wanted = {*(row["access_project_ids"] or ()), *row["server_project_ids"]}
    labels = {str(source.label("projects", id_)) for id_ in wanted}
    have = {target.label("projects", id_) for id_ in found["access_project_ids"] or ()}
    return tuple(("access", label) for label in sorted(labels - have))


def other_specs(row: Row, found: Row) -> list[str]:
    """Return where the extra specs of the target's *found* are others, whoever has more."""
    ours, theirs = row["extra_specs"] or {}, found["extra_specs"] or {}
    return differences({key: ours.get(key) for key in sorted({*ours, *theirs})}, theirs)


def more_specs(row: Row, found: Row) -> str:
    """Return what servers get with the target's *found* that they do not have at the source."""
    ours, theirs = row["extra_specs"] or {}, found["extra_specs"] or {}
    more = [f"{key}={theirs[key]}" for key in sorted({*theirs} - {*ours})]
    words = "Extra specs that only the target's has, and servers get with it:"
    return f"{words} {', '.join(more)}." if more else ""


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
