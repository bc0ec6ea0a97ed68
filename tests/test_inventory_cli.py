"""`pumphouse inventory`: questions to what is stored, from a terminal."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pumphouse.cli import console
from pumphouse.cli.inventory import app
from pumphouse.errors import ConfigError
from pumphouse.models import Role
from pumphouse.schemas import SCHEMAS
from pumphouse.tasks import storage
from pumphouse.tasks.storage import Manifest, StoredTable
from tests.test_reports import inventory

CONFIG = """
name: lab
source: {entry: source}
target: {entry: target}
storage: {url: %s}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose storage holds one inventory of the source."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG % tmp_path)
    site = storage.inventories(str(tmp_path), "lab")
    found = inventory()
    stored = {}
    for kind, table in found.tables.items():
        storage.write_table(site / "one" / "source", kind, table)
        stored[kind] = StoredTable(
            role=Role.SOURCE, kind=kind, rows=len(table), read_at=storage.utc_now()
        )
    manifest = Manifest(
        site="lab", role=Role.SOURCE, cloud="x", made_at=storage.utc_now(), tables=stored
    )
    storage.write_manifest(site / "one" / "source", manifest)
    storage.point(site, Role.SOURCE, "one")
    return path


def run(*arguments: str) -> Result:
    """Run the command and return what came of it."""
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


def test_query_shows_the_rows_that_fit(config: Path) -> None:
    """As JSON, with the columns asked for."""
    result = run(
        "query", "servers", "vcpus >= 16", "--columns", "name,vcpus", "--format", "json",
        "--config", str(config),
    )  # fmt: skip

    rows = json.loads(result.stdout)
    assert len(rows) == 10
    assert rows[0] == {"name": "web-00002", "vcpus": 16}


def test_query_says_how_many_there_are(config: Path) -> None:
    """A terminal shows some; the count is of all."""
    result = run("query", "servers", "--columns", "name", "--limit", "2", "--config", str(config))

    assert "web-00001" in result.stdout
    assert "web-00002" not in result.stdout
    assert "30 rows, 2 of them shown" in result.output


def test_query_shows_what_fits_into_the_terminal(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Name, id and what was asked for come first; the rest is told with the way to it."""
    # A console reads the width when it is made: this test needs one of its own.
    monkeypatch.delitem(console.out.__dict__, "_console", raising=False)
    asked = ["query", "servers", "vcpus >= 16", "--config", str(config)]

    shown = CliRunner().invoke(app, asked, env={"COLUMNS": "80"})
    monkeypatch.delitem(console.out.__dict__, "_console", raising=False)

    head = shown.stdout.splitlines()[2].replace("┃", " ").split()
    assert head[:3] == ["name", "id", "vcpus"]
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert "web-00002" in shown.stdout
    assert "more columns: --columns A,B, or --format csv." in shown.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("query", "severs"), "not known"),
        (("query", "servers", "vcpu == 1"), "Did you mean vcpus"),
        (("query", "servers", "--columns", "nam"), "no column nam"),
        (("query", "servers", "--format", "xml"), "csv, json"),
        (("query", "servers", "--cloud", "target"), "no inventory of the target yet"),
        (("query", "servers", "--at", "two"), "There is no inventory here"),
        (("tables", "severs"), "not known"),
        (("query", "servers", 'ram_mib != "512"'), "ram_mib is a number"),
    ],
)
def test_wrong_input_is_said_in_a_sentence(
    config: Path, arguments: tuple[str, ...], said: str
) -> None:
    """With what is allowed instead."""
    where = () if arguments[0] == "tables" else ("--config", str(config))

    error = run(*arguments, *where).exception

    assert isinstance(error, ConfigError)
    assert said in str(error)


def test_list_names_the_inventories(config: Path) -> None:
    """So that an older one can be asked."""
    lines = json.loads(run("list", "--json", "--config", str(config)).stdout)

    assert [(line["name"], line["cloud"], line["tables"]) for line in lines] == [
        ("one", "source", len(SCHEMAS))
    ]
    assert "one" in run("list", "--config", str(config)).stdout


def test_tables_explain_themselves() -> None:
    """Without a configuration: before the first discovery there is none."""
    assert "one row is" in run("tables").stdout
    assert "base64" in run("tables", "servers").stdout


def test_export_writes_a_file_for_each_table(config: Path, tmp_path: Path) -> None:
    """In the folder given."""
    run("export", str(tmp_path / "out"), "--cloud", "source", "--config", str(config))

    assert len(list((tmp_path / "out").glob("source-*.csv"))) == len(SCHEMAS)


def test_report_is_written_anew(config: Path, tmp_path: Path) -> None:
    """From what is stored, without a cloud."""
    output = tmp_path / "report.html"

    run("report", "-o", str(output), "--cloud", "source", "--config", str(config))

    assert "Inventory of lab" in output.read_text()
