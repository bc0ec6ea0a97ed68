"""Tables keep what they are given, typed as declared."""

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumphouse import tables
from pumphouse.errors import ConfigError, TableMissing
from pumphouse.inventory import Inventory, empty
from pumphouse.models import Role
from pumphouse.schemas import SCHEMAS, Dtype, schema_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
VALUES: dict[Dtype, st.SearchStrategy[Any]] = {
    "str": TEXT,
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "time": st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001
        lambda moment: moment.replace(tzinfo=UTC).isoformat()
    ),
    "json": JSON.filter(lambda value: value is not None),
}
SERVERS = st.lists(
    st.fixed_dictionaries(
        {c.name: st.none() | VALUES[c.dtype] for c in SCHEMAS["servers"].columns}
    ),
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(SERVERS)
def test_rows_come_back_as_they_were(rows: list[dict[str, Any]]) -> None:
    """What a plan reads from a table is what the API said."""
    table = tables.frame("servers", rows)

    assert tables.problems("servers", table) == []
    assert tables.rows("servers", table) == [
        {name: _second(value) for name, value in row.items()} for row in rows
    ]


def _second(value: Any) -> Any:
    """Return a time as `tables.rows` writes it."""
    if isinstance(value, str) and value.endswith("+00:00"):
        return pd.Timestamp(value).isoformat()
    return value


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_table_without_rows_has_its_columns(kind: str) -> None:
    """A cloud without a service can be planned for like any other."""
    table = tables.frame(kind, [])

    assert len(table) == 0
    assert tables.problems(kind, table) == []


@pytest.mark.parametrize("kind", SCHEMAS)
def test_keys_are_columns(kind: str) -> None:
    """A key that is no column could not be looked up."""
    assert set(SCHEMAS[kind].key) <= set(SCHEMAS[kind].names)


def test_a_foreign_column_is_refused() -> None:
    """A typo in a row function must not vanish."""
    with pytest.raises(ValueError, match="projects has no column colour"):
        tables.frame("projects", [{"id": "a", "colour": "red"}])


def test_problems_are_told() -> None:
    """A table from elsewhere is checked before it is used."""
    table = tables.frame("regions", [{"id": "a"}]).astype({"id": "object"})
    table = table.drop(columns="description").assign(extra=1)

    assert tables.problems("regions", table) == [
        "column description is missing",
        "column extra is unknown",
        "column id is object, not string",
    ]


def test_an_unknown_table_is_told_with_the_known_ones() -> None:
    """So that a typo on the command line repairs itself."""
    with pytest.raises(ConfigError, match=r"'severs'.*not known.*servers"):
        schema_of("severs")


def test_an_inventory_says_why_a_table_is_missing() -> None:
    """A migration that needs it stops with the reason, not with a KeyError."""
    inventory = Inventory(Role.SOURCE, {}, failures={"servers": "It answered 500."})

    with pytest.raises(TableMissing, match=r"source has no table servers: It answered 500\."):
        inventory["servers"]
    assert "servers" not in inventory


def test_an_inventory_counts_its_rows() -> None:
    """In the order of the schemas."""
    inventory = empty(Role.TARGET, projects=[{"id": "p", "name": "shop"}])

    assert inventory.counts["projects"] == 1
    assert list(inventory.counts) == list(SCHEMAS)
    assert inventory.by_id("projects")["p"]["name"] == "shop"
