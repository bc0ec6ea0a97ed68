"""Disk layouts are cloned by what stays the same, and fitted to the target's own sizes."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pumphouse.disks import clone, fit
from pumphouse.fuel_judging import disk_differences, disk_problems
from pumphouse.fuel_layouts import Disk
from tests.fuel_nodes import MINIMAL, disk, node

MODEL, TARGET = node(1), node(2, status="discover", roles=())
BLANK = {"os": 0, "vm": 0}

sizes = st.integers(min_value=60_000, max_value=4_000_000)


@st.composite
def laid_out(draw: st.DrawFn, name: str = "sda") -> Disk:
    """A disk with a system volume, maybe another volume, and maybe free space."""
    size = draw(sizes)
    os_ = draw(st.integers(min_value=55_296, max_value=size))
    vm = draw(st.integers(min_value=0, max_value=size - os_))
    return disk(name, size, os=os_, vm=vm)


@given(laid_out(), sizes)
def test_what_is_fitted_fits(model: Disk, size: int) -> None:
    """Never larger than the disk, no total below its minimum, the system as large as before."""
    fitted = fit(model, disk("sdb", size, **BLANK), MINIMAL)

    was = {volume.name: volume.size for volume in model.volumes}
    if isinstance(fitted, str):
        least = 55_296 + min(was["vm"], 5_120)
        assert size < least, f"refused without need: {fitted}"
        return
    now = {volume.name: volume.size for volume in fitted}
    assert sum(now.values()) <= size
    assert all(now[name] >= min(was[name], MINIMAL[name]) for name in was)
    assert now["os"] <= was["os"]
    if size >= model.size:
        assert now["os"] == was["os"]
        assert now["vm"] >= was["vm"]


@given(laid_out())
def test_an_equal_disk_gets_equal_volumes(model: Disk) -> None:
    """The usual case changes nothing, to the MiB."""
    assert fit(model, model, MINIMAL) == model.volumes


@given(st.lists(sizes, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_disks_of_equal_sizes_are_found_in_any_order(of: list[int], shuffle: object) -> None:
    """Slots may be named otherwise: sizes tell, and no id of the model is ever sent."""
    model = [
        disk(f"sd{i}", s, f"a-{i}", os=55_296 if not i else 0, vm=100) for i, s in enumerate(of)
    ]
    theirs = [disk(f"vd{i}", s, f"b-{i}", **BLANK) for i, s in enumerate(of)]
    shuffle.shuffle(theirs)  # type: ignore[attr-defined]

    layout = clone(MODEL, model, TARGET, theirs, MINIMAL)

    assert layout.problems == ()
    assert [d.id for d in theirs] == [d.id for d in layout.disks]
    used = Counter((d.size, sum(v.size for v in d.volumes)) for d in layout.disks)
    assert used == Counter((d.size, sum(v.size for v in d.volumes)) for d in model)


@given(st.lists(laid_out(), min_size=1, max_size=4), st.lists(sizes, min_size=1, max_size=5))
def test_fuel_is_never_sent_what_it_should_refuse(model: list[Disk], of: list[int]) -> None:
    """Fuel takes layouts that are larger than the disk: so each is checked or refused here."""
    ours = [d.model_copy(update={"name": f"sd{i}", "id": f"a-{i}"}) for i, d in enumerate(model)]
    theirs = [disk(f"sd{i}", size, f"a-{i}", **BLANK) for i, size in enumerate(of)]

    layout = clone(MODEL, ours, TARGET, theirs, MINIMAL)

    assert bool(layout.disks) != bool(layout.problems)
    if layout.disks:
        assert disk_problems(theirs, layout.disks) == []
        assert disk_differences(layout.disks, layout.disks) == []


def test_the_same_slot_and_size_wins() -> None:
    """Two disks of one size are told apart by their slots."""
    model = [disk("sda", 100_000, "x", os=60_000), disk("sdb", 100_000, "y", vm=90_000)]
    theirs = [disk("sda", 100_000, "y", **BLANK), disk("sdb", 100_000, "x", **BLANK)]

    layout = clone(MODEL, model, TARGET, theirs, MINIMAL)

    by_slot = {d.id: {v.name: v.size for v in d.volumes if v.size} for d in layout.disks}
    assert by_slot == {"x": {"os": 60_000}, "y": {"vm": 90_000}}


def test_a_larger_disk_gives_the_data_more() -> None:
    """The system stays as it is; what was kept free stays free."""
    model = disk("sda", 500_000, os=60_000, vm=400_000)

    fitted = fit(model, disk("sda", 700_000, **BLANK), MINIMAL)

    assert not isinstance(fitted, str)
    assert {v.name: v.size for v in fitted} == {"os": 60_000, "vm": 600_000}


def test_a_disk_that_is_too_small_is_refused_with_a_sentence() -> None:
    """It names both disks, what is needed, and what there is."""
    model = [disk("sda", 500_000, os=60_000, vm=440_000)]

    layout = clone(MODEL, model, TARGET, [disk("sda", 50_000, **BLANK)], MINIMAL)

    assert layout.disks == ()
    assert layout.problems == (
        "Disk sda (48.8 GiB) is too small for the volumes of disk sda of the model: os 58.6 GiB, "
        "vm 429.7 GiB need at least 59.0 GiB.",
    )


def test_a_missing_disk_is_a_problem_and_a_spare_one_a_remark() -> None:
    """What the model uses must be there; what it does not know stays unused."""
    one = [disk("sda", 100_000, os=60_000)]
    two = [*one, disk("sdb", 200_000, vm=200_000)]
    blank = [disk(d.name, d.size, **BLANK) for d in two]

    lacking = clone(MODEL, two, TARGET, blank[:1], MINIMAL)
    spare = clone(MODEL, one, TARGET, blank, MINIMAL)

    assert "has no counterpart" in lacking.problems[0]
    assert spare.problems == ()
    assert "sdb (195.3 GiB) of n2" in spare.remarks[0]


def test_a_stick_in_the_target_is_not_laid_out() -> None:
    """A removable disk is nobody's counterpart."""
    stick = {"disks": [{"name": "sdb", "disk": "b", "size": 1, "removable": "1"}]}
    target = node(2, meta=stick)
    theirs = [disk("sdb", 100_000, "b", **BLANK), disk("sda", 100_000, "a", **BLANK)]

    layout = clone(MODEL, [disk("sda", 100_000, "z", os=60_000)], target, theirs, MINIMAL)

    assert [sum(v.size for v in d.volumes) for d in layout.disks] == [0, 60_000]
