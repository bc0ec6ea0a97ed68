"""docs/cli.md says what the commands themselves say; tables of all pages are whole."""

import re
from pathlib import Path

from pumphouse.cli import command
from pumphouse.cli.groups import commands
from pumphouse.cli.reference import markdown

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"


def test_every_command_and_option_is_explained() -> None:
    """Replace the part below the example by `pumphouse.cli.reference.markdown()`."""
    assert PAGE.read_text().endswith(f"\n\n{markdown()}")


def test_no_table_is_cut_in_two() -> None:
    """An empty line ends a table: what follows without a head is shown as it is written."""
    cut = re.compile(r"^\|.*\n\n(\|.*)\n(?!\|[ :|-]+\|$)", re.MULTILINE)
    pages = [*PAGE.parent.rglob("*.md"), *PAGE.parent.parent.glob("*.md")]
    assert {page.name: found for page in pages if (found := cut.findall(page.read_text()))} == {}


def test_no_option_is_without_a_word() -> None:
    """A reference of bare names helps nobody."""
    silent = [
        f"{name} {parameter.name}"
        for name, found in commands(command())
        for parameter in found.params
        if not getattr(parameter, "help", None)
    ]
    assert silent == []
