"""What the terminal shows: one console for results, one for everything else."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from pumphouse.errors import ConfigError, PumphouseError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


class _Lazy:
    """A console that is made when it is first used: Rich's import is half of the help's time."""

    def __init__(self, stderr: bool) -> None:
        self._stderr = stderr

    def __getattr__(self, name: str) -> Any:
        if "_console" not in self.__dict__:
            from rich.console import Console

            self.__dict__["_console"] = Console(stderr=self._stderr, highlight=False)
        return getattr(self.__dict__["_console"], name)

    def __enter__(self) -> Any:
        return self.__getattr__("__enter__")()

    def __exit__(self, *raised: object) -> None:
        self.__getattr__("__exit__")(*raised)


out = cast("Console", _Lazy(stderr=False))
"""Results: what a pipe gets."""

err = cast("Console", _Lazy(stderr=True))
"""Progress, warnings and errors."""


def escape(text: str) -> str:
    """Return *text* so that Rich takes nothing in it as markup."""
    from rich.markup import escape as of_rich

    return of_rich(text)


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


def table(title: str, *columns: str) -> "Table":
    """Return an empty table in the house's look."""
    from rich.table import Table

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
