"""Delete from the source what was migrated."""

import threading
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any

from prefect import flow, get_run_logger, runtime
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import BaseModel, ConfigDict

from pumphouse.blocks.site import load_site
from pumphouse.errors import ConfigError, FinalizeIncomplete
from pumphouse.estate import Estate
from pumphouse.finalization import ORDER, Removal, removals
from pumphouse.ledger import Entry, Status
from pumphouse.plan import Plan
from pumphouse.selection import Selection, chosen, written
from pumphouse.staying import Bounds
from pumphouse.tasks import plans, storage
from pumphouse.tasks.finalizing import clean_marks as take_marks_off
from pumphouse.tasks.finalizing import delete_batch, note, own_ids
from pumphouse.tasks.migration_report import publish_ledger
from pumphouse.tasks.moving import Slots, Work
from pumphouse.tasks.plan_storage import read_plan
from pumphouse.tasks.storage import Folder

RUNNER: Any = ThreadPoolTaskRunner(max_workers=10)

UNTRIED = "The run ended before its turn; run the same finalize again."


class Finalized(BaseModel):
    """What was deleted, or would be, what is left and why, and where it is written."""

    model_config = ConfigDict(frozen=True)

    site: str
    dry_run: bool
    location: str
    report: str = ""
    removed: list[Removal]
    left: list[Removal]
    seconds: float


@flow(name="finalize", flow_run_name="finalize at {site}", task_runner=RUNNER)
def finalize(
    selection: list[str] = [],  # noqa: B006
    projects: list[str] = [],  # noqa: B006
    exclude: list[str] = [],  # noqa: B006
    plan: str = "",
    delete: bool = False,
    clean_marks: bool = False,
    site: str = "default",
) -> Finalized:
    """
    Delete from the source what was migrated, after its grace period. **There is no way back.**

    Only says what it would delete, and what it leaves and why, unless delete is set. A server
    goes only if its copy is there, as it was, with its disks and ports. Other things go only if
    they were migrated and nothing that stays uses them. Run it again to go on after a failure.

    Args:
        selection: What, in the words of the flow plan: web-1, project:shop, everything …
            Projects, users, key pairs and quotas go only with a project that is chosen whole.

        projects: Names or ids of projects that are chosen whole.

        exclude: What of that not.

        plan: Location of a plan, instead of a selection: what that selected.

        delete: Delete it. Else nothing is changed.

        clean_marks: Take the source's ids off the copies whose sources were deleted. Then no
            later run knows any more where they came from.

        site: Name of the saved Pumphouse Site block: the pair of clouds, limits and storage.

    Raises:
        ConfigError: The selection names what does not exist.
        FinalizeIncomplete: Something could not be deleted; the rest was.
    """
    began = monotonic()
    pair = load_site(site)
    run = f"{storage.utc_now():%Y%m%dT%H%M%SZ}-{str(runtime.flow_run.id)[:8]}"
    folder = Folder(pair.storage.url) / "runs" / run
    wanted = selected(written(selection, projects), exclude, plan, site)
    clouds = plans.read_clouds(pair, folder)
    intended = plans.make(pair, clouds, wanted, pair.migrate.mover)
    what = chosen(wanted, clouds[0])
    bounds = Bounds(
        now=storage.utc_now(),
        grace_s=pair.finalize.grace_s,
        whole=frozenset(what.project_ids),
        protected=frozenset(own_ids(pair)),
    )
    found = removals(intended, *clouds, bounds)
    entries: list[Entry] = []
    try:
        if delete:
            slots = Slots(site, threading.Semaphore(1), threading.Semaphore(1), is_shared=False)
            work = Work(pair, slots)
            found = _delete(work, intended, clouds, bounds, entries)
            if clean_marks:
                take_marks_off(work, [r for r in found if r.is_removed])
    finally:  # what is deleted is in the ledger also if the run is cancelled
        entries += _rest(found, entries, delete)
        seconds, link = round(monotonic() - began, 3), pair.storage.link
        report = publish_ledger(site, folder, intended, entries, seconds, link, "Finalize")
    removed = [r for r in found if r.is_removed]
    left = [r for r in found if not r.is_removed]
    get_run_logger().info("%s: %d, left: %d", "deleted" if delete else "would be deleted",
                          len(removed), len(left))  # fmt: skip
    if failed := [e for e in entries if delete and e.status in (Status.FAILED, Status.LEFT)]:
        words = [f"{e.kind} {e.name} ({e.source_id}): {e.message}" for e in failed]
        raise FinalizeIncomplete(words, len(removed), report)
    return Finalized(
        site=site,
        dry_run=not delete,
        location=folder.location,
        report=report,
        removed=removed,
        left=left,
        seconds=seconds,
    )


def selected(selection: Sequence[str], exclude: Sequence[str], plan: str, site: str) -> Selection:
    """Return what is finalized: what was chosen, or what the plan was made of and limited to."""
    if bool(selection) == bool(plan) or (plan and exclude):
        raise ConfigError("finalize", ["Give a selection, or a plan alone."])
    if plan:
        header = read_plan(plan, site)[0].header
        return Selection(
            include=header.include, exclude=header.exclude, kinds=header.kinds, snapshots=True
        )
    # With their snapshots: those that were not carried keep their volumes.
    return Selection(include=tuple(selection), exclude=tuple(exclude), snapshots=True)


def _delete(
    work: Work,
    intended: Plan,
    clouds: tuple[Estate, Estate],
    bounds: Bounds,
    entries: list[Entry],
) -> list[Removal]:
    """
    Delete kind by kind; what could not be deleted keeps what it uses.

    entries: The ledger's, to which each is added as soon as it has ended.

    Returns:
        What became of everything.
    """
    for kind in ORDER:
        found = removals(intended, *clouds, bounds)
        batch = [r for r in found if r.kind == kind and r.is_removed]
        if batch:
            delete_batch(work, kind, batch, entries.append)
        kept = frozenset(e.key for e in entries if e.status is not Status.DONE)
        bounds = bounds.model_copy(update={"kept": kept})
    return removals(intended, *clouds, bounds)


def _rest(found: Iterable[Removal], entries: Iterable[Entry], delete: bool) -> list[Entry]:
    """Return the entries of what nothing was done about: it stays, or its turn did not come."""
    told = {entry.key for entry in entries}
    left = [r for r in found if r.key not in told]
    goes = (Status.LEFT, UNTRIED) if delete else (Status.READY, "Would be deleted.")
    return [note(r, *goes) for r in left if r.is_removed] + [
        note(r, Status.FOUND, r.reason, "leave") for r in left if not r.is_removed
    ]
