"""Return migrated servers to the source."""

import threading
from dataclasses import replace
from time import monotonic
from typing import Any

from prefect import flow, get_run_logger, runtime
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import BaseModel, ConfigDict

from pumphouse.blocks.site import Site, load_site
from pumphouse.errors import ConfigError, Refused, RollbackIncomplete
from pumphouse.estate import Estate
from pumphouse.flows.take_back import take_back_the_rest
from pumphouse.health import assigned
from pumphouse.ledger import Entry, Status, entry, failures
from pumphouse.plan import Plan
from pumphouse.returning import (
    Verdict,
    What,
    copy_id,
    losing,
    parted,
    together,
    verdict,
    volume_verdict,
)
from pumphouse.selection import Selection, written
from pumphouse.tasks import plans, storage
from pumphouse.tasks.bookkeeping import GRACE_S, Running, result, stopped
from pumphouse.tasks.deadlines import Either
from pumphouse.tasks.meeting import RETURN_POINTS, Meeting
from pumphouse.tasks.migration_report import publish_ledger
from pumphouse.tasks.moving import Slots, Work
from pumphouse.tasks.rollbacks import read_history, return_server, return_volume
from pumphouse.tasks.storage import Folder
from pumphouse.together import LARGEST

RUNNER: Any = ThreadPoolTaskRunner(max_workers=LARGEST)

UNTRIED = "The run ended before its turn; run the same rollback again."


class Rollback(BaseModel):
    """What a rollback did, or would do, with each server, and where it is written."""

    model_config = ConfigDict(frozen=True)

    site: str
    dry_run: bool
    location: str
    report: str = ""
    servers: list[Verdict]
    obstacles: list[str]
    by_hand: list[str] = []
    downtimes_s: dict[str, float] = {}
    seconds: float


@flow(
    name="rollback",
    flow_run_name="roll back at {site}",
    task_runner=RUNNER,
    on_cancellation=[take_back_the_rest],
    on_crashed=[take_back_the_rest],
)
def rollback(
    selection: list[str] = [],  # noqa: B006
    projects: list[str] = [],  # noqa: B006
    exclude: list[str] = [],  # noqa: B006
    discard_changes: bool = False,
    delete_copy: bool = False,
    dry_run: bool = False,
    site: str = "default",
) -> Rollback:
    """
    Return migrated servers to the source, each as it was when it was stopped there.

    **What the copies wrote since their cut-over is lost:** that has to be said with
    discard_changes. All is checked before anything is touched. Run it again to go on after a
    failure: what is done is found.

    Args:
        selection: Which servers, in the words of the flow plan: web-1, project:shop, tag:blue …
            Those that were not migrated are left alone; a cut-over that was cut short and left
            its server down is taken back.

        projects: Names or ids of projects whose servers return.

        exclude: Which of them not.

        discard_changes: Return servers whose copies have run, or were changed, too.

        delete_copy: Delete the copies with their disks. Else they are left, stopped, locked and
            marked; such a server is not migrated again until its old copy is deleted.

        dry_run: Do all the checks, say what would be lost, and change nothing.

        site: Name of the saved Pumphouse Site block: the pair of clouds, limits and storage.

    Raises:
        ConfigError: The selection names what does not exist.
        Refused: Something stands in the way. Nothing was touched.
        RollbackIncomplete: Some servers are not back; the rest is.
    """
    named = written(selection, projects)
    if not named:
        raise ConfigError("selection", ["Nothing is chosen; name servers, or a project."])
    began = monotonic()
    pair = load_site(site)
    run = f"{storage.utc_now():%Y%m%dT%H%M%SZ}-{str(runtime.flow_run.id)[:8]}"
    folder = Folder(pair.storage.url) / "runs" / run
    wanted = Selection(include=named, exclude=tuple(exclude))
    clouds = plans.read_clouds(pair, folder)
    intended = plans.make(pair, clouds, wanted, pair.migrate.mover)
    verdicts = _verdicts(pair, intended, *clouds, delete_copy)
    obstacles = [o for v in verdicts.values() for o in v.obstacles(discard_changes)]
    for each in verdicts.values():
        get_run_logger().info("%s: %s. %s", each.server, each.what, each.reason)
    ends = (What.RETURN, What.DELETE_COPY)
    by_hand = losing([id_ for id_, each in verdicts.items() if each.what in ends], *clouds)
    for sentence in by_hand:
        get_run_logger().warning(sentence)
    found = Rollback(
        site=site,
        dry_run=True,
        location=folder.location,
        servers=list(verdicts.values()),
        obstacles=obstacles,
        by_hand=by_hand,
        seconds=round(monotonic() - began, 3),
    )
    if dry_run:
        return found
    if obstacles:
        raise Refused("The rollback", obstacles)
    slots = Slots(
        site,
        threading.Semaphore(pair.limits.copies),
        threading.Semaphore(pair.limits.cutovers),
        is_shared=bool(runtime.deployment.id),
    )
    work = Work(pair, slots, checks=assigned(pair.health_checks, clouds[0]))
    entries: list[Entry] = []
    try:
        _return(work, intended, verdicts, delete_copy, entries)
    finally:  # what was returned is in the ledger also if the run is cancelled
        seconds, link = round(monotonic() - began, 3), pair.storage.link
        report = publish_ledger(site, folder, intended, entries, seconds, link, "Rollback")
    if failed := failures(entries):
        done = sum(e.status is Status.DONE for e in entries)
        raise RollbackIncomplete(failed, done, report)
    downtimes = {e.name: e.downtime_s for e in entries if e.downtime_s is not None}
    return found.model_copy(
        update={"dry_run": False, "report": report, "downtimes_s": downtimes, "seconds": seconds}
    )


def _verdicts(
    pair: Site, intended: Plan, source: Estate, target: Estate, deletes_copy: bool
) -> dict[str, Verdict]:
    """Return what is made of each server, and of each volume that was handed over, by its id."""
    items = intended.of("servers")
    copies = {item.source_id: id_ for item in items if (id_ := copy_id(item))}
    history = read_history(pair, copies) if copies else {}
    found = {
        item.source_id: verdict(
            item,
            target.get("servers", copies.get(item.source_id)),
            history.get(item.source_id, ()),
            deletes_copy,
            target,
        )
        for item in items
    }
    for id_, refusal in parted(items, found, source).items():
        found[id_] = found[id_].model_copy(update={"refusal": refusal})
    for item in intended.of("volumes"):
        if said := volume_verdict(item, target.get("volumes", item.target_id), target):
            found[item.source_id] = said
    return found


def _return(
    work: Work,
    intended: Plan,
    verdicts: dict[str, Verdict],
    deletes_copy: bool,
    entries: list[Entry],
) -> None:
    """
    Return groups one by one, the rest side by side.

    entries: The ledger's, to which each is added when it has ended; none is left out of it.
    """
    begun: list[Running] = []
    grouped: set[str] = set()

    def end() -> None:
        while begun:
            entries.append(result(*begun[0]))
            begun.pop(0)

    items = (*intended.of("servers"), *intended.of("volumes"))
    found = [(item, verdicts[item.source_id]) for item in items if item.source_id in verdicts]
    todo = [(item, said) for item, said in found if said.what is not What.NOTHING]
    entries += [entry(i, Status.FOUND, v.reason) for i, v in found if v.what is What.NOTHING]
    try:
        for group in together(intended.of("servers"), verdicts):
            meeting = Meeting(len(group), RETURN_POINTS)
            met = replace(work, meeting=meeting, stop=Either(work.stop, meeting.over))
            with work.slots.cutover():
                for i in group:
                    future = return_server.submit(met, i, intended.ids, What.RETURN, deletes_copy)
                    begun.append((i, future))
                end()
            grouped |= {item.key for item in group}
        for item, said in todo:
            if item.key not in grouped:
                act = return_server if item.kind == "servers" else return_volume
                future = act.submit(work, item, intended.ids, said.what, deletes_copy)
                begun.append((item, future))
        end()
    except BaseException:
        # Threads get no exception: they look at this, undo what they are at, and end.
        work.stop.set()
        entries += stopped(begun, GRACE_S)
        told = {done.key for done in entries}
        entries += [entry(i, Status.LEFT, UNTRIED) for i, _ in todo if i.key not in told]
        raise
