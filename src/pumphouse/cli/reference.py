"""The reference of all commands, as docs/cli.md has it: what their ``--help`` says."""

from collections import Counter

import typer
from typer.cli import get_docs_for_click

from pumphouse.cli import command

SHARED = 10
"""An option of so many commands is explained once."""


def markdown() -> str:
    """Return every command with its arguments and options, in Markdown."""
    group = command()
    text = get_docs_for_click(obj=group, ctx=typer.Context(group), name="pumphouse", title="")
    lines = [line.rstrip() for line in text.splitlines()]
    start = next(number for number, line in enumerate(lines) if line.startswith("## "))
    lines = lines[start:]
    times = Counter(line for line in lines if line.startswith("* `-"))
    shared = [line for line, count in times.items() if count >= SHARED]
    kept = [line for line in lines if line not in shared]
    body = "\n".join(kept).replace("**Options**:\n\n\n", "")
    common = "\n".join(shared)
    return f"## Options that many commands have\n\n{common}\n\n{body.strip()}\n"
