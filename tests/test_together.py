"""Servers that belong together: which they are, and that they wait for one another."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pumphouse.errors import ConfigError, Interrupted, LeftTogether
from pumphouse.estate import Estate
from pumphouse.steps import NAMES
from pumphouse.tables import frame
from pumphouse.tasks.deadlines import Either
from pumphouse.tasks.meeting import POINTS, RENEWED, Meeting
from pumphouse.together import LARGEST, groups


def source(count: int = 4) -> Estate:
    """Return servers of two projects; the first two are in the server group web."""
    servers = [
        {"id": f"s{n}", "name": f"vm{n}", "project_id": f"p{n % 2}", "tags": ["blue"]}
        for n in range(count)
    ]
    return Estate(
        {
            "servers": frame("servers", servers),
            "projects": frame("projects", [{"id": f"p{n}", "name": f"shop{n}"} for n in (0, 1)]),
            "server_groups": frame(
                "server_groups", [{"id": "g", "name": "web", "member_ids": ["s0", "s1", "gone"]}]
            ),
        }
    )


def test_a_group_is_what_a_criterion_means() -> None:
    """Server groups, projects and tags alike."""
    assert groups(["group:web"], source()) == ({"s0", "s1"},)
    assert groups(["project:shop1", "vm0"], source()) == ({"s1", "s3"}, {"s0"})


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["group:none"], "No group 'none'; there are web."),
        (["group:web", "tag:blue"], "is in two groups"),
        (["tag:blue"], f"{LARGEST} at most"),
        (["no such:thing"], "No server"),
    ],
)
def test_mistakes_are_said_before_anything_is_touched(texts: list[str], words: str) -> None:
    """A group that cannot be kept together must not begin."""
    with pytest.raises(ConfigError, match=words):
        groups(texts, source(LARGEST + 1))


STOP = NAMES.index("stop")
ORDER = ("prepare", *NAMES[:STOP], RENEWED, *NAMES[STOP:])
"""The steps of a cut-over, and what others wait for within them."""


def travel(meeting: Meeting, member: str, broken: str, log: list[tuple[str, str]]) -> str:
    """Do all steps as a cut-over does; fail at *broken*. Return how it ended."""
    try:
        with meeting.seat(member):
            for step in ORDER:
                if step == broken:
                    raise OSError(step)
                log.append((step, member))
                meeting.meet(member, step)
    except LeftTogether as error:
        return str(error)
    except OSError:
        return "broken"
    return "arrived"


def test_nobody_goes_on_before_all_are_there() -> None:
    """No stop before the last bulk; all are down before a disk is copied; all verified at once."""
    meeting, log = Meeting(3), list[tuple[str, str]]()
    with ThreadPoolExecutor(3) as pool:
        ended = list(pool.map(lambda m: travel(meeting, m, "", log), "abc"))
    assert ended == ["arrived"] * 3
    order = [step for step, _ in log]
    for step in POINTS[:-1]:
        after = ORDER[ORDER.index(step) + 1]
        assert max(n for n, s in enumerate(order) if s == step) < order.index(after)
    assert max(n for n, s in enumerate(order) if s == "bulk") < order.index("stop")


def test_who_fails_holds_the_others_down_no_longer_than_it_takes_them_to_see_it() -> None:
    """They hear it before its undo, and after any step; once all came through, none does."""
    meeting = Meeting(2)
    stop = Either(threading.Event(), meeting.over)
    assert not stop.wait(0.01)

    told = meeting.ended("b", OSError("away"))

    assert isinstance(told, OSError)
    assert stop.wait(60)
    assert isinstance(meeting.ended("a", Interrupted("copying")), LeftTogether)
    with pytest.raises(LeftTogether, match="b failed"):
        meeting.meet("a", "move")

    through = Meeting(1)
    through.meet("a", POINTS[-1])
    through.ended("a", OSError("late"))
    assert not Either(threading.Event(), through.over).is_set()


def test_the_runs_own_stop_is_heard_in_a_group() -> None:
    """It is what it is: nobody failed."""
    run, meeting = threading.Event(), Meeting(2)
    run.set()
    assert Either(run, meeting.over).wait()
    assert isinstance(meeting.ended("a", Interrupted("copying")), Interrupted)


@pytest.mark.parametrize("step", ["prepare", "stop", "move", "verify", "mark"])
def test_if_one_fails_all_do(step: str) -> None:
    """Those that wait and those that come later; the reason names the first."""
    meeting, log = Meeting(3), list[tuple[str, str]]()
    with ThreadPoolExecutor(3) as pool:
        ended = list(pool.map(lambda m: travel(meeting, m, step if m == "b" else "", log), "abc"))
    assert ended[1] == "broken"
    assert all("b failed." in words and "belongs together" in words for words in ended[::2])


def test_what_is_done_once_is_done_by_the_first_and_known_to_all() -> None:
    """A volume that all share is copied by one of them; if that fails, it fails for all."""
    meeting, calls, began = Meeting(3), list[str](), threading.Barrier(3)

    def copy() -> str:
        calls.append("copied")
        return "copy"

    def member(_: int) -> str:
        began.wait(10)
        return meeting.once("volume", copy)

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(member, range(3))) == ["copy"] * 3
    assert calls == ["copied"]

    def broken() -> str:
        raise OSError("it broke")

    for _ in range(2):
        with pytest.raises(OSError, match="it broke"):
            meeting.once("other", broken)


def test_one_that_never_begins_holds_nobody_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others end before anything is touched."""
    monkeypatch.setattr("pumphouse.tasks.meeting.START_S", 0.1)
    meeting, log = Meeting(2), list[Any]()
    result: list[str] = []
    thread = threading.Thread(target=lambda: result.append(travel(meeting, "a", "", log)))
    thread.start()
    thread.join(10)
    assert "Not all of them had begun" in result[0]
    assert log == [("prepare", "a")]
