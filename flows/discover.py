"""Read everything that the clouds hold into tables, and report on it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import timedelta
from time import monotonic
from typing import Annotated, Any

from prefect import allow_failure, flow, get_run_logger, runtime
from prefect.concurrency.sync import concurrency
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import BaseModel, ConfigDict, Field

from pumphouse.blocks.site import load_site
from pumphouse.errors import ExtractionFailed
from pumphouse.limits import api_limit
from pumphouse.models import Clouds, Role
from pumphouse.schemas import SCHEMAS
from pumphouse.tasks import storage
from pumphouse.tasks.discovery import AFTER_SERVERS, Job, extract, order, write_report
from pumphouse.tasks.publication import publish
from pumphouse.tasks.readers import CloudReader
from pumphouse.tasks.slots import available
from pumphouse.tasks.storage import Folder, Manifest, StoredTable

# A thread for each table of both clouds: one cloud that hangs must not keep the other's
# tables waiting. What runs at once is limited for each cloud by its reader.
RUNNER: Any = ThreadPoolTaskRunner(max_workers=2 * len(SCHEMAS))


class Discovery(BaseModel):
    """What a discovery found, and where it is."""

    model_config = ConfigDict(frozen=True)

    site: str
    locations: dict[Role, str]
    rows: dict[Role, dict[str, int]]
    report: str
    calls: int
    seconds: float


@flow(name="discover", flow_run_name="discover {site} {clouds}", task_runner=RUNNER)
def discover(
    clouds: Clouds = Clouds.BOTH,
    max_age_minutes: Annotated[int, Field(ge=0)] = 0,
    site: str = "default",
) -> Discovery:
    """
    Read everything that the clouds hold into tables, and report on it.

    Args:
        clouds: Which clouds to read.

        max_age_minutes: Tables of the last inventory that are no older than this are taken
            over instead of being read again. 0 reads everything.

        site: Name of the saved Pumphouse Site block: the pair of clouds, limits and storage.

    Raises:
        ExtractionFailed: Some tables could not be read. The others are stored.
    """
    began, started = monotonic(), storage.utc_now()
    pair = load_site(site)
    site_folder = storage.inventories(pair.storage.url, site)
    site_folder.require_writable()
    folder = site_folder / storage.named(started, str(runtime.flow_run.id)[:8])
    calls = {role: _allowed_calls(site, role, pair.limits.api_calls) for role in clouds.roles}
    with ExitStack() as stack:
        readers = {
            role: stack.enter_context(CloudReader(pair.cloud(role), role, calls[role]))
            for role in clouds.roles
        }
        # Both addresses first: a wrong entry of clouds.yaml ends the run before it begins.
        addresses = {role: reader.address() for role, reader in readers.items()}
        for role in clouds.roles:
            stack.enter_context(_all_slots(site, role, calls[role]))
        age = timedelta(minutes=max_age_minutes)
        reused = [
            storage.reuse(source, table, folder / role.value)
            for role, address in addresses.items()
            for source, table in storage.reusable(site_folder, role, address, age, started)
        ]
        found = reused + _extract(site, folder, readers, reused)
    for role, address in addresses.items():
        manifest = Manifest(
            site=site,
            role=role,
            cloud=address,
            made_at=storage.utc_now(),
            tables={table.kind: table for table in found if table.role is role},
        )
        _finish(manifest, site_folder, folder)
    report = write_report(folder, f"Inventory of {site}", clouds.roles)
    publish(site, folder, clouds.roles, found, report, pair.storage.link)
    if old := storage.prune(site_folder, pair.storage.keep_inventories):
        get_run_logger().info("Old inventories deleted: %s", ", ".join(old))
    return _result(site, folder, found, report, monotonic() - began)


def _allowed_calls(site: str, role: Role, calls: int) -> int:
    """Return how many calls at once the site and, in a deployment, Prefect's limit allow."""
    return available(api_limit(site, role), calls) if runtime.deployment.id else calls


def _all_slots(site: str, role: Role, calls: int) -> AbstractContextManager[Any]:
    """
    Hold the cloud's API slots while it is read; none outside a deployment.

    All at once, and not one for each table: 78 times asking took ten times as long as reading.
    """
    if not runtime.deployment.id:
        return nullcontext()
    return concurrency(api_limit(site, role), occupy=calls, strict=True)


def _extract(
    site: str,
    folder: Folder,
    readers: dict[Role, CloudReader],
    reused: Sequence[StoredTable],
) -> list[StoredTable]:
    """Read the tables that are not *reused*, the clouds side by side; a failed one says why."""
    known = {(table.role, table.kind) for table in reused}

    def jobs(kinds: Sequence[str]) -> list[Job]:
        return [
            Job(
                role=role,
                kind=kind,
                reader=reader,
                folder=folder / role.value,
            )
            for kind in kinds
            for role, reader in readers.items()
            if (role, kind) not in known
        ]

    first = jobs(order(SCHEMAS))
    futures: dict[Job, PrefectFuture[StoredTable]] = dict(
        zip(first, extract.map(first), strict=True)
    )
    for job in jobs(AFTER_SERVERS):
        servers = [f for j, f in futures.items() if (j.role, j.kind) == (job.role, "servers")]
        futures[job] = extract.submit(
            job=job, return_state=False, wait_for=[allow_failure(f) for f in servers]
        )
    return [_outcome(job, future) for job, future in futures.items()]


def _outcome(job: Job, future: PrefectFuture[StoredTable]) -> StoredTable:
    result = future.result(raise_on_failure=False)
    if isinstance(result, StoredTable):
        return result
    return StoredTable(
        role=job.role, kind=job.kind, read_at=storage.utc_now(), failure=str(result)
    )


def _finish(manifest: Manifest, site_folder: Folder, folder: Folder) -> None:
    """Write the manifest; make this inventory the newest one unless nothing was read."""
    storage.write_manifest(folder / manifest.role.value, manifest)
    if any(not table.failure for table in manifest.tables.values()):
        storage.point(site_folder, manifest.role, folder.name)


def _result(
    site: str, folder: Folder, found: Sequence[StoredTable], report: str, seconds: float
) -> Discovery:
    kept = [table for table in found if not table.failure]
    failed = [f"{t.role.value}/{t.kind}: {t.failure}" for t in found if t.failure]
    if failed:
        raise ExtractionFailed(failed, len(kept), folder.location)
    calls = sum(table.calls for table in found)
    get_run_logger().info(
        "%d tables, %d rows, %d calls in %.1f s: %s",
        len(kept), sum(table.rows for table in kept), calls, seconds, report,
    )  # fmt: skip
    roles = sorted({table.role for table in kept})
    return Discovery(
        site=site,
        locations={role: (folder / role.value).location for role in roles},
        rows={r: {t.kind: t.rows for t in kept if t.role is r} for r in roles},
        report=report,
        calls=calls,
        seconds=round(seconds, 3),
    )
