"""The way back of a migrated server: what it costs, its order, its undo."""

from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import nullcontext
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prefect.states import Running

from pumphouse.checks import RETURNED, RETURNING
from pumphouse.comparison import MIGRATED_TO
from pumphouse.config import Timeouts
from pumphouse.errors import ReturnFailed, WaitFailed
from pumphouse.flows import rollback as flow
from pumphouse.ledger import Entry, Status, entry
from pumphouse.models import SOURCE_ID, Action, Mover
from pumphouse.plan import Item, Plan
from pumphouse.returning import BACK, CHECKED, Verdict, What, parted, together, verdict
from pumphouse.steps import COMMITTED, RETURN
from pumphouse.tasks import claims, managed, return_undo, rollbacks, servers
from pumphouse.tasks.api import Api
from pumphouse.tasks.moving import Work
from pumphouse.tasks.returning import Return, drop_copy
from pumphouse.tasks.taking_back import take_back_return
from tests.fakecloud import Answer, FakeCloud
from tests.tenants import estate, source, target

MOVED = {MIGRATED_TO: "V1", "pumphouse:was": "ACTIVE"}
HALF_WAY = {"pumphouse:was": "ACTIVE", "pumphouse:state": "cutting over since 1"}
COPY = {"id": "V1", "launched_at": "2026-01-01T00:00:00", "volumes": [], "metadata": {}}
NAMES = [step.name for step in RETURN]


def item(metadata: dict[str, str], status: str = "SHUTOFF") -> Item:
    row = {
        "metadata": metadata, "status": status, "task_state": None, "volumes": [], "ports": [],
        "attached": [], "image_id": "i1",
    }  # fmt: skip
    return Item(kind="servers", source_id="v1", name="web", action=Action.SKIP, reason="", row=row)


def judged(metadata: dict[str, str], copy: Any = COPY, *actions: str, delete: bool = False,
           status: str = "SHUTOFF") -> Verdict:  # fmt: skip
    history = [{"action": action} for action in actions]
    return verdict(item(metadata, status), copy, history, delete, estate({}))


def test_a_copy_that_ran_wrote_to_its_disks() -> None:
    """Its return is refused with since when it has run, unless the operator gives that up."""
    found = judged(MOVED, COPY, "create")

    assert found.what is What.RETURN
    (obstacle,) = found.obstacles(discards_changes=False)
    assert "has run since 2026-01-01" in obstacle
    assert "--discard-changes" in obstacle
    assert found.obstacles(discards_changes=True) == []


def test_a_copy_that_arrived_stopped_and_stayed_so_lost_nothing() -> None:
    """Only the one boot at its arrival touched it; a start since then counts."""
    stopped = {**MOVED, "pumphouse:was": "SHUTOFF"}

    assert judged(stopped, COPY, "stop", "create").losses == ()
    assert "(reboot, start)" in judged(stopped, COPY, "start", "reboot", "create").losses[0]


def test_a_copy_that_is_gone_or_has_other_volumes_is_said() -> None:
    """What cannot come back is told before."""
    assert "Its copy is gone" in judged(MOVED, None).losses[0]
    more = {**COPY, "volumes": [{"id": "x"}]}
    assert "1 volume(s) were attached since." in judged(MOVED, more).losses


def test_what_was_not_migrated_is_left_alone() -> None:
    """A project's selection may have such; an old copy is deleted only when asked."""
    old = {**COPY, "metadata": {RETURNED: "then"}}

    assert judged({}, None).what is What.NOTHING
    assert judged({}, old).what is What.NOTHING
    assert judged({}, old, delete=True).what is What.DELETE_COPY


@pytest.mark.parametrize(
    ("copy", "losses"), [(None, 0), ({**COPY, "launched_at": None, "created_at": "then"}, 1)]
)
def test_what_a_killed_cut_over_left_down_is_taken_back(copy: Any, losses: int) -> None:
    """It is not at the source as it was; a copy that ran before the run was killed is said."""
    found = judged(HALF_WAY, copy)

    assert (found.what, found.refusal) == (What.TAKE_BACK, "")
    assert "left it SHUTOFF" in found.reason
    assert len(found.losses) == len(found.obstacles(False)) == losses
    assert found.obstacles(discards_changes=True) == []


@pytest.mark.parametrize(
    "metadata", [MOVED | {"pumphouse:state": "migrated"}, {"pumphouse:was": "ACTIVE"}]
)
def test_what_has_arrived_or_was_undone_is_not_taken_back(metadata: dict[str, str]) -> None:
    """Of the second only the head of the journal is left: it goes when all else is back."""
    assert judged(metadata).what is not What.TAKE_BACK


@pytest.mark.parametrize("run", ["x", ""])
def test_a_rollback_takes_a_cut_over_back(monkeypatch: pytest.MonkeyPatch, run: str) -> None:
    """By the run that its journal names; by none if an operator has deleted that note."""
    note = {claims.RUN: f"{run} h 1 1"} if run else {}
    monkeypatch.setattr(rollbacks, "get_run_logger", lambda: SimpleNamespace(info=None))
    monkeypatch.setattr(rollbacks, "take_back", lambda cutover, of: f"{cutover.id} of {of!r}")
    pair = SimpleNamespace(timeouts=Timeouts(), migrate=None)
    slots = SimpleNamespace(cutover=nullcontext)
    api = SimpleNamespace(changes=[])
    work = SimpleNamespace(
        pair=pair, slots=slots, meeting=None, stop=None, checks={}, open=lambda *_: api
    )
    half_way = item(HALF_WAY | note)

    done = rollbacks.return_server.fn(cast(Any, work), half_way, {}, What.TAKE_BACK, False)

    assert (done.action, done.message) == ("take back", f"v1 of {run!r}")
    assert claims.is_half_way(half_way.row["metadata"], run)


def test_a_cancelled_rollback_has_an_entry_for_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is back, what was on its way, what had no turn, and what had nothing to do."""
    items = [item(MOVED).model_copy(update={"source_id": id_, "name": id_}) for id_ in "abcd"]
    said = {id_: judged({} if id_ == "d" else MOVED) for id_ in "abcd"}
    intended, entries = Plan(items=tuple(items)), list[Entry]()
    stop = Event()

    class Future:
        state = Running()

        def __init__(self, item: Item) -> None:
            self.item = item

        def wait(self, timeout: float) -> None:
            assert stop.is_set()

        def result(self, raise_on_failure: bool) -> Entry:
            return entry(self.item, Status.DONE) if self.item.name == "a" else _raise(Cancelled())

    def submit(work: Any, item: Item, *_: Any) -> Future:
        return Future(item) if item.name != "c" else _raise(Cancelled())

    monkeypatch.setattr(flow, "return_server", SimpleNamespace(submit=submit))
    monkeypatch.setattr(flow, "together", lambda *_: [items[:1]])
    slots = cast(Any, SimpleNamespace(cutover=nullcontext))
    work = Work(cast(Any, None), slots, stop)

    with pytest.raises(Cancelled):
        flow._return(work, intended, said, False, entries)

    assert {e.name: e.status.value for e in entries} == {
        "a": "done", "b": "failed", "c": "left", "d": "found",
    }  # fmt: skip


class Cancelled(BaseException):
    """What Prefect stops a flow with."""


def test_a_return_that_was_cut_short_needs_no_second_word() -> None:
    """It was said when it began."""
    assert judged({**MOVED, RETURNING: "ACTIVE"}).obstacles(discards_changes=False) == []


def test_a_source_server_that_is_broken_cannot_return() -> None:
    """Not even when changes are discarded."""
    assert "It is ERROR at the source" in judged(MOVED, status="ERROR").obstacles(True)[0]


@pytest.mark.parametrize(
    ("metadata", "copied", "said"),
    [
        ({RETURNING: "ACTIVE", MIGRATED_TO: "V1"}, {}, "finish it with pumphouse rollback"),
        ({}, {RETURNED: "then"}, "rollback --delete-copy"),
    ],
)
def test_a_server_on_its_way_back_is_not_migrated(
    metadata: dict[str, str], copied: dict[str, str], said: str
) -> None:
    """Neither in the midst of a return nor while its old copy has its ports and its name."""
    from pumphouse.planning import plan
    from pumphouse.selection import Chosen

    here, there = source(), target()
    row = here["servers"][0]
    row["metadata"] = {**(row.get("metadata") or {}), **metadata}
    marked = {**copied, SOURCE_ID: row["id"]}
    there["servers"] = [{**row, "id": "V1", "metadata": marked}]
    what = Chosen(project_ids=(), server_ids=(row["id"],))

    (found,) = plan(what, estate(here), estate(there)).of("servers")

    assert found.action is Action.BLOCKED
    assert said in found.reason


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Return:
    """Return the way back of a server that runs at the target."""
    there = {"id": "V1", "status": "ACTIVE", "locked": False}
    here = {"id": "v1", "status": "SHUTOFF", "metadata": dict(MOVED)}
    monkeypatch.setattr(
        servers, "settle", lambda api, id_, *_: dict(here if id_ == "v1" else there)
    )
    api = cast(Api, object())
    return Return(
        source=api,
        target=api,
        sign_in=lambda user, project: nullcontext((api, "")),
        item=item(MOVED),
        ids={"ports": {}, "floating_ips": {}},
        timeouts=Timeouts(),
    )


@pytest.mark.parametrize(
    ("copy", "snapshots", "said"),
    [
        ({"size": 20, "is_taken": False}, [], ""),
        ({"size": 20}, [], "it has 20 GiB at the target, and 10 at the source"),
        ({"size": 10}, ["V", "V"], r"it has 2 snapshot\(s\) at the target.* delete them there"),
        ({"size": 10}, ["X"], ""),
        (None, [], ""),
    ],
)
def test_a_volume_that_the_source_cannot_have_back_is_said_before_the_stop(
    way: Return, monkeypatch: pytest.MonkeyPatch,
    copy: dict[str, Any] | None, snapshots: list[str], said: str,
) -> None:  # fmt: skip
    """Its image would be longer than its row says, or the target could not let go of it."""
    volume = {"id": "v", "name": "data", "size_gib": 10}
    way.item = way.item.model_copy(
        update={"row": {**way.row, "attached": [volume]}, "movers": {"v": Mover.MANAGE}}
    )
    monkeypatch.setattr(managed, "find_copy", lambda api, id_: copy and {"id": "V", **copy})
    # One that was copied before the site said manage is at the source as it was.
    monkeypatch.setattr(managed, "is_taken", lambda *_: (copy or {}).get("is_taken", True))
    calls = recorded(way, monkeypatch)
    with FakeCloud() as cloud, Api(cloud.block(), "target") as api:
        way.target = api
        rows = [{"id": str(n), "volume_id": of} for n, of in enumerate(snapshots)]
        cloud.listing("block-storage", "/snapshots", "snapshots", rows)
        if not said:
            way.run()
            assert calls == NAMES
            return
        with pytest.raises(ReturnFailed, match=rf"prepare: .*{said}.*Nothing was touched"):
            way.run()
        assert calls == []


def test_a_return_that_is_under_way_is_ended_whatever_its_volumes_are(
    way: Return, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be home already, and one of the two servers must run."""
    way.item = way.item.model_copy(
        update={"row": {**way.row, "attached": [{"id": "v"}]}, "movers": {"v": Mover.MANAGE}}
    )
    metadata = {**MOVED, RETURNING: "ACTIVE"}
    monkeypatch.setattr(
        servers, "settle", lambda *_: {"id": "x", "status": "SHUTOFF", "metadata": metadata}
    )
    calls = recorded(way, monkeypatch)

    way.run()

    assert calls == NAMES


def recorded(way: Return, monkeypatch: pytest.MonkeyPatch, broken: str = "") -> list[str]:
    """Replace steps and undos by a note of their names; the step *broken* raises."""
    calls: list[str] = []

    def note(name: str) -> Any:
        def step(*_: Any) -> None:
            calls.append(name)
            if name == broken:
                raise OSError("gone")

        return step

    for name in NAMES:
        monkeypatch.setattr(Return, f"do_{name}", note(name))
    undos = {name: note(f"undo {name}") for name in return_undo.UNDO}
    monkeypatch.setattr(return_undo, "UNDO", undos)
    way.is_ours = True
    return calls


def test_a_failure_before_the_check_has_passed_is_undone(
    way: Return, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy runs on: everything up to the failed step is taken back, newest first."""
    calls = recorded(way, monkeypatch, "check")

    with pytest.raises(ReturnFailed, match=r"check: OSError: gone.*Everything was undone"):
        way.run()

    assert calls[len(NAMES) - len(COMMITTED) :] == [
        "undo start", "undo restore", "undo fetch", "undo release", "undo stop", "undo hold",
        "undo note",
    ]  # fmt: skip


def test_what_a_tenant_did_to_a_copy_before_the_lock_is_seen_after_it(
    way: Return, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It started the copy, which would have run on beside the source server."""
    latest = {"id": "x", "status": "ACTIVE", "locked": True}
    monkeypatch.setattr(servers, "act", lambda *_, **__: None)
    monkeypatch.setattr(servers, "read_server", lambda *_: latest)
    do_hold = Return.do_hold
    calls = recorded(way, monkeypatch)
    monkeypatch.setattr(Return, "do_hold", do_hold)
    monkeypatch.setattr(
        Return, "do_note", lambda self: setattr(self, "copy", {"id": "x", "status": "SHUTOFF"})
    )

    with pytest.raises(ReturnFailed, match=r"hold: .*Its tenant was at it.*copy is ACTIVE as"):
        way.run()

    assert calls == ["undo hold", "undo note"]


@pytest.mark.parametrize("step", ["note", "hold", "stop", "release"])
def test_what_an_earlier_run_has_done_is_taken_back_too(
    way: Return, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """It may have come further than the step that failed now, and has left the copy down."""
    noted = {"id": "x", "status": "SHUTOFF", "metadata": {**MOVED, RETURNING: "ACTIVE"}}
    monkeypatch.setattr(servers, "settle", lambda *_: noted)
    calls = recorded(way, monkeypatch, step)

    with pytest.raises(ReturnFailed, match="Everything was undone: the copy is ACTIVE"):
        way.run()

    assert calls[NAMES.index(step) + 1 :] == [
        "undo start", "undo restore", "undo fetch", "undo release", "undo stop", "undo hold",
        "undo note",
    ]  # fmt: skip


def test_a_return_that_cannot_go_on_is_not_said_to_be_as_it_was(
    way: Return, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier run has stopped the copy: who reads that it is as it was would leave it so."""
    noted = {"id": "v1", "status": "SHUTOFF", "metadata": {**MOVED, RETURNING: "ACTIVE"}}
    monkeypatch.setattr(
        servers, "settle",
        lambda api, id_, *_: noted if id_ == "v1" else _raise(WaitFailed("V1", "It is busy.")),
    )  # fmt: skip

    with pytest.raises(ReturnFailed, match=r"prepare: .*half-way back: run the rollback again"):
        way.run()


def test_what_prefect_stops_is_undone_too(way: Return, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the two servers runs, and Prefect gets back what it injected."""
    calls = recorded(way, monkeypatch)
    error, said = CancelledError(), list[str]()
    monkeypatch.setattr(way, "after_step", lambda name: _raise(error) if name == "stop" else None)
    way.log = said.append

    with pytest.raises(CancelledError):
        way.run()

    assert calls[-3:] == ["undo stop", "undo hold", "undo note"]
    assert "Everything was undone" in said[-1]


def _raise(error: BaseException) -> Any:
    raise error


@pytest.mark.parametrize("step", COMMITTED)
def test_afterwards_it_only_goes_forward(
    way: Return, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The server works at the source: taking that back would stop it for nothing."""
    calls = recorded(way, monkeypatch, step)

    with pytest.raises(ReturnFailed, match="It runs at the source"):
        way.run()

    assert [call for call in calls if call.startswith("undo")] == []


def test_a_server_that_is_back_is_only_forgotten(
    way: Return, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed while it removes the journal must not do the rest by half a journal."""
    monkeypatch.setattr(
        servers, "settle", lambda *_: {"status": "ACTIVE", "metadata": {RETURNING: "back"}}
    )
    monkeypatch.setattr(servers, "find_copy", lambda *_: None)
    calls = recorded(way, monkeypatch)

    way.run()

    assert calls == ["forget"]


def test_what_passed_its_checks_before_is_never_taken_back(
    way: Return, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that was killed may have deleted the copy: to stop the server would leave none."""
    noted = {**MOVED, RETURNING: "ACTIVE checked"}
    monkeypatch.setattr(
        servers, "settle", lambda *_: {"id": "x", "status": "ACTIVE", "metadata": noted}
    )
    calls = recorded(way, monkeypatch, "leave")

    with pytest.raises(ReturnFailed, match="It runs at the source"):
        way.run()

    assert calls == ["unlock", "leave"]


@pytest.mark.parametrize(
    ("noted", "calls", "said"),
    [
        (
            "ACTIVE locked",
            ["undo start", "undo restore", "undo fetch", "undo release", "undo stop",
             "undo hold", "undo note"],
            "the copy is ACTIVE as before",
        ),
        ("ACTIVE checked", ["unlock", "leave", "forget"], "its return is finished"),
        ("back", ["forget"], "its return is finished"),
    ],
)  # fmt: skip
def test_what_a_killed_run_left_is_taken_back_or_ended(
    way: Return, monkeypatch: pytest.MonkeyPatch, noted: str, calls: list[str], said: str
) -> None:
    """Up to its checks the copy gets its work back; afterwards the source server has it."""
    metadata = {**MOVED, RETURNING: noted, claims.RUN: "x h 1 1"}
    monkeypatch.setattr(claims, "rival", lambda note: "")
    monkeypatch.setattr(
        servers, "settle", lambda *_: {"id": "x", "status": "ACTIVE", "metadata": metadata}
    )
    monkeypatch.setattr(servers, "find_copy", lambda *_: None)
    found = recorded(way, monkeypatch)

    words = take_back_return(way, "x")

    assert said in words
    assert found == calls


def test_the_journal_goes_last(way: Return, monkeypatch: pytest.MonkeyPatch) -> None:
    """First it is noted that only forgetting is left; that note goes at the very end."""
    done: list[Any] = []
    monkeypatch.setattr(servers, "write_metadata", lambda api, id_, values: done.append(values))
    monkeypatch.setattr(servers, "remove_metadata", lambda api, id_, keys: done.append(keys))
    way.journal = {RETURNING: "ACTIVE", **MOVED}

    way.do_forget()

    keys = [MIGRATED_TO, "pumphouse:was", claims.RUN, RETURNING]
    assert done == [{RETURNING: BACK}, keys]


def claimed(monkeypatch: pytest.MonkeyPatch, *seen: dict[str, str]) -> list[Any]:
    """Let the source server show *seen*, one after another; return what is written to it."""
    done: list[Any] = []
    answers = [{"id": "v1", "status": "SHUTOFF", "metadata": metadata} for metadata in seen]
    monkeypatch.setattr(servers, "settle", lambda *_: answers.pop(0))
    monkeypatch.setattr(servers, "read_server", lambda *_: answers.pop(0))
    monkeypatch.setattr(servers, "find_copy", lambda *_: None)
    monkeypatch.setattr(claims, "rival", lambda note: "Run x moves it." if note else "")
    monkeypatch.setattr(servers, "write_metadata", lambda api, id_, values: done.append(values))
    monkeypatch.setattr(servers, "remove_metadata", lambda api, id_, keys: done.append(keys))
    return done


def test_a_server_that_another_run_returns_is_not_touched(
    way: Return, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rollbacks would start and stop it against one another."""
    done = claimed(monkeypatch, {RETURNING: "ACTIVE", claims.RUN: "x h 1 1"})

    with pytest.raises(ReturnFailed, match=r"Run x moves it\..*Nothing was touched"):
        way.run()

    assert done == []


def test_one_that_another_run_took_in_between_stays_with_that(
    way: Return, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again right before the note is written; that run's note is not removed."""
    taken = {**MOVED, RETURNING: "ACTIVE", claims.RUN: "x h 1 1"}
    done = claimed(monkeypatch, MOVED, {"id": "V1"}, taken)

    with pytest.raises(ReturnFailed, match=r"note: .*Run x moves it\..*Nothing was touched"):
        way.run()

    assert done == []


def test_who_moved_it_there_may_live_on(way: Return, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that still moves others is done with a server that has arrived."""
    arrived = {**MOVED, "pumphouse:state": "migrated", claims.RUN: "x h 1 1"}
    done = claimed(monkeypatch, arrived, {}, arrived)
    way.prepare()

    way.do_note()

    assert done == [{RETURNING: "SHUTOFF", claims.RUN: claims.own()}]


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ([{}], "prepare: .*the source already"),
        ([MOVED, {}, {}], "note: .*the source already"),
        ([{**MOVED, RETURNING: "ACTIVE"}, {}, {}], "note: .*the source already"),
        (
            [{**MOVED, RETURNING: "ACTIVE"}, {}, {**MOVED, RETURNING: f"ACTIVE {CHECKED}"}],
            "note: .*just ended was at it",
        ),
    ],
)
def test_what_another_run_has_brought_back_meanwhile_is_not_touched(
    way: Return, monkeypatch: pytest.MonkeyPatch, seen: list[dict[str, str]], said: str
) -> None:
    """It runs at the source: a second return would stop it there if anything failed."""
    done = claimed(monkeypatch, *seen)

    with pytest.raises(ReturnFailed, match=rf"{said}.*Nothing was touched"):
        way.run()

    assert done == []


def test_what_another_run_has_brought_back_is_not_taken_back(
    way: Return, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another rollback finished what the dead run had begun."""
    done = claimed(monkeypatch, {})

    assert "nothing was touched" in take_back_return(way, "x")

    assert done == []


def sharing(**metadata: dict[str, str]) -> list[Item]:
    """Return servers that share a volume, with what their metadata say."""
    ends = [{"server_id": id_} for id_ in sorted(metadata)]
    volume = {"id": "vol1", "name": "data", "attachments": ends}
    return [
        item(said).model_copy(
            update={"source_id": id_, "row": {**item(said).row, "id": id_, "attached": [volume]}}
        )
        for id_, said in metadata.items()
    ]


def test_servers_that_share_a_volume_return_together_or_not_at_all() -> None:
    """One that is at the target and was not named holds the others there."""
    here = estate({"servers": [{"id": i, "name": f"web-{i}", "metadata": MOVED} for i in "abc"]})
    every = sharing(a=MOVED, b=MOVED, c=MOVED)
    found = {each.source_id: verdict(each, COPY, (), False, estate({})) for each in every}

    assert parted(every, found, here) == {}
    assert [[each.source_id for each in group] for group in together(every, found)] == [
        list("abc")
    ]

    some = {id_: said for id_, said in found.items() if id_ != "b"}
    refused = parted([every[0], every[2]], some, here)
    assert sorted(refused) == ["a", "c"]
    assert "shares volume data (vol1) with web-b (b) at the target" in refused["a"]


def test_servers_that_share_a_volume_are_taken_back_together_or_not_at_all() -> None:
    """What is copied of it at the target would be older than what one writes here."""
    here = estate({"servers": [{"id": i, "name": f"web-{i}", "metadata": HALF_WAY} for i in "ab"]})
    every = sharing(a=HALF_WAY, b=HALF_WAY)
    found = {each.source_id: verdict(each, None, (), False, estate({})) for each in every}

    assert parted(every, found, here) == {}
    assert together(every, found) == []

    (refused,) = parted(every[:1], {"a": found["a"]}, here).values()
    assert "shares volume data (vol1) with web-b (b) half-way to the target" in refused


def test_one_that_is_back_already_waits_for_nobody() -> None:
    """What a killed run has brought back is only ended."""
    every = sharing(a={**MOVED, RETURNING: f"ACTIVE {CHECKED}"}, b={**MOVED, RETURNING: "ACTIVE"})
    found = {each.source_id: verdict(each, COPY, (), False, estate({})) for each in every}

    assert [[each.source_id for each in group] for group in together(every, found)] == [["b"]]


def test_a_server_that_is_being_deleted_does_not_return(
    way: Return, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its source would be gone half-way."""
    live = {"id": "v1", "status": "SHUTOFF", "metadata": {**MOVED, claims.FINALIZING: "x h 1 1"}}
    monkeypatch.setattr(servers, "settle", lambda api, id_, *_: live)
    monkeypatch.setattr(claims, "rival", lambda note, key: f"A run has {key}.")

    with pytest.raises(ReturnFailed, match=rf"{claims.FINALIZING}.*Nothing was touched"):
        way.run()


@pytest.mark.parametrize(
    ("other", "is_finished"),
    [
        ({**MOVED, RETURNING: f"ACTIVE {CHECKED}"}, True),
        ({}, True),
        ({**MOVED, RETURNING: "ACTIVE"}, False),
        (MOVED, False),
    ],
)
def test_a_killed_return_parts_nobody_from_what_shares_a_volume(
    way: Return, monkeypatch: pytest.MonkeyPatch, other: dict[str, str], is_finished: bool
) -> None:
    """One is to stay at the source only when all had passed there: then the others go on."""
    half = {**MOVED, RETURNING: "ACTIVE", claims.RUN: "x h 1 1"}
    way.item = sharing(v1=half, v2=other)[0]
    live = {"id": "v1", "status": "SHUTOFF", "metadata": half}
    monkeypatch.setattr(servers, "settle", lambda api, id_, *_: dict(live, id=id_))
    monkeypatch.setattr(servers, "read_server", lambda api, id_: {"metadata": other})
    monkeypatch.setattr(claims, "rival", lambda note: "")
    found = recorded(way, monkeypatch)

    take_back_return(way, "x")

    assert ("leave" in found) is is_finished
    assert ("undo check" in found or "undo start" in found) is not is_finished


@pytest.fixture(name="renamed")
def _renamed(way: Return, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Yield the servers of a target whose tenant has given the copy of a server another name."""
    mine = {"id": "V1", "name": "web-old", "status": "SHUTOFF", "metadata": {SOURCE_ID: "v1"}}
    there = {"V1": mine, "V2": mine | {"id": "V2", "name": "web", "metadata": {}}}
    monkeypatch.setattr(servers, "delete_snapshots", lambda *_: None)
    monkeypatch.setattr("pumphouse.tasks.images.delete_copies", lambda *_: None)
    with FakeCloud() as cloud:
        cloud.route("GET", "compute", "/servers/{id}", Answer(404))
        cloud.route(
            "GET", "compute", "/servers/detail",
            lambda request: {
                "servers": [s for s in there.values() if request.query["project_id"] == "P1"]
            },
        )  # fmt: skip
        cloud.route(
            "DELETE", "compute", "/servers/{id}",
            lambda request: there.pop(request.parts["id"]) and Answer(204),
        )  # fmt: skip
        with Api(cloud.block(), "target") as api:
            way.item = way.item.model_copy(
                update={"row": {**way.row, "id": "v1", "name": "web", "project_id": "p1"}}
            )
            way.ids, way.target = {**way.ids, "projects": {"p1": "P1"}}, api
            yield there


def test_a_copy_with_another_name_is_deleted_too(way: Return, renamed: dict[str, Any]) -> None:
    """It is known by its id: what is reported as deleted must not run on."""
    way.deletes_copy, way.copy = True, renamed["V1"]

    way.do_leave()

    assert list(renamed) == ["V2"]


def test_an_old_copy_is_found_by_its_mark(
    way: Return, renamed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal went with the return that left it; its tenant may call it as they like."""
    live = {"id": "v1", "status": "ACTIVE", "metadata": {}}
    monkeypatch.setattr(servers, "settle", lambda *_: live)

    drop_copy(way)

    assert list(renamed) == ["V2"]
