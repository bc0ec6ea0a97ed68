"""Show what a discovery found in Prefect's UI, as artifacts that link to each other."""

from collections.abc import Callable, Sequence

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)

from pumphouse.models import Role
from pumphouse.reports import summary
from pumphouse.tasks import storage
from pumphouse.tasks.storage import Folder, StoredTable

Address = Callable[[str], str]
"""Says under which address a browser opens a location: `Storage.link` of the site."""

PAGE_OF_KEY = "/artifacts/key/{}"
"""Where Prefect's UI shows an artifact by its key."""


def publish(
    site: str,
    folder: Folder,
    roles: Sequence[Role],
    found: Sequence[StoredTable],
    report: str,
    address: Address,
) -> None:
    """Write the artifacts of one discovery: a page, a link, and two tables for each cloud."""
    keys = {}
    for role in roles:
        tables_key, services_key = f"{site}-{role.value}-tables", f"{site}-{role.value}-services"
        create_table_artifact(
            [_line(table) for table in found if table.role is role],
            key=tables_key,
            description=f"Tables of the {role.value}, in {(folder / role.value).location}",
        )
        inventory = storage.load(folder / role.value, ["services", "endpoints"])
        create_table_artifact(
            summary.endpoints(inventory),
            key=services_key,
            description=f"Services of the {role.value} and the URLs of their endpoints",
        )
        keys[role] = (tables_key, services_key)
    create_link_artifact(
        address(report), link_text=report, key=f"{site}-report", description="Report with plots"
    )
    create_markdown_artifact(
        _page(site, folder, found, report, address(report), keys), key=f"{site}-inventory"
    )


def _line(table: StoredTable) -> dict[str, object]:
    return {
        "table": table.kind,
        "rows": None if table.failure else table.rows,
        "calls": table.calls,
        "seconds": table.seconds,
        "read at": f"{table.read_at:%Y-%m-%d %H:%M:%S} UTC",
        "note": table.failure or table.note or ("taken over" if table.is_reused else ""),
    }


def _page(
    site: str,
    folder: Folder,
    found: Sequence[StoredTable],
    report: str,
    url: str,
    keys: dict[Role, tuple[str, str]],
) -> str:
    head = [
        f"# Inventory of {site}",
        "",
        f"Report with plots: [{report}]({url}) · tables: `{folder.location}`",
        "",
        "| cloud | tables | rows | calls | failed | more |",
        "|---|--:|--:|--:|--:|---|",
    ]
    lines = []
    for role, (tables_key, services_key) in keys.items():
        of = [table for table in found if table.role is role]
        more = (
            f"[tables]({PAGE_OF_KEY.format(tables_key)}) · "
            f"[services]({PAGE_OF_KEY.format(services_key)})"
        )
        lines.append(
            f"| {role.value} | {len(of)} | {sum(t.rows for t in of)} | "
            f"{sum(t.calls for t in of)} | {sum(bool(t.failure) for t in of)} | {more} |"
        )
    notes = [
        f"- **{table.role.value} {table.kind}**: {table.failure or table.note}"
        for table in found
        if table.failure or table.note
    ]
    return "\n".join([*head, *lines, *(["", "## Notes", "", *notes] if notes else [])])
