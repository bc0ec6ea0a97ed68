"""Networks are cloned by NIC and network names, never by ids; the admin network stays put."""

from hypothesis import given
from hypothesis import strategies as st

from pumphouse.fuel_judging import interface_differences
from pumphouse.fuel_layouts import Interface
from pumphouse.nics import ADMIN, clone
from tests.fuel_nodes import NETWORKS, bond, networks, nic, node

TARGET = node(2, group_id=7)
THERE = networks(group_id=7, shift=100)


def carried(interfaces: tuple[Interface, ...]) -> dict[str, set[str]]:
    """Return the networks of each NIC and bond that has any."""
    return {i.name: {n.name for n in i.networks} for i in interfaces if i.networks}


def blank(*names: str, boots: str = "eno1") -> list[Interface]:
    """Return NICs as Fuel has them after the assignment: everything on the first."""
    return [
        nic(n, list(NETWORKS) if n == boots else [], pxe=n == boots, bus_info=f"0000:{i:02x}")
        for i, n in enumerate(names)
    ]


def test_names_that_agree_are_enough() -> None:
    """NIC by name, network by name; ids are those of the target's node group."""
    model = [
        nic("eno1", [ADMIN], pxe=True),
        nic("eno2", ["management"]),
        nic("ens1", []),
        nic("ens2", []),
        bond("bond0", ["ens1", "ens2"], ["storage", "private"]),
    ]
    theirs = blank("eno1", "eno2", "ens1", "ens2")

    wiring = clone(model, TARGET, theirs, THERE)

    assert wiring.problems == ()
    assert carried(wiring.interfaces) == {
        "eno1": {ADMIN}, "eno2": {"management"}, "bond0": {"storage", "private"},
    }  # fmt: skip
    ids = {n.name: n.id for i in wiring.interfaces for n in i.networks}
    assert ids == {ADMIN: 1, "management": 103, "storage": 104, "private": 105}
    assert [i.id for i in theirs] == [i.id for i in wiring.interfaces if not i.is_bond]
    assert interface_differences(wiring.interfaces, wiring.interfaces) == []


def test_other_names_go_by_slot_and_speed() -> None:
    """A 10 Gbit/s NIC is not replaced by a 1 Gbit/s one that comes first."""
    model = [
        nic("eno1", [ADMIN], pxe=True, max_speed=1000, bus_info="0000:00"),
        nic("ens1", ["management", "storage", "private"], bus_info="0000:05"),
    ]
    theirs = [
        nic("p1", list(NETWORKS), pxe=True, max_speed=1000, bus_info="0000:00"),
        nic("p2", [], max_speed=1000, bus_info="0000:01"),
        nic("p3", [], bus_info="0000:05"),
    ]

    wiring = clone(model, TARGET, theirs, THERE)

    assert carried(wiring.interfaces) == {
        "p1": {ADMIN}, "p3": {"management", "storage", "private"},
    }  # fmt: skip
    assert wiring.remarks == (f"NIC p2 of {TARGET.label} stays without a network.",)


def test_the_admin_network_stays_on_the_nic_that_boots() -> None:
    """Also where another NIC boots than on the model: 400 would be Fuel's answer."""
    model = [nic("eno1", [ADMIN, "management"], pxe=True), nic("eno2", ["storage", "private"])]

    wiring = clone(model, TARGET, blank("eno1", "eno2", boots="eno2"), THERE)

    assert carried(wiring.interfaces)["eno2"] == {ADMIN, "management"}
    assert carried(wiring.interfaces)["eno1"] == {"storage", "private"}


def test_each_obstacle_gets_a_sentence() -> None:
    """All at once, with the names of both sides."""
    model = [
        nic("eno1", [ADMIN], pxe=True),
        nic("fast", ["management"], max_speed=40000, bus_info="0000:09"),
        bond("eno2", ["eno1", "fast"], ["storage"]),
    ]
    theirs = blank("eno1", "eno2")

    wiring = clone(model, TARGET, theirs, [n for n in THERE if n.name != "storage"])

    said = " ".join(wiring.problems)
    assert wiring.interfaces == ()
    assert "NIC fast (slot 0000:09, 40000 Mbit/s) of the model has no counterpart" in said
    assert "has no network storage, which the model has" in said
    assert f"The model has no network private, but {TARGET.label} needs it" in said
    assert "Bond eno2 of the model is called like a NIC" in said


def test_a_slower_nic_of_the_same_name_is_refused() -> None:
    """Storage over 1 Gbit/s would be found out in production."""
    model = [nic("eno1", list(NETWORKS), pxe=True)]
    theirs = [nic("eno1", list(NETWORKS), pxe=True, max_speed=1000)]

    assert "is slower than NIC eno1" in clone(model, TARGET, theirs, THERE).problems[0]


@given(
    st.permutations(sorted(NETWORKS.keys() - {ADMIN})),
    st.lists(st.integers(min_value=0, max_value=3), min_size=3, max_size=3),
    st.permutations(["eno1", "eno2", "ens1", "ens2"]),
    st.booleans(),
)
def test_every_network_is_on_exactly_one_nic(
    names: list[str], places: list[int], order: list[str], bonded: bool
) -> None:
    """Whatever the model, Fuel gets each network once, or nothing at all."""
    at = ["eno1", "eno2", "ens1", "ens2"]
    of = {n: [w for w, p in zip(names, places, strict=True) if at[p] == n] for n in at}
    model = [nic("eno1", [ADMIN, *of["eno1"]], pxe=True), nic("eno2", of["eno2"])]
    if bonded:
        both = [*of["ens1"], *of["ens2"]]
        model += [nic("ens1"), nic("ens2"), bond("bond0", ["ens1", "ens2"], both)]
    else:
        model += [nic("ens1", of["ens1"]), nic("ens2", of["ens2"])]

    wiring = clone(model, TARGET, blank(*order), THERE)

    assert wiring.problems == ()
    placed = [n.name for i in wiring.interfaces for n in i.networks]
    assert sorted(placed) == sorted(NETWORKS)
    boots = next(i for i in wiring.interfaces if i.pxe)
    assert ADMIN in {n.name for n in boots.networks}
