"""A short form of the matrix: a few effects of a cut-over, each fault at each."""

import pytest

from lab.ceph.layout import Ceph
from matrix import servers
from pumphouse.models import Mover
from tests.lab import LABEL

pytest_plugins = ("tests.lab", "tests.ceph")
pytestmark = pytest.mark.lab


def test_a_cut_over_survives_every_fault(clouds_file: object) -> None:
    """Undone or carried on, then there is one verified copy; taken back, nothing is left."""
    cells = list(servers.cells(every=10, label=f"{LABEL}-matrix"))

    assert len(cells) >= 6
    assert [f"{c.effect}, {c.fault}: {c.outcome}" for c in cells if not c.holds] == []


@pytest.mark.ceph
@pytest.mark.parametrize("mover", [Mover.MANAGE, Mover.RBD])
def test_volumes_in_ceph_survive_every_fault(
    ceph: Ceph, clouds_file: object, mover: Mover
) -> None:
    """One owner of the bytes, whatever fails or is killed: before, after, and taken back."""
    cells = list(servers.cells(every=15, label=f"{LABEL}-{mover.value}", mover=mover))

    assert len(cells) >= 3
    assert [f"{c.effect}, {c.fault}: {c.outcome}" for c in cells if not c.holds] == []
