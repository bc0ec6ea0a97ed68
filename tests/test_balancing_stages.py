"""Load balancers in the order of a migration: made before the servers move, switched after."""

import inspect
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prefect.states import Completed

from pumphouse.ledger import Status, entry
from pumphouse.models import Action
from pumphouse.pacing import Pacing
from pumphouse.plan import Item, Plan
from pumphouse.tasks import balancing, stages
from pumphouse.tasks.bookkeeping import Book
from pumphouse.tasks.gate import Gate
from pumphouse.tasks.moving import Work
from tests.test_bookkeeping import Future, server

FIP = {"id": "fl3", "floating_ip_address": "198.51.100.9", "is_switching": False}


def balancer(id_: str, action: Action = Action.CREATE, **row: Any) -> Item:
    said = {"floating_ips": [FIP], "server_ids": ["a"], **row}
    return Item(
        kind="load_balancers", source_id=id_, name=id_, action=action, reason="new", row=said
    )


def switched(patch: pytest.MonkeyPatch, ended: Status, *items: Item) -> tuple[Book, list[str]]:
    """Return the book and what was switched, when the server behind *items* ended as told."""
    book = Book(Plan(items=(server("a"), *items)))
    for item in items:
        book.note(
            entry(item, Status.DONE, "made", "LB").model_copy(update={"request_ids": ("r1",)})
        )
    book.note(entry(server("a"), ended))
    went: list[str] = []

    def submit(work: Work, item: Item, ids: Any) -> Future:
        went.append(item.name)
        done = entry(item, Status.DONE, "switched", "LB")
        return Future(Completed(), done.model_copy(update={"request_ids": ("r2",)}))

    patch.setattr(balancing, "switch_load_balancer", SimpleNamespace(submit=submit))
    work = cast(Work, SimpleNamespace(gate=Gate(Pacing()), meeting=None))
    balancing.switch_all(work, book)
    return book, went


def test_floating_ips_go_over_when_the_servers_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger has the requests of both halves in one entry."""
    quiet = balancer("quiet", floating_ips=[])
    book, went = switched(monkeypatch, Status.DONE, balancer("web"), quiet)
    assert went == ["web"]
    (found,) = [e for e in book.entries if e.name == "web"]
    assert (found.status, found.request_ids) == (Status.DONE, ("r1", "r2"))


@pytest.mark.parametrize("ended", [Status.FAILED, Status.LEFT])
def test_they_stay_where_the_servers_are(monkeypatch: pytest.MonkeyPatch, ended: Status) -> None:
    """The run ends failed, and says which server and what to do."""
    book, went = switched(monkeypatch, ended, balancer("web"))
    assert went == []
    (found,) = [e for e in book.entries if e.name == "web"]
    assert found.status is Status.FAILED
    assert "198.51.100.9 still leads to the source's, as behind it server a" in found.message
    assert "Run the same migration again." in found.message


def test_what_is_done_is_not_switched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load balancer whose floating IPs are over is skipped by the plan."""
    _, went = switched(monkeypatch, Status.DONE, balancer("web", Action.SKIP))
    assert went == []


def test_so_many_are_made_at_once_as_calls_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Octavia queues what comes, and each waits for its own with a time-out."""
    items = [balancer(f"lb{place}") for place in range(5)]
    book = Book(Plan(items=tuple(items)))
    sizes: list[int] = []
    monkeypatch.setattr(book, "each", lambda work, action, some: sizes.append(len(some)))
    limits = SimpleNamespace(limits=SimpleNamespace(api_calls=2))
    balancing.make_all(cast(Work, SimpleNamespace(pair=limits)), book)
    assert sizes == [2, 2, 1]


def test_they_are_made_before_and_switched_after_the_servers() -> None:
    """Their amphorae boot in nobody's downtime, and their addresses go when all is there."""
    text = inspect.getsource(stages.carry_out)
    assert text.index("make_all(") < text.index("_cut_over_all(") < text.index("switch_all(")
