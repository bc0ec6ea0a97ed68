"""A short form of the matrix: a few effects of a cut-over, each fault at each."""

import pytest

from matrix import servers
from tests.lab import LABEL

pytest_plugins = ["tests.lab"]
pytestmark = pytest.mark.lab


def test_a_cut_over_survives_every_fault(clouds_file: object) -> None:
    """Undone or carried on, then there is one verified copy; taken back, nothing is left."""
    cells = list(servers.cells(every=10, label=f"{LABEL}-matrix"))

    assert len(cells) >= 6
    assert [f"{c.effect}, {c.fault}: {c.outcome}" for c in cells if not c.holds] == []
