"""`pumphouse inventory`: look into what discoveries stored, without a cloud or a server."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pumphouse.cli.console import err, out, print_json
from pumphouse.cli.console import table as new_table
from pumphouse.cli.files import ConfigOption, load
from pumphouse.cli.options import JsonOption
from pumphouse.errors import ConfigError
from pumphouse.models import Clouds, Role

if TYPE_CHECKING:
    import pandas as pd

    from pumphouse.inventory import Inventory

app = typer.Typer(help="List, query and export what discoveries stored.", no_args_is_help=True)

LONGEST_CELL = 60
BESIDE_CELL = 3
"""A cell's two blanks and its line."""

KindArgument = Annotated[
    str, typer.Argument(metavar="TABLE", help="For example servers; see inventory tables.")
]
CloudOption = Annotated[Role, typer.Option("--cloud", help="Which cloud.")]
AtOption = Annotated[
    str | None,
    typer.Option("--at", metavar="NAME", help="An older inventory; see inventory list."),
]
ColumnsOption = Annotated[
    str, typer.Option("--columns", metavar="A,B,…", help="Only these columns, in this order.")
]


@app.command("tables")
def tables_(
    kind: Annotated[
        str | None, typer.Argument(metavar="TABLE", help="Show this one's columns.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show which tables there are, or what columns one has."""
    from pumphouse.schemas import SCHEMAS, schema_of

    if as_json:
        shown_of = schema_of(kind).columns if kind else SCHEMAS.values()
        fields = ("name", "dtype", "doc") if kind else ("kind", "service", "row")
        return print_json([{f: getattr(each, f) for f in fields} for each in shown_of])
    if kind is None:
        shown = new_table("Tables", "table", "service", "one row is")
        for schema in SCHEMAS.values():
            shown.add_row(schema.kind, schema.service, schema.row)
    else:
        schema = schema_of(kind)
        shown = new_table(f"{kind}: one row is {schema.row}", "column", "type", "meaning")
        for column in schema.columns:
            shown.add_row(column.name, column.dtype, column.doc)
    out.print(shown)
    return None


@app.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the stored inventories, newest last."""
    from pumphouse.tasks import storage

    settings = load(config)
    lines = [
        {
            "name": name,
            "cloud": manifest.role.value,
            "made": f"{manifest.made_at:%Y-%m-%d %H:%M} UTC",
            "tables": sum(not table.failure for table in manifest.tables.values()),
            "failed": sum(bool(table.failure) for table in manifest.tables.values()),
            "rows": sum(table.rows for table in manifest.tables.values()),
        }
        for name, manifest in storage.manifests(settings.storage.url, settings.name)
    ]
    if as_json:
        return print_json(lines)
    shown = new_table(f"Inventories of {settings.name}", *(lines[0] if lines else ["none yet"]))
    for line in lines:
        shown.add_row(*map(str, line.values()))
    out.print(shown)
    return None


@app.command()
def query(
    kind: KindArgument,
    condition: Annotated[
        str,
        typer.Argument(help="Which rows, for example 'status == \"ACTIVE\" and vcpus >= 8'."),
    ] = "",
    cloud: CloudOption = Role.SOURCE,
    columns: ColumnsOption = "",
    limit: Annotated[int, typer.Option(min=0, help="Most rows to show; 0 shows all.")] = 50,
    form: Annotated[
        str, typer.Option("--format", help="table, csv or json; the last two are not cut off.")
    ] = "table",
    at: AtOption = None,
    config: ConfigOption = None,
) -> None:
    """Show the rows of a table for which a condition holds."""
    from pumphouse import expressions
    from pumphouse.reports import tables
    from pumphouse.schemas import schema_of

    schema_of(kind)
    found = expressions.selected(condition, _inventory(config, cloud, at, [kind])[kind], kind)
    if form == "table":
        shown = tables.columns(kind, found, columns)
        return _print(kind, shown, limit, first=None if columns else words(condition))
    text = tables.written(kind, tables.columns(kind, found, columns), tables.known_format(form))
    sys.stdout.write(text)
    return None


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where the files go; it is made if needed.")],
    clouds: Annotated[Clouds, typer.Option("--cloud", help="Which clouds.")] = Clouds.BOTH,
    form: Annotated[str, typer.Option("--format", help="csv or json.")] = "csv",
    at: AtOption = None,
    config: ConfigOption = None,
) -> None:
    """Write every table to a file of its own."""
    from pumphouse.reports import tables

    chosen = tables.known_format(form)
    written = 0
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for role in clouds.roles:
        for name, text in tables.files(_inventory(config, role, at), chosen).items():
            with _writing(folder / name):
                (folder / name).write_text(text, encoding="utf-8")
            written += 1
    err.print(f"{written} tables are in {folder}.")


@app.command()
def report(
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")] = Path(
        "inventory.html"
    ),
    clouds: Annotated[Clouds, typer.Option("--cloud", help="Which clouds.")] = Clouds.BOTH,
    at: AtOption = None,
    config: ConfigOption = None,
) -> None:
    """Write the HTML report with plots anew, from the stored tables."""
    from pumphouse.reports import discovery

    name = load(config).name
    inventories = [_inventory(config, role, at) for role in clouds.roles]
    text = discovery.html(f"Inventory of {name}", inventories)
    with _writing(output):
        output.write_text(text, encoding="utf-8")
    err.print(f"The report is {output}.")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Tell that *path* cannot be written as wrong input: an operator gave it."""
    try:
        yield
    except OSError as error:
        raise ConfigError(str(path), [f"It cannot be written: {error.strerror}."]) from error


def _inventory(
    config: Path | None, role: Role, at: str | None, kinds: list[str] | None = None
) -> "Inventory":
    from pumphouse.schemas import SCHEMAS
    from pumphouse.tasks import storage

    settings = load(config)
    wanted = kinds or list(SCHEMAS)
    if at is None:
        return storage.latest(settings.storage.url, settings.name, role, wanted)
    folder = storage.inventories(settings.storage.url, settings.name) / at / role.value
    return storage.load(folder, wanted)


def _print(
    kind: str, found: "pd.DataFrame", limit: int, first: Sequence[str] | None = None
) -> None:
    """
    Print rows, at most *limit* of them, and say how many there are.

    first: Show the columns that fit into the terminal, these before others; None shows all.
    """
    shown = found.head(limit) if limit else found
    cells = {str(name): [_cell(value) for value in shown[name]] for name in shown.columns}
    if first is not None:
        cells = {name: cells[name] for name in _fitting(cells, first, out.width)}
    text = new_table(kind, *cells)
    for row in zip(*cells.values(), strict=True):
        text.add_row(*row)
    out.print(text)
    more = f", {len(shown)} of them shown (--limit)" if len(shown) < len(found) else ""
    left = len(found.columns) - len(cells)
    wider = f" {left} more columns: --columns A,B, or --format csv." if left else ""
    err.print(f"{len(found)} rows{more}.{wider}")


def words(condition: str) -> list[str]:
    """Return the words of a condition; those that are columns are what it asks about."""
    return re.findall(r"[A-Za-z_]\w*", condition)


def _fitting(cells: Mapping[str, list[str]], first: Sequence[str], width: int) -> list[str]:
    """Return the columns that fit: name, id and the *first*, then others that say something."""
    wanted = [name for name in ("name", "id", *first) if name in cells]
    left, kept = width - 1, []
    # Ids of other things say little by themselves.
    others = sorted(cells, key=lambda name: name.endswith("_id"))
    for name in dict.fromkeys([*wanted, *others]):
        longest = max(map(len, cells[name]), default=0)
        need = max(len(name), longest) + BESIDE_CELL
        if name in wanted or (longest and need <= left):
            left -= need
            kept.append(name)
    return kept


def _cell(value: Any) -> str:
    import pandas as pd
    from rich.markup import escape

    text = "" if pd.isna(value) else str(value)
    return escape(text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…")
