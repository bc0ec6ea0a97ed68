"""What is merged into another thing gets that one's copy, or is left with it."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prefect.states import Completed, Running, State

from pumphouse.checks import SINCE, STATE, WAS
from pumphouse.config import MigrateOptions, Timeouts
from pumphouse.errors import CutOverFailed
from pumphouse.ledger import Entry, Status, entry
from pumphouse.models import Action
from pumphouse.pacing import Pacing
from pumphouse.plan import Item, Plan
from pumphouse.tasks import bookkeeping, migration, stages
from pumphouse.tasks.bookkeeping import Book
from pumphouse.tasks.cutover import CutOver
from pumphouse.tasks.gate import Gate
from pumphouse.tasks.moving import Work

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


def test_rules_of_a_group_that_failed_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no id at the target that they could belong to; the other groups get theirs."""
    tried: dict[str, list[str]] = {}

    def copy_batch(work: Work, kind: str, items: list[Item], *rest: Any) -> list[Entry]:
        tried[kind] = [item.source_id for item in items]
        bad = Status.FAILED if kind == "security_groups" else Status.DONE
        return [entry(i, bad if i.source_id == "p1" else Status.DONE, "why", "T") for i in items]

    monkeypatch.setattr(bookkeeping, "copy_batch", copy_batch)
    named = {"kind": "security_groups", "depends_on": ()}
    items = tuple(LEADER.model_copy(update={**named, "source_id": i}) for i in ("p1", "p2"))
    book = Book(Plan(items=items))
    for kind in ("security_groups", "rules"):
        book.batch(cast(Work, None), kind)
    assert tried == {"security_groups": ["p1", "p2"], "rules": ["p2"]}
    assert [e.status for e in book.entries] == [Status.FAILED, Status.DONE]


class Future:
    """A task that has come so far."""

    def __init__(self, state: State[Any], result: Any = None) -> None:
        self.state, self._result = state, result

    def wait(self, timeout: float) -> None:
        """Take no time."""

    def result(self, raise_on_failure: bool) -> Any:
        """Return what it ended with."""
        return self._result


def working(gate: Gate) -> Work:
    """Return what tasks share, as far as the book looks at it."""
    return cast(Work, SimpleNamespace(gate=gate, meeting=None))


def server(id_: str) -> Item:
    """Return a server that is to be moved."""
    row = {"id": id_, "status": "ACTIVE", "metadata": {}, "attached": []}
    return Item(
        kind="servers", source_id=id_, name=id_, action=Action.CREATE, reason="new", row=row
    )


def at_work(patch: pytest.MonkeyPatch, gate: Gate, broken: str, error: Any = None) -> Work:
    """Return what a cut-over is given, whose *broken* part raises."""

    def fail(cutover: Any, *_: Any) -> Any:
        if isinstance(cutover, CutOver):
            cutover.on_step("move")
            cutover.bytes, cutover.downtime_s = 5, 7.0
        raise error or KeyError("addresses")

    patch.setattr(migration, "get_run_logger", lambda: logging.getLogger("run"))
    patch.setattr(migration, "Progress", lambda name: None)
    patch.setattr(CutOver, "run", fail)
    api = SimpleNamespace(changes=("req-1",))
    pair = SimpleNamespace(
        timeouts=Timeouts(), limits=SimpleNamespace(copies=2), migrate=MigrateOptions()
    )
    work = SimpleNamespace(
        pair=pair, slots=SimpleNamespace(cutover=free_slot, copy=free_slot), gate=gate,
        stop=threading.Event(), checks={}, moves_unhealthy=False, meeting=None,
        open=fail if broken == "open" else lambda stack, role: api,
    )  # fmt: skip
    return cast(Work, work)


@contextmanager
def free_slot(*items: Item) -> Iterator[None]:
    """Let anybody in at once."""
    yield


def cut_over_all(
    patch: pytest.MonkeyPatch, pacing: Pacing, broken: set[str], *groups: frozenset[str]
) -> dict[str, str]:
    """Return how each of four servers ended when those of *broken* fail, one after another."""
    book = Book(Plan(items=tuple(map(server, "abcd"))))
    gate = Gate(pacing)

    def submit(work: Work, item: Item, ids: Any) -> Future:
        try:
            with gate.counting():
                if item.name in broken:
                    raise OSError("broken")
        except OSError as error:
            return Future(Completed(), error)
        return Future(Completed(), entry(item, Status.DONE))

    patch.setattr(stages, "cut_over", SimpleNamespace(submit=submit))
    slots = SimpleNamespace(cutover=free_slot, copy=free_slot)
    work = Work(cast(Any, None), cast(Any, slots), gate=gate)
    stages._cut_over_all(work, book, groups)
    return dict(sorted((e.source_id, e.status.value) for e in book.entries))


@pytest.mark.parametrize(
    ("pacing", "broken", "ended"),
    [
        (Pacing(), "b", "done failed done done"),
        (Pacing(canary=2), "", "done done done done"),
        (Pacing(canary=2), "a", "failed left left left"),
        (Pacing(canary=1), "b", "done failed done done"),
        (Pacing(max_failures=1), "b", "done failed left left"),
        (Pacing(until=datetime(2020, 1, 1, tzinfo=UTC)), "", "left left left left"),
    ],
)
def test_servers_are_begun_as_the_pacing_says(
    monkeypatch: pytest.MonkeyPatch, pacing: Pacing, broken: str, ended: str
) -> None:
    """Canaries go first; after too many failures, or the window's end, no other goes."""
    assert list(cut_over_all(monkeypatch, pacing, set(broken)).values()) == ended.split()


def test_what_a_killed_run_has_begun_with_goes_first_and_always(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is down: the window that ended and the canary that failed are for those that run."""
    half = {"metadata": {WAS: "ACTIVE", STATE: f"{SINCE}1"}}
    servers = [server(id_) for id_ in "abcdef"]
    for place in (2, 4):
        servers[place] = servers[place].model_copy(update={"row": half})
    book, begun = Book(Plan(items=tuple(servers))), list[str]()

    def submit(work: Work, item: Item, ids: Any) -> Future:
        begun.append(item.name)
        return Future(Completed(), entry(item, Status.DONE))

    monkeypatch.setattr(stages, "cut_over", SimpleNamespace(submit=submit))
    slots = SimpleNamespace(cutover=nullcontext, copy=lambda *_: nullcontext())
    pacing = Pacing(canary=1, until=datetime(2020, 1, 1, tzinfo=UTC))
    work = Work(cast(Any, None), cast(Any, slots), gate=Gate(pacing))

    stages._cut_over_all(work, book, (frozenset("ab"), frozenset("de")))

    assert begun == ["d", "e", "c"]
    assert {e.name for e in book.entries if e.status is Status.LEFT} == set("abf")


@pytest.mark.parametrize(
    ("groups", "canary", "broken", "ended"),
    [
        ("ab cd", 1, "a", "failed done left left"),
        ("ab cd", 1, "c", "done done failed done"),
        ("ab cd", 2, "c", "done done failed done"),
        # Who goes alone goes first; a group counts as one where these are too few.
        ("ab", 1, "a", "failed done done done"),
        ("ab", 2, "a", "failed done done done"),
        ("ab", 2, "c", "left left failed left"),
        ("ab c", 2, "a", "failed done left done"),
        ("ab cd", 0, "a", "failed done done done"),
    ],
)
def test_a_group_is_a_canary_where_too_few_servers_go_alone(
    monkeypatch: pytest.MonkeyPatch, groups: str, canary: int, broken: str, ended: str
) -> None:
    """An operator who asks for a canary has one, also when all servers move in groups."""
    sets = map(frozenset, groups.split())
    found = cut_over_all(monkeypatch, Pacing(canary=canary), set(broken), *sets)
    assert list(found.values()) == ended.split()


@pytest.mark.parametrize("broken", ["open", "run"])
def test_whatever_fails_in_a_cut_over_is_counted(
    monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """An error that nobody foresaw, and a cloud that cannot be reached, are failures too."""
    work = at_work(monkeypatch, Gate(Pacing(max_failures=1)), broken)
    with pytest.raises(KeyError):
        migration.cut_over.fn(work, server("a"), {})
    assert "1 server(s) failed" in work.gate.hindrance()


def test_a_cut_over_that_failed_tells_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks for the reason in a cloud's logs needs when it was, and the requests."""
    error = CutOverFailed("a", "move", "It is full.", "Everything was undone.")
    work = at_work(monkeypatch, Gate(Pacing()), "run", error)
    with pytest.raises(CutOverFailed) as caught:
        migration.cut_over.fn(work, server("a"), {})
    book = Book(Plan(items=(server("a"),)))
    task = SimpleNamespace(submit=lambda *_: Future(Completed(), caught.value))

    book.each(work, cast(Any, task), [server("a")])

    (failed,) = book.entries
    assert failed.status is Status.FAILED
    assert failed.started_at is not None
    # Two of them: nobody signed in as its owner.
    assert (failed.bytes, failed.downtime_s, failed.request_ids) == (5, 7.0, ("req-1",) * 2)


@pytest.mark.parametrize(
    ("status", "metadata", "said"),
    [
        ("SHUTOFF", {}, "a (a): move (stopped before)"),
        ("SHUTOFF", {WAS: "ACTIVE"}, "a (a): move"),
        ("ACTIVE", {}, "a (a): move"),
    ],
)
def test_a_server_that_a_killed_run_stopped_is_shown_as_down(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: str,
    metadata: dict[str, str],
    said: str,
) -> None:
    """Whoever watches sees a downtime where there is one: it ran before."""
    item = server("a")
    item.row.update(status=status, metadata=metadata)
    work = at_work(monkeypatch, Gate(Pacing()), "run")
    with caplog.at_level(logging.INFO, "run"), pytest.raises(KeyError):
        migration.cut_over.fn(work, item, {})
    assert caplog.messages == [said]


def test_a_group_whose_turn_comes_too_late_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window may end while it waits for its slots; then none of it is begun."""
    book = Book(Plan(items=tuple(map(server, "ab"))))
    gate = Gate(Pacing())

    @contextmanager
    def slot(*items: Item) -> Iterator[None]:
        gate.close("The window has ended.")
        yield

    slots = SimpleNamespace(cutover=slot, copy=slot)
    work = Work(cast(Any, None), cast(Any, slots), gate=gate)
    monkeypatch.setattr(stages, "cut_over", None)

    stages._cut_over_all(work, book, (frozenset("ab"),))

    assert [(e.status, e.message) for e in book.entries] == [
        (Status.LEFT, "The window has ended.")
    ] * 2


def test_volumes_of_a_cancelled_run_end_as_their_servers_did() -> None:
    """One that went with its server is not left, and one whose server was not begun is."""
    items = [server("moved"), server("not begun")]
    for id_, name in (("v1", "moved"), ("v2", "not begun"), ("v3", "")):
        row = {"attachments": [{"server_id": name}] if name else []}
        item = items[0].model_copy(update={"kind": "volumes", "source_id": id_, "row": row})
        items.append(item)
    book = Book(Plan(items=tuple(items)))
    book.note(entry(items[0], Status.DONE))

    book.close(0)

    ended = {e.source_id: (e.status, e.message) for e in book.entries if e.kind == "volumes"}
    assert ended == {
        "v1": (Status.DONE, "With server moved."),
        "v2": (Status.LEFT, bookkeeping.UNTRIED),
        "v3": (Status.LEFT, bookkeeping.UNTRIED),
    }


def test_a_cancelled_run_has_an_entry_for_everything() -> None:
    """What ended, what was stopped on the way, and what was not begun."""
    items = [
        Item(kind="servers", source_id=id_, name=id_, action=Action.CREATE, reason="new")
        for id_ in ("undone", "moved", "stopped", "not begun")
    ]
    items.append(items[0].model_copy(update={"source_id": "there", "action": Action.ADOPT}))
    book = Book(Plan(items=tuple(items)))
    futures = iter([
        Future(Completed(), OSError("undone")),
        Future(Completed(), entry(items[1], Status.DONE)),
        Future(Running()),
    ])  # fmt: skip
    task = SimpleNamespace(submit=lambda work, item, ids: next(futures))
    book.start(working(Gate(Pacing())), cast(Any, task), items[:3])

    book.close(0)

    assert [(e.source_id, e.status) for e in book.entries] == [
        ("undone", Status.FAILED), ("moved", Status.DONE), ("stopped", Status.FAILED),
        ("not begun", Status.LEFT), ("there", Status.FOUND),
    ]  # fmt: skip
