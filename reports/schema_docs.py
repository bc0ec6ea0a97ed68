"""The page that explains every table and column, made from the schemas."""

from collections.abc import Iterator

from pumphouse.schemas import SCHEMAS, Schema

TYPES = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "yes or no",
    "time": "time (UTC)",
    "json": "nested",
}


def markdown() -> str:
    """Return the tables of an inventory as a Markdown section."""
    return "\n".join(line for schema in SCHEMAS.values() for line in _section(schema))


def _section(schema: Schema) -> Iterator[str]:
    yield f"### {schema.kind}"
    yield ""
    yield f"One row is {schema.row}. Service: {schema.service}. Key: {', '.join(schema.key)}."
    yield ""
    yield "| column | type | meaning |"
    yield "|---|---|---|"
    for column in schema.columns:
        yield f"| `{column.name}` | {TYPES[column.dtype]} | {column.doc} |"
    yield ""
