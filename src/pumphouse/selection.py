"""Which projects and servers an operator chose."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from pumphouse.errors import ConfigError
from pumphouse.estate import Estate
from pumphouse.tables import Row

SHOWN = 12
"""How many names an error lists before it says how many more there are."""


class Selection(BaseModel):
    """
    What to migrate: everything that any criterion names, without what `exclude` names.

    A project brings all it owns, also what no server uses; the other criteria bring servers
    and what these depend on.
    """

    model_config = ConfigDict(frozen=True)

    projects: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    matched: tuple[str, ...] = ()
    """Ids of servers that a query expression found."""
    exclude: tuple[str, ...] = ()


class Chosen(BaseModel):
    """The ids that a selection means, in table order."""

    model_config = ConfigDict(frozen=True)

    project_ids: tuple[str, ...]
    server_ids: tuple[str, ...]


def chosen(selection: Selection, estate: Estate) -> Chosen:
    """
    Return what *selection* means in *estate*.

    Raises:
        ConfigError: A name is unknown or has several bearers, or nothing is selected; every
            such name at once, with what exists.
    """
    problems: list[str] = []
    projects = _find("project", selection.projects, estate.rows("projects"), problems)
    servers = _find("server", selection.servers, estate.rows("servers"), problems)
    out = _find("server", selection.exclude, estate.rows("servers"), problems)
    hosts = sorted({row["host"] for row in estate.rows("servers") if row["host"]})
    hosts += [r["host"] for r in estate.rows("hypervisors") if r["host"] not in hosts]
    problems += [
        f"No host {host!r}; there are {_some(hosts)}."
        for host in selection.hosts
        if host not in hosts
    ]
    if problems:
        raise ConfigError("selection", problems)
    named = {row["id"] for row in servers} | set(selection.matched)
    owned = {row["id"] for row in projects}
    excluded = {row["id"] for row in out}
    ids = tuple(
        row["id"]
        for row in estate.rows("servers")
        if row["id"] not in excluded
        and (row["id"] in named or row["project_id"] in owned or row["host"] in selection.hosts)
    )
    if not ids and not owned:
        raise ConfigError("selection", ["It selects nothing; name projects, hosts or servers."])
    return Chosen(project_ids=tuple(row["id"] for row in projects), server_ids=ids)


def _find(what: str, wanted: Iterable[str], there: list[Row], problems: list[str]) -> list[Row]:
    """Return the row that each of *wanted* means, by id, else by name."""
    found: list[Row] = []
    for name in wanted:
        rows = [r for r in there if r["id"] == name] or [r for r in there if r["name"] == name]
        if not rows:
            problems.append(
                f"No {what} {name!r}; there are {_some(sorted({r['name'] for r in there}))}."
            )
        elif len(rows) > 1:
            ids = ", ".join(r["id"] for r in rows)
            problems.append(f"{len(rows)} {what}s are named {name!r}; give the id of one: {ids}.")
        else:
            found.append(rows[0])
    return found


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "none") + more
