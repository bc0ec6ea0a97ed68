"""A short form of the matrix: a few effects of each operation, a few faults at each."""

import pytest

from lab.ceph.layout import Ceph
from matrix import finals, groups, rollbacks, servers
from matrix.cells import Cell, Choice
from matrix.faults import Fault
from pumphouse.models import Mover
from tests.lab import LABEL

pytest_plugins = ("tests.lab", "tests.ceph")
pytestmark = pytest.mark.lab


def test_a_cut_over_survives_every_fault(clouds_file: object) -> None:
    """Undone or carried on, then there is one verified copy; taken back, nothing is left."""
    cells = list(servers.cells(Choice(10), label=f"{LABEL}-matrix"))

    assert len(cells) >= 6
    assert wrong(cells) == []


def wrong(cells: list[Cell]) -> list[str]:
    """Return the cells that do not hold."""
    return [f"{c.effect}, {c.fault}: {c.outcome}" for c in cells if not c.holds]


@pytest.mark.ceph
@pytest.mark.parametrize("mover", [Mover.MANAGE, Mover.RBD])
def test_volumes_in_ceph_survive_a_kill(ceph: Ceph, clouds_file: object, mover: Mover) -> None:
    """One owner of the bytes: before, after, and taken back."""
    label = f"{LABEL}-{mover.value}"
    cells = list(servers.cells(Choice(15), label=label, mover=mover, faults=(Fault.KILLED,)))

    assert cells
    assert wrong(cells) == []


@pytest.mark.ceph
def test_a_return_survives_every_fault(ceph: Ceph, clouds_file: object) -> None:
    """The copy works, or the source server does; then that, as it was before it moved."""
    faults = (Fault.REFUSED, Fault.KILLED)
    cells = list(rollbacks.cells(Choice(20), label=f"{LABEL}-back", faults=faults))

    assert cells
    assert wrong(cells) == []


@pytest.mark.ceph
def test_the_end_of_a_project_survives_a_kill(ceph: Ceph, clouds_file: object) -> None:
    """Its copy is at work all the time; the next run leaves nothing of it at the source."""
    cells = list(finals.cells(Choice(20), label=f"{LABEL}-final", faults=(Fault.KILLED,)))

    assert cells
    assert wrong(cells) == []


def test_servers_that_belong_together_are_not_parted_by_a_kill(clouds_file: object) -> None:
    """Killed when one is noted as moved: carried on, or taken back, both have arrived."""
    cells = list(groups.cells(Choice(99), label=f"{LABEL}-group", faults=(Fault.KILLED,)))

    assert [cell.fault for cell in cells] == [Fault.KILLED, groups.TAKEN_BACK]
    assert wrong(cells) == []


def test_servers_that_share_a_volume_are_not_parted_by_a_kill(clouds_file: object) -> None:
    """There is one copy of it, at both copies, or none."""
    label, faults = f"{LABEL}-share", (Fault.KILLED,)
    cells = list(groups.cells(Choice(15), label=label, faults=faults, is_sharing=True))

    assert len(cells) >= 2
    assert wrong(cells) == []
