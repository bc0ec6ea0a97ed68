"""The closure has everything that a server needs, and nothing of its neighbors."""

from pumphouse.closure import KINDS, Rows, closure
from pumphouse.selection import Chosen
from tests.tenants import estate, source

SOURCE = estate(source())


def ids(rows: Rows) -> dict[str, list[str]]:
    return {kind: [row["id"] for row in rows[kind]] for kind in KINDS}


def test_a_server_brings_what_it_depends_on() -> None:
    """Network, router, gateway network, groups by reference, owner, key and quota come along."""
    found = ids(closure(SOURCE, Chosen(project_ids=(), server_ids=("v1",))))
    expected = {
        "domains": ["default"],
        "projects": ["p1", "p0"],
        "roles": ["r1", "r2"],
        "implied_roles": ["r1:r2"],
        "users": ["u1"],
        "groups": ["g1"],
        "group_members": ["g1:u1"],
        "assignments": ["r1:u1:p1", "r1:g1:p1"],
        "qos_specs": [],
        "volume_types": ["vt1"],
        "quotas": ["p1:compute", "p1:volume"],
        "flavors": ["f1"],
        "keypairs": ["u1:k1"],
        "server_groups": [],
        "images": ["i1"],
        "qos_policies": [],
        "address_scopes": [],
        "subnet_pools": [],
        "address_groups": [],
        "networks": ["n1", "nx"],
        "subnets": ["s1", "sx"],
        "security_groups": ["g1", "g2"],
        "routers": ["ro1"],
        "rbac_policies": ["rb1"],
        "ports": ["po1"],
        "trunks": ["tr1"],
        "zones": [],
        "floating_ips": ["fl1"],
        "load_balancers": [],
        "snapshots": [],
        "volumes": ["vol1"],
        "servers": ["v1"],
    }
    assert expected == found


def test_a_project_also_brings_what_no_server_uses() -> None:
    """Spare volumes, addresses and groups of a selected project come too."""
    found = ids(closure(SOURCE, Chosen(project_ids=("p1",), server_ids=("v1",))))
    assert found["volumes"] == ["vol1", "vol2"]
    assert found["floating_ips"] == ["fl1", "fl2"]
    assert found["security_groups"] == ["g1", "g2", "g3"]
    assert found["server_groups"] == ["sg1"]


def test_a_key_pair_that_its_user_deleted_is_not_asked_for() -> None:
    """Nova refuses a name that the user does not have; the row says which it was."""
    rows = source()
    rows["keypairs"] = []
    (server,) = closure(estate(rows), Chosen(project_ids=(), server_ids=("v1",)))["servers"]
    assert (server["key_name"], server["lost_key"]) == (None, "k1")
    (server,) = closure(SOURCE, Chosen(project_ids=(), server_ids=("v1",)))["servers"]
    assert (server["key_name"], server["lost_key"]) == ("k1", None)


def test_a_volume_of_a_server_that_stays_stays() -> None:
    """An attached volume goes with its server only."""
    found = ids(closure(SOURCE, Chosen(project_ids=("p1",), server_ids=())))
    assert found["volumes"] == ["vol2"]


def test_a_deleted_flavor_is_taken_from_its_server() -> None:
    """A server keeps the numbers of a flavor that the cloud no longer has."""
    (flavor,) = closure(SOURCE, Chosen(project_ids=(), server_ids=("v2",)))["flavors"]
    assert (
        flavor["id"], flavor["vcpus"], flavor["ram_mib"], flavor["is_public"],
    ) == ("embedded:gone", 2, 1024, False)  # fmt: skip
    assert flavor["extra_specs"] == {"hw:y": "2"}


def test_access_of_other_projects_stays() -> None:
    """A private flavor is given to the projects that move only."""
    (flavor,) = closure(SOURCE, Chosen(project_ids=(), server_ids=("v1",)))["flavors"]
    assert flavor["access_project_ids"] == ["p1"]


def test_devices_are_in_order_beyond_z() -> None:
    """/dev/vdz comes before /dev/vdaa."""
    rows = source()
    rows["volumes"] = [
        {**rows["volumes"][0], "id": id_, "attachments": [{"server_id": "v1", "device": device}]}
        for id_, device in (("b", "/dev/vdaa"), ("a", "/dev/vdz"))
    ]
    rows["servers"][0]["volumes"] = [{"id": "b"}, {"id": "a"}, {"id": "unknown"}]
    (server,) = closure(estate(rows), Chosen(project_ids=(), server_ids=("v1",)))["servers"]
    assert [volume["id"] for volume in server["attached"]] == ["a", "b"]
