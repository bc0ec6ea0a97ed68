"""Write what will leave a host and what left it: Parquet and Prefect artifacts."""

from collections.abc import Sequence
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from pumphouse import ledger
from pumphouse.evacuation import Evacuation
from pumphouse.ledger import Entry, Status
from pumphouse.tasks.storage import Folder


def publish_intended(site: str, intended: Evacuation) -> None:
    """Show every server with how it leaves, and every problem."""
    create_table_artifact(
        [
            {
                "server": move.name,
                "id": move.server_id,
                "project": move.project,
                "state": move.status,
                "how": move.way.value,
                "else": move.fallback.value if move.fallback else "",
                "VCPUs": move.needs.vcpus,
                "MiB": move.needs.ram_mib,
                "local GiB": move.needs.local_gib,
                "room on": move.expected,
                "why": " ".join((move.reason, *move.notes)),
            }
            for move in intended.moves
        ],
        key=f"{site}-evacuation-plan",
        description=f"How the servers of {intended.host} leave; Nova chooses where they go",
    )
    if intended.problems:
        lines = "\n".join(f"- {problem}" for problem in intended.problems)
        create_markdown_artifact(
            f"# {intended.host} cannot be emptied now\n\nNothing was changed.\n\n{lines}",
            key=f"{site}-evacuation",
        )


def publish_moves(
    site: str, folder: Folder, host: str, entries: Sequence[Entry], outcome: str
) -> str:
    """Store the ledger and show each server's way; return where the ledger is."""
    table = ledger.table(entries)
    location = folder.write("ledger.parquet", table.to_parquet(index=False))
    create_table_artifact(
        [_line(entry) for entry in entries],
        key=f"{site}-evacuation-servers",
        description=f"What left {host}; all columns are in {location}",
    )
    counts = {status: sum(e.status is status for e in entries) for status in Status}
    words = ", ".join(f"{count} {status.value}" for status, count in counts.items() if count)
    create_markdown_artifact(
        f"# {host}\n\n{outcome}\n\nServers: {words or 'none'}. Ledger: `{location}`",
        key=f"{site}-evacuation",
    )
    return location


def _line(entry: Entry) -> dict[str, Any]:
    return {
        "server": entry.name,
        "id": entry.source_id,
        "project": entry.project,
        "how": entry.action,
        "status": entry.status.value,
        "seconds": entry.seconds,
        "from → to, or why not": entry.message,
    }
