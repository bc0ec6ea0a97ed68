"""Write what a migration will do and did: Parquet, an HTML report, and Prefect artifacts."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)

from pumphouse import ledger
from pumphouse.ledger import Entry
from pumphouse.plan import Plan
from pumphouse.reports import migration
from pumphouse.tasks.storage import Folder

SHOWN = 1000
"""Rows that an artifact has at most: the UI shows all of them on one page."""


def publish_plan(site: str, folder: Folder, intended: Plan) -> str:
    """Store the plan and show it; return where it is."""
    table = intended.table()
    location = _store(folder, "plan.parquet", table)
    columns = ["stage", "kind", "name", "project", "action", "mover", "reason", "losses"]
    create_table_artifact(
        _records(table[columns]),
        key=f"{site}-plan",
        description=f"Plan of the migration; all its columns are in {location}",
    )
    return location


def publish_ledger(
    site: str,
    folder: Folder,
    intended: Plan,
    entries: Sequence[Entry],
    seconds: float,
    address: Callable[[str], str],
) -> str:
    """Store the ledger and the report and show both; return where the report is."""
    table = ledger.table(entries)
    location = _store(folder, "ledger.parquet", table)
    html = migration.html(f"Migration at {site}", intended.table(), table, seconds)
    report = folder.write("report.html", html.encode())
    columns = ["kind", "name", "project", "action", "status", "seconds", "bytes", "downtime_s"]
    create_table_artifact(
        _records(table[[*columns, "message"]]),
        key=f"{site}-ledger",
        description=f"What was done; all its columns are in {location}",
    )
    url = address(report)
    create_link_artifact(url, link_text=report, key=f"{site}-migration-report")
    create_markdown_artifact(migration.markdown(table, url), key=f"{site}-migration")
    return report


def _store(folder: Folder, name: str, table: pd.DataFrame) -> str:
    return folder.write(name, table.to_parquet(index=False))


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    plain = table.head(SHOWN).astype(object).where(table.head(SHOWN).notna(), None)
    return [{str(k): v for k, v in record.items()} for record in plain.to_dict("records")]
