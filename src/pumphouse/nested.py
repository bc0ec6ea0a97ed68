"""JSON columns as values that can be looked into and compared."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Nested:
    """A JSON column, or what was looked up in one: Python values, row by row."""

    values: "pd.Series[Any]"

    def each(self, function: Callable[[Any], Any]) -> "pd.Series[Any]":
        """Return what *function* makes of each value. Series.map would turn lists to arrays."""
        made = [function(value) for value in self.values]
        return pd.Series(made, index=self.values.index, dtype="object")

    def __getitem__(self, key: str | int) -> "Nested":
        """Return what is at *key* in each row; nothing where there is no such thing."""
        return Nested(self.each(lambda value: _element(value, key)))

    def holds(self, element: Any) -> "pd.Series[bool]":
        """Tell for each row if *element* is in its list or text, or a key of its object."""
        return self.each(
            lambda value: isinstance(value, list | dict | str) and element in value
        ).astype("boolean")

    def plain(self) -> "pd.Series[Any]":
        """Return the values as a column that can be compared; nested ones as JSON text."""
        return self.each(
            lambda v: json.dumps(v, sort_keys=True) if isinstance(v, list | dict) else v
        ).convert_dtypes()


def _element(value: Any, key: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int):
        return value[key] if -len(value) <= key < len(value) else None
    return None
