"""What the terminal shows: one console for results, one for everything else."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pumphouse.errors import ConfigError, PumphouseError

out = Console(highlight=False)
"""Results: what a pipe gets."""

err = Console(stderr=True, highlight=False)
"""Progress, warnings and errors."""


def print_json(value: Any) -> None:
    """Print *value* as JSON, whatever the terminal's width or colors."""
    out.file.write(json.dumps(value, indent=2, default=str) + "\n")


def print_error(error: PumphouseError) -> None:
    """Print one message: a heading for the kind of error, each problem on its own line."""
    if isinstance(error, ConfigError):
        err.print(f"[bold red]Wrong input[/] in {escape(error.origin)}:")
        for problem in error.problems:
            err.print(f"  • {escape(problem)}")
        return
    err.print(f"[bold red]{_words(type(error).__name__)}:[/] {escape(str(error))}")


def _words(name: str) -> str:
    """``CloudUnreachable`` becomes ``Cloud unreachable``."""
    spaced = "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
    return spaced.capitalize()


def table(title: str, *columns: str) -> Table:
    """Return an empty table in the house's look."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="dim")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


class RunLines(logging.Handler):
    """Prints what flows and tasks say, and leaves out what Prefect says about itself."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line: time, task, message."""
        if "/prefect/" in record.pathname and record.levelno < logging.WARNING:
            return
        stamp = logging.Formatter("%(asctime)s", "%H:%M:%S").format(record).split("\n")[0]
        task = getattr(record, "task_run_name", "")
        color = {logging.WARNING: "yellow", logging.ERROR: "red"}.get(record.levelno, "default")
        said_by = f"[cyan]{escape(task)}[/] " if task else ""
        text = escape(record.getMessage().splitlines()[0] if record.getMessage() else "")
        err.print(f"[dim]{stamp}[/] {said_by}[{color}]{text}[/]")


@contextmanager
def run_lines(quiet: bool) -> Iterator[None]:
    """Show the log lines of flows and tasks while a run is under way in this process."""
    loggers = [logging.getLogger(name) for name in ("prefect.flow_runs", "prefect.task_runs")]
    handler = RunLines(logging.WARNING if quiet else logging.INFO)
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
