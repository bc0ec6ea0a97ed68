"""
A run as it is seen from elsewhere: what its log lines, tasks and artifacts tell.

What a run writes for its watchers, and what watchers read, is worded here side by side.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pumphouse.steps import STEPS

MIB = 1 << 20
RATE_OVER_S = 5.0
"""A rate is that of at least this long, so that it does not jump."""

_PLACES = {step.name: place for place, step in enumerate(STEPS, 1)}
_DOWN = frozenset(step.name for step in STEPS if step.is_down)

_STEP = re.compile(rf"^(.+): ({'|'.join(_PLACES)})( \(stopped before\))?$")
_TODO = re.compile(r"^To do: (.+)\.$")
_BYTES = re.compile(r"^(.+), (.+): (\d+) of (\d+) MiB\b")

TASKS = {
    "images": "copy image ",
    "snapshots": "copy snapshot ",
    "volumes": "copy volume ",
    "servers": "cut over ",
}
"""By kind of which each thing is a task: how the names of these tasks begin."""


def todo_text(kinds: Iterable[str]) -> str:
    """Return a log line that says how many things of each of *kinds* will be done."""
    counts = Counter(kinds)
    return f"To do: {', '.join(f'{kind} {count}' for kind, count in counts.items()) or 'nothing'}."


def step_text(label: str, step: str, is_up: bool = True) -> str:
    """Return a log line that says that the server *label* is now at *step*."""
    return f"{label}: {step}" + ("" if is_up else " (stopped before)")


def bytes_text(name: str, what: str, done: int, size: int) -> str:
    """Return how far the copy of *what* of *name* is, for an artifact or a log line."""
    return f"{name}, {what}: {done // MIB} of {size // MIB} MiB"


@dataclass(frozen=True)
class Copy:
    """How far one copy is; *rate_mib_s* is None until it is known."""

    what: str
    done_mib: int
    size_mib: int
    rate_mib_s: float | None = None


@dataclass(frozen=True)
class Job:
    """
    One task that runs, or ran.

    Attributes:
        step: Of a cut-over: its name, and its place among all.

        down_since: When the server was stopped, while it is down.

        copies: What it copies now.
    """

    id: str
    name: str
    began: datetime | None = None
    step: str = ""
    place: int = 0
    down_since: datetime | None = None
    copies: Mapping[str, Copy] = field(default_factory=dict)

    @property
    def step_words(self) -> str:
        """The step with its place, for example ``move 5/9``."""
        return f"{self.step} {self.place}/{len(STEPS)}" if self.step else ""

    @property
    def copy(self) -> Copy | None:
        """All that it copies as one."""
        every = list(self.copies.values())
        if not every:
            return None
        rates = [each.rate_mib_s for each in every if each.rate_mib_s is not None]
        what = every[0].what if len(every) == 1 else f"{len(every)} disks"
        done, size = (sum(getattr(c, f) for c in every) for f in ("done_mib", "size_mib"))
        return Copy(what, done, size, sum(rates) if rates else None)


class Sight:
    """All that was seen of one run so far. Feed it in any rhythm; it knows no clock."""

    def __init__(self) -> None:
        self.todo: dict[str, int] = {}
        self.jobs: dict[str, Job] = {}
        self.ended: dict[str, Counter[str]] = {}
        self._seen: dict[tuple[str, str], list[tuple[float, int]]] = {}

    def line(self, task: str, message: str, at: datetime) -> bool:
        """Take in a log line of task run *task*; return whether it is shown by the picture."""
        if found := _TODO.match(message):
            counts = (part.rpartition(" ") for part in found[1].split(", "))
            self.todo = {kind: int(count) for kind, _, count in counts if count.isdigit()}
            return True
        if found := _STEP.match(message):
            self._step(task, found[1], found[2], None if found[3] else at)
            return True
        return bool(_BYTES.match(message))

    def _step(self, task: str, label: str, step: str, at: datetime | None) -> None:
        job = self.jobs.get(task) or Job(task, label)
        down = (job.down_since or at) if step in _DOWN else None
        # Bytes of an earlier step say nothing about this one.
        self.jobs[task] = replace(job, step=step, place=_PLACES[step], down_since=down, copies={})

    def copies(self, task: str, description: str, now_s: float) -> None:
        """Take in a progress artifact of task run *task*, read at *now_s* of any clock."""
        found = _BYTES.match(description.removeprefix("Bytes of "))
        if not found:
            return
        what, done, size = found[2], int(found[3]), int(found[4])
        job = self.jobs.get(task) or Job(task, found[1])
        copies = {key: each for key, each in job.copies.items() if key != what}
        if done < size:
            rate = self._rate((task, what), now_s, done)
            copies[what] = Copy(what, done, size, rate)
        self.jobs[task] = replace(job, copies=copies)

    def _rate(self, key: tuple[str, str], now_s: float, done: int) -> float | None:
        seen = self._seen.setdefault(key, [])
        if not seen or seen[-1][1] != done:
            seen.append((now_s, done))
        while len(seen) > 2 and now_s - seen[1][0] >= RATE_OVER_S:
            seen.pop(0)
        seconds = now_s - seen[0][0]
        return (done - seen[0][1]) / seconds if seconds > 0 and len(seen) > 1 else None

    def running(self, tasks: Sequence[tuple[str, str, datetime | None]]) -> list[Job]:
        """Return the jobs of the tasks that run now, given as id, name and start, as given."""
        found = []
        for id_, name, began in tasks:
            job = self.jobs.get(id_) or Job(id_, name)
            found.append(replace(job, name=name, began=began))
        return found

    def counted(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Take in by kind how many tasks of `TASKS` are in which state."""
        self.ended = {kind: Counter(of) for kind, of in counts.items() if any(of.values())}

    def stages(self) -> list[tuple[str, int, int, int]]:
        """Return kind, how many are done, failed, and to be done in all, of what copies bytes."""
        return [
            (kind, of["COMPLETED"], of["FAILED"] + of["CRASHED"], self.todo.get(kind, 0))
            for kind in TASKS
            if self.todo.get(kind) or kind in self.ended
            for of in [self.ended.get(kind, Counter())]
        ]
