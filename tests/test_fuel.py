"""What Fuel says, and how it is judged: plain values, no server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pumphouse.fuel import Node, Task, mac_set
from pumphouse.fuel_access import FuelAccess
from pumphouse.fuel_judging import (
    deploy_failure,
    disk_differences,
    disk_problems,
    interface_differences,
    match,
    provision_failure,
    reason_of,
    says_busy,
)
from pumphouse.fuel_layouts import Disk, Interface, NetworkRef, Slave, Volume, bond_attributes
from tests.fuel_samples import samples

BY_NAME = {sample["name"]: sample["response"] for sample in samples()}
MAC = "52:54:00:aa:15:00"


def node(**changes: object) -> Node:
    """Return a ready compute node."""
    values = {"id": 16, "name": "cmp1", "mac": MAC, "status": "ready", "online": True}
    return Node.model_validate({**values, "cluster": 2, "roles": ["compute"], **changes})


def task(status: str = "ready", message: str | None = None) -> Task:
    """Return a task."""
    return Task(id=5, name="deploy", status=status, message=message)


@pytest.mark.parametrize(
    ("status", "over"),
    [("pending", False), ("running", False), ("ready", True), ("error", True)],
)
def test_only_its_status_ends_a_job(status: str, over: bool) -> None:
    """Its progress may say 100 for seconds before."""
    assert over == Task(id=5, name="deploy", status=status, progress=100).over


def test_recorded_nodes_are_understood() -> None:
    """All of them, with their ports and disks."""
    nodes = [Node.model_validate(raw) for raw in BY_NAME["009_list_nodes"]["body"]]
    assert len(nodes) == 8
    kvm = next(found for found in nodes if found.name == "KVM")
    assert len(kvm.macs) == 6


def test_a_recorded_node_tells_its_hardware() -> None:
    """Sizes of what the agent reports are bytes; its memory too."""
    found = Node.model_validate(BY_NAME["040_register_node"]["body"])
    assert [disk.size_mib for disk in found.hardware.disks] == [491520, 983040]
    assert found.hardware.memory.total == 274877906944
    assert found.cluster_id is None
    assert found.label == "Untitled (01:00) (node 9, 52:54:00:aa:01:00)"


@pytest.mark.parametrize(
    "name", ["071_disks_assigned", "057_disks_unassigned", "313b_disks_after_verbatim"]
)
def test_recorded_disks_go_back_as_they_came(name: str) -> None:
    """Nothing that Fuel knows of a disk is lost on the way."""
    raw = BY_NAME[name]["body"]
    assert [Disk.model_validate(disk).body() for disk in raw] == raw


def test_recorded_ports_go_back_with_all_that_fuel_reads() -> None:
    """A bond without what it would refuse, its mode doubly nested."""
    raw = BY_NAME["108_if_get_after_bond"]["body"]
    bodies = [Interface.model_validate(port).body() for port in raw]
    for before, after in zip(raw, bodies, strict=True):
        kept = {key for key in before if before["type"] == "ether" or key in after}
        assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
    assert {"meta", "mac", "id", "state"}.isdisjoint(bodies[-1])
    assert bodies[-1]["attributes"]["mode"] == {"value": {"value": "active-backup"}}


def test_a_bond_keeps_its_attributes() -> None:
    """Only the mode is set anew."""
    given_attributes = {"lacp_rate": {"value": {"value": "fast"}}, "mode": {"value": "flat"}}
    attributes = bond_attributes("802.3ad", given_attributes)
    assert attributes["lacp_rate"] == given_attributes["lacp_rate"]
    assert attributes["mode"]["value"]["value"] == "802.3ad"


# ---- who a host is

MACS = st.sets(st.integers(0, 40).map(lambda n: f"52:54:00:00:00:{n:02x}"), min_size=1, max_size=4)


def with_macs(number: int, macs: set[str]) -> Node:
    """Return a node with these ports."""
    ports = [{"name": f"eth{i}", "mac": mac} for i, mac in enumerate(sorted(macs))]
    meta = {"interfaces": ports}
    return node(id=number, mac=min(macs), meta=meta)


@given(st.lists(MACS, max_size=6), MACS)
def test_a_match_has_all_macs_and_no_rival(known: list[set[str]], wanted: set[str]) -> None:
    """Whoever is found is the only node with any of the MACs, and has every one."""
    nodes = [with_macs(number, macs) for number, macs in enumerate(known)]
    found = match(nodes, wanted)
    touching = [other for other in nodes if other.macs & wanted]
    if found.node:
        assert [found.node] == touching
        assert wanted <= found.node.macs
    else:
        assert list(found.doubtful) == sorted(touching, key=list(found.doubtful).index)


def test_macs_are_compared_without_case_and_with_colons() -> None:
    """Inventories write them in many ways."""
    assert mac_set(["AA-BB-CC-00-11-22", " aa:bb:cc:00:11:22 ", ""]) == {"aa:bb:cc:00:11:22"}


# ---- judging


@pytest.mark.parametrize(
    ("ended", "found", "words"),
    [
        (
            task("error", "Provision has failed.\n'x'"),
            node(status="error"),
            "Provision has failed",
        ),
        (task("running"), node(status="provisioning"), "still running"),
        (task(), node(status="error", error_type="provision"), "in error (provision)"),
        (task(), node(status="discover", pending_addition=True), "someone stopped it"),
        (task(), None, "gone from Fuel"),
    ],
)
def test_a_provision_that_is_none(ended: Task, found: Node | None, words: str) -> None:
    """Task and node must agree."""
    failure = provision_failure(ended, found)
    assert failure is not None
    assert words in failure


@pytest.mark.parametrize(
    ("ended", "found", "words"),
    [
        (task("error", "Task[netconfig/18] failed"), node(), "netconfig"),
        (task(), node(status="provisioned", online=False), "offline"),
        (task(), node(status="provisioned"), "is provisioned"),
        (task(), node(status="error", error_type="deploy"), "in error (deploy)"),
        (task(), node(roles=["cinder"]), "without role compute"),
        (task(), None, "gone from Fuel"),
    ],
)
def test_a_deployment_that_is_none(ended: Task, found: Node | None, words: str) -> None:
    """Task, node and its roles must agree."""
    failure = deploy_failure(ended, found, ["compute"])
    assert failure is not None
    assert words in failure


def test_what_is_left_of_an_old_error_does_not_count() -> None:
    """error_type stays after a later success."""
    assert deploy_failure(task(), node(error_type="deploy"), ["compute"]) is None
    assert provision_failure(task(), node(status="provisioned", error_type="deploy")) is None


# ---- layouts


def disk(**changes: object) -> Disk:
    """Return a disk of 1000 MiB."""
    volumes = (Volume(name="os", size=400), Volume(name="vm", size=600))
    values = {"id": "disk/a", "name": "sda", "size": 1000, "volumes": volumes}
    return Disk.model_validate({**values, **changes})


@given(st.integers(0, 1500), st.integers(0, 1500), st.integers(1, 5000))
def test_what_does_not_fit_the_real_disk_is_a_problem(os: int, vm: int, claimed: int) -> None:
    """Whatever size the layout itself claims."""
    volumes = [Volume(name="os", size=os), Volume(name="vm", size=vm)]
    problems = disk_problems([disk()], [disk(size=claimed, volumes=volumes)])
    assert bool(problems) == (os + vm > 1000 or os == 0)


def test_every_problem_of_a_layout_is_told() -> None:
    """At once: an unknown disk, a volume that the role has not, no system."""
    volumes = [Volume(name="image", size=10)]
    wanted = [disk(volumes=volumes), disk(id="disk/b", name="sdb")]
    words = " ".join(disk_problems([disk()], [wanted[0]]) + disk_problems([disk()], wanted))
    for part in ("can not have volume image", "sdb (disk/b) is not in the node", "volume os"):
        assert part in words


def test_a_layout_that_was_not_taken_is_a_difference() -> None:
    """What Fuel left as it was."""
    now = disk(volumes=[Volume(name="os", size=300), Volume(name="vm", size=600)])
    assert disk_differences([disk()], [now]) == [
        "Volume os of disk sda should have 400 MiB and has 300."
    ]
    assert disk_differences([disk()], [disk()]) == []


def test_ports_that_were_not_taken_are_differences() -> None:
    """Missing, carrying something else, bonding something else."""
    net = NetworkRef(id=3, name="management")
    eno2 = Interface(name="eno2", id=1, networks=(net,))
    bond = Interface(name="bond0", type="bond", slaves=(Slave(name="a"), Slave(name="b")))
    other = bond.model_copy(update={"slaves": (Slave(name="a"), Slave(name="c"))})
    bare = eno2.model_copy(update={"networks": ()})
    assert interface_differences([eno2, bond], [eno2, bond]) == []
    assert interface_differences([eno2, bond], [bare, other]) == [
        "eno2 should carry management and carries nothing.",
        "bond0 bonds other ports than it should.",
    ]
    assert interface_differences([eno2], []) == ["eno2 is not there."]


# ---- words


BUSY = (
    "208_changes_while_running",
    "209_provision_while_running_400",
    "210_deploy_while_running",
    "215_netconf_while_running",
    "217_delete_node_while_running",
    "219_delete_cluster_while_running",
    "352_stop_again",
)
ERRORS = sorted(name for name, answer in BY_NAME.items() if answer["status"] >= 400)


@pytest.mark.parametrize("name", ERRORS)
def test_of_the_recorded_errors_the_busy_ones_are_known(name: str) -> None:
    """400, 403 or 409, as text or JSON: and no other error is taken for it."""
    answer = BY_NAME[name]
    body = answer["body"]
    words = body.get("message") or body.get("__raw__", "")
    expected = name in BUSY or name.startswith(("131_", "135_", "321_", "322_"))
    assert says_busy(answer["status"], words) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"message": "Node not found", "errors": []}', "Node not found"),
        ('{"message": "", "errors": []}', "no reason given"),
        (
            "{} is not of type 'array'\n\nFailed validating 'type' in x",
            "{} is not of type 'array'",
        ),
        ("a\n b\n", "a b"),
        (
            "Traceback (most recent call last):\n  File x\nDataError: bad\n [SQL: x]",
            "DataError: bad",
        ),
        ("[1]", "[1]"),
        ("x" * 999, "x" * 300),
    ],
)
def test_an_error_becomes_one_line(text: str, words: str) -> None:
    """Fuel's own words, without schema and stack."""
    assert reason_of(text) == words


# ---- the configuration


def test_keystone_is_below_the_master_unless_said_otherwise() -> None:
    """Whatever path the URL of the interface has."""
    access = FuelAccess(url="https://fuel:8443/api/", password="x")
    assert access.keystone_url == "https://fuel:8443/keystone"
    other = FuelAccess(url="http://fuel:8000", auth_url="http://fuel:5000/v2.0/", password="x")
    assert other.keystone_url == "http://fuel:5000/v2.0"


def test_a_user_needs_a_password_and_a_url_a_scheme() -> None:
    """Told when the configuration is read, without showing a value."""
    with pytest.raises(ValidationError, match="give password"):
        FuelAccess(url="http://fuel")
    with pytest.raises(ValidationError, match="http://"):
        FuelAccess(url="fuel:8000", password="x")
    assert "hush" not in repr(FuelAccess(url="http://fuel", password="hush"))
