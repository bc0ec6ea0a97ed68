"""What a run that is watched from elsewhere tells: read from what it writes for its watchers."""

from datetime import UTC, datetime

import pytest

from pumphouse.live import Sight, bytes_text, step_text, todo_text
from pumphouse.steps import NAMES

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 1, 1, 12, 5, tzinfo=UTC)
MIB = 1 << 20


def job(sight: Sight, name: str = "cut over web-1"):  # type: ignore[no-untyped-def]
    """Return the one job that runs."""
    return sight.running([("t1", name, AT)])[0]


def test_what_a_run_will_do_is_read_as_it_is_written() -> None:
    """Kinds with their counts, also of what has no task of its own."""
    sight = Sight()

    assert sight.line("", todo_text(["servers", "images", "servers", "security_groups"]), AT)

    assert sight.todo == {"servers": 2, "images": 1, "security_groups": 1}
    assert Sight().line("", todo_text([]), AT)


@pytest.mark.parametrize("step", NAMES)
def test_every_step_is_read_as_it_is_written(step: str) -> None:
    """With its place among all, whatever the server is called."""
    sight = Sight()

    assert sight.line("t1", step_text("a: stop (s-1)", step), AT)

    assert job(sight).step_words == f"{step} {NAMES.index(step) + 1}/{len(NAMES)}"


def test_the_downtime_runs_from_the_stop_to_the_verified_copy() -> None:
    """Not from each step anew, and no longer than that."""
    sight = Sight()

    sight.line("t1", step_text("web-1 (s-1)", "lock"), AT)
    assert job(sight).down_since is None
    sight.line("t1", step_text("web-1 (s-1)", "stop"), AT)
    sight.line("t1", step_text("web-1 (s-1)", "boot"), LATER)
    assert job(sight).down_since == AT
    sight.line("t1", step_text("web-1 (s-1)", "mark"), LATER)
    assert job(sight).down_since is None


def test_a_stopped_server_has_no_downtime() -> None:
    """It was down before."""
    sight = Sight()

    assert sight.line("t1", step_text("web-1 (s-1)", "stop", is_up=False), AT)

    assert (job(sight).step, job(sight).down_since) == ("stop", None)


def test_bytes_and_rate_are_read_as_they_are_written() -> None:
    """The rate is that of some seconds; one look alone has none."""
    sight = Sight()
    text = f"Bytes of {bytes_text('server web-1', 'root', 10 * MIB, 100 * MIB)}"

    sight.copies("t1", text, 0.0)
    first = job(sight).copy
    sight.copies("t1", text.replace("10 of", "50 of"), 2.0)
    second = job(sight).copy

    assert first is not None
    assert second is not None
    assert (first.what, first.done_mib, first.size_mib, first.rate_mib_s) == (
        "root",
        10,
        100,
        None,
    )
    assert (second.done_mib, second.rate_mib_s) == (50, 20.0)


def test_a_copy_that_stands_still_slows_down() -> None:
    """A rate that nobody renews must not stay on the screen."""
    sight = Sight()
    sight.copies("t1", f"Bytes of {bytes_text('a', 'root', 0, 100 * MIB)}", 0.0)
    moving = f"Bytes of {bytes_text('a', 'root', 50 * MIB, 100 * MIB)}"
    sight.copies("t1", moving, 1.0)
    sight.copies("t1", moving, 50.0)

    copy = job(sight).copy
    assert copy is not None
    assert copy.rate_mib_s == 1.0


def test_several_disks_are_one_copy() -> None:
    """Their bytes and rates together; one that is complete is not shown."""
    sight = Sight()
    for what in ("root", "volume data"):
        sight.copies("t1", f"Bytes of {bytes_text('server a', what, 10 * MIB, 40 * MIB)}", 0.0)

    both = job(sight).copy
    sight.copies("t1", f"Bytes of {bytes_text('server a', 'root', 40 * MIB, 40 * MIB)}", 1.0)
    one = job(sight).copy

    assert both is not None
    assert one is not None
    assert (both.what, both.done_mib, both.size_mib) == ("2 disks", 20, 80)
    assert (one.what, one.size_mib) == ("volume data", 40)


def test_other_lines_and_artifacts_tell_nothing() -> None:
    """They are printed instead, and break nothing."""
    sight = Sight()

    assert not sight.line("t1", "web-1 (s-1): it has no key.", AT)
    sight.copies("t1", "Upgrade of host c1", 0.0)

    assert job(sight).step_words == ""
    assert job(sight).copy is None


def test_stages_are_what_copies_bytes() -> None:
    """Done, failed and all of images, volumes and servers, in that order."""
    sight = Sight()
    sight.line("", todo_text(["users", "images", "servers", "servers", "servers"]), AT)

    sight.counted({"servers": {"COMPLETED": 1, "FAILED": 1, "CRASHED": 0}, "images": {}})

    assert sight.stages() == [("images", 0, 0, 1), ("servers", 1, 1, 3)]
