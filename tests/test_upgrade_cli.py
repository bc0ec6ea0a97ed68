"""The commands that upgrade hosts, and what they hand to the flows."""

from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from pumphouse.cli import app, upgrades


@pytest.fixture(name="ran")
def _ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Flows that would have been run, with their parameters."""
    seen: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(upgrades, "run", lambda flow, given, way: seen.append((flow, given)))
    return seen


@pytest.mark.parametrize("name", ["upgrade-host", "reassign"])
def test_one_host_and_several_are_different_flows(
    ran: list[tuple[str, dict[str, Any]]], name: str
) -> None:
    """Under both names; several go in waves, whose size is the site's when none is given."""
    runner, usual = CliRunner(), {"approve": False, "dry_run": False}

    for words in (["cmp1"], ["cmp1", "cmp2"], ["cmp1", "cmp2", "--parallel", "2"]):
        done = runner.invoke(app, [name, *words, "--yes"])
        assert done.exit_code == 0, done.output

    two = {**usual, "hosts": ["cmp1", "cmp2"]}
    assert ran == [
        ("upgrade-host", {**usual, "host": "cmp1"}),
        ("upgrade-hosts", {**two, "parallel": 0}),
        ("upgrade-hosts", {**two, "parallel": 2}),
    ]


def test_the_alias_has_every_option() -> None:
    """It is the same command."""
    known: Any = get_command(app)
    options = {
        name: [parameter.name for parameter in known.commands[name].params]
        for name in ("upgrade-host", "reassign")
    }
    assert options["upgrade-host"] == options["reassign"]
