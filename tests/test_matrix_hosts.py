"""A short form of the matrix of a host's upgrade, through a real server and real workers."""

import pytest

from matrix.hosts import Fault, of

pytestmark = pytest.mark.hosts

SOME = [("deploy", Fault.BOTH), ("pxe", Fault.FLOW), ("provision", Fault.FLOW)]


def test_an_upgrade_survives_kills() -> None:
    """The run crashes, and the next one carries on; nothing is done twice, no slot stays."""
    cells = list(of(SOME))

    assert len(cells) == len(SOME)
    assert [f"{c.effect}, {c.fault}: {c.outcome}" for c in cells if not c.holds] == []
