"""How a batch goes: the words of an operator, and when no further server is begun."""

from datetime import UTC, datetime, timedelta

import pytest

from pumphouse.errors import ConfigError, LeftTogether
from pumphouse.pacing import Pacing, paced, window_end
from pumphouse.tasks import bandwidth
from pumphouse.tasks.bandwidth import Bandwidth
from pumphouse.tasks.gate import Gate

NOW = datetime(2030, 1, 31, 23, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("23:30", 0.5),
        ("05:30", 6.5),
        ("5:30 UTC", 6.5),
        ("05:30 Europe/Berlin", 5.5),
        ("2030-02-01T05:30+01:00", 5.5),
        ("23:00", 24),
    ],
)
def test_the_end_of_a_window_is_the_next_such_time(text: str, hours: float) -> None:
    """A nightly run that starts late in the evening ends in the morning."""
    assert window_end(text, NOW) == NOW + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("25:00", "05:30 Europe/Berlin"),
        ("tonight", "05:30 Europe/Berlin"),
        ("05:30 Mars/Base", "05:30 Europe/Berlin"),
        ("05:30 Europe", "05:30 Europe/Berlin"),
        ("05:30 ../etc", "05:30 Europe/Berlin"),
        ("2030-02-01T05:30", "add its offset"),
        ("2030-01-31T22:59+00:00", "is over"),
    ],
)
def test_what_is_no_time_is_refused(text: str, words: str) -> None:
    """A batch that would run into the day must not begin on a guess."""
    with pytest.raises(ConfigError, match=words):
        window_end(text, NOW)


def test_all_mistakes_are_said_at_once() -> None:
    """Numbers and times."""
    with pytest.raises(ConfigError) as caught:
        paced(-1, 0, -2, "noon", NOW)
    assert len(caught.value.problems) == 3


def test_nothing_asked_is_no_limit() -> None:
    """A batch without pacing begins everything."""
    assert paced(0, 0, 0, "", NOW).hindrance(1000, NOW) == ""


@pytest.mark.parametrize(
    ("pacing", "failures", "words"),
    [
        (Pacing(max_failures=2), 1, ""),
        (Pacing(max_failures=2), 2, "max_failures is 2"),
        (Pacing(until=NOW + timedelta(seconds=1)), 0, ""),
        (Pacing(until=NOW), 0, "window ended at 2030-01-31 23:00 UTC"),
    ],
)
def test_when_no_other_is_begun(pacing: Pacing, failures: int, words: str) -> None:
    """The reason is a sentence for the ledger."""
    said = pacing.hindrance(failures, NOW)
    assert words in said if words else said == ""


def test_the_gate_counts_and_closes() -> None:
    """Failures of all threads count; a failed canary shuts it at once."""
    gate = Gate(Pacing(max_failures=2))
    with gate.counting():
        assert gate.hindrance() == ""
    for error in (KeyError("addresses"), LeftTogether("a", "b failed.")):
        with pytest.raises(type(error)), gate.counting():
            raise error
    assert gate.hindrance() == "2 server(s) failed, and max_failures is 2."
    shut = Gate(Pacing())
    shut.close("The canary web failed.")
    assert shut.hindrance() == "The canary web failed."


def test_bytes_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first second's worth, a second passes for each *rate* of bytes."""
    clock = [100.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(bandwidth.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(bandwidth.time, "sleep", sleep)
    limit = Bandwidth(10)

    for _ in range(50):
        limit.spend(1)

    assert clock[0] == pytest.approx(103.9)


def test_no_limit_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rate of zero is none."""
    waits: list[float] = []
    monkeypatch.setattr(bandwidth.time, "sleep", waits.append)
    for limit in (Bandwidth(0), Bandwidth(1)):
        limit.spend(1 << 20)
        assert waits == []
        limit.spend(1)
    assert len(waits) == 1
