"""Make, check and read the tables of `pumphouse.schemas`."""

import json
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import pandas as pd

from pumphouse.schemas import PANDAS_DTYPES, SCHEMAS, Dtype, Schema

Row = dict[str, Any]
"""One row, JSON columns decoded, a missing value as None."""

# json.dumps with an option makes an encoder for each value: a third of the time of a table.
_encode = json.JSONEncoder(sort_keys=True).encode


def frame(kind: str, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """
    Return the table *kind* of *rows*, in their order, typed as the schema says.

    A row gives a value for each column or leaves it out (missing). JSON columns
    take any JSON value. A key that is no column of the table raises ValueError.
    """
    schema = SCHEMAS[kind]
    rows = list(rows)
    if unknown := {key for row in rows for key in row} - set(schema.names):
        raise ValueError(f"{kind} has no column {', '.join(sorted(unknown))}")
    return pd.DataFrame(
        {c.name: _series([row.get(c.name) for row in rows], c.dtype) for c in schema.columns}
    )


def _series(values: list[Any], dtype: Dtype) -> "pd.Series[Any]":
    if dtype == "json":
        values = [None if v is None else _encode(v) for v in values]
    if dtype == "time":
        parsed = pd.to_datetime(pd.Series(values, dtype="object"), utc=True, format="ISO8601")
        return parsed.astype("datetime64[us, UTC]")
    return pd.Series(values, dtype=PANDAS_DTYPES[dtype])


def problems(kind: str, table: pd.DataFrame) -> list[str]:
    """Say where *table* is not a table of *kind*: missing or foreign columns, wrong types."""
    schema = SCHEMAS[kind]
    found = [f"column {c.name} is missing" for c in schema.columns if c.name not in table]
    found += [f"column {name} is unknown" for name in table.columns if name not in schema.names]
    for column in schema.columns:
        if column.name in table and table[column.name].dtype != PANDAS_DTYPES[column.dtype]:
            found.append(
                f"column {column.name} is {table[column.name].dtype}, "
                f"not {PANDAS_DTYPES[column.dtype]}"
            )
    return found


def rows(kind: str, table: pd.DataFrame) -> list[Row]:
    """Return each row of *table* as plain Python values, JSON columns decoded."""
    schema = SCHEMAS[kind]
    return [_row(schema, record) for record in table.to_dict("records")]


def _row(schema: Schema, record: Mapping[Hashable, Any]) -> Row:
    return {c.name: _plain(record[c.name], c.dtype) for c in schema.columns}


def _plain(value: Any, dtype: str) -> Any:
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    if dtype == "json":
        return json.loads(value)
    if dtype == "time":
        return value.isoformat()
    return value
