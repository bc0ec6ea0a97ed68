"""The live picture of a run in the terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pumphouse.live import Job

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

MOST_JOBS = 20
BAR = 20
COLORS = {"Running": "green", "Cancelling": "yellow", "Failed": "red", "Crashed": "red"}


def clock(seconds: float) -> str:
    """Return *seconds* as ``4:05`` or ``1:04:05``."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _since(began: datetime | None, now: datetime) -> str:
    return clock((now - began).total_seconds()) if began else ""


def picture(
    seen: "FlowRun",
    counts: Sequence[tuple[str, int]],
    stages: Sequence[tuple[str, int, int, int]],
    jobs: Sequence[Job],
    failed: Sequence[str],
) -> RenderableType:
    """Return what is shown of a run: how it is, what runs, what failed."""
    now = datetime.now(UTC)
    parts: list[RenderableType] = [Spinner("dots", _head(seen, counts, now))]
    if stages:
        parts.append(_stages(stages))
    if jobs:
        parts.append(_table(jobs, now))
    parts += [Text(f"  ✗ {words}", "red", overflow="ellipsis", no_wrap=True) for words in failed]
    return Group(*parts)


def _head(seen: "FlowRun", counts: Sequence[tuple[str, int]], now: datetime) -> Text:
    state = (seen.state and seen.state.name) or "Unknown"
    text = Text.assemble((seen.name, "bold"), "  ", (state, COLORS.get(state, "default")))
    if began := seen.start_time or seen.expected_start_time:
        text.append(f"  {_since(began, now)}", "dim")
    tasks = ", ".join(f"{count} {word}" for word, count in counts)
    return text.append(f"  tasks: {tasks}" if tasks else "", "dim")


def _stages(stages: Sequence[tuple[str, int, int, int]]) -> Text:
    text = Text("  ")
    for kind, done, failed, all_ in stages:
        text.append(f"{kind} {done} of {max(all_, done + failed)}")
        text.append(f", {failed} failed" if failed else "", "red")
        text.append("   ")
    return text


def _table(jobs: Sequence[Job], now: datetime) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 2), pad_edge=False)
    table.add_column("Under way", overflow="ellipsis", no_wrap=True)
    for name in ("Step", "Copied", ""):
        table.add_column(name, no_wrap=True)
    for name in ("Rate", "Time", "Down"):
        table.add_column(name, no_wrap=True, justify="right")
    for job in jobs[:MOST_JOBS]:
        copy = job.copy
        rate = copy.rate_mib_s if copy else None
        table.add_row(
            f"  {job.name}",
            job.step_words,
            f"{copy.done_mib:,} of {copy.size_mib:,} MiB" if copy else "",
            ProgressBar(copy.size_mib or 1, copy.done_mib, width=BAR) if copy else "",
            f"{rate:,.0f} MiB/s" if rate is not None else "",
            _since(job.began, now),
            Text(_since(job.down_since, now), "bold red"),
        )
    if len(jobs) > MOST_JOBS:
        table.add_row(f"  and {len(jobs) - MOST_JOBS} more")
    return table
