"""For every server of a host it is said how it leaves, or why not, before anything is touched."""

from typing import Any

import pytest

from pumphouse.errors import ConfigError
from pumphouse.evacuation import Evacuation, Way
from pumphouse.leaving import ANSWERS, LEAVING
from pumphouse.models import Strategy
from pumphouse.target_choice import chosen_for_target
from tests.hosts_of import emptied, group, hypervisor, read, server, service, source


def ways(of: Evacuation) -> list[tuple[Way, Way | None]]:
    return [(move.way, move.fallback) for move in of.moves]


@pytest.mark.parametrize(
    ("state", "strategy", "way", "fallback"),
    [
        ("ACTIVE", "auto", Way.LIVE, Way.COLD),
        ("ACTIVE", "live", Way.LIVE, None),
        ("ACTIVE", "cold", Way.COLD, None),
        ("PAUSED", "auto", Way.LIVE, None),
        ("PAUSED", "cold", Way.NONE, None),
        ("SHUTOFF", "auto", Way.COLD, None),
        ("SHUTOFF", "live", Way.COLD, None),
        ("SHELVED", "live", Way.OFFLOAD, None),
        *((state, "auto", Way.NONE, None) for state in ANSWERS),
        ("REBOOT", "auto", Way.NONE, None),
    ],
)
def test_every_state_has_an_answer(
    state: str, strategy: str, way: Way, fallback: Way | None
) -> None:
    """What cannot move is a problem that names the server; all else has a way."""
    found = emptied(source(server("web", status=state)), strategy=Strategy(strategy))

    assert [(way, fallback)] == ways(found)
    assert bool(found.problems) == (way is Way.NONE)
    assert all("web (id-web)" in problem for problem in found.problems)


def test_all_problems_are_said_at_once() -> None:
    """An operator repairs them together, not one a run."""
    found = emptied(
        source(
            server("a", status="ERROR"),
            server("b", status="RESCUE"),
            server("c", task_state="image_uploading"),
            server("d", ram_mib=999_999),
        )
    )

    assert sorted(p.split()[1] for p in found.problems) == ["a", "b", "c", "d"]


def test_a_server_that_nova_is_busy_with_waits_unless_it_is_on_its_way() -> None:
    """A live migration that runs is waited for, and so is a cold one that we began."""
    found = emptied(
        source(
            server("other", task_state="rebooting"),
            server("live", status="MIGRATING", task_state="migrating"),
            server("ours", task_state="resize_migrating", metadata={LEAVING: "cmp1"}),
            server("moved", "cmp2", status="VERIFY_RESIZE", metadata={LEAVING: "cmp1"}),
            server("noted", "cmp2", metadata={LEAVING: "cmp1"}),
            server("theirs", "cmp2", status="VERIFY_RESIZE"),
        )
    )

    assert [move.name for move in found.moves] == ["other", "live", "ours", "moved", "noted"]
    assert [way for way, _ in ways(found)] == [Way.NONE, Way.LIVE, Way.COLD, Way.COLD, Way.COLD]


def test_an_unconfirmed_resize_of_somebody_else_stands_in_the_way() -> None:
    """Its disk is still here, though Nova lists the server elsewhere."""
    rows = source(server("big", "cmp2", status="VERIFY_RESIZE"))

    found = emptied(rows, ({"instance_uuid": "id-big", "source_compute": "cmp1"},))

    assert len(found.problems) == 1
    assert "confirm or revert" in found.problems[0]


def test_a_server_half_way_to_the_target_is_left_alone() -> None:
    """Two runs never hold one server."""
    found = emptied(source(server("web", status="SHUTOFF", metadata={"pumphouse:was": "ACTIVE"})))

    assert [move.way for move in found.moves] == [Way.NONE]


@pytest.mark.parametrize("spec", ["pci_passthrough:alias", "hw:tpm_version", "resources:VGPU"])
def test_what_cannot_move_live_is_moved_cold_if_that_is_allowed(spec: str) -> None:
    """The strategy live stops nothing that runs."""
    rows = source(server("gpu", flavor_extra_specs={spec: "1"}))

    assert ways(emptied(rows)) == [(Way.COLD, None)]
    assert ways(emptied(rows, strategy=Strategy.LIVE)) == [(Way.NONE, None)]


DEAD = [service("cmp1", state="down"), service("cmp2"), service("cmp3")]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "may still run its servers"),
        ({"strategy": Strategy.LIVE, "is_fenced": True}, "nothing moves live"),
        ({"strategy": Strategy.COLD, "is_fenced": True}, "nothing moves cold"),
        ({"is_fenced": True}, "would be built anew from the image"),
    ],
)
def test_a_dead_host_is_evacuated_only_when_fenced_and_nothing_is_lost(
    asked: dict[str, Any], words: str
) -> None:
    """Two that run the same disks are worse than one that is down."""
    found = emptied(source(server("web"), compute_services=DEAD), **asked)

    assert found.is_dead
    assert any(words in problem for problem in found.problems)


def test_a_fenced_host_with_shared_disks_is_evacuated() -> None:
    """Servers on volumes only need no shared disks."""
    rows = source(server("web"), server("bfv", image_id=None), compute_services=DEAD)

    shared = emptied(rows, is_fenced=True, is_storage_shared=True)
    local = emptied(rows, is_fenced=True)

    assert ways(shared) == [(Way.EVACUATE, None)] * 2
    assert shared.problems == ()
    assert [move.way for move in local.moves] == [Way.NONE, Way.EVACUATE]


def test_a_living_host_is_never_evacuated() -> None:
    """Evacuate starts a second copy of what still runs."""
    found = emptied(source(), strategy=Strategy.EVACUATE)

    assert "only a dead host" in found.problems[0]


def test_a_living_host_is_fenced_only_when_evacuation_is_asked_for_by_name() -> None:
    """Fencing cuts off what runs; one word alone is refused, both are meant."""
    rows = source(server("web", image_id=None))

    alone = emptied(rows, fence=True)
    meant = emptied(rows, fence=True, strategy=Strategy.EVACUATE)

    assert "fencing it would cut off what runs" in alone.problems[0]
    assert (meant.is_dead, meant.problems) == (True, ())
    assert ways(meant) == [(Way.EVACUATE, None)]


def test_a_dead_host_that_will_be_fenced_is_evacuated() -> None:
    """It need not be proven off before: its BMC switches it off first."""
    rows = source(server("web", image_id=None), compute_services=DEAD)

    found = emptied(rows, fence=True)

    assert found.problems == ()
    assert ways(found) == [(Way.EVACUATE, None)]


def test_nothing_goes_to_the_target_from_a_dead_host() -> None:
    """Its servers cannot be stopped and read there; they are evacuated first."""
    rows = source(server("web"), compute_services=DEAD)

    found = emptied(rows, to_target=("id-web",), is_fenced=True, is_storage_shared=True)

    assert [move.way for move in found.moves] == [Way.NONE]
    assert "then migrate from its new host" in found.problems[0]


def test_an_unknown_host_is_named_with_those_that_there_are() -> None:
    """Wrong input, not a refusal."""
    rows = source(compute_services=[service("cmp9")])

    with pytest.raises(ConfigError, match="no compute host 'cmp1'; there are cmp9"):
        emptied(rows)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"status": "disabled"}, "is disabled"), ({"state": "down"}, "is down")],
)
def test_the_host_that_is_asked_for_has_to_take_servers(
    change: dict[str, str], words: str
) -> None:
    """Nova would refuse each server in turn."""
    rows = source(compute_services=[service("cmp1"), service("cmp2", **change)])

    assert words in emptied(rows, to_host="cmp2").problems[0]
    assert "to itself" in emptied(source(), to_host="cmp1").problems[0]


def test_what_goes_to_the_target_leaves_its_original_which_moves_cold() -> None:
    """It needs room in the source until finalize deletes it."""
    rows = source(server("web"), server("db"))

    found = emptied(rows, to_target=("id-web",))

    assert ways(found) == [(Way.TARGET, Way.COLD), (Way.LIVE, Way.COLD)]
    assert all(move.expected for move in found.moves)


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["everything"], ("id-web", "id-db")),
        (["web"], ("id-web",)),
        (["project:shop"], ("id-web",)),
        (['servers[vcpus == 2 and status == "ACTIVE"]'], ("id-db",)),
        (["server:web", "servers[vcpus == 2]"], ("id-web", "id-db")),
        ([], ()),
    ],
)
def test_the_selection_for_the_target(words: list[str], ids: tuple[str, ...]) -> None:
    """Names, projects, all, or an expression; only servers of this host, and not twice."""
    rows = source(
        server("web"),
        server("db", vcpus=2, project_id="p2"),
        server("gone", vcpus=2, metadata={"pumphouse:migrated_to": "x"}),
        server("far", "cmp2", vcpus=2),
    )

    assert ids == chosen_for_target(read(rows), "cmp1", words)


def test_a_selection_that_means_nothing_is_wrong_input() -> None:
    """Every such word at once, with what is there."""
    with pytest.raises(ConfigError) as raised:
        chosen_for_target(
            read(source(server("web"), server("far", "cmp2"))), "cmp1", ["far", "project:y"]
        )

    here, unknown = raised.value.problems
    assert here == "'far' means no server of host cmp1, which has web."
    assert unknown.startswith("No project 'y'; there are ")


# ---- room


def test_room_is_what_placement_gives_out_less_what_it_gave() -> None:
    """Each resource counts: one that is short is named with what is free."""
    full = [
        hypervisor("cmp2", vcpus_used=8),
        hypervisor("cmp3", ram_used_mib=8000, disk_used_gib=75),
    ]

    found = emptied(source(server("web"), hypervisors=[hypervisor("cmp1"), *full]))

    assert "cmp2 lacks 1 VCPUs (0 free)" in found.problems[0]
    assert "cmp3 lacks 1024 MiB of RAM (192 free) and 10 GiB of disk (5 free)" in found.problems[0]
    assert "--to-target" in found.problems[0]


def test_servers_that_fit_one_by_one_may_not_fit_together() -> None:
    """Room is taken as servers are placed; the last one finds none."""
    rows = source(*(server(f"s{n}", ram_mib=4096) for n in range(5)))

    found = emptied(rows)

    assert len(found.problems) == 1
    assert sorted(m.expected for m in found.moves if m.expected) == [
        "cmp2",
        "cmp2",
        "cmp3",
        "cmp3",
    ]


def test_packing_is_tried_where_spreading_fails() -> None:
    """A large server after small ones that were spread would find no host."""
    rows = source(
        server("a", vcpus=4, ram_mib=4096), server("b", vcpus=4, ram_mib=4096),
        server("c", vcpus=8, ram_mib=10),
    )  # fmt: skip

    assert emptied(rows).problems == ()


def test_volumes_and_stopped_hosts_count_as_they_should() -> None:
    """No local disk is needed by a server on volumes; hosts that take nothing are no room."""
    rows = source(
        server("bfv", image_id=None, disk_gib=500),
        compute_services=[
            service("cmp1"), service("cmp2", status="disabled"), service("cmp3"),
        ],
    )  # fmt: skip

    found = emptied(rows)

    assert found.problems == ()
    assert [move.expected for move in found.moves] == ["cmp3"]


def test_without_another_host_that_takes_servers_nothing_moves() -> None:
    """It is said so, and not as a lack of each resource."""
    rows = source(server("web"), compute_services=[service("cmp1")])

    assert "No other host is enabled and up" in emptied(rows).problems[0]


def test_anti_affinity_keeps_members_apart() -> None:
    """Also those that leave the host in the same run."""
    apart = group("web", "anti-affinity", "w1", "w2", "w3")
    members = {"server_group_ids": ["g-web"]}
    rows = source(server("w1", **members), server("w2", "cmp2", **members), server_groups=[apart])
    crowded = source(
        server("w1", **members),
        server("w2", "cmp2", **members),
        server("w3", "cmp3", **members),
        server_groups=[apart],
    )

    assert [move.expected for move in emptied(rows).moves] == ["cmp3"]
    assert "has a server of its anti-affinity group web already" in emptied(crowded).problems[0]
    crowded["server_groups"] = [{**apart, "rules": {"max_server_per_host": 2}}]
    assert emptied(crowded).problems == ()
    crowded["server_groups"] = [{**apart, "policy": "soft-anti-affinity"}]
    assert emptied(crowded).problems == ()


def test_an_affinity_group_does_not_leave_one_by_one() -> None:
    """Nova moves single servers and keeps the group together, so none of them can go."""
    together = group("pair", "affinity", "a", "b")
    members = {"server_group_ids": ["g-pair"]}
    rows = source(server("a", **members), server("b", **members), server_groups=[together])
    alone = source(server("a", **members), server_groups=[together])

    assert len(emptied(rows).problems) == 2
    assert "send the whole group to the target" in emptied(rows).problems[0]
    assert emptied(alone).problems == ()


SSD = {"aggregate_instance_extra_specs:ssd": "yes"}


@pytest.mark.parametrize(
    ("aggregate", "values", "words"),
    [
        ({"filter_tenant_id": "p9"}, {}, "reserved for other projects"),
        ({"filter_tenant_id": "p9, p1"}, {}, ""),
        ({"ssd": "no"}, {"flavor_extra_specs": SSD}, "no aggregate with ssd=yes"),
        ({"ssd": "yes"}, {"flavor_extra_specs": SSD}, ""),
    ],
)
def test_aggregates_bind_projects_and_flavors(
    aggregate: dict[str, str], values: dict[str, Any], words: str
) -> None:
    """As Nova's filters of aggregates do."""
    row = {"id": "1", "name": "x", "hosts": ["cmp2", "cmp3"], "metadata": aggregate}

    found = emptied(source(server("web", **values), aggregates=[row]))

    assert bool(words) == bool(found.problems)
    assert all(words in problem for problem in found.problems)


def test_a_server_that_is_bound_to_a_zone_stays_in_it() -> None:
    """One that only happens to be there may go elsewhere, but near comes first."""
    services = [
        service("cmp1", availability_zone="east"),
        service("cmp2", availability_zone="west"),
        service("cmp3", availability_zone="east"),
    ]
    bound = server("web", availability_zone="east", pinned_availability_zone="east")
    free = server("web", availability_zone="east")
    west = [services[0], services[1]]

    for row in (bound, free):
        moves = emptied(source(row, compute_services=services)).moves
        assert [move.expected for move in moves] == ["cmp3"]
    assert "bound to east" in emptied(source(bound, compute_services=west)).problems[0]
    assert emptied(source(free, compute_services=west)).problems == ()
