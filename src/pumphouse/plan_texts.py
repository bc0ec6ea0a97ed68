"""Plans as YAML, to read and edit, and as Parquet, for large ones. Pure: texts and bytes."""

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pydantic import ValidationError

from pumphouse.errors import ConfigError
from pumphouse.models import Action, Mover
from pumphouse.plan import COLUMNS
from pumphouse.plan_files import Header, PlanFile, SealedRow
from pumphouse.yaml_loaders import FastLoader

METADATA = b"pumphouse.plan"
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def to_yaml(file: PlanFile) -> str:
    """Return *file* as YAML: a table of what is done, as a comment, and then every row."""
    header = file.header.model_dump(mode="json", exclude_defaults=True)
    body = {"version": 1, **header, "items": [_shown(row) for row in file.rows]}
    text = yaml.dump(body, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=100)
    return f"{_preface(file)}\n{text}"


def _shown(row: SealedRow) -> dict[str, Any]:
    """Return what of *row* is worth writing, the editable fields beside the name."""
    values = row.__dict__
    order = ("kind", "name", "project", "action", "mover", "source_id", "target_id", "reason")
    names = [*order, *(n for n in values if n not in order)]
    shown: dict[str, Any] = {}
    for name in names:
        value = values[name]
        if value is None or value == "" or value == () or value == 0:
            continue
        if isinstance(value, Action | Mover):
            value = value.value
        shown[name] = list(value) if isinstance(value, tuple) else value
    return shown


SHOWN = 500
"""Lines that the table on top of a file has at most."""


def _preface(file: PlanFile) -> str:
    lines = [
        "# A plan of Pumphouse. Two things of a row may be edited: action (to skip), and mover.",
        "# Carry it out with: pumphouse migrate --plan FILE",
        "#",
    ]
    done = [row for row in file.rows if row.action not in (Action.ADOPT, Action.SKIP)]
    cells = [("action", "kind", "name", "project", "mover", "GiB", "down s")]
    cells += [
        (
            row.action.value, row.kind, row.name, row.project, row.mover or "",
            f"{row.size_bytes / 2**30:.1f}" if row.size_bytes else "",
            f"{row.downtime_estimate_s:.0f}" if row.downtime_estimate_s else "",
        )
        for row in done[:SHOWN]
    ]  # fmt: skip
    widths = [min(40, max(len(line[at]) for line in cells)) for at in range(len(cells[0]))]
    for line in cells:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        lines.append(f"# {text}".rstrip().replace("\n", " "))
    if len(done) > SHOWN:
        lines.append(f"# … and {len(done) - SHOWN} more")
    found = len(file.rows) - len(done)
    lines.append(f"# and {found} that the target has, or that were skipped")
    return "\n".join(lines) + "\n"


def from_yaml(text: str, origin: str) -> PlanFile:
    """
    Return the plan that *text* is.

    Raises:
        ConfigError: It is no plan; says which field of which row is wrong, and what is allowed.
    """
    try:
        raw = yaml.load(text, FastLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or error
        raise ConfigError(origin, [f"It is not valid YAML{where}: {reason}."]) from None
    if not isinstance(raw, dict) or not isinstance(raw.get("items"), list):
        raise ConfigError(origin, ["It is no plan: it has no list items."])
    items = raw.pop("items")
    return _parsed(raw, items, origin)


def _parsed(header: Any, items: list[Any], origin: str) -> PlanFile:
    problems: list[str] = []
    rows: list[SealedRow] = []
    for at, item in enumerate(items, 1):
        try:
            rows.append(SealedRow.model_validate(item))
        except ValidationError as error:
            name = item.get("name", "") if isinstance(item, dict) else ""
            problems += [f"items, row {at} {name}: {_words(each)}" for each in error.errors()]
    try:
        head = Header.model_validate(header)
    except ValidationError as error:
        problems += [_words(each) for each in error.errors()]
    if problems:
        raise ConfigError(origin, problems)
    return PlanFile.model_construct(header=head, rows=tuple(rows))


def _words(error: Any) -> str:
    field = ".".join(str(part) for part in error["loc"])
    if error["type"] == "enum":
        given = "" if field == "action" else f" ({error['input']})"
        return f"{field}{given}: allowed: {error['ctx']['expected']}."
    if error["type"] == "extra_forbidden":
        return f"{field} is no field of a plan."
    return f"{field}: {error['msg'].removeprefix('Value error, ')}."


def to_parquet(file: PlanFile) -> bytes:
    """Return *file* as Parquet: a table, and the header as metadata of its schema."""
    texts = pa.list_(pa.string())
    types = {
        "depends_on": texts, "losses": texts, "size_bytes": pa.int64(),
        "downtime_estimate_s": pa.float64(),
    }  # fmt: skip
    columns = {}
    for name in ("seal", *COLUMNS):
        values = [getattr(row, name) for row in file.rows]
        columns[name] = pa.array(values, types.get(name, pa.string()))
    table = pa.table(columns)
    header = file.header.model_dump_json().encode()
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({METADATA: header}), buffer)
    return buffer.getvalue()


def from_parquet(content: bytes, origin: str) -> PlanFile:
    """
    Return the plan that *content* is.

    Raises:
        ConfigError: It is no plan, or lost its header when it was edited.
    """
    try:
        table = pq.read_table(io.BytesIO(content))
    except pa.ArrowException:
        raise ConfigError(origin, ["It is not a Parquet file."]) from None
    metadata = table.schema.metadata or {}
    if METADATA not in metadata:
        problem = "It has no plan's header in its schema's metadata; edit a plan as YAML."
        raise ConfigError(origin, [problem])
    names = [name for name in table.column_names if name != "stage"]
    items = table.select(names).to_pylist()
    for item in items:
        item["mover"] = item.get("mover") or None
    return _parsed(json.loads(metadata[METADATA]), items, origin)


def read(content: bytes, name: str) -> PlanFile:
    """Return the plan in a file called *name*. See `from_yaml` and `from_parquet`."""
    if name.endswith(".parquet"):
        return from_parquet(content, name)
    try:
        return from_yaml(content.decode(), name)
    except UnicodeDecodeError:
        raise ConfigError(name, ["It is not UTF-8 text."]) from None


def write(file: PlanFile, name: str) -> bytes:
    """Return the content of a file called *name*: Parquet if it is called so, else YAML."""
    return to_parquet(file) if name.endswith(".parquet") else to_yaml(file).encode()
