"""How much is copied at once from one back end of the source."""

import threading
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pumphouse.config import Config, Limits, Timeouts
from pumphouse.limits import backend_limit, backends_of, copies_limit, cutovers_limit, names
from pumphouse.models import Action, Mover
from pumphouse.plan import Item
from pumphouse.tasks import migration
from pumphouse.tasks.moving import Clock, Slots, Work

OLD, FAST = "old@slow#pool", "old@fast#pool"


def volume(id_: str, host: str) -> dict[str, Any]:
    """Return a volume's row, as far as it counts here."""
    return {"id": id_, "host": host}


def item(kind: str, row: dict[str, Any], **values: Any) -> Item:
    """Return an item of a plan."""
    named = {"source_id": "x", "name": "x", "action": Action.CREATE, "reason": ""}
    return Item(kind=kind, row=row, **named, **values)


def server(*volumes: dict[str, Any], **movers: Mover) -> Item:
    """Return a server with volumes."""
    return item("servers", {"attached": list(volumes)}, movers=movers, mover=Mover.IMAGE)


def test_a_back_end_counts_once_whatever_is_copied_from_it() -> None:
    """By the most exact of the names that have a limit, in one order for all."""
    limited = ("slow", "old@fast#pool", "fast")
    several = server(volume("a", OLD), volume("b", FAST), volume("c", OLD))
    alone = item("volumes", volume("d", OLD), mover=Mover.RBD)

    assert backends_of([several], limited) == ("old@fast#pool", "slow")
    assert backends_of([several, alone], limited) == ("old@fast#pool", "slow")
    assert backends_of([alone], limited) == ("slow",)
    assert backends_of([item("snapshots", volume("e", FAST))], limited) == ("old@fast#pool",)
    assert backends_of([alone], ()) == ()


def test_what_is_handed_over_is_not_copied() -> None:
    """No byte of it is read."""
    kept = server(volume("a", OLD), volume("b", FAST), a=Mover.MANAGE)

    assert backends_of([kept], ("slow", "fast")) == ("fast",)
    assert backends_of([item("volumes", volume("a", OLD), mover=Mover.MANAGE)], ("slow",)) == ()


def test_one_waits_for_its_back_end_and_others_go_on() -> None:
    """A slow array holds up nobody who reads from another; its slot is free afterwards."""
    slots = Slots(
        "lab",
        threading.Semaphore(4),
        threading.Semaphore(4),
        is_shared=False,
        backends={"slow": threading.Semaphore(1)},
    )
    slow, fast = server(volume("a", OLD)), server(volume("b", FAST))

    with slots.copy(slow), slots.copy(fast):
        assert not slots.backends["slow"].acquire(blocking=False)
    assert slots.backends["slow"].acquire(blocking=False)


def test_each_has_a_limit_at_the_prefect_server() -> None:
    """So that several workers together keep to it."""
    config = Config(
        name="lab",
        source={"entry": "a"},
        target={"entry": "b"},
        limits=Limits(backends={"slow": 3}),
    )

    assert names(config)[backend_limit("lab", "slow")] == 3


def test_the_wait_for_a_slot_is_not_the_time_of_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans go by what copies took: one that waited an hour was not slow."""
    copies = threading.Semaphore(1)
    pair = SimpleNamespace(timeouts=Timeouts())
    work = Work(cast(Any, pair), Slots("lab", copies, threading.Semaphore(1), is_shared=False))
    held: list[bool] = []

    def clock() -> Clock:
        held.append(not copies.acquire(blocking=False))
        return Clock()

    api = nullcontext(SimpleNamespace(changes=[]))
    monkeypatch.setattr(migration, "Clock", clock)
    monkeypatch.setattr(Work, "open", lambda self, stack, role: stack.enter_context(api))
    monkeypatch.setattr(migration, "translated", lambda row, ids: row)
    monkeypatch.setattr(migration.images, "copy_image", lambda *_, **options: ("i1", ""))
    image = item("images", {"owner_id": "p", "size_bytes": 7})

    done = migration.copy_image.fn(work, image, {"projects": {}})

    assert (done.target_id, held) == ("i1", [True])


def test_a_slot_that_prefect_loses_ends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its server may be away for a while: a server that is down then must still be carried on."""
    asked: list[dict[str, Any]] = []

    def concurrency(name: str, **options: Any) -> nullcontext[None]:
        asked.append({"name": name, **options})
        return nullcontext()

    monkeypatch.setattr("pumphouse.tasks.slots.concurrency", concurrency)
    slots = Slots("lab", threading.Semaphore(1), threading.Semaphore(1), is_shared=True)

    with slots.cutover(), slots.copy():
        pass

    kept = {"strict": True, "raise_on_lease_renewal_failure": False}
    assert asked == [
        {"name": cutovers_limit("lab"), **kept},
        {"name": copies_limit("lab"), **kept},
    ]
