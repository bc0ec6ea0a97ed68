"""The order of a cut-over and of its undo, without a cloud."""

import time
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from threading import Event
from typing import Any, cast

import pytest

from pumphouse.checks import SINCE, STATE, WAS
from pumphouse.comparison import MIGRATED_TO
from pumphouse.config import Timeouts
from pumphouse.errors import CutOverFailed, RequestFailed, WaitFailed
from pumphouse.forwardings import FLOATING, FORWARD
from pumphouse.health import Check, HealthCheck
from pumphouse.models import SOURCE_ID, Action, Mover
from pumphouse.plan import Item
from pumphouse.steps import NAMES
from pumphouse.tasks import (
    claims,
    crossing_disks,
    health,
    return_undo,
    rollback,
    servers,
    volume_movers,
    volumes,
)
from pumphouse.tasks import cutover as steps
from pumphouse.tasks.api import Api
from pumphouse.tasks.crossing import GROUP, LOCKED, MIGRATED, UNDOING
from pumphouse.tasks.cutover import CutOver
from pumphouse.tasks.meeting import RENEWED
from pumphouse.tasks.taking_back import take_back
from tests.fakecloud import Answer, FakeCloud, Request

ROW = {
    "user_id": "u",
    "project_id": "p",
    "flavor_name": "small",
    "image_id": "i",
    "attached": [],
    "ports": [],
}
LIVE = {"status": "ACTIVE", "metadata": {}, "os-extended-volumes:volumes_attached": []}


class Nobody:
    """An Api that is looked at and never called."""

    name = "source"
    changes: tuple[str, ...] = ()

    def adapter(self, service: str) -> None:
        """Have every service."""

    def microversion(self, service: str) -> None:
        """Have no microversion."""


@pytest.fixture
def cutover(monkeypatch: pytest.MonkeyPatch) -> CutOver:
    """Return a cut-over whose preparation finds a running server and no copy."""
    monkeypatch.setattr(servers, "read_server", lambda api, id_: dict(LIVE))
    monkeypatch.setattr(servers, "find_copy", lambda api, row: None)
    monkeypatch.setattr(servers, "delete_snapshots", lambda api, id_: None)
    monkeypatch.setattr("pumphouse.tasks.images.delete_copies", lambda api, id_: None)
    monkeypatch.setattr(CutOver, "_flavor", lambda self: "f")
    api = cast(Api, Nobody())
    item = Item(
        kind="servers", source_id="s", name="web", action=Action.CREATE, reason="", row=ROW
    )
    return CutOver(
        source=api,
        target=api,
        sign_in=lambda user, project: nullcontext((api, "")),
        item=item,
        ids={"users": {"u": "U"}, "projects": {"p": "P"}},
        timeouts=Timeouts(),
    )


def recorded(monkeypatch: pytest.MonkeyPatch, broken: Mapping[str, BaseException]) -> list[str]:
    """Replace every step and undo by a note of its name; those of *broken* raise."""
    calls: list[str] = []

    def replace(name: str) -> None:
        def step(cutover: Any) -> None:
            calls.append(name)
            if name in broken:
                raise broken[name]

        if name.startswith("do_"):
            monkeypatch.setattr(CutOver, name, step)
        else:
            undos[name.removeprefix("undo_")] = step

    undos: dict[str, Any] = {}
    for name in NAMES:
        replace(f"do_{name}")
        if name in rollback.UNDO:
            replace(f"undo_{name}")
    monkeypatch.setattr(rollback, "UNDO", undos)
    return calls


def test_an_unforeseen_error_is_undone_too(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong, the server does not stay down."""
    calls = recorded(monkeypatch, {"do_boot": KeyError("addresses")})

    with pytest.raises(CutOverFailed, match=r"boot: KeyError: 'addresses'.*Everything was undone"):
        cutover.run()

    undone = [name for name in calls if name.startswith("undo_")]
    assert undone == [
        "undo_boot", "undo_move", "undo_isolate", "undo_stop", "undo_lock", "undo_remember",
        "undo_bulk",
    ]  # fmt: skip


@pytest.mark.parametrize("error", [CancelledError(), KeyboardInterrupt()])
def test_what_prefect_stops_is_undone_and_stays_what_it_is(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Prefect injects it into a thread: the server does not stay down, Prefect gets it back."""
    calls, said = recorded(monkeypatch, {"do_move": error}), list[str]()
    cutover.log = said.append

    with pytest.raises(type(error)) as caught:
        cutover.run()

    assert caught.value is error
    assert calls[-4:] == ["undo_stop", "undo_lock", "undo_remember", "undo_bulk"]
    assert "Everything was undone" in said[-1]


def test_the_journal_stays_while_something_is_not_undone(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run carries on from the journal: it goes last, and only if all else is back."""
    broken: dict[str, Exception] = {"do_verify": OSError("x"), "undo_boot": OSError("gone")}
    calls = recorded(monkeypatch, broken)

    with pytest.raises(CutOverFailed, match="NOT everything could be undone: boot: OSError: gone"):
        cutover.run()

    assert "undo_stop" in calls
    assert "undo_remember" not in calls


def test_a_copy_without_a_journal_is_not_taken_for_ours(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its disks are of an unknown time: nothing is touched, the operator is told."""
    calls = recorded(monkeypatch, {})
    monkeypatch.setattr(servers, "find_copy", lambda api, row: {"id": "stray", "status": "ACTIVE"})

    with pytest.raises(CutOverFailed, match=r"prepare.*stray carries its id.*Nothing was touched"):
        cutover.run()

    assert calls == []


PASSES = Check(name="good", how=HealthCheck(of=["everything"], command={"argv": ["true"]}))
FAILS = Check(
    name="bad", how=HealthCheck(of=["everything"], command={"argv": ["false"]}, attempts=1)
)


def test_a_server_that_fails_its_checks_is_not_touched(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What did not work before would be blamed on the move; nothing is done."""
    calls = recorded(monkeypatch, {})
    cutover.checks = (PASSES, FAILS)

    with pytest.raises(CutOverFailed, match=r"prepare: .*bad: false failed.*Nothing was touched"):
        cutover.run()

    assert calls == []


def test_a_server_that_is_moved_all_the_same_is_not_asked_again(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told so, what failed before is noted in the journal, and only the rest is demanded."""
    written: dict[str, str] = {}
    monkeypatch.setattr(servers, "write_metadata", lambda api, id_, values: written.update(values))
    cutover.checks, cutover.moves_unhealthy = (PASSES, FAILS), True
    cutover.live, cutover.copy = {**LIVE}, {"id": "S"}

    cutover._check_health()
    cutover.do_remember()
    cutover.do_check()

    assert written["pumphouse:ailing:bad"] == "yes"
    assert cutover.health == "1 passed: good; failed before, not asked again: bad"


def test_a_copy_that_fails_its_checks_is_taken_back(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing check after the cut-over undoes it; the source server is asked once more."""
    answers = iter([{}, {"good": "It is dead."}, {}])
    monkeypatch.setattr(health, "ailments", lambda *_: next(answers))
    do_check = CutOver.do_check
    calls = recorded(monkeypatch, {})
    monkeypatch.setattr(CutOver, "do_check", do_check)
    monkeypatch.setattr(CutOver, "do_boot", lambda self: setattr(self, "copy", {"id": "S"}))
    cutover.checks, cutover.journal = (PASSES,), {"pumphouse:was": "ACTIVE"}

    with pytest.raises(CutOverFailed, match=r"It is dead.*It passes its health checks"):
        cutover.run()

    assert "undo_boot" in calls


def test_a_server_in_other_hands_is_not_touched(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second run on it would undo what the first one does."""
    calls = recorded(monkeypatch, {})
    monkeypatch.setattr(claims, "rival", lambda note: "Run x moves it." if note else "")
    taken = LIVE | {"metadata": {WAS: "ACTIVE", claims.RUN: "x h 1 1"}}
    monkeypatch.setattr(servers, "read_server", lambda api, id_: taken)

    with pytest.raises(CutOverFailed, match=r"Run x moves it\..*Nothing was touched"):
        cutover.run()

    assert calls == []


def test_it_is_asked_again_right_before_the_journal_is_written(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking and writing another run may have begun: its journal stays."""
    taken = LIVE | {"metadata": {WAS: "ACTIVE", claims.RUN: "x h 1 1"}}
    seen = [dict(LIVE), taken]
    monkeypatch.setattr(servers, "read_server", lambda api, id_: seen.pop(0))
    monkeypatch.setattr(claims, "rival", lambda note: "Run x moves it." if note else "")
    removed: list[str] = []
    monkeypatch.setattr(servers, "remove_metadata", lambda api, id_, keys: removed.extend(keys))

    with pytest.raises(CutOverFailed, match=r"remember: .*Run x moves it"):
        cutover.run()

    assert removed == []


def test_it_is_seen_anew_after_the_wait_for_others_of_its_group(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may copy ahead for hours: what it became meanwhile is what the journal says."""
    seen = [dict(LIVE), {**LIVE, "status": "SHUTOFF", "locked": True}]
    monkeypatch.setattr(servers, "read_server", lambda api, id_: seen.pop(0))
    monkeypatch.setattr(servers, "write_metadata", lambda *_: None)
    cutover.live = servers.read_server(cutover.source, "s")

    cutover.do_remember()

    assert (cutover.journal[WAS], cutover.journal[LOCKED]) == ("SHUTOFF", "yes")


@pytest.mark.parametrize(
    "became",
    [
        {"OS-EXT-STS:task_state": "resize_prep"},
        {"status": "PAUSED"},
        {"os-extended-volumes:volumes_attached": [{"id": "v9"}]},
    ],
)
def test_what_became_another_server_while_it_waited_is_not_touched(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch, became: dict[str, Any]
) -> None:
    """It is looked at after the wait, and before anything is written."""
    remember = CutOver.do_remember
    calls = recorded(monkeypatch, {})
    monkeypatch.setattr(CutOver, "do_remember", remember)
    seen = [dict(LIVE), {**LIVE, **became}]
    monkeypatch.setattr(servers, "read_server", lambda api, id_: seen.pop(0))

    with pytest.raises(CutOverFailed, match=r"remember: .*Nothing was touched"):
        cutover.run()

    assert calls == ["do_bulk"]


def test_what_is_copied_ahead_anew_is_so_before_any_of_its_group_stops(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that ran since an earlier run has its long copies after the lock."""
    calls: list[str] = []
    monkeypatch.setattr(steps, "delete_copies", lambda _: calls.append("delete"))
    monkeypatch.setattr(steps, "copy_ahead", lambda _: calls.append("copy ahead"))
    monkeypatch.setattr(servers, "write_metadata", lambda *_: calls.append("note since when"))
    monkeypatch.setattr(servers, "set_power", lambda *_: calls.append("stop"))
    cutover.live, cutover.after_step = dict(LIVE), calls.append

    cutover.do_stop()
    assert calls == [RENEWED, "stop"]

    calls.clear()
    cutover.live, cutover.is_resumed = dict(LIVE), True
    cutover.do_stop()
    # The downtime counts from that note, and until it the copies are taken for old.
    assert calls == ["delete", "copy ahead", RENEWED, "note since when", "stop"]


def test_to_look_again_at_one_of_a_group_makes_it_no_other_runs(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its own journal by then: its downtime counts from its stop, not from that."""
    noted = {**LIVE, "metadata": {WAS: "ACTIVE", STATE: f"{SINCE}1"}}
    monkeypatch.setattr(servers, "read_server", lambda api, id_: dict(noted))
    monkeypatch.setattr(servers, "set_power", lambda *_: None)
    cutover.group, cutover.live = "g", dict(LIVE)
    cutover.journal = dict(cast(dict[str, str], noted["metadata"]))

    cutover.do_stop()

    assert not cutover.is_resumed
    assert cutover.down_for() < 1000


@pytest.mark.parametrize(
    ("was", "is_resumed", "downtime_s"),
    [("ACTIVE", False, 7), ("ACTIVE", True, 90), ("SHUTOFF", False, None)],
)
def test_a_cut_over_that_failed_tells_how_long_the_server_was_down(
    cutover: CutOver,
    monkeypatch: pytest.MonkeyPatch,
    was: str,
    is_resumed: bool,
    downtime_s: float | None,
) -> None:
    """From the stop, which may have been an earlier run's, until it was given back."""

    def undo(cutover: CutOver, step: str) -> str:
        cutover.journal[STATE] += UNDOING
        cutover.stopped_at = time.monotonic() - 7
        return "Everything was undone."

    recorded(monkeypatch, {"do_move": OSError("full")})
    monkeypatch.setattr(steps, "undo", undo)
    monkeypatch.setattr(CutOver, "prepare", lambda self, stack: None)
    cutover.is_resumed = is_resumed
    cutover.journal = {WAS: was, STATE: f"{SINCE}{int(time.time()) - 90}"}

    with pytest.raises(CutOverFailed):
        cutover.run()

    assert cutover.downtime_s == (downtime_s and pytest.approx(downtime_s, abs=3))


HALF_WAY = {WAS: "ACTIVE", STATE: f"{SINCE}1", claims.RUN: "x h 1 1"}
ARRIVED = {WAS: "ACTIVE", STATE: MIGRATED, MIGRATED_TO: "V1", claims.RUN: "y h 1 1"}


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ([ARRIVED], "prepare: .*target, as V1, already"),
        # While it was waited for Nova, or right before the journal was written.
        ([HALF_WAY, ARRIVED], "prepare: .*target, as V1, already"),
        ([{}, ARRIVED], "remember: .*target, as V1, already"),
        ([HALF_WAY, HALF_WAY, ARRIVED], "remember: .*target, as V1, already"),
        ([HALF_WAY, HALF_WAY, {}], "remember: .*just ended was at it"),
    ],
)
def test_what_another_run_has_moved_meanwhile_is_not_touched(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch, seen: list[dict[str, str]], said: str
) -> None:
    """It may be in production there: it is neither carried on nor undone by an older plan."""
    remember, undos = CutOver.do_remember, rollback.UNDO
    calls = recorded(monkeypatch, {})
    monkeypatch.setattr(CutOver, "do_remember", remember)
    monkeypatch.setattr(rollback, "UNDO", undos)
    monkeypatch.setattr(claims, "rival", lambda note: "")
    answers = [LIVE | {"metadata": metadata} for metadata in seen]
    monkeypatch.setattr(servers, "read_server", lambda api, id_: answers.pop(0))
    monkeypatch.setattr(servers, "settle", lambda api, id_, *_: answers.pop(0))

    with pytest.raises(CutOverFailed, match=rf"{said}.*Nothing was touched"):
        cutover.run()

    assert [call for call in calls if call != "do_bulk"] == []


DOWN = {"status": "SHUTOFF", "metadata": HALF_WAY, "os-extended-volumes:volumes_attached": []}


def test_what_an_earlier_run_left_down_is_said_when_it_cannot_go_on(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads that it is as it was would leave it down."""
    calls = recorded(monkeypatch, {})
    monkeypatch.setattr(claims, "rival", lambda note: "")
    monkeypatch.setattr(servers, "read_server", lambda *_: DOWN)
    monkeypatch.setattr(servers, "settle", lambda *_: DOWN)
    monkeypatch.setattr(CutOver, "_flavor", lambda self: _raise(WaitFailed("flavor", "None.")))

    with pytest.raises(CutOverFailed, match=r"prepare: .*left it SHUTOFF .*pumphouse rollback"):
        cutover.run()

    assert calls == []


@pytest.mark.parametrize("last", ["prepare", "bulk"])
def test_what_is_cancelled_before_it_is_claimed_stays_half_way(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    """Nothing of it was undone, and that it was SHUTOFF before is not so."""
    calls = recorded(monkeypatch, {})
    monkeypatch.setattr(claims, "rival", lambda note: "")
    monkeypatch.setattr(servers, "read_server", lambda *_: DOWN)
    monkeypatch.setattr(servers, "settle", lambda *_: DOWN)
    cutover.stop = Event()
    cutover.after_step = lambda name: cutover.stop.set() if name == last else None

    with pytest.raises(CutOverFailed, match=r"Nothing was touched; .*left it SHUTOFF") as caught:
        cutover.run()

    assert "undone" not in str(caught.value)
    assert not [call for call in calls if call.startswith("undo")]


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    "metadata", [ARRIVED, HALF_WAY | {claims.RUN: "y h 1 1"}, {}, {claims.RUN: "x h 1 1"}]
)
def test_what_another_run_has_seen_to_is_not_taken_back(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch, metadata: dict[str, str]
) -> None:
    """Between the end of a run and its taking back, another may have moved or undone it."""
    calls = recorded(monkeypatch, {})
    monkeypatch.setattr(claims, "rival", lambda note: "")
    monkeypatch.setattr(servers, "read_server", lambda api, id_: LIVE | {"metadata": metadata})

    assert "nothing was touched" in take_back(cutover, "x")

    assert calls == []


def test_what_a_killed_run_left_is_taken_back(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step is undone, by what the journal says."""
    calls = recorded(monkeypatch, {})
    journal = {**HALF_WAY, "pumphouse:locked": "no"}
    monkeypatch.setattr(claims, "rival", lambda note: "")
    monkeypatch.setattr(
        servers, "read_server", lambda api, id_: LIVE | {"metadata": {**journal, "mine": "1"}}
    )
    monkeypatch.setattr(servers, "write_metadata", lambda api, id_, values: None)

    said = take_back(cutover, "x")

    assert calls == [
        f"undo_{name}" for name in reversed(NAMES[:-1]) if name not in ("verify", "check")
    ]
    assert set(cutover.journal) == set(journal)
    assert "ACTIVE as before" in said


@pytest.mark.parametrize(
    ("state", "copy", "arrives"),
    [
        ("migrated", {"id": "c"}, True),
        ("cutting over since 1", {"id": "c"}, False),
        # Somebody has deleted what was verified: nothing else runs but the source.
        ("migrated", None, False),
    ],
)
def test_what_belongs_together_is_not_parted_by_a_killed_run(
    cutover: CutOver,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    copy: dict[str, str] | None,
    arrives: bool,
) -> None:
    """One is noted as moved only when all are verified: then the others are ended, not undone."""
    calls = recorded(monkeypatch, {})
    journal = {**HALF_WAY, GROUP: "g"}
    every = [{"metadata": journal}, {"metadata": {GROUP: "g", STATE: state}},
             {"metadata": {GROUP: "h", STATE: "migrated"}}, {"metadata": {}}]  # fmt: skip
    monkeypatch.setattr(claims, "rival", lambda note: "")
    monkeypatch.setattr(servers, "read_server", lambda api, id_: LIVE | {"metadata": journal})
    monkeypatch.setattr(servers, "write_metadata", lambda api, id_, values: None)
    monkeypatch.setattr(servers, "find_copy", lambda api, row: copy)
    monkeypatch.setattr(Nobody, "list", lambda *_, **options: every, raising=False)

    take_back(cutover, "x")

    assert (calls == ["do_mark"]) is arrives
    assert ("undo_stop" in calls) is not arrives


def test_bytes_that_an_undone_server_may_have_changed_since_are_not_used(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ran after its undo, which left copies behind, and is stopped: these are not taken."""
    metadata: dict[str, str] = {}
    live = {**LIVE, "id": "s", "metadata": metadata}
    monkeypatch.setattr(
        servers, "read_server", lambda api, id_: {**live, "metadata": {**metadata}}
    )
    monkeypatch.setattr(servers, "settle", lambda api, id_, *_: servers.read_server(api, id_))
    monkeypatch.setattr(servers, "write_metadata", lambda api, id_, new: metadata.update(new))
    monkeypatch.setattr(
        servers, "set_power",
        lambda api, server, is_on, *_: live.update(status="ACTIVE" if is_on else "SHUTOFF"),
    )  # fmt: skip
    monkeypatch.setattr(claims, "rival", lambda note: "")
    undo_stop, do_remember, do_stop = rollback.UNDO["stop"], CutOver.do_remember, CutOver.do_stop
    broken: dict[str, Exception] = {"do_verify": OSError("x"), "undo_move": OSError("away")}
    calls = recorded(monkeypatch, broken)
    monkeypatch.setattr(CutOver, "do_remember", do_remember)
    monkeypatch.setattr(CutOver, "do_stop", do_stop)
    monkeypatch.setitem(cast(Any, rollback.UNDO), "stop", undo_stop)
    monkeypatch.setattr(steps, "delete_copies", lambda _: calls.append("delete_copies"))
    again = replace(cutover)
    with pytest.raises(CutOverFailed, match="NOT everything could be undone: move: OSError: away"):
        cutover.run()
    assert live["status"] == "ACTIVE"

    live["status"] = "SHUTOFF"
    broken.clear()
    calls.clear()
    again.copy = {"id": "S"}
    monkeypatch.setattr(CutOver, "do_check", lambda self: setattr(self, "copy", {"id": "S"}))
    again.run()

    assert calls[:4] == ["do_bulk", "do_lock", "delete_copies", "do_isolate"]
    assert metadata[STATE].removeprefix(SINCE).isdigit()


@pytest.mark.parametrize(
    "meanwhile",
    [{"status": "SHUTOFF"}, {"os-extended-volumes:volumes_attached": [{"id": "new"}]}],
)
def test_what_a_tenant_did_before_the_lock_is_seen_after_it(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch, meanwhile: dict[str, Any]
) -> None:
    """It started or stopped the server, or attached a volume, between the journal and the lock."""
    live = dict(LIVE)
    monkeypatch.setattr(servers, "read_server", lambda api, id_: dict(live))
    monkeypatch.setattr(servers, "act", lambda *_, **__: live.update(meanwhile))
    do_lock = CutOver.do_lock
    calls = recorded(monkeypatch, {})
    monkeypatch.setattr(CutOver, "do_lock", do_lock)
    cutover.journal = {WAS: "ACTIVE"}

    with pytest.raises(CutOverFailed, match=r"lock: .* Its tenant was at it") as failed:
        cutover.run()

    assert f"is {live['status']} as before" in str(failed.value)
    assert "do_stop" not in calls


def test_how_it_was_stays_noted_when_an_earlier_run_has_stopped_it(cutover: CutOver) -> None:
    """A volume that came to it meanwhile ends the cut-over: the undo has to start the server."""
    cutover.live, cutover.journal, cutover.is_resumed = DOWN, {WAS: "ACTIVE"}, True

    with pytest.raises(WaitFailed, match="Its tenant was at it"):
        cutover._require_as_noted({**DOWN, "os-extended-volumes:volumes_attached": [{"id": "x"}]})

    assert cutover.journal == {WAS: "ACTIVE"}


def test_a_note_that_cannot_be_written_keeps_no_server_down(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its undo says that the note is missing, and starts the server all the same."""
    powered: list[bool] = []

    def refuse(*_: object) -> None:
        raise RequestFailed("source", "POST /servers/s/metadata", 403, "Quota exceeded.")

    monkeypatch.setattr(servers, "write_metadata", refuse)
    monkeypatch.setattr(servers, "settle", lambda *_: LIVE)
    monkeypatch.setattr(servers, "set_power", lambda *args: powered.append(args[2]))
    undo_stop = rollback.UNDO["stop"]
    recorded(monkeypatch, {"do_isolate": OSError("away")})
    monkeypatch.setitem(cast(Any, rollback.UNDO), "stop", undo_stop)
    cutover.journal = {WAS: "ACTIVE"}

    with pytest.raises(CutOverFailed, match=r"could be undone: stop: .*Quota exceeded"):
        cutover.run()
    assert powered == [True]


class Neutron:
    """Two ports and two floating IPs, as Neutron keeps them; there is no router for *cut_off*."""

    def __init__(self, cloud: FakeCloud, is_up: bool, letter: str) -> None:
        self.cut_off = ""
        self.ports = {f"{letter}{n}": is_up for n in (1, 2)}
        self.bound = {f"f{letter}{n}": f"{letter}{n}" if is_up else None for n in (1, 2)}
        self.forwarded: list[str] = []
        cloud.route("GET", "network", "/ports/{id}", self.port)
        cloud.route("PUT", "network", "/ports/{id}", self.change)
        cloud.route("GET", "network", "/floatingips/{id}", self.floating_ip)
        cloud.route("PUT", "network", "/floatingips/{id}", self.bind)
        path = "/floatingips/{id}/port_forwardings"
        cloud.route("GET", "network", path, {"port_forwardings": []})
        cloud.route("POST", "network", path, self.forward)

    def port(self, request: Request) -> Any:
        return {"port": {"admin_state_up": self.ports[request.parts["id"]]}}

    def change(self, request: Request) -> Any:
        self.ports[request.parts["id"]] = request.json()["port"]["admin_state_up"]
        return {}

    def floating_ip(self, request: Request) -> Any:
        return {"floatingip": {"port_id": self.bound[request.parts["id"]]}}

    def bind(self, request: Request) -> Any:
        if request.parts["id"] == self.cut_off:
            return Answer(404, {"message": "External network is not reachable."})
        self.bound[request.parts["id"]] = request.json()["floatingip"]["port_id"]
        return {}

    def forward(self, request: Request) -> Answer:
        self.forwarded.append(request.json()["port_forwarding"]["internal_port_id"])
        return Answer(201, {"port_forwarding": {"id": "x"}})


@contextmanager
def networked(cutover: CutOver, role: str, is_up: bool) -> Iterator[tuple[FakeCloud, Neutron]]:
    """Let *cutover* have a port, one below it, two floating IPs and forwardings, at that cloud."""
    row = {**ROW, "ports": [{"id": "s1"}], "subports": [{"id": "s2"}]}
    cutover.item = cutover.item.model_copy(update={"row": row})
    cutover.ids = {
        **cutover.ids,
        "ports": {"s1": "t1", "s2": "t2"},
        "floating_ips": {"fs1": "ft1", "fs2": "ft2", "fw": "FW"},
    }
    cutover.copy = {"id": "S"}
    cutover.journal = {f"{FLOATING}fs1": "s1 10.0.0.5", f"{FLOATING}fs2": "s2"}
    for n in (1, 2):
        cutover.journal[f"{FORWARD}{n}"] = f"fw tcp 8{n} 80 s{n} 10.0.0.{n}"
    with FakeCloud() as cloud, Api(cloud.block(retries=0), role) as api:
        setattr(cutover, role, api)
        neutron = Neutron(cloud, is_up, role[0])
        neutron.bound["fw" if role == "source" else "FW"] = None
        yield cloud, neutron


@pytest.mark.parametrize("status", [404, 500])
@pytest.mark.parametrize(
    ("undo", "role", "is_up"),
    [
        (rollback.UNDO["isolate"], "source", True),
        (rollback.UNDO["connect"], "target", False),
        (return_undo.UNDO["restore"], "source", False),
        (return_undo.UNDO["release"], "target", True),
    ],
)
def test_one_port_or_address_that_is_gone_holds_up_no_other(
    cutover: CutOver, undo: Callable[[Any], None], role: str, is_up: bool, status: int
) -> None:
    """Its tenant may delete it meanwhile: that is no problem, and else the rest is done first."""
    with networked(cutover, role, not is_up) as (cloud, neutron):
        first, second = (f"{role[0]}{n}" for n in (1, 2))
        cloud.fault("GET", "network", f"/ports/{first}", status=status)
        cloud.fault("GET", "network", f"/floatingips/f{first}", status=status)
        if status == 404:
            undo(cutover)
        else:
            with pytest.raises(ExceptionGroup) as caught:
                undo(cutover)
            words = rollback.said(caught.value)
            assert f"GET /ports/{first} on cloud {role} answered 500" in words
            assert f"GET /floatingips/f{first} on cloud" in words
        assert neutron.ports[second] is is_up
        assert neutron.bound[f"f{second}"] == (second if is_up else None)
        assert neutron.forwarded == ([second] if is_up else [])


@pytest.mark.parametrize("was", ["ACTIVE", "SHUTOFF"])
def test_ports_are_up_when_its_guest_asks_and_not_for_one_that_was_stopped(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch, was: str
) -> None:
    """Of a server that was stopped, nothing is to be on the network: it runs for a moment only."""
    done: list[str] = []

    def wait_for(api: Api, known: servers.Server, *_: object) -> servers.Server:
        done.append("waits")
        return known | {"status": "ACTIVE"}

    def act(api: Api, id_: str, action: str, *_: object) -> None:
        done.append(action)

    monkeypatch.setattr(servers, "wait_for", wait_for)
    monkeypatch.setattr(servers, "act", act)
    monkeypatch.setattr(steps, "prove_copies", lambda crossing: done.append("proves"))
    monkeypatch.setattr(steps.ports, "set_ports", lambda api, ids, is_up: done.append(*ids))
    cutover.journal, cutover.copy = {WAS: was}, {"id": "c", "status": "BUILD"}
    cutover.owner = cutover.target
    cutover.item = cutover.item.model_copy(update={"row": ROW | {"ports": [{"id": "p1"}]}})
    cutover.ids = cutover.ids | {"ports": {"p1": "P1"}}

    cutover.do_boot()

    if was == "ACTIVE":
        assert done == ["proves", "P1", "waits"]
    else:
        assert done == ["proves", "waits", "os-stop", "waits"]


def test_what_cannot_be_cleaned_up_is_told_and_holds_up_nothing(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The move is done; snapshots of its volumes go, whatever becomes of that of its disk."""
    volumes_ = [{"id": id_} for id_ in ("v1", "v2")]
    row = ROW | {"attached": volumes_}
    movers = {"v1": Mover.RBD, "v2": Mover.RBD}
    cutover.item = cutover.item.model_copy(update={"row": row, "movers": movers})
    done, said = list[str](), list[str]()
    cutover.log = said.append

    def refuse(api: Api, id_: str) -> None:
        raise WaitFailed("image IM1 to go", "It is in use.")

    def tidy(carrier: Any, volume: Mapping[str, Any], mover: Mover) -> None:
        done.append(volume["id"])
        if volume["id"] == "v1":
            raise WaitFailed("snapshot a/b@pumphouse-1 to go", "It is busy.")

    monkeypatch.setattr(servers, "delete_snapshots", refuse)
    monkeypatch.setattr(volume_movers, "tidy", tidy)
    monkeypatch.setattr(CutOver, "carrier", lambda self, volume: None)

    cutover._clean_up()

    assert done == ["v1", "v2"]
    assert ["IM1" in said[0], "pumphouse-1" in said[1]] == [True, True]
    assert all("delete it by hand" in each for each in said)


def test_a_boot_that_is_undone_leaves_no_port_up(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next copy would be on the network before it is compared."""
    with FakeCloud() as cloud, Api(cloud.block(), "target") as target:
        cutover.target = target
        cutover.item = cutover.item.model_copy(
            update={"row": ROW | {"ports": [{"id": "p1"}, {"id": "p2"}]}}
        )
        cutover.ids = cutover.ids | {"ports": {"p1": "P1", "p2": "P2"}}
        cloud.route("GET", "network", "/ports/{id}", {"port": {"admin_state_up": True}})
        cloud.route("PUT", "network", "/ports/P2", {"port": {}})
        cloud.route("PUT", "network", "/ports/P1", Answer(500, {}))
        deleted: list[CutOver] = []
        monkeypatch.setattr(rollback, "delete_copy", deleted.append)

        with pytest.raises(ExceptionGroup):
            rollback.undo_boot(cutover)

        assert [sent.json() for sent in cloud.sent("PUT", "network", "/ports/P2")] == [
            {"port": {"admin_state_up": False}}
        ]
        assert deleted == [cutover]


def test_an_address_that_no_router_leads_to_is_not_taken_for_gone(cutover: CutOver) -> None:
    """Neutron answers 404 for that too, and the server cannot be reached."""
    with networked(cutover, "source", is_up=False) as (_, neutron):
        neutron.cut_off = "fs1"
        with pytest.raises(ExceptionGroup) as caught:
            rollback.UNDO["isolate"](cutover)
        assert "External network is not reachable" in rollback.said(caught.value)
        assert neutron.bound["fs2"] == "s2"


def test_an_address_that_is_gone_at_the_target_is_said_before_the_stop(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked for while nothing is touched."""
    calls = recorded(monkeypatch, {})
    with networked(cutover, "target", is_up=False) as (cloud, _):
        needs = {"depends_on": ("floating_ips:fs1", "floating_ips:fs2")}
        cutover.item = cutover.item.model_copy(update=needs)
        cloud.fault("GET", "network", "/floatingips/ft2", status=404)
        with pytest.raises(CutOverFailed, match=r"prepare: GET /floatingips/ft2 on cloud target"):
            cutover.run()
    assert calls == []


def test_an_address_that_came_since_the_plan_is_said_before_the_stop(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target has none for it."""
    remember = CutOver.do_remember
    calls = recorded(monkeypatch, {})
    monkeypatch.setattr(CutOver, "do_remember", remember)
    with networked(cutover, "source", is_up=True) as (cloud, _):
        cutover.item = cutover.item.model_copy(
            update={"row": {**ROW, "ports": [{"id": "s1", "is_admin_state_up": True}]}}
        )
        cutover.live = {**LIVE}
        found = [{"id": "new", "floating_ip_address": "198.51.100.9", "fixed_ip_address": None}]
        cloud.listing("network", "/floatingips", "floatingips", found)
        with pytest.raises(WaitFailed, match=r"198\.51\.100\.9 came since; run again"):
            cutover.do_remember()
    assert calls == []


VOLUME = {
    "id": "v", "name": "data", "attachments": [{"server_id": "s"}], "size_gib": 10,
    "host": "old@rbd#x",
}  # fmt: skip
RAW = {"status": "in-use", "size": 10, "os-vol-host-attr:host": "old@rbd#x"}


def seen_as(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch, mover: Mover, *raws: dict[str, Any]
) -> None:
    """Let the cut-over have one volume, which is each of *raws* in turn when it is looked at."""
    row = {**ROW, "attached": [VOLUME]}
    cutover.item = cutover.item.model_copy(update={"row": row, "movers": {"v": mover}})
    live = {**LIVE, "os-extended-volumes:volumes_attached": [{"id": "v"}]}
    left = list(raws)
    monkeypatch.setattr(servers, "read_server", lambda api, id_: dict(live))
    monkeypatch.setattr(servers, "write_metadata", lambda *_: None)
    monkeypatch.setattr(volumes, "read_volume", lambda api, id_: left.pop(0))
    monkeypatch.setattr(volume_movers, "problems", lambda *_: [])


@pytest.mark.parametrize(
    ("mover", "became", "said"),
    [
        (Mover.IMAGE, {"size": 20}, r"data \(v\) .*GiB 10 → 20\); run again"),
        (Mover.RBD, {"size": 20}, r"data \(v\) .*GiB 10 → 20\); run again"),
        (Mover.MANAGE, {"os-vol-host-attr:host": "old@b#y"}, "back end old@rbd#x → old@b#y"),
        (Mover.IMAGE, {"status": "retyping"}, "It is retyping; wait until"),
    ],
)
def test_a_volume_that_changed_since_the_plan_is_drift(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch,
    mover: Mover, became: dict[str, Any], said: str,
) -> None:  # fmt: skip
    """Its copy would be of another size, or could not be made; nothing is touched."""
    seen_as(cutover, monkeypatch, mover, RAW | became)
    calls = recorded(monkeypatch, {})

    with pytest.raises(CutOverFailed, match=rf"prepare: .*{said}.*Nothing was touched"):
        cutover.run()

    assert calls == []


def test_a_volume_that_an_upload_cut_short_left_is_no_drift(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cinder may still upload it, or it is available by our own doing; it lies where it likes."""
    uploaded = {"status": "uploading", "os-vol-host-attr:host": "old@b#y"}
    seen_as(cutover, monkeypatch, Mover.IMAGE, RAW | uploaded, RAW | {"status": "available"})
    cutover.live = servers.read_server(cutover.source, "s")

    cutover.check_drift()
    cutover.check_drift()


def test_what_its_image_keeps_from_moving_is_said_before_the_stop(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot of it, which the pool shows and its volume does not."""
    seen_as(cutover, monkeypatch, Mover.MANAGE, RAW)
    monkeypatch.setattr(volume_movers, "problems", lambda *_: ["Its image has snapshots."])
    calls = recorded(monkeypatch, {})

    with pytest.raises(CutOverFailed, match="ready for the mover manage: Its image has snapshots"):
        cutover.run()

    assert calls == []


@pytest.mark.parametrize(("when", "looks"), [("bulk", 1), ("remember", 2), ("stop", 3)])
def test_a_volume_that_is_extended_meanwhile_is_seen_before_the_stop(
    cutover: CutOver, monkeypatch: pytest.MonkeyPatch, when: str, looks: int
) -> None:
    """While it is copied ahead, while others of its group are, or while they are so anew."""
    ways = {name: getattr(CutOver, f"do_{name}") for name in ("bulk", "remember", "stop")}
    calls = recorded(monkeypatch, {})
    for name, way in ways.items():
        monkeypatch.setattr(CutOver, f"do_{name}", way)
    seen_as(cutover, monkeypatch, Mover.RBD, *[RAW] * looks, RAW | {"size": 20})
    monkeypatch.setattr(steps, "discard_old", lambda _: None)
    monkeypatch.setattr(steps, "copy_ahead", lambda _: None)
    monkeypatch.setattr(servers, "set_power", lambda *_: calls.append("power"))
    monkeypatch.setattr(CutOver, "floating_at_source", lambda *_: [])
    cutover.group = "g"

    with pytest.raises(CutOverFailed, match=rf"{when}: .*GiB 10 → 20\); run again"):
        cutover.run()

    assert [c for c in calls if not c.startswith("undo_") and c != "do_lock"] == []


@pytest.fixture(name="found")
def _found(cutover: CutOver, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], list[str]]:
    """Return the copy that its volume has already, and what is discarded."""
    copy, discarded = {"id": "V", "description": "", "users": []}, list[str]()
    cutover.item = cutover.item.model_copy(update={"row": {**ROW, "attached": [VOLUME]}})
    monkeypatch.setattr(crossing_disks, "find_copy", lambda *_: copy)
    monkeypatch.setattr(volumes, "users", lambda *_: copy["users"])
    monkeypatch.setattr(volume_movers, "before", lambda *_: 0)
    monkeypatch.setattr(servers, "write_metadata", lambda *_: None)
    monkeypatch.setattr(CutOver, "check_drift", lambda self: None)
    monkeypatch.setattr(
        volume_movers, "discard", lambda carrier, volume, mover: discarded.append(volume["id"])
    )
    return copy, discarded


@pytest.mark.parametrize(
    ("mover", "is_whole", "is_resumed", "is_discarded"),
    [
        (Mover.IMAGE, True, False, True),
        (Mover.IMAGE, False, False, True),
        (Mover.RBD, True, False, True),
        # What is left of it is brought up to date, whenever it was begun.
        (Mover.RBD, False, False, False),
        # There are no other bytes.
        (Mover.MANAGE, True, False, False),
        # It was made after the stop.
        (Mover.IMAGE, True, True, False),
    ],
)
def test_a_copy_from_before_the_cut_over_is_not_used(
    cutover: CutOver, found: tuple[dict[str, Any], list[str]],
    mover: Mover, is_whole: bool, is_resumed: bool, is_discarded: bool,
) -> None:  # fmt: skip
    """It was made when no server used the volume: this one has written to it since."""
    copy, discarded = found
    copy["description"] = "mine" if is_whole else f"{SOURCE_ID}=v"
    cutover.item = cutover.item.model_copy(update={"movers": {"v": mover}})
    cutover.is_resumed = is_resumed

    cutover.do_bulk()

    assert bool(discarded) is is_discarded


def test_an_old_copy_that_somebody_uses_is_left_alone(
    cutover: CutOver, found: tuple[dict[str, Any], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written to it there is nowhere else; nothing of the server is touched."""
    copy, discarded = found
    copy["users"] = ["X"]
    bulk = CutOver.do_bulk
    calls = recorded(monkeypatch, {})
    monkeypatch.setattr(CutOver, "do_bulk", bulk)

    with pytest.raises(CutOverFailed, match=r"bulk: .*its copy V .* server X of the target uses"):
        cutover.run()

    assert (discarded, calls) == ([], ["undo_bulk"])
