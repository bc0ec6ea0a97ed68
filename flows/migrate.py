"""Move chosen servers, and everything that they depend on, to the target."""

import threading
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any, cast

from prefect import flow, get_run_logger, runtime
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import Task
from pydantic import BaseModel, ConfigDict

from pumphouse.blocks.site import Site
from pumphouse.closure import closure
from pumphouse.errors import ConfigError, MigrationIncomplete, Refused
from pumphouse.estate import Estate
from pumphouse.expressions import selected
from pumphouse.ledger import Entry, Status, entry, failures
from pumphouse.models import Action, Mover, Role
from pumphouse.plan import DONE, Item, Plan, plan
from pumphouse.selection import Selection, chosen
from pumphouse.tables import rows
from pumphouse.tasks import storage
from pumphouse.tasks.batches import waits_for
from pumphouse.tasks.migration import (
    Slots,
    Work,
    clean_up,
    copy_batch,
    copy_image,
    copy_volume,
    cut_over,
    estate,
    read_cloud,
)
from pumphouse.tasks.migration_report import publish_ledger, publish_plan
from pumphouse.tasks.storage import Folder

RUNNER: Any = ThreadPoolTaskRunner(max_workers=10)

BATCHES = (
    "domains", "projects", "roles", "users", "assignments", "quotas", "flavors", "keypairs",
    "networks", "subnets", "security_groups", "rules", "routers", "volume_types",
)  # fmt: skip
"""Kinds that travel as one task each, in this order; rules are a second pass over groups."""


class Migration(BaseModel):
    """What a migration did, and where it is written."""

    model_config = ConfigDict(frozen=True)

    site: str
    dry_run: bool
    location: str
    report: str
    actions: dict[str, int]
    done: int
    found: int
    bytes: int
    downtimes_s: dict[str, float]
    seconds: float


@flow(name="migrate", flow_run_name="migrate at {site}", task_runner=RUNNER)
def migrate(
    # Empty lists, and not None, make plain lists in the form of Prefect's UI.
    projects: list[str] = [],  # noqa: B006
    hosts: list[str] = [],  # noqa: B006
    servers: list[str] = [],  # noqa: B006
    query: str = "",
    exclude: list[str] = [],  # noqa: B006
    mover: Mover | None = None,
    dry_run: bool = False,
    site: str = "default",
) -> Migration:
    """
    Move chosen servers, and everything that they depend on, to the target.

    What is chosen is everything that projects, hosts, servers or the query name. All is
    checked before anything is touched. The source's servers are stopped and locked, never
    deleted. Run it again to go on after a failure: what is done is found.

    Args:
        projects: Names or ids of projects to move whole: servers, and also images, networks
            and volumes that no server uses.

        hosts: Hypervisors of the source whose servers move.

        servers: Names or ids of servers.

        query: Servers that match an expression over the columns of the table servers, for
            example: status == "ACTIVE" and ram_mib <= 2048

        exclude: Names or ids of servers that stay.

        mover: How root disks get there. image takes the disk as it is; rebuild boots the base
            image anew, for servers that keep nothing on it; auto asks the server's metadata.
            Empty takes the site's.

        dry_run: Do all the checks and write the plan, and change nothing.

        site: Name of the saved Pumphouse Site block: the pair of clouds, limits and storage.

    Raises:
        ConfigError: The selection names what does not exist.
        Refused: Something stands in the way. Nothing was touched.
        MigrationIncomplete: Something failed; the rest is done.
    """
    began = monotonic()
    pair = cast(Site, Site.load(site))
    run = f"{storage.utc_now():%Y%m%dT%H%M%SZ}-{str(runtime.flow_run.id)[:8]}"
    folder = Folder(pair.storage.url) / "runs" / run
    source, target = _read(pair, folder)
    what = chosen(
        Selection(
            projects=tuple(projects),
            hosts=tuple(hosts),
            servers=tuple(servers),
            matched=_matched(folder, query),
            exclude=tuple(exclude),
        ),
        source,
    )
    intended = plan(closure(source, what), source, target, mover or pair.migrate.mover)
    publish_plan(site, folder, intended)
    if intended.obstacles:
        raise Refused("The migration", intended.obstacles)
    if dry_run:
        return _result(site, folder, intended, [], began, True, "")
    entries = _carry_out(pair, site, intended, target)
    report = publish_ledger(
        site, folder, intended, entries, monotonic() - began, pair.storage.link
    )
    if failed := failures(entries):
        done = [e for e in entries if e.status in (Status.DONE, Status.FOUND)]
        raise MigrationIncomplete(failed, len(done), report)
    return _result(site, folder, intended, entries, began, False, report)


def _read(pair: Site, folder: Folder) -> tuple[Estate, Estate]:
    """Read both clouds side by side."""
    folders = {role: folder / "inventory" / role.value for role in Role}
    futures = [read_cloud.submit(pair, role, folders[role]) for role in Role]
    for future in futures:
        future.result()
    return estate(folders[Role.SOURCE]), estate(folders[Role.TARGET])


def _matched(folder: Folder, query: str) -> tuple[str, ...]:
    """Return the ids of the source's servers that *query* finds."""
    if not query.strip():
        return ()
    table = storage.read_table(folder / "inventory" / Role.SOURCE.value, "servers")
    if table is None:
        raise ConfigError("query", ["The source has no compute service, so no servers."])
    return tuple(row["id"] for row in rows("servers", selected(query, table, "servers")))


def _carry_out(pair: Site, site: str, intended: Plan, target: Estate) -> list[Entry]:
    """Do every item of the plan, stage by stage; return the ledger's entries."""
    slots = Slots(
        site,
        threading.Semaphore(pair.limits.copies),
        threading.Semaphore(pair.limits.cutovers),
        is_shared=bool(runtime.deployment.id),
    )
    work = Work(pair, slots)
    book = Book(intended)
    try:
        if any(item.action not in DONE for item in intended.items):
            clean_up(pair, {p["id"]: p["tags"] or [] for p in target.rows("projects")})
        for kind in BATCHES:
            book.batch(work, kind)
        detached = [item for item in intended.of("volumes") if not item.row["attachments"]]
        book.each(work, copy_image, intended.of("images"))
        for kind in ("ports", "floating_ips"):
            book.batch(work, kind)
        book.each(work, copy_volume, detached)
        book.each(work, cut_over, intended.of("servers"))
        book.carried(intended.of("volumes"))
    except BaseException:
        # Threads get no exception: they look at this, undo what they are at, and end.
        work.stop.set()
        raise
    return book.entries


class Book:
    """What has been done so far: entries, the target's ids, and what failed."""

    def __init__(self, intended: Plan) -> None:
        self.plan = intended
        self.ids = {kind: dict(of) for kind, of in intended.ids.items()}
        self.entries: list[Entry] = []
        self.failed: set[str] = set()

    def note(self, done: Entry) -> None:
        """Add one entry. A second one of the same thing replaces the first if it failed."""
        before = [e for e in self.entries if e.key == done.key]
        if before and done.status is not Status.FAILED:
            return
        self.entries = [e for e in self.entries if e.key != done.key] + [done]
        if done.status in (Status.FAILED, Status.LEFT):
            self.failed.add(done.key)
        elif done.target_id:
            self.ids.setdefault(done.kind, {})[done.source_id] = done.target_id

    def batch(self, work: Work, kind: str) -> None:
        """Do the items of one kind in one task; without work there is no task."""
        items = self.plan.of("security_groups" if kind == "rules" else kind)
        todo = [item for item in items if item.action not in DONE]
        if kind != "rules":
            for item in items:
                if item.action in DONE:
                    self.note(entry(item, Status.FOUND, item.reason))
        if todo:
            lost = frozenset(self.failed)
            for done in copy_batch(work, kind, todo, self.ids, lost):
                self.note(done)

    def each(self, work: Work, action: Task[..., Entry], items: Iterable[Item]) -> None:
        """Do items side by side, one task each; those that depend on a failed one are left."""
        futures: list[tuple[Item, PrefectFuture[Entry]]] = []
        for item in items:
            if item.action in DONE:
                self.note(entry(item, Status.FOUND, item.reason))
            elif left := waits_for(item, self.failed):
                self.note(entry(item, Status.LEFT, left))
            else:
                futures.append((item, action.submit(work, item, self.ids)))
        for item, future in futures:
            result = future.result(raise_on_failure=False)
            if isinstance(result, Entry):
                self.note(result)
            else:
                self.note(entry(item, Status.FAILED, str(result)))

    def carried(self, volumes: Sequence[Item]) -> None:
        """Note the volumes that went with their servers, as these did."""
        servers = {e.source_id: e for e in self.entries if e.kind == "servers"}
        for item in volumes:
            with_server = [
                servers[a["server_id"]]
                for a in item.row["attachments"] or []
                if a["server_id"] in servers
            ]
            if with_server and not any(e.key == item.key for e in self.entries):
                server = with_server[0]
                self.note(entry(item, server.status, f"With server {server.name}."))


def _result(
    site: str,
    folder: Folder,
    intended: Plan,
    entries: Sequence[Entry],
    began: float,
    dry_run: bool,
    report: str,
) -> Migration:
    actions = {a.value: sum(i.action is a for i in intended.items) for a in Action}
    done = [e for e in entries if e.status is Status.DONE]
    result = Migration(
        site=site,
        dry_run=dry_run,
        location=folder.location,
        report=report,
        actions={name: count for name, count in actions.items() if count},
        done=len(done),
        found=sum(e.status is Status.FOUND for e in entries),
        bytes=sum(e.bytes for e in done),
        downtimes_s={e.name: e.downtime_s for e in done if e.downtime_s is not None},
        seconds=round(monotonic() - began, 3),
    )
    get_run_logger().info("%s: %s", "plan only" if dry_run else "done", result.actions)
    return result
