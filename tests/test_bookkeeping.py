"""What is merged into another thing gets that one's copy, or is left with it."""

from typing import Any, cast

import pytest

from pumphouse.ledger import Entry, Status, entry
from pumphouse.models import Action
from pumphouse.plan import Item, Plan
from pumphouse.tasks import bookkeeping
from pumphouse.tasks.bookkeeping import Book
from pumphouse.tasks.migration import Work

LEADER = Item(kind="projects", source_id="p1", name="a", action=Action.CREATE, reason="new")
MERGED = Item(
    kind="projects", source_id="p2", name="b", action=Action.ADOPT, reason="Merged into a.",
    merged_into="projects:p1", depends_on=("projects:p1",),
)  # fmt: skip


def done(patch: pytest.MonkeyPatch, status: Status, target_id: str | None) -> Book:
    """Return the book after the projects, when the first of them ended as told."""

    def copy_batch(work: Work, kind: str, items: list[Item], *rest: Any) -> list[Entry]:
        return [entry(item, status, "why", target_id) for item in items]

    patch.setattr(bookkeeping, "copy_batch", copy_batch)
    book = Book(Plan(items=(LEADER, MERGED)))
    book.batch(cast(Work, None), "projects")
    return book


def test_a_merged_thing_has_the_id_of_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that belonged to it finds its new home."""
    book = done(monkeypatch, Status.DONE, "P")
    assert book.ids["projects"] == {"p1": "P", "p2": "P"}
    assert [e.status for e in book.entries] == [Status.DONE, Status.FOUND]


def test_it_is_left_when_the_other_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its dependents are left too: it has no copy."""
    book = done(monkeypatch, Status.FAILED, None)
    assert [e.status for e in book.entries] == [Status.FAILED, Status.LEFT]
    assert {"projects:p1", "projects:p2"} == book.failed
