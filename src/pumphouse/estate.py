"""One cloud's tables, looked up by id and named so that two clouds can be compared."""

from collections.abc import Callable, Hashable, Mapping

import pandas as pd

from pumphouse.tables import Row, rows

SCOPED = {
    "projects": ("domains", "domain_id"),
    "users": ("domains", "domain_id"),
    "groups": ("domains", "domain_id"),
    "networks": ("projects", "project_id"),
    "routers": ("projects", "project_id"),
    "security_groups": ("projects", "project_id"),
    "qos_policies": ("projects", "project_id"),
    "address_scopes": ("projects", "project_id"),
    "subnet_pools": ("projects", "project_id"),
    "address_groups": ("projects", "project_id"),
    "server_groups": ("projects", "project_id"),
}
"""Kinds whose names are unique only below another: that kind, and the column with its id."""


class Estate:
    """
    The tables of one cloud as rows, decoded once and indexed when first asked for.

    Ids differ between clouds, names do not: `label` is how one refers to a resource in both.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self._tables = tables
        self._rows: dict[str, list[Row]] = {}
        self._labels: dict[tuple[str, str], str | None] = {}
        self._indexes: dict[tuple[str, str], dict[Hashable, list[Row]]] = {}
        self._grouped: dict[tuple[str, str], dict[Hashable, list[Row]]] = {}

    def replaced(
        self, changed: Mapping[str, list[Row]], labels: Mapping[tuple[str, str], str | None]
    ) -> "Estate":
        """Return this estate with other rows of some kinds, and other labels of some ids."""
        made = Estate(self._tables)
        made._rows = {**self._rows, **changed}
        made._labels = dict(labels)
        kept = self._indexes.items()
        made._indexes = {key: index for key, index in kept if key[0] not in changed}
        return made

    def table(self, kind: str) -> pd.DataFrame | None:
        """Return the table *kind* as it was read; None when it was not."""
        return self._tables.get(kind)

    def rows(self, kind: str) -> list[Row]:
        """Return every row of *kind*; a table that was not read has none."""
        if kind not in self._rows:
            table = self._tables.get(kind)
            self._rows[kind] = [] if table is None else rows(kind, table)
        return self._rows[kind]

    def where(self, kind: str, column: str, value: Hashable) -> list[Row]:
        """Return the rows of *kind* whose *column* is *value*, in table order."""
        index = self._indexes.get((kind, column))
        if index is None:
            index = {}
            for row in self.rows(kind):
                index.setdefault(row[column], []).append(row)
            self._indexes[kind, column] = index
        return index.get(value, [])

    def grouped(
        self, kind: str, what: str, key: Callable[[Row], Hashable]
    ) -> dict[Hashable, list[Row]]:
        """Return the rows of *kind* by *key*, which *what* names: it is computed once."""
        groups = self._grouped.get((kind, what))
        if groups is None:
            groups = {}
            for row in self.rows(kind):
                groups.setdefault(key(row), []).append(row)
            self._grouped[kind, what] = groups
        return groups

    def get(self, kind: str, id_: str | None) -> Row | None:
        """Return the row with that id, or None."""
        found = self.where(kind, "id", id_) if id_ else []
        return found[0] if found else None

    def label(self, kind: str, id_: str | None) -> str | None:
        """
        Return the name of a resource as it is the same in both clouds.

        ``Default/shop`` is a project, ``Default/shop/web`` a network. An id that no table
        knows is its own label, so that it equals nothing else.
        """
        if id_ is None:
            return None
        if (kind, id_) not in self._labels:
            self._labels[kind, id_] = self._label(kind, id_)
        return self._labels[kind, id_]

    def _label(self, kind: str, id_: str) -> str:
        row = self.get(kind, id_)
        if row is None:
            return id_
        name = row["name"] or row["id"]
        if kind not in SCOPED:
            return str(name)
        parent, column = SCOPED[kind]
        return f"{self.label(parent, row[column]) or '-'}/{name}"
