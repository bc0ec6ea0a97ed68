"""Write what a migration will do and did: Parquet, an HTML report, and Prefect artifacts."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from pydantic import BaseModel, ConfigDict

from pumphouse import ledger, plan_files, plan_texts
from pumphouse.ledger import Entry
from pumphouse.plan import Plan
from pumphouse.plan_files import Header
from pumphouse.reports import migration
from pumphouse.reports import plan as plan_report
from pumphouse.tasks.storage import Folder

READABLE = 20_000
"""Rows up to which a plan is written as YAML too: more takes longer than making it."""

SHOWN = 1000
"""Rows that an artifact has at most: the UI shows all of them on one page."""


class Published(BaseModel):
    """Where a plan is: as a file to give to a migration, and as a page."""

    model_config = ConfigDict(frozen=True)

    plan: str
    report: str


def publish_plan(
    folder: Folder,
    intended: Plan,
    header: Header,
    address: Callable[[str], str],
    changed: Sequence[str] = (),
) -> Published:
    """Store the plan, as Parquet and, if a person can read so much, YAML; show it."""
    site, file = header.site, plan_files.sealed(intended, header)
    location = folder.write("plan.parquet", plan_texts.to_parquet(file))
    if len(file.rows) <= READABLE:
        location = folder.write("plan.yaml", plan_texts.to_yaml(file).encode())
    selection = [*header.include, *(f"without {text}" for text in header.exclude)]
    page = plan_report.html(f"Plan at {site}", intended, selection, changed)
    report = folder.write("plan.html", page.encode())
    columns = ["stage", "kind", "name", "project", "action", "mover", "reason", "losses"]
    create_table_artifact(
        _records(intended.table()[columns]),
        key=f"{site}-plan",
        description=f"Plan of the migration; all its columns are in {location}",
    )
    url = address(report)
    create_link_artifact(url, link_text=report, key=f"{site}-plan-report")
    create_markdown_artifact(
        plan_report.markdown(intended, report, url, selection), key=f"{site}-plan-summary"
    )
    return Published(plan=location, report=report)


def publish_ledger(
    site: str,
    folder: Folder,
    intended: Plan,
    entries: Sequence[Entry],
    seconds: float,
    address: Callable[[str], str],
    what: str = "Migration",
) -> str:
    """Store the ledger and the report and show both; return where the report is."""
    table = ledger.table(entries)
    location = _store(folder, "ledger.parquet", table)
    html = migration.html(f"{what} at {site}", intended.table(), table, seconds)
    report = folder.write("report.html", html.encode())
    columns = ["kind", "name", "project", "action", "status", "seconds", "bytes", "downtime_s"]
    create_table_artifact(
        _records(table[[*columns, "message"]]),
        key=f"{site}-{_key(what)}ledger",
        description=f"What was done; all its columns are in {location}",
    )
    url = address(report)
    create_link_artifact(url, link_text=report, key=f"{site}-{what.lower()}-report")
    create_markdown_artifact(migration.markdown(table, url, what), key=f"{site}-{what.lower()}")
    return report


def _key(what: str) -> str:
    return "" if what == "Migration" else f"{what.lower()}-"


def _store(folder: Folder, name: str, table: pd.DataFrame) -> str:
    return folder.write(name, table.to_parquet(index=False))


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    plain = table.head(SHOWN).astype(object).where(table.head(SHOWN).notna(), None)
    return [{str(k): v for k, v in record.items()} for record in plain.to_dict("records")]
