"""What was read of one cloud at one time: a table for each kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from pumphouse import tables
from pumphouse.errors import TableMissing
from pumphouse.models import Role
from pumphouse.schemas import SCHEMAS
from pumphouse.tables import Row


@dataclass(frozen=True)
class Inventory:
    """
    The tables of one cloud.

    Attributes:
        role: Which cloud.

        tables: By kind, as `pumphouse.schemas` declares them. A table that could not be
            read is not there; one of a service that the cloud lacks is there and empty.

        notes: By kind, what a reader has to know: a missing service, an incomplete table.

        failures: By kind, why a table is not there.

        read_at: When the oldest of the tables was read.

        location: Where it is stored; empty when it is not.
    """

    role: Role
    tables: Mapping[str, pd.DataFrame]
    notes: Mapping[str, str] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    read_at: datetime | None = None
    location: str = ""

    def __getitem__(self, kind: str) -> pd.DataFrame:
        """Return the table *kind*. Raise TableMissing when it was not read."""
        if kind not in self.tables:
            raise TableMissing(self.role.value, kind, self.failures.get(kind, "It was not read."))
        return self.tables[kind]

    def __contains__(self, kind: object) -> bool:
        """Tell whether the table *kind* was read."""
        return kind in self.tables

    def rows(self, kind: str) -> list[Row]:
        """Return the rows of the table *kind* as plain values."""
        return tables.rows(kind, self[kind])

    def by_id(self, kind: str) -> dict[str, Row]:
        """Return the rows of the table *kind* by id."""
        return {row["id"]: row for row in self.rows(kind)}

    @property
    def counts(self) -> dict[str, int]:
        """How many rows each table has, in the order of the schemas."""
        return {kind: len(self.tables[kind]) for kind in SCHEMAS if kind in self.tables}


def empty(role: Role, **given: list[Row]) -> Inventory:
    """Return an inventory with every table, empty but for the rows *given* by kind."""
    return Inventory(role, {kind: tables.frame(kind, given.get(kind, [])) for kind in SCHEMAS})
