"""Copying rows of any table with some of their strings replaced."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

from lab.layout import Lab

BATCH = 500
Row = dict[str, Any]


@dataclass(frozen=True)
class Pattern:
    """One row to copy.

    `fresh` are columns that get an identity of their own, `dropped` are left to the
    database's counter.
    """

    table: str
    row: Row
    fresh: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ("id",)

    def copy(self, names: Mapping[str, str], **values: Any) -> Row:
        """Return the row with every old name replaced, then with `values` set."""
        row = {key: value for key, value in self.row.items() if key not in self.dropped}
        for key, value in row.items():
            if isinstance(value, str) and len(value) > 6:
                row[key] = _replaced(value, names)
        row |= {key: str(uuid.uuid4()) for key in self.fresh}
        return row | {key: value for key, value in values.items() if key in row}


class Tables:
    """The databases of one cloud: reads at once, writes gathered into large inserts."""

    def __init__(self, lab: Lab, cloud: str) -> None:
        self._cloud = cloud
        self._connection = pymysql.connect(
            host="127.0.0.1",
            port=lab.database_port,
            user="root",
            cursorclass=DictCursor,
            autocommit=False,
        )
        self._cursor = self._connection.cursor()
        self._waiting: dict[str, list[Row]] = defaultdict(list)
        # Rows of one server arrive together, but not in the order of their keys.
        self._cursor.execute("SET foreign_key_checks=0, unique_checks=0")

    def name(self, table: str) -> str:
        """Return the full name of a table given as `database.table`."""
        return f"{self._cloud}_{table}"

    def select(self, table: str, **where: Any) -> list[Row]:
        """Return the rows whose columns have these values; `deleted` rows are left out."""
        condition = " AND ".join(f"`{key}`=%s" for key in where) or "1=1"
        self._cursor.execute(
            f"SELECT * FROM {self.name(table)} WHERE {condition}", tuple(where.values())
        )
        return [row for row in self._cursor.fetchall() if not row.get("deleted")]

    def patterns(
        self, table: str, fresh: Sequence[str] = (), dropped: Sequence[str] = ("id",), **where: Any
    ) -> list[Pattern]:
        """Return rows to copy."""
        rows = self.select(table, **where)
        return [Pattern(table, row, tuple(fresh), tuple(dropped)) for row in rows]

    def count(self, table: str, **where: Any) -> int:
        """Return how many rows there are, deleted ones too."""
        condition = " AND ".join(f"`{key}`=%s" for key in where) or "1=1"
        self._cursor.execute(
            f"SELECT COUNT(*) AS n FROM {self.name(table)} WHERE {condition}",
            tuple(where.values()),
        )
        return int(self._cursor.fetchone()["n"])

    def maximum(self, table: str, column: str) -> int:
        """Return the largest number in a column, 0 when the table is empty."""
        self._cursor.execute(f"SELECT MAX(`{column}`) AS top FROM {self.name(table)}")
        return int(self._cursor.fetchone()["top"] or 0)

    def execute(self, statement: str, *values: Any) -> None:
        """Run one statement."""
        self._cursor.execute(statement, values)

    def add(self, table: str, row: Row) -> None:
        """Insert a row later, together with others of its table."""
        waiting = self._waiting[table]
        waiting.append(row)
        if len(waiting) >= BATCH:
            self._insert(table)

    def commit(self) -> None:
        """Insert what waits and make all of it visible."""
        for table in list(self._waiting):
            self._insert(table)
        self._connection.commit()

    def _insert(self, table: str) -> None:
        rows = self._waiting.pop(table, [])
        if not rows:
            return
        columns = list(rows[0])
        names = ",".join(f"`{column}`" for column in columns)
        marks = ",".join(["%s"] * len(columns))
        self._cursor.executemany(
            f"INSERT INTO {self.name(table)} ({names}) VALUES ({marks})",
            [[row[column] for column in columns] for row in rows],
        )


def _replaced(value: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        if old in value:
            value = value.replace(old, new)
    return value
