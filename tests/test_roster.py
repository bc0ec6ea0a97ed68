"""The table of all hosts: one line for each, whatever Nova, Fuel and BMCs know of it."""

from typing import Any

from pumphouse.hosts import HostSettings
from pumphouse.roster import Line, Seen, roster
from pumphouse.service_marks import Mark
from tests.fuel_nodes import node

MAC = "52:54:00:00:00:01"
HOSTS = {"cmp1": HostSettings(boot_mac=MAC, macs=(MAC,))}
NOTHING = Seen()


def service(host: str, **given: Any) -> dict[str, Any]:
    """Return a compute service as Nova lists it."""
    usual = {"host": host, "status": "enabled", "state": "up", "disabled_reason": None}
    return {**usual, **given}


def hypervisor(host: str, **given: Any) -> dict[str, Any]:
    """Return a hypervisor as an old Nova lists it."""
    numbers = {"vcpus": 64, "vcpus_used": 4, "memory_mb": 262144, "memory_mb_used": 3072}
    return {"service": {"host": host}, "running_vms": 3, **numbers, **given}


def fuels(status: str, **given: Any) -> Any:
    """Return the host's node in Fuel."""
    usual = {"mac": MAC, "meta": {}, "name": "cmp1", "hostname": "cmp1", "online": True}
    return node(7, status=status, **{**usual, **given})


def test_a_host_of_the_source_shows_what_nova_and_its_bmc_say() -> None:
    """State, servers, capacity in GiB, power."""
    source = Seen(services=[service("cmp1")], hypervisors=[hypervisor("cmp1")])

    assert roster(HOSTS, source, NOTHING, [], {"cmp1": "on"}) == [
        Line(
            host="cmp1",
            cloud="source",
            state="enabled, up",
            servers=3,
            capacity="4/64 VCPUs, 3/256 GiB",
            bmc="on",
        )
    ]


def test_a_nova_that_keeps_capacity_in_placement_leaves_it_empty() -> None:
    """And a service without a hypervisor has neither servers nor capacity."""
    bare = {"vcpus": None, "vcpus_used": None, "memory_mb": None, "running_vms": None}
    source = Seen(
        services=[service("cmp1"), service("cmp2")], hypervisors=[hypervisor("cmp1", **bare)]
    )

    lines = roster(HOSTS, source, NOTHING, [], {})

    assert [(line.capacity, line.servers) for line in lines] == [("", None), ("", None)]


def test_a_host_on_its_way_says_how_far_it_is() -> None:
    """By the note on its service, then by Fuel."""
    kept = {"status": "disabled", "disabled_reason": Mark().text}
    reset = {"status": "disabled", "disabled_reason": Mark(reset_at="2026-01-02T03:04:05Z").text}

    def upgrade(nodes: list[Any], **given: Any) -> str:
        source = Seen(services=[service("cmp1", **given)])
        return roster(HOSTS, source, NOTHING, nodes, {})[0].upgrade

    assert upgrade([]) == ""
    assert upgrade([], **kept) == "in maintenance"
    assert upgrade([], **reset) == "reset 2026-01-02T03:04:05Z"
    assert upgrade([fuels("discover", cluster=None)], **reset) == "in bootstrap"
    assert upgrade([fuels("deploying", cluster=1)], **reset) == "deploying"


def test_an_upgraded_host_is_one_line_of_the_target() -> None:
    """Its BMC is found by its MACs, whatever it is called now; it is not listed twice."""
    target = Seen(services=[service("node-7.example")], hypervisors=[])
    found = fuels("ready", cluster=1, hostname="node-7", fqdn="node-7.example")

    (line,) = roster(HOSTS, NOTHING, target, [found], {"cmp1": "on"})

    assert (line.cloud, line.bmc, line.upgrade) == ("target", "on", "done")
    assert line.fuel == "cmp1 (7): ready"


def test_the_targets_own_hosts_were_never_upgraded() -> None:
    """Whether Fuel knows them or not."""
    target = Seen(services=[service("own"), service("other")])
    others = fuels("ready", cluster=1, hostname="own", mac="52:54:00:00:00:99")

    lines = roster(HOSTS, NOTHING, target, [others], {})

    assert [(line.host, line.upgrade) for line in lines] == [
        ("own", ""),
        ("other", ""),
        ("cmp1", ""),
    ]


def test_a_host_that_no_cloud_has_is_listed_with_what_fuel_says() -> None:
    """After its reset, before its deployment."""
    waiting = fuels("discover", cluster=None)
    lost = fuels("discover", cluster=None, online=False)

    (line,) = roster(HOSTS, NOTHING, NOTHING, [waiting], {"cmp1": "on"})
    (offline,) = roster(HOSTS, NOTHING, NOTHING, [lost], {})

    assert (line.cloud, line.fuel, line.upgrade) == ("", "cmp1 (7): discover", "in bootstrap")
    assert (offline.fuel, offline.upgrade) == ("cmp1 (7): discover, offline", "")
