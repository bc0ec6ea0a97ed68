"""Do the items of a plan, batch by batch and one by one, and remember what became of each."""

import time
from collections.abc import Iterable, Iterator, Sequence

from prefect.futures import PrefectFuture
from prefect.tasks import Task

from pumphouse.errors import CutOverFailed
from pumphouse.ledger import Entry, Status, entry
from pumphouse.plan import DONE, Item, Plan
from pumphouse.tasks.batches import waits_for
from pumphouse.tasks.migration import copy_batch
from pumphouse.tasks.moving import Work

BATCHES = (
    "domains", "projects", "roles", "implied_roles", "users", "groups", "group_members",
    "assignments", "qos_specs", "volume_types", "quotas", "flavors", "keypairs", "server_groups",
    "qos_policies", "address_scopes", "subnet_pools", "address_groups",
    "networks", "subnets", "security_groups", "rules", "routers", "rbac_policies",
    "zones",
)  # fmt: skip
"""Kinds that travel as one task each, in this order; rules are a second pass over groups."""


def _shut(work: Work, item: Item) -> str:
    """Servers pass a gate, groups as a whole; return why this one may not be begun any more."""
    is_asked = item.kind == "servers" and not work.meeting
    return work.gate.hindrance(item) if is_asked else ""


STOPPED = (
    "It was under way when the run was stopped, and is undone; the run's log says how that ended."
)
GRACE_S = 20.0
"""A cancelled run's servers have this long to be undone; Prefect kills it after 30 s."""

UNTRIED = "The run ended before its turn; run the same migration again."


Running = tuple[Item, PrefectFuture[Entry]]


def result(item: Item, future: PrefectFuture[Entry]) -> Entry:
    """Return the entry of a thing when its task has ended, however that was."""
    found = future.result(raise_on_failure=False)
    if isinstance(found, Entry):
        return found
    spent = found.spent if isinstance(found, CutOverFailed) else {}
    return entry(item, Status.FAILED, str(found)).model_copy(update=spent)


def stopped(running: Iterable[Running], patience_s: float) -> Iterator[Entry]:
    """Yield the entry of each that is under way; it has *patience_s* to come to a safe end."""
    deadline = time.monotonic() + patience_s
    for item, future in running:
        future.wait(timeout=max(0.0, deadline - time.monotonic()))
        is_over = future.state.is_final()
        yield result(item, future) if is_over else entry(item, Status.FAILED, STOPPED)


class Book:
    """What has been done so far: entries, the target's ids, and what failed."""

    def __init__(self, intended: Plan) -> None:
        self.plan = intended
        self.ids = {kind: dict(of) for kind, of in intended.ids.items()}
        self.entries: list[Entry] = []
        self.failed: set[str] = set()
        self._running: list[Running] = []

    def note(self, done: Entry) -> None:
        """Add one entry. A second one of the same thing adds its requests, or its failure."""
        before = [e for e in self.entries if e.key == done.key]
        if before and done.status is not Status.FAILED:
            requests = before[0].request_ids + done.request_ids
            both = before[0].model_copy(update={"request_ids": requests})
            self.entries = [both if e.key == done.key else e for e in self.entries]
            return
        self.entries = [e for e in self.entries if e.key != done.key] + [done]
        if done.status in (Status.FAILED, Status.LEFT):
            self.failed.add(done.key)
        elif done.target_id:
            self.ids.setdefault(done.kind, {})[done.source_id] = done.target_id

    def remark(self, key: str, words: str) -> None:
        """Add *words* to what is said of an entry."""
        self.entries = [
            e.model_copy(update={"message": f"{e.message} {words}".strip()}) if e.key == key else e
            for e in self.entries
        ]

    def batch(self, work: Work, kind: str) -> None:
        """Do the items of one kind in one task; without work there is no task."""
        items = self.plan.of("security_groups" if kind == "rules" else kind)
        # A group that could not be made has failed before its rules come.
        todo = [i for i in items if i.action not in DONE and i.key not in self.failed]
        if kind != "rules":
            for item in items:
                if item.action in DONE and not item.merged_into:
                    self.note(entry(item, Status.FOUND, item.reason))
        if todo:
            lost = frozenset(self.failed)
            for done in copy_batch(work, kind, todo, self.ids, lost):
                self.note(done)
        for item in items:
            if item.merged_into:
                self._merge(item)

    def _merge(self, item: Item) -> None:
        """Note an item whose copy is that of another one, which was just made."""
        if left := waits_for(item, self.failed):
            self.note(entry(item, Status.LEFT, left))
            return
        kind, _, source_id = item.merged_into.partition(":")
        target_id = self.ids[kind].get(source_id)
        self.note(entry(item, Status.FOUND, item.reason, target_id))

    def each(self, work: Work, action: Task[..., Entry], items: Iterable[Item]) -> None:
        """Do items side by side, one task each; those that depend on a failed one are left."""
        self.start(work, action, items)
        while self._running:
            self.note(result(*self._running[0]))
            self._running.pop(0)

    def start(self, work: Work, action: Task[..., Entry], items: Iterable[Item]) -> None:
        """Begin items side by side, one task each."""
        for item in items:
            if item.action in DONE:
                self.note(entry(item, Status.FOUND, item.reason))
            elif left := waits_for(item, self.failed) or _shut(work, item):
                self.note(entry(item, Status.LEFT, left))
            else:
                self._running.append((item, action.submit(work, item, self.ids)))

    def close(self, patience_s: float) -> None:
        """
        Note what became of everything, in a run that was cancelled or cannot go on.

        What is under way has *patience_s* to come to a safe end.
        """
        for done in stopped(self._running, patience_s):
            self.note(done)
        self.carried(self.plan.of("volumes"))
        noted = {done.key for done in self.entries}
        for item in self.plan.items:
            if item.key not in noted:
                is_there = item.action in DONE
                words = item.reason if is_there else UNTRIED
                self.note(entry(item, Status.FOUND if is_there else Status.LEFT, words))

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
