"""Tables for other programs and for a terminal."""

import json
from collections.abc import Mapping
from enum import StrEnum

import pandas as pd

from pumphouse import tables
from pumphouse.errors import ConfigError
from pumphouse.inventory import Inventory
from pumphouse.schemas import SCHEMAS


class Format(StrEnum):
    """How a table is written."""

    CSV = "csv"
    JSON = "json"


def written(kind: str, table: pd.DataFrame, form: Format) -> str:
    """
    Return *table* as text: CSV with one header line, or a JSON list of objects.

    Nested columns are JSON text in CSV and nested in JSON. A missing value is empty or null.
    """
    if form is Format.CSV:
        return str(table.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%SZ"))
    shown = [
        {name: row[name] for name in table.columns}
        for row in tables.rows(kind, table.reindex(columns=list(SCHEMAS[kind].names)))
    ]
    return json.dumps(shown, indent=1) + "\n"


def files(inventory: Inventory, form: Format) -> Mapping[str, str]:
    """Return every table of *inventory* as text, by the name of a file for it."""
    return {
        f"{inventory.role.value}-{kind}.{form.value}": written(kind, inventory[kind], form)
        for kind in SCHEMAS
        if kind in inventory
    }


def columns(kind: str, table: pd.DataFrame, wanted: str) -> pd.DataFrame:
    """
    Return the columns *wanted*, comma-separated, in that order; all when it is empty.

    Raises:
        ConfigError: One does not exist.
    """
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    if unknown := [name for name in names if name not in table.columns]:
        problem = (
            f"{kind} has no column {', '.join(unknown)}. Columns: {', '.join(table.columns)}."
        )
        raise ConfigError("columns", [problem])
    return table[names] if names else table


def known_format(name: str) -> Format:
    """
    Return the format called *name*.

    Raises:
        ConfigError: There is none.
    """
    if name not in list(Format):
        raise ConfigError(f"format {name!r}", [f"It must be one of {', '.join(Format)}."])
    return Format(name)
