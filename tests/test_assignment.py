"""The model is a ready compute node, the most alike one; fixed assignments are checked."""

from typing import Any

import pytest

from pumphouse.assignment import choose, fixed_layout, fixed_wiring
from pumphouse.nics import ADMIN
from pumphouse.upgrade_options import FixedAssignment
from tests.fuel_nodes import MINIMAL, NETWORKS, disk, networks, nic, node

HERE = 2


def hardware(disks: list[int], nics: list[str], product: str = "R740") -> dict[str, Any]:
    """Return what an agent reports."""
    return {
        "disks": [{"name": f"d{i}", "size": s * 2**20} for i, s in enumerate(disks)],
        "interfaces": [{"name": n, "mac": f"m-{n}"} for n in nics],
        "system": {"manufacturer": "Dell", "product": product},
    }


NEW = node(9, cluster=None, status="discover", roles=(), meta=hardware([100, 200], ["a", "b"]))


def test_the_most_alike_node_is_the_model() -> None:
    """Disks and NICs weigh more than the name on the box; equal ones: the oldest."""
    nodes = [
        node(1, meta=hardware([999], ["x"])),
        node(2, meta=hardware([100, 200], ["a", "b"], "other")),
        node(3, meta=hardware([100, 200], ["a", "b"])),
        node(4, meta=hardware([200, 100], ["b", "a"])),
        NEW,
    ]

    choice = choose(nodes, NEW, HERE)

    assert choice.node == nodes[2]
    assert choice.reason == "Of 4 ready compute nodes it is most alike: disks, NICs, product."


@pytest.mark.parametrize(
    "unfit",
    [
        {"status": "deploying"},
        {"status": "error"},
        {"roles": ("controller",)},
        {"pending_deletion": True},
        {"cluster": 3},
        {"cluster": None},
    ],
)
def test_only_ready_compute_nodes_of_the_environment_are_models(unfit: dict[str, Any]) -> None:
    """A layout that was never deployed proves nothing."""
    choice = choose([node(1, **unfit)], NEW, HERE)

    assert choice.node is None
    assert "no ready node with the role compute" in choice.problems[0]


def test_a_controller_is_a_model_only_if_nothing_else_is() -> None:
    """Its other roles would be cloned too."""
    both, plain = node(1, roles=("controller", "compute")), node(2)

    assert choose([both, plain], NEW, HERE).node == plain
    assert choose([both], NEW, HERE).node == both


@pytest.mark.parametrize("name", ["n1", "node-1", "1"])
def test_a_model_can_be_named(name: str) -> None:
    """By Fuel's name, by host name, by id."""
    assert choose([node(1), node(2)], NEW, HERE, name).node == node(1)


def test_a_named_model_that_does_not_fit_is_refused() -> None:
    """Not silently replaced by another."""
    nodes = [node(1, status="error"), node(2)]

    assert "it is error, not ready" in choose(nodes, NEW, HERE, "n1").problems[0]
    assert "No node is called 'n7'" in choose(nodes, NEW, HERE, "n7").problems[0]


DISKS = [disk("sda", 100_000, os=55_296, vm=44_704), disk("sdb", 200_000, os=0, vm=200_000)]


def test_fixed_disks_may_take_the_rest() -> None:
    """One size fits hosts whose disks differ a little."""
    fixed = FixedAssignment(disks={"sda": {"os": 60_000}, "sdb": {"vm": "rest"}})

    layout = fixed_layout(fixed, NEW, DISKS, MINIMAL)

    volumes = [{v.name: v.size for v in d.volumes} for d in layout.disks]
    assert volumes == [{"os": 60_000, "vm": 0}, {"os": 0, "vm": 200_000}]


def test_fixed_disks_are_checked_against_the_host() -> None:
    """Unknown disk, too large, too small: all at once."""
    fixed = FixedAssignment(disks={"sda": {"os": 50_000, "vm": 60_000}, "sdz": {"vm": 1}})

    said = " ".join(fixed_layout(fixed, NEW, DISKS, MINIMAL).problems)

    assert "names sdz" in said
    assert "sda needs 110000 MiB" in said
    assert "volume os 50000 MiB; Fuel wants at least 55296" in said


def test_nothing_fixed_leaves_fuel_s_own() -> None:
    """Roles alone are a complete fixed assignment."""
    nics = [nic("eno1", list(NETWORKS))]

    assert fixed_layout(FixedAssignment(), NEW, DISKS, MINIMAL).disks == tuple(DISKS)
    assert fixed_wiring(FixedAssignment(), NEW, nics, []).interfaces == tuple(nics)


def test_fixed_networks_are_placed_or_refused() -> None:
    """Every network exactly once, on NICs that exist."""
    nics = [nic("eno1", list(NETWORKS), pxe=True), nic("eno2"), nic("eno3")]
    good = FixedAssignment.model_validate(
        {
            "nics": {"eno1": [ADMIN, "management"]},
            "bonds": {"bond0": {"slaves": ["eno2", "eno3"], "networks": ["storage", "private"]}},
        }
    )
    bad = FixedAssignment.model_validate(
        {
            "nics": {"eno1": [ADMIN, "public"], "eno7": [ADMIN]},
            "bonds": {"eno2": {"slaves": ["eno3", "eno9"]}},
        }
    )

    wiring = fixed_wiring(good, node(9), nics, networks(group_id=2))
    said = " ".join(fixed_wiring(bad, node(9), nics, networks(group_id=2)).problems)

    assert wiring.problems == ()
    placed = {i.name: [n.name for n in i.networks] for i in wiring.interfaces if i.networks}
    assert placed == {"eno1": [ADMIN, "management"], "bond0": ["storage", "private"]}
    for words in ("NIC eno7", "NIC eno9", "eno2 is called like a NIC", "network public",
                  f"network {ADMIN} on several", "network management nowhere"):  # fmt: skip
        assert words in said
