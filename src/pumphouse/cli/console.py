"""What the terminal shows: results, what happens meanwhile, and errors, each by its console."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from pumphouse.errors import ConfigError, PumphouseError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


VERBOSE = "PUMPHOUSE_VERBOSE"
"""The variable that is set while a command shall tell all."""


class _Lazy:
    """A console that is made when it is first used: Rich's import is half of the help's time."""

    def __init__(self, stderr: bool) -> None:
        self._stderr = stderr
        self._silent = False

    def be_silent(self, silent: bool) -> None:
        """Print nothing from now on, or again."""
        self._silent = silent
        if "_console" in self.__dict__:
            self.__dict__["_console"].quiet = silent

    def __getattr__(self, name: str) -> Any:
        if "_console" not in self.__dict__:
            from rich.console import Console

            made = Console(stderr=self._stderr, highlight=False, quiet=self._silent)
            self.__dict__["_console"] = made
        return getattr(self.__dict__["_console"], name)

    def __enter__(self) -> Any:
        return self.__getattr__("__enter__")()

    def __exit__(self, *raised: object) -> None:
        self.__getattr__("__exit__")(*raised)


_results, _progress = _Lazy(stderr=False), _Lazy(stderr=True)

out = cast("Console", _results)
"""Results: what a pipe gets. Silent with --quiet, and with --json, which has its own way."""

err = cast("Console", _progress)
"""What happens meanwhile, and warnings. Silent with --quiet."""

errors = cast("Console", _Lazy(stderr=True))
"""Errors. Never silent."""


class _Mode:
    """How talkative this command is, and whether its JSON was printed."""

    is_quiet = False
    is_json = False
    is_printed = False

    @classmethod
    def set(cls, **flags: bool) -> None:
        """Change *flags*, and let the consoles obey."""
        for name, value in flags.items():
            setattr(cls, name, value)
        _results.be_silent(cls.is_quiet or cls.is_json)
        _progress.be_silent(cls.is_quiet)


def begin() -> None:
    """Be as talkative as a command is without options."""
    _Mode.set(is_quiet=False, is_json=False, is_printed=False)


def be_quiet(asked: bool) -> bool:
    """Print errors only from now on, or all; return *asked*, as callbacks of options do."""
    _Mode.set(is_quiet=asked)
    return asked


def be_json(asked: bool) -> bool:
    """Print one JSON document and no other result from now on, or all; return *asked*."""
    _Mode.set(is_json=asked)
    return asked


def be_verbose(asked: bool) -> bool:
    """Tell all from now on, if *asked*; return *asked*."""
    if asked:
        os.environ[VERBOSE] = "1"
    return asked


def is_verbose() -> bool:
    """Tell if tracebacks and Prefect's own messages are wanted."""
    return bool(os.environ.get(VERBOSE))


def trouble(text: str) -> None:
    """Print what is wrong among results; with --quiet as an error."""
    (errors if _Mode.is_quiet else out).print(text)


def escape(text: str) -> str:
    """Return *text* so that Rich takes nothing in it as markup."""
    from rich.markup import escape as of_rich

    return of_rich(text)


def print_json(value: Any) -> None:
    """Print *value* as JSON, whatever the terminal's width or colors."""
    _Mode.is_printed = True
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def print_json_error(kind: str, message: str, code: int) -> None:
    """Print what ended the command as JSON, if that was asked for and no result was printed."""
    # Words that cannot be read end a command before its options act.
    if (_Mode.is_json or "--json" in sys.argv) and not _Mode.is_printed:
        print_json({"error": kind, "message": message, "exit_code": code})


def print_error(error: PumphouseError) -> None:
    """
    Print one message: a heading for the kind of error, each problem on its own line.

    Who asked for JSON, and got no result, gets the error as JSON too.
    """
    print_json_error(type(error).__name__, str(error), error.exit_code)
    if isinstance(error, ConfigError):
        errors.print(f"[bold red]Wrong input[/] in {escape(error.origin)}:")
        for problem in error.problems:
            errors.print(f"  • {escape(problem)}")
        return
    errors.print(f"[bold red]{_words(type(error).__name__)}:[/] {escape(str(error))}")


def _words(name: str) -> str:
    """``CloudUnreachable`` becomes ``Cloud unreachable``."""
    spaced = "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
    return spaced.capitalize()


def table(title: str, *columns: str) -> "Table":
    """Return an empty table in the house's look; *title* is text, and nothing in it markup."""
    from rich.table import Table

    shown = escape(title)
    made = Table(title=shown, title_justify="left", title_style="bold", header_style="dim")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


class RunLines(logging.Handler):
    """Prints what flows and tasks say, and leaves out what Prefect says about itself."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line: time, task, message."""
        # The exception that ends a run is printed by the command, once.
        ends_run = record.name.startswith("prefect.flow_runs") and record.exc_info
        if "/prefect/" in record.pathname and (record.levelno < logging.WARNING or ends_run):
            return
        stamp = logging.Formatter("%(asctime)s", "%H:%M:%S").format(record).split("\n")[0]
        task = getattr(record, "task_run_name", "")
        color = {logging.WARNING: "yellow", logging.ERROR: "red"}.get(record.levelno, "default")
        said_by = f"[cyan]{escape(task)}[/] " if task else ""
        text = escape(record.getMessage().splitlines()[0] if record.getMessage() else "")
        shown_by = errors if record.levelno >= logging.ERROR else err
        shown_by.print(f"[dim]{stamp}[/] {said_by}[{color}]{text}[/]")


@contextmanager
def run_lines(quiet: bool) -> Iterator[None]:
    """
    Show the log lines of flows and tasks while a run is under way in this process.

    With --verbose Prefect's own console shows them, with all the rest.
    """
    if is_verbose():
        yield
        return
    loggers = [logging.getLogger(name) for name in ("prefect.flow_runs", "prefect.task_runs")]
    handler = RunLines(logging.ERROR if quiet else logging.INFO)
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
