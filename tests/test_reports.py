"""Reports: right numbers, nothing foreign loaded, nothing of a tenant's text taken for markup."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pandas as pd
import pytest

from pumphouse import rows_compute, rows_identity, rows_storage, tables
from pumphouse.errors import ConfigError
from pumphouse.inventory import Inventory, empty
from pumphouse.models import Role
from pumphouse.reports import discovery, plots, summary
from pumphouse.reports import tables as exports
from pumphouse.reports.tables import Format
from pumphouse.schemas import SCHEMAS
from tests import answers

NASTY = '$x_1$ <script>alert(1)</script> & "雪"'
SERVICES = {"compute-id": {"name": "nova", "type": "compute"}}


def inventory(role: Role = Role.SOURCE, servers: int = 30, name: str = "shop") -> Inventory:
    """An inventory with hosts, servers, volumes, images and endpoints."""
    projects = [{**answers.project(i), "name": name if i == 0 else f"p{i}"} for i in range(20)]
    made = empty(
        role,
        servers=[rows_compute.server(answers.server(i), {}) for i in range(servers)],
        hypervisors=[
            rows_compute.hypervisor(answers.hypervisor(i), answers.INVENTORIES) for i in range(20)
        ],
        projects=[rows_identity.project(p) for p in projects],
        volumes=[rows_storage.volume(answers.volume(i)) for i in range(servers)],
        images=[rows_storage.image(answers.image(i, name=f"{name} {i}"), {}) for i in range(3)],
        endpoints=[
            rows_identity.endpoint(answers.endpoint("compute", i), SERVICES)
            for i in ("public", "internal")
        ],
    )
    return Inventory(
        role,
        made.tables,
        notes={"trunks": "No such extension."},
        read_at=datetime(2026, 11, 22, 12, tzinfo=UTC),
        location="/data/one",
    )


class Page(HTMLParser):
    """The tags of a page that would load or run something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the browser would fetch or run."""
        if tag in {"script", "link", "iframe", "img", "object", "embed"}:
            self.loads.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "xlink:href"} and not (value or "").startswith("#"):
                self.loads.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        """Collect what is shown."""
        self.text.append(data)


def test_a_report_is_one_file_that_loads_nothing() -> None:
    """It is mailed, printed, and opened where there is no network."""
    html = discovery.html("Inventory of lab", [inventory(), inventory(Role.TARGET, 3)])

    assert Page(html).loads == []
    assert not re.search(r"url\((?!#)", html)
    assert "@import" not in html


def test_names_from_a_cloud_are_text() -> None:
    """A tenant chooses them; the operator opens the report."""
    page = Page(discovery.html(NASTY, [inventory(name=NASTY)]))

    assert page.loads == []
    assert NASTY in "".join(page.text)


def test_a_report_shows_what_matters() -> None:
    """Hosts, projects, volume types, images, endpoints, notes and counts."""
    shown = "".join(Page(discovery.html("Inventory of lab", [inventory()])).text)

    for text in (
        "compute-019",
        "shop",
        "ssd",
        "shop 2",
        "https://cloud.example:13000/compute/public",
        "No such extension.",
        "2026-11-22 12:00 UTC",
        "… 8 others",
    ):
        assert text in shown, text


def test_a_failed_table_is_said_and_the_rest_is_shown() -> None:
    """A dead service does not cost the report of the others."""
    whole = inventory()
    kept = {kind: table for kind, table in whole.tables.items() if kind not in WITH_PLOTS}
    broken = Inventory(Role.TARGET, kept, failures=dict.fromkeys(WITH_PLOTS, "It answered 500."))

    shown = "".join(Page(discovery.html("Inventory of lab", [broken])).text)

    assert "It answered 500." in shown
    assert "not read" in shown


WITH_PLOTS = ("servers", "hypervisors", "images", "volumes", "projects", "endpoints")


def test_an_empty_cloud_has_a_report() -> None:
    """A new target has nothing yet."""
    shown = "".join(Page(discovery.html("Inventory of lab", [empty(Role.TARGET)])).text)

    assert "none" in shown


def test_long_lists_are_cut_and_summed() -> None:
    """What is left out is counted, and nothing gets lost."""
    values = pd.Series(range(40), index=[f"p{n}" for n in range(40)])

    shown = plots.top(values, 10)

    assert list(shown.index[:2]) == ["p39", "p38"]
    assert shown.index[-1] == "… 30 others"
    assert shown.sum() == values.sum()


def test_one_more_than_fits_is_shown_itself() -> None:
    """A line that says “1 others” would take as much room."""
    values = pd.Series(range(11), index=[f"p{n}" for n in range(11)])

    assert len(plots.top(values, 10)) == 11
    assert "p0" in plots.top(values, 10)


def test_the_fullest_hosts_come_first() -> None:
    """They are the ones that decide what can move."""
    svg = str(next(discovery.capacity(inventory())).svg)

    assert svg.index("compute-019") < svg.index("compute-018")


def test_long_labels_are_shortened_in_the_middle() -> None:
    """Names often differ at their ends only."""
    label = "a-very-long-name-of-a-project-number-17"

    assert plots.short(label).endswith("number-17")
    assert len(plots.short(label)) <= plots.LONGEST_LABEL


def test_plots_are_reproducible() -> None:
    """The same inventory gives the same bytes."""
    first, second = (discovery.html("x", [inventory()]) for _ in range(2))

    assert first == second


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [(0, "0 B"), (1536, "1.5 KiB"), (20 * 2**30, "20 GiB"), (5000 * 2**40, "5,000 TiB")],
)
def test_sizes_are_short(size_bytes: float, expected: str) -> None:
    """In the unit that keeps the number small."""
    assert summary.size(size_bytes) == expected


def test_interfaces_with_one_url_share_a_line() -> None:
    """As most clouds have it."""
    same = answers.endpoint("compute", "public")
    made = empty(
        Role.SOURCE,
        endpoints=[
            rows_identity.endpoint({**same, "id": i, "interface": i}, SERVICES)
            for i in ("public", "internal")
        ],
    )

    (line,) = summary.services(made)

    assert line["urls"] == [
        {"interfaces": "internal, public", "url": same["url"], "is_off": False}
    ]


def test_projects_of_one_name_are_told_apart() -> None:
    """A name is unique in a domain only."""
    made = empty(
        Role.SOURCE,
        domains=[{"id": "a", "name": "north"}, {"id": "b", "name": "south"}],
        projects=[
            {"id": "1", "name": "shop", "domain_id": "a"},
            {"id": "2", "name": "shop", "domain_id": "b"},
            {"id": "3", "name": "bank", "domain_id": "b"},
        ],
    )

    names = summary.project_names(made)

    assert names == {"1": "north/shop", "2": "south/shop", "3": "bank"}


def test_counts_tell_empty_from_unread() -> None:
    """Nothing there, and not known, are different answers."""
    made = empty(Role.SOURCE)
    partial = Inventory(
        Role.SOURCE,
        {kind: table for kind, table in made.tables.items() if kind != "servers"},
        failures={"servers": "It broke."},
    )

    lines = {line["table"]: line for line in summary.counts([partial])}

    assert lines["servers"]["source"] is None
    assert lines["servers"]["note"] == "source: It broke."
    assert lines["images"]["source"] == 0


def test_tables_that_are_empty_for_one_reason_are_one_note() -> None:
    """A failure comes first; a service that is not there has a dozen tables."""
    gone = "Cloud old has no dns service."
    made = empty(Role.SOURCE)
    partial = Inventory(
        Role.SOURCE,
        {kind: table for kind, table in made.tables.items() if kind != "zones"},
        notes={"servers": gone, "recordsets": gone},
        failures={"zones": "It broke."},
    )

    found = summary.notes(summary.counts([partial]))

    assert [(line["tables"], line["note"], line["is_failed"]) for line in found] == [
        ("zones", "source: It broke.", True),
        ("servers, recordsets", f"source: {gone}", False),
    ]


def test_csv_and_json_hold_every_row_and_column() -> None:
    """What another program reads is what was found."""
    servers = inventory()["servers"]

    rows = list(csv.DictReader(io.StringIO(exports.written("servers", servers, Format.CSV))))
    objects = json.loads(exports.written("servers", servers, Format.JSON))

    assert [row["id"] for row in rows] == list(servers["id"])
    assert list(rows[0]) == list(SCHEMAS["servers"].names)
    assert rows[0]["created_at"] == "2026-05-04T10:11:12Z"
    assert objects == tables.rows("servers", servers)


def test_chosen_columns_come_in_the_order_asked_for() -> None:
    """In both formats."""
    servers = exports.columns("servers", inventory()["servers"], "name, id")

    assert exports.written("servers", servers, Format.CSV).startswith("name,id\n")
    assert list(json.loads(exports.written("servers", servers, Format.JSON))[0]) == ["name", "id"]


def test_unknown_columns_and_formats_are_wrong_input() -> None:
    """With what there is."""
    with pytest.raises(ConfigError, match=r"no column colour\. Columns: id, name"):
        exports.columns("servers", inventory()["servers"], "name,colour")
    with pytest.raises(ConfigError, match="must be one of csv, json"):
        exports.known_format("xml")


def test_an_export_leaves_out_what_was_not_read() -> None:
    """A file without rows would say that there is nothing."""
    whole = inventory()
    part = Inventory(Role.SOURCE, {"regions": whole["regions"]})

    assert list(exports.files(part, Format.CSV)) == ["source-regions.csv"]


def test_the_columns_that_a_report_reads_are_enough() -> None:
    """The run reads no others: of ten thousand servers that is a tenth of the memory."""
    whole = inventory()
    slim = {
        kind: table[list(discovery.COLUMNS.get(kind, table.columns))]
        for kind, table in whole.tables.items()
    }

    assert discovery.html("x", [replace(whole, tables=slim)]) == discovery.html("x", [whole])
