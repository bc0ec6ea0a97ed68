"""The tasks of a discovery: read one table of one cloud, and write the report."""

from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from pumphouse import tables
from pumphouse.errors import CloudUnreachable, MissingRights
from pumphouse.models import Role
from pumphouse.tasks import storage
from pumphouse.tasks.extraction import batches
from pumphouse.tasks.readers import CloudReader, Reading
from pumphouse.tasks.storage import Folder, StoredTable

LONGEST_FIRST = ("servers", "ports", "volumes", "images", "quotas", "application_credentials")
"""Started before all others, so that nothing long is left alone at the end."""

AFTER_SERVERS = ("keypairs",)
"""Tables that are asked for by the owners of servers."""


@dataclass(frozen=True)
class Job:
    """One table of one cloud to read, and how: *folder* is the cloud's in the inventory."""

    role: Role
    kind: str
    reader: CloudReader
    folder: Folder

    def __str__(self) -> str:
        return f"{self.role.value} {self.kind}"


def order(kinds: Iterable[str]) -> list[str]:
    """Return *kinds* with the long ones first and those that wait for others left out."""
    left = [kind for kind in kinds if kind not in AFTER_SERVERS]
    rank = {kind: place for place, kind in enumerate(LONGEST_FIRST)}
    return sorted(left, key=lambda kind: rank.get(kind, len(rank)))


def may_heal(_task: object, _run: object, state: Any) -> bool:
    """Tell whether reading a table again may help: not after a refused login or a 403."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, CloudUnreachable | MissingRights)


@task(
    task_run_name="{job}",
    cache_policy=NO_CACHE,
    retries=2,
    retry_delay_seconds=[2, 10],
    retry_condition_fn=may_heal,
)
def extract(job: Job) -> StoredTable:
    """
    Read one table of one cloud and store it.

    A second run reads anew and replaces the file.

    Raises:
        CloudUnreachable, MissingRights, RequestFailed: As `Api.call`.
    """
    with job.reader.tables:
        return read_and_store(job)


def read_and_store(job: Job) -> StoredTable:
    """Read one table page by page and store it: never more than one page of raw answers."""
    started, began = storage.utc_now(), monotonic()
    reading = Reading(job.reader)
    pages = [
        tables.frame(job.kind, rows) for rows in batches(job.kind, reading, _owners(job)) if rows
    ]
    table = pd.concat(pages, ignore_index=True) if pages else tables.frame(job.kind, [])
    storage.write_table(job.folder, job.kind, table)
    return StoredTable(
        role=job.role,
        kind=job.kind,
        rows=len(table),
        calls=reading.api.calls,
        seconds=round(monotonic() - began, 3),
        read_at=started,
        note=" ".join(reading.notes),
    )


def _owners(job: Job) -> list[str]:
    """Return who owns servers: a user who left may still own a key that a server names."""
    if job.kind not in AFTER_SERVERS:
        return []
    servers = storage.read_table(job.folder, "servers", ["user_id"])
    return [] if servers is None else list(servers["user_id"].dropna().unique())


@task(task_run_name="report", cache_policy=NO_CACHE)
def write_report(folder: Folder, title: str, roles: tuple[Role, ...]) -> str:
    """Write the HTML report beside the tables it is about; return its location."""
    # The library of its plots takes a second to import, and most runs only read tables.
    from pumphouse.reports import discovery

    read = [storage.load(folder / role.value, columns=discovery.COLUMNS) for role in roles]
    return folder.write("report.html", discovery.html(title, read).encode())
