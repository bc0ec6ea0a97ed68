"""Carry a plan out, stage by stage: what is tiny in batches, images and volumes, then servers."""

from collections.abc import Sequence
from dataclasses import replace

from prefect import get_run_logger

from pumphouse.checks import is_half_way
from pumphouse.estate import Estate
from pumphouse.images import needed
from pumphouse.ledger import Status, entry
from pumphouse.live import todo_text
from pumphouse.plan import DONE, Item
from pumphouse.snapshots import waves
from pumphouse.tasks.balancing import make_all, switch_all
from pumphouse.tasks.batches import waits_for
from pumphouse.tasks.bookkeeping import BATCHES, Book
from pumphouse.tasks.deadlines import Either
from pumphouse.tasks.meeting import Meeting
from pumphouse.tasks.migration import (
    clean_up,
    copy_image,
    copy_passwords,
    copy_snapshot,
    copy_volume,
    cut_over,
)
from pumphouse.tasks.moving import Work


def carry_out(work: Work, book: Book, target: Estate, groups: Sequence[frozenset[str]]) -> None:
    """Do every item of the plan, stage by stage."""
    intended = book.plan
    get_run_logger().info(todo_text(i.kind for i in intended.items if i.action not in DONE))
    if any(item.action not in DONE for item in intended.items):
        clean_up(work.pair, {p["id"]: p["tags"] or [] for p in target.rows("projects")})
    for kind in BATCHES:
        book.batch(work, kind)
        if kind == "users" and work.pair.passwords.mode == "hashes":
            _copy_passwords(work, book)
    detached = [item for item in intended.of("volumes") if not item.row["attachments"]]
    for with_kernel in (False, True):
        every = intended.of("images")
        items = [item for item in every if bool(needed([item.row])) == with_kernel]
        book.each(work, copy_image, items)
    for kind in ("ports", "trunks", "floating_ips"):
        book.batch(work, kind)
    make_all(work, book)
    snapshots = {item.source_id: item for item in intended.of("snapshots")}
    for ids in waves(item.row for item in snapshots.values()):
        book.each(work, copy_snapshot, [snapshots[id_] for id_ in ids])
    book.each(work, copy_volume, detached)
    _cut_over_all(work, book, groups)
    switch_all(work, book)
    book.carried(intended.of("volumes"))


def _copy_passwords(work: Work, book: Book) -> None:
    """Give users their old passwords; those who have one keep it."""
    there = book.ids.get("users", {})
    users = [i for i in book.plan.of("users") if i.source_id in there and not i.merged_into]
    pairs = [(item, there[item.source_id]) for item in users]
    for key, words in (copy_passwords(work.pair, pairs) if pairs else {}).items():
        book.remark(key, words)


def _cut_over_all(work: Work, book: Book, groups: Sequence[frozenset[str]]) -> None:
    """
    Cut over the canaries one by one, then groups as a whole, then the rest side by side.

    What a killed run has begun with is down: it goes before all.
    """
    servers = book.plan.of("servers")
    todo = [item for item in servers if item.action not in DONE]
    begun = {i.source_id for i in servers if is_half_way(i.row.get("metadata"))}
    grouped = frozenset[str]().union(*groups)
    alone = [item for item in todo if item.source_id not in grouped]
    for group in groups:
        if begun & group:
            _cut_over_group(work, book, [i for i in servers if i.source_id in group])
    book.each(work, cut_over, [item for item in alone if item.source_id in begun])
    wanted = work.gate.pacing.canary
    canaries = [item for item in alone if item.source_id not in begun][:wanted]
    for item in canaries:
        book.each(work, cut_over, [item])
        _judge(work, book, [item])
    wanted -= len(canaries)
    for group in groups:
        members = [item for item in todo if item.source_id in group]
        if begun & group or not members:
            continue
        _cut_over_group(work, book, members)
        if wanted > 0:
            # Where too few go alone, a group is one that goes first.
            _judge(work, book, members)
            wanted -= 1
    noted = {done.key for done in book.entries}
    book.each(work, cut_over, [item for item in servers if item.key not in noted])


def _judge(work: Work, book: Book, canaries: Sequence[Item]) -> None:
    """Let no further server be begun if one of *canaries* failed; what ended them before stays."""
    failed = [item.name for item in canaries if item.key in book.failed]
    if failed and not work.gate.hindrance():
        work.gate.close(f"The canary {failed[0]} failed.")


def _cut_over_group(work: Work, book: Book, items: Sequence[Item]) -> None:
    """Cut over servers that belong together; none is begun unless each can be."""
    todo = [item for item in items if item.action not in DONE]
    if not todo:
        return
    lefts = {item.name: waits_for(item, book.failed) for item in todo}
    left = next((f"{name}, of the same group: {why}" for name, why in lefts.items() if why), "")
    if left or (left := work.gate.hindrance(*todo)):
        _leave(book, todo, left)
        return
    meeting = Meeting(len(todo))
    together = replace(work, meeting=meeting, stop=Either(work.stop, meeting.over))
    with work.slots.cutover(), work.slots.copy(*todo):
        # Only now is its turn: the window may have ended while it waited for that.
        if left := work.gate.hindrance(*todo):
            _leave(book, todo, left)
            return
        book.each(together, cut_over, todo)


def _leave(book: Book, items: Sequence[Item], reason: str) -> None:
    for item in items:
        book.note(entry(item, Status.LEFT, reason))
