"""Rows of every table, from answers recorded on two releases of real services."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pumphouse import rows_compute, rows_identity, rows_network, rows_storage, tables
from pumphouse.listings import LISTINGS, RAW, Listing
from pumphouse.schemas import SCHEMAS
from pumphouse.tables import Row
from pumphouse.tasks.extraction import EXTRACTORS
from tests import answers

RECORDED: dict[str, dict[str, list[dict[str, Any]]]] = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parent / "recorded").glob("*.json"))
}
JOINED: dict[str, Callable[[dict[str, Any]], Row]] = {
    "endpoints": lambda raw: rows_identity.endpoint(raw, {}),
    "users": lambda raw: rows_identity.user(raw, {}),
    "groups": rows_identity.group,
    "roles": rows_identity.role,
    "application_credentials": lambda raw: rows_identity.application_credential(raw, "user"),
    "servers": lambda raw: rows_compute.server(raw, {}),
    "flavors": lambda raw: rows_compute.flavor(raw, {}),
    "keypairs": lambda raw: rows_compute.keypair(raw, "user"),
    "server_groups": rows_compute.server_group,
    "hypervisors": rows_compute.hypervisor,
    "images": lambda raw: rows_storage.image(raw, {}),
    "hidden_images": lambda raw: rows_storage.image(raw, {}),
    "volume_types": lambda raw: rows_storage.volume_type(raw, {}, {}),
    "compute_zones": lambda raw: rows_compute.availability_zone(raw, "compute"),
    "volume_zones": lambda raw: rows_compute.availability_zone(raw, "volume"),
    "effective_assignments": rows_identity.assignment,
}
KIND_OF = {
    "hidden_images": "images",
    "compute_zones": "availability_zones",
    "volume_zones": "availability_zones",
    "effective_assignments": "assignments",
}


def row_of(name: str, raw: dict[str, Any]) -> Row:
    """Return the row that *raw* of the listing *name* becomes."""
    return (JOINED.get(name) or LISTINGS[name].row)(raw)


def recorded() -> list[Any]:
    """Return every recorded object, named by release and listing."""
    return [
        pytest.param(name, raw, id=f"{release}-{name}-{place}")
        for release, listings in RECORDED.items()
        for name, objects in listings.items()
        for place, raw in enumerate(objects)
    ]


@pytest.mark.parametrize(("name", "raw"), recorded())
def test_a_row_has_the_columns_of_its_table(name: str, raw: dict[str, Any]) -> None:
    """Every column is given, none is foreign, and the types fit."""
    kind = KIND_OF.get(name, name)

    row = row_of(name, raw)

    assert set(row) == set(SCHEMAS[kind].names)
    assert tables.problems(kind, tables.frame(kind, [row])) == []


@pytest.mark.parametrize(("name", "raw"), recorded())
def test_what_names_a_row_is_never_missing(name: str, raw: dict[str, Any]) -> None:
    """A key column without a value would merge two resources into one."""
    kind = KIND_OF.get(name, name)
    optional = {"user_id", "group_id", "project_id", "domain_id", "system"}

    row = row_of(name, raw)

    needed = set(SCHEMAS[kind].key) - (optional if kind == "assignments" else set())
    assert [key for key in needed if row[key] is None] == []


def test_every_table_has_a_source() -> None:
    """A new schema without an extraction would be an empty table that looks read."""
    assert set(SCHEMAS) - set(LISTINGS) - set(EXTRACTORS) == {"keypairs"}


def test_listings_ask_for_everybodys_pages() -> None:
    """An administrator sees only his own project's rows unless he asks for all."""

    def asks(listing: Listing) -> bool:
        return bool({"all_tenants", "all_projects", "visibility"} & set(listing.params))

    whole = {name: asks(listing) for name, listing in {**LISTINGS, **RAW}.items()}

    owned = ("servers", "server_groups", "volumes", "snapshots", "attachments", "images")
    assert [name for name in owned if not whole[name]] == []


def test_a_server_is_read_faithfully() -> None:
    """What a copy needs comes from where Nova hides it."""
    row = rows_compute.server(
        answers.server(7), {answers.uuid("server", 7): ["group-1", "group-2"]}
    )

    assert row["user_data"] == answers.USER_DATA
    assert row["tags"] == ["blue"]
    assert row["has_config_drive"] is True
    assert row["power_state"] == "running"
    assert row["server_group_ids"] == ["group-1", "group-2"]
    assert row["volumes"] == [{"id": answers.uuid("volume", 7), "delete_on_termination": False}]


def test_a_server_booted_from_a_volume_has_no_image() -> None:
    """Nova says "", which is no id."""
    assert rows_compute.server(answers.server(4), {})["image_id"] is None


def test_a_server_of_a_silent_cell_is_a_row_all_the_same() -> None:
    """Nova gives its id and little else; the migration must know that it exists."""
    silent = {"id": "a", "status": "UNKNOWN", "tenant_id": "p", "created": "2026-01-01T00:00:00Z"}

    row = rows_compute.server({**silent, "links": []}, {})

    assert row["status"] == "UNKNOWN"
    assert row["vcpus"] is None
    assert row["power_state"] is None


def test_an_unknown_power_state_is_kept_as_a_number() -> None:
    """A later Nova may know more states than we do."""
    raw = answers.server(1, **{"OS-EXT-STS:power_state": 9})

    assert rows_compute.server(raw, {})["power_state"] == "9"


def test_a_fault_is_kept_as_its_message() -> None:
    """The plan shows it beside a server in ERROR."""
    raw = answers.server(1, fault={"message": "No valid host was found.", "code": 500})

    assert rows_compute.server(raw, {})["fault"] == "No valid host was found."


def test_group_ids_by_member() -> None:
    """The listing of servers does not name their groups; the groups name their servers."""
    groups = [{"id": "g1", "members": ["a", "b"]}, {"id": "g2", "members": ["b"]}]

    assert rows_compute.group_ids_by_member(groups) == {"a": ["g1"], "b": ["g1", "g2"]}


def test_only_a_private_flavor_has_an_access_list() -> None:
    """An empty list means nobody; none means everybody."""
    raw = RECORDED["zed"]["flavors"][0]

    private = rows_compute.flavor({**raw, "os-flavor-access:is_public": False}, {raw["id"]: ["p"]})
    public = rows_compute.flavor({**raw, "os-flavor-access:is_public": True}, {})

    assert private["access_project_ids"] == ["p"]
    assert public["access_project_ids"] is None


def test_an_old_server_group_has_a_list_of_one_policy() -> None:
    """Before microversion 2.64."""
    raw = {"id": "g", "name": "n", "policies": ["affinity"], "members": []}

    assert rows_compute.server_group(raw)["policy"] == "affinity"


def test_capacity_is_what_placement_gives_out() -> None:
    """Reserved resources are taken off before the ratio is applied."""
    row = rows_compute.hypervisor(answers.hypervisor(3), answers.INVENTORIES)

    assert row["vcpus_allocatable"] == (64 - 2) * 4.0
    assert row["ram_allocatable_mib"] == 262144 - 8192
    assert row["disk_allocatable_gib"] == 6000


def test_use_is_what_placement_has_given_out() -> None:
    """Pinned processors are used, too; Nova's figure counts the host's own memory."""
    usages = {"VCPU": 12, "PCPU": 4, "MEMORY_MB": 2048}
    pinned = {**answers.INVENTORIES, "PCPU": {"total": 8}}

    row = rows_compute.hypervisor(answers.hypervisor(3), pinned, usages)

    assert row["vcpus_used"] == 16
    assert row["vcpus_allocatable"] == (64 - 2) * 4.0 + 8
    assert row["ram_used_mib"] == 2048
    assert row["disk_used_gib"] == answers.hypervisor(3)["local_gb_used"]


def test_capacity_without_placement_is_novas() -> None:
    """A host that Placement does not know yet still has processors."""
    row = rows_compute.hypervisor(answers.hypervisor(3))

    assert row["vcpus_allocatable"] == 64
    assert row["vcpus_used"] == answers.hypervisor(3)["vcpus_used"]
    assert rows_compute.allocatable(None, ["VCPU"], None) is None


def test_image_properties_are_what_the_operator_set() -> None:
    """What Glance sets itself would be refused when the copy is created."""
    row = rows_storage.image(answers.image(1), {})

    assert row["properties"] == {"hw_disk_bus": "virtio"}


def test_members_belong_to_their_image() -> None:
    """Who may use a shared image, and whether they accepted."""
    raw = answers.image(3)
    members = {raw["id"]: [{"member_id": "p", "status": "accepted", "schema": "…"}]}

    assert rows_storage.image(raw, members)["members"] == [
        {"member_id": "p", "status": "accepted"}
    ]


def test_a_private_volume_type_has_an_access_list() -> None:
    """As with flavors."""
    raw = RECORDED["zed"]["volume_types"][0]

    row = rows_storage.volume_type({**raw, "is_public": False}, {raw["id"]: ["b", "a"]}, {})

    assert row["access_project_ids"] == ["a", "b"]


def test_how_a_volume_type_encrypts_is_read() -> None:
    """Cinder answers an empty object for a type that does not."""
    raw = RECORDED["zed"]["volume_types"][0]
    said = {"provider": "luks", "cipher": "aes", "key_size": 256, "control_location": "front-end"}

    encrypting = rows_storage.volume_type(
        raw, {}, {**said, "encryption_id": "e", "deleted": False}
    )

    assert (encrypting["encryption"], rows_storage.volume_type(raw, {}, {})["encryption"]) == (
        said,
        None,
    )


def test_what_cinder_shows_among_metadata_is_none() -> None:
    """The read-only flag is a column; nobody could write it as metadata."""
    raw = RECORDED["zed"]["volumes"][0]
    shown = {"tier": "db", "readonly": "True", "attached_mode": "ro"}

    row = rows_storage.volume({**raw, "metadata": shown})

    assert (row["metadata"], row["is_readonly"]) == ({"tier": "db"}, True)
    assert rows_storage.volume(raw)["is_readonly"] is False


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("false", False), (True, True)])
def test_cinder_writes_booleans_as_text(value: object, expected: bool) -> None:
    """``"false"`` is not true."""
    assert rows_storage.flag(value) is expected


def test_a_quota_is_a_row_for_each_resource() -> None:
    """Nova and Cinder say in_use, Neutron says used."""
    compute = {"id": "p", "cores": {"limit": 20, "in_use": 3, "reserved": 0}}
    network = {"port": {"limit": -1, "used": 7, "reserved": 0}}

    rows = [
        *rows_identity.quota("p", "compute", compute),
        *rows_identity.quota("p", "network", network),
    ]

    assert [(r["resource"], r["limit"], r["used"]) for r in rows] == [
        ("cores", 20, 3),
        ("port", -1, 7),
    ]


def test_an_assignment_names_its_scope() -> None:
    """A system assignment has neither project nor domain."""
    everywhere = {"role": {"id": "r"}, "user": {"id": "u"}, "scope": {"system": {"all": True}}}
    inherited = {
        "role": {"id": "r"},
        "group": {"id": "g"},
        "scope": {"domain": {"id": "d"}, "OS-INHERIT:inherited_to": "projects"},
    }

    assert rows_identity.assignment(everywhere)["system"] == "all"
    assert rows_identity.assignment(inherited)["is_inherited"] is True
    assert rows_identity.assignment(inherited)["domain_id"] == "d"


def test_an_endpoint_knows_its_service() -> None:
    """The first thing that an operator asks a cloud for."""
    row = rows_identity.endpoint(
        answers.endpoint("compute", "public"), {"compute-id": {"name": "nova", "type": "compute"}}
    )

    assert (row["service_name"], row["service_type"]) == ("nova", "compute")


def test_prefix_lengths_are_numbers() -> None:
    """Neutron gives text."""
    row = rows_network.subnet_pool({"id": "p", "name": "n", "default_prefixlen": "24"})

    assert row["default_prefix_length"] == 24
    assert row["min_prefix_length"] is None


def test_a_network_zone_has_no_hosts() -> None:
    """Neutron does not tell them."""
    row = rows_compute.network_zone({"name": "az1", "resource": "network", "state": "available"})

    assert row == {"name": "az1", "service": "network", "is_available": True, "hosts": []}


def test_an_agent_is_a_row() -> None:
    """The lab has none, so its answer is written down here."""
    raw = {
        "id": "a",
        "binary": "neutron-openvswitch-agent",
        "host": "cmp1",
        "agent_type": "Open vSwitch agent",
        "alive": True,
        "admin_state_up": True,
    }

    assert set(rows_network.network_agent(raw)) == set(SCHEMAS["network_agents"].names)
