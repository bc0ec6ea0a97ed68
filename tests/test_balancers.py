"""Load balancers: read, chosen, compared, and said what stands in their way."""

from collections.abc import Iterator
from typing import Any

import pytest

from pumphouse import bodies_balancing, tables
from pumphouse.bodies import tag
from pumphouse.closure import closure
from pumphouse.errors import MissingRights
from pumphouse.estate import Estate
from pumphouse.mappings import Mappings
from pumphouse.models import Action, Role
from pumphouse.plan import Item, Plan
from pumphouse.planning import Wishes, plan
from pumphouse.returning import losing
from pumphouse.schemas import SCHEMAS
from pumphouse.selection import Chosen, Selection, chosen
from pumphouse.tasks.extraction import batches
from pumphouse.tasks.readers import CloudReader, Reading
from tests.fakecloud import VERSIONS, FakeCloud
from tests.fakeoctavia import FakeOctavia
from tests.tenants import Rows, estate, source, target
from tests.test_finalization import judged, moved

KINDS = [kind for kind, schema in SCHEMAS.items() if schema.service == "load balancing"]
MONITOR = {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2, "url_path": "/health"}
MEMBER = {"address": "10.0.0.5", "protocol_port": 80, "subnet_id": "s1", "weight": 0}
RULE = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/old"}
BODY: dict[str, Any] = {
    "name": "web", "description": "Front.", "project_id": "p1", "vip_address": "10.0.0.10",
    "vip_subnet_id": "s1", "vip_network_id": "n1", "tags": ["blue"],
    "pools": [
        {
            "name": "back", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN",
            "members": [MEMBER], "healthmonitor": MONITOR,
            "session_persistence": {"type": "HTTP_COOKIE", "cookie_name": None},
        },
        {"name": "spare", "protocol": "HTTP", "lb_algorithm": "LEAST_CONNECTIONS"},
    ],
    "listeners": [
        {
            "name": "http", "protocol": "HTTP", "protocol_port": 80,
            "default_pool": {"name": "back"}, "insert_headers": {"X-Forwarded-For": "true"},
            "l7policies": [
                {
                    "action": "REDIRECT_TO_POOL", "position": 1, "rules": [RULE],
                    "redirect_pool": {"name": "spare"},
                },
                {"action": "REJECT", "position": 2, "admin_state_up": False},
            ],
        },
        {"name": "tcp", "protocol": "TCP", "protocol_port": 5432, "connection_limit": 10},
    ],
}  # fmt: skip
VIP = {
    "id": "lb1-vip", "name": "octavia-lb-lb1", "network_id": "n1", "project_id": "p1",
    "mac_address": "fa:vip", "fixed_ips": [{"subnet_id": "s1", "ip_address": "10.0.0.10"}],
    "device_id": "lb-lb1", "device_owner": "Octavia", "is_admin_state_up": False,
    "security_group_ids": ["lb-group"],
}  # fmt: skip
VRRP = {**VIP, "id": "vrrp", "name": "octavia-lb-vrrp-a1", "mac_address": "fa:vrrp",
        "device_id": "amp", "device_owner": "compute:nova", "project_id": "p0",
        "fixed_ips": [{"subnet_id": "s1", "ip_address": "10.0.0.11"}]}  # fmt: skip


@pytest.fixture
def here() -> Iterator[FakeOctavia]:
    """A source with load balancer lb1 of project shop, in front of its server web-1."""
    with FakeCloud() as cloud:
        octavia = FakeOctavia(cloud)
        octavia.add("lb1", BODY)
        octavia.amphorae.append(
            {"id": "a1", "loadbalancer_id": "lb1", "compute_id": "amp", "vrrp_port_id": "vrrp",
             "ha_port_id": "lb1-vip", "role": "STANDALONE", "status": "ALLOCATED"}
        )  # fmt: skip
        yield octavia


def read(octavia: FakeOctavia, rows: Rows) -> Estate:
    """Return *rows* with the tables of load balancers as they are read from *octavia*."""
    with CloudReader(octavia.cloud.block(), Role.SOURCE, 2) as reader:
        for kind in KINDS:
            rows[kind] = [row for page in batches(kind, Reading(reader)) for row in page]
    return estate(rows)


def furnished() -> Rows:
    """Return the tenants' source with the ports, amphora and floating IP of lb1."""
    rows = source()
    rows["ports"] += [dict(VIP), dict(VRRP)]
    rows["servers"].append(
        {**rows["servers"][0], "id": "amp", "name": "amphora-a1", "project_id": "p0",
         "volumes": [], "key_name": None}
    )  # fmt: skip
    rows["floating_ips"].append(
        {**rows["floating_ips"][0], "id": "fl3", "floating_ip_address": "198.51.100.9",
         "port_id": "lb1-vip", "fixed_ip_address": "10.0.0.10"}
    )  # fmt: skip
    return rows


def planned(
    here: FakeOctavia, *words: str, rows: Rows | None = None, dst: Rows | None = None, **maps: Any
) -> Plan:
    found = read(here, rows or furnished())
    what = chosen(Selection(include=words or ("project:shop",)), found)
    wishes = Wishes(mappings=Mappings.model_validate(maps))
    return plan(what, found, estate(dst or target()), wishes)


def item(made: Plan, id_: str = "lb1") -> Item:
    (found,) = [each for each in made.of("load_balancers") if each.source_id == id_]
    return found


IDS = {
    "projects": {"p1": "P1"}, "networks": {"n1": "N1"}, "subnets": {"s1": "S1"},
    "qos_policies": {}, "security_groups": {}, "floating_ips": {"fl3": "FL3"},
}  # fmt: skip


# ---- reading


def test_a_load_balancer_is_read_with_all_below_it(here: FakeOctavia) -> None:
    """Members and rules are asked of what has any; every table has the columns of its schema."""
    rows: Rows = {}
    read(here, rows)
    for kind in KINDS:
        assert tables.problems(kind, tables.frame(kind, rows[kind])) == []
    (pool,) = [row for row in rows["lb_pools"] if row["name"] == "back"]
    assert pool["members"] == [
        {"address": "10.0.0.5", "protocol_port": 80, "subnet_id": "s1", "weight": 0,
         "admin_state_up": True}
    ]  # fmt: skip
    assert pool["session_persistence"] == {"type": "HTTP_COOKIE"}
    assert rows["lb_listeners"][0]["options"] == {
        "connection_limit": -1, "insert_headers": {"X-Forwarded-For": "true"},
        "timeout_client_data": 50000,
    }  # fmt: skip
    assert rows["lb_policies"][0]["rules"] == [{**RULE, "admin_state_up": True}]
    asked = [request.path for request in here.cloud.sent("GET", "load-balancer")]
    assert [path for path in asked if path.endswith("/members")] == ["/lbaas/pools/lb1-p0/members"]
    assert [p for p in asked if p.endswith("/rules")] == ["/lbaas/l7policies/lb1-l0-x0/rules"]


def test_a_cloud_without_octavia_has_no_load_balancers() -> None:
    """Empty tables and a note; a missing right is an error; zones are newer than some Octavias."""
    without = tuple(service for service in VERSIONS if service != "load-balancer")
    with (
        FakeCloud(services=without) as cloud,
        CloudReader(cloud.block(), Role.TARGET, 1) as reader,
    ):
        for kind in KINDS:
            reading = Reading(reader)
            assert [row for page in batches(kind, reading) for row in page] == []
            assert reading.notes == ["Cloud target has no load-balancer service."]
    with FakeCloud() as cloud, CloudReader(cloud.block(), Role.TARGET, 1) as reader:
        reading = Reading(reader)
        assert list(batches("lb_zones", reading)) == []
        assert "The load balancing service has no lb zones" in reading.notes[0]
        cloud.fault("GET", "load-balancer", "/octavia/amphorae", status=403)
        with pytest.raises(MissingRights, match="GET /octavia/amphorae"):
            list(batches("amphorae", Reading(reader)))


# ---- choosing


def test_a_project_brings_its_load_balancers_and_a_server_does_not(here: FakeOctavia) -> None:
    """With networks, subnets and the floating IP of its address; never with its port."""
    found = read(here, furnished())
    rows = closure(found, Chosen(project_ids=("p1",), server_ids=("v1",)))
    (row,) = rows["load_balancers"]
    assert [each["name"] for each in row["pools"]] == ["back", "spare"]
    assert [each["protocol_port"] for each in row["listeners"]] == [80, 5432]
    assert (row["server_ids"], row["strangers"]) == (["v1"], [])
    assert "fl3" in [fip["id"] for fip in rows["floating_ips"]]
    assert [port["id"] for port in rows["ports"]] == ["po1"]
    alone = closure(found, Chosen(project_ids=(), server_ids=("v1",)))
    assert alone["load_balancers"] == []
    lone = {"load_balancers": ("lb1",)}
    picked = closure(found, Chosen(project_ids=(), server_ids=(), others=lone))
    assert {row["id"] for row in picked["networks"]} >= {"n1"}


def test_amphorae_are_nobodys_servers(here: FakeOctavia) -> None:
    """Not even everything means them: the target's Octavia makes its own, and a note says so."""
    found = read(here, furnished())
    everything = chosen(Selection(include=("everything",)), found)
    assert "amp" not in everything.server_ids
    assert everything.amphora_ids == ("amp",)
    notes = planned(here, "everything").notes
    assert "1 server(s) stay: they are amphorae" in " ".join(notes)


# ---- the plan


def test_a_load_balancer_is_made_after_what_it_refers_to(here: FakeOctavia) -> None:
    """Project, network, subnet and floating IP come first."""
    made = planned(here)
    assert made.obstacles == []
    assert item(made).action is Action.CREATE
    assert {"projects:p1", "networks:n1", "subnets:s1", "floating_ips:fl3"} <= set(
        item(made).depends_on
    )


def test_the_body_says_all_of_it_in_one_call(here: FakeOctavia) -> None:
    """Pools by their names, the address on the copied subnet, and our tag."""
    body = bodies_balancing.load_balancer(item(planned(here)).row, IDS)
    assert (body["vip_address"], body["vip_subnet_id"]) == ("10.0.0.10", "S1")
    assert body["tags"] == ["blue", tag("lb1")]
    assert "vip_port_id" not in body
    back, spare = body["pools"]
    assert back["members"] == [{**MEMBER, "subnet_id": "S1", "admin_state_up": True}]
    assert back["healthmonitor"] == {**MONITOR, "admin_state_up": True}
    assert "members" in spare
    http, tcp = body["listeners"]
    assert http["default_pool"] == {"name": "back"}
    first, second = http["l7policies"]
    assert first["redirect_pool"] == {"name": "spare"}
    assert first["rules"] == [{**RULE, "admin_state_up": True}]
    assert second["admin_state_up"] is False
    assert tcp["connection_limit"] == 10


def test_pools_without_names_of_their_own_get_some(here: FakeOctavia) -> None:
    """Octavia makes a whole one only with names that differ, and the plan says which change."""
    for pool in here.pools:
        pool["name"] = "same"
    made = item(planned(here))
    body = bodies_balancing.load_balancer(made.row, IDS)
    assert [pool["name"] for pool in body["pools"]] == ["same-lb1-p0", "same-lb1-p1"]
    assert body["listeners"][0]["default_pool"] == {"name": "same-lb1-p0"}
    assert "Names of pools (same → same-lb1-p0, same → same-lb1-p1)" in made.losses[0]


def test_a_copy_is_found_by_its_tag_and_completed_by_its_floating_ip(here: FakeOctavia) -> None:
    """Until that has gone over there is something to do; then nothing, whatever its tenant did."""
    rows, dst = furnished(), target()
    copy = {"id": "LB1", "tags": [tag("lb1")], "status": "ACTIVE", "vip_port_id": "LB1-vip",
            "vip_network_id": "N1", "vip_address": "10.0.0.10", "project_id": "P1"}  # fmt: skip
    dst["load_balancers"] = [copy]
    found = item(planned(here, rows=rows, dst=dst))
    assert (found.action, found.missing) == (Action.UPDATE, (("floating", "198.51.100.9"),))

    rows["floating_ips"][-1]["port_id"] = None
    there = {**rows["floating_ips"][0], "id": "FL3", "floating_ip_address": "198.51.100.9",
             "port_id": "LB1-vip", "project_id": "P1", "tags": [tag("fl3")]}  # fmt: skip
    dst["floating_ips"] = [there]
    found = item(planned(here, rows=rows, dst=dst))
    assert found.action is Action.SKIP
    assert "listener HTTP 80" in found.reason

    rows["floating_ips"][-1]["tags"] = ["pumphouse:vip=lb1"]
    found = item(planned(here, rows=rows, dst=dst))
    assert found.action is Action.UPDATE
    assert found.missing == (("unfinished", "198.51.100.9"),)

    copy["status"] = "ERROR"
    assert "it is made again" in item(planned(here, rows=rows, dst=dst)).reason


def test_a_return_says_what_is_left_to_do_with_load_balancers(here: FakeOctavia) -> None:
    """Their copies stay at the target, with the floating IP, and without these servers."""
    rows, dst = furnished(), target()
    behind = item(planned(here, rows=rows)).row["server_ids"]
    dst["load_balancers"] = [{"id": "LB1", "tags": [tag("lb1")], "vip_port_id": "LB1-vip"}]
    (said,) = losing(behind, read(here, rows), estate(dst))
    assert "web (lb1) return, and its copy LB1 stays at the target without them" in said
    assert said.endswith("delete it there (openstack loadbalancer delete --cascade LB1).")

    there = {**rows["floating_ips"][-1], "id": "FL3", "port_id": "LB1-vip", "project_id": "P1"}
    dst["floating_ips"] = [there]
    (said,) = losing(behind, read(here, rows), estate(dst))
    assert said.endswith("--cascade LB1), then bind 198.51.100.9 at the source again.")

    assert losing(["another"], read(here, rows), estate(dst)) == []
    assert losing(behind, read(here, rows), estate(target())) == []


def test_what_the_target_does_not_offer_blocks(here: FakeOctavia) -> None:
    """Service, provider, flavor: each with what would help."""
    here.balancers["lb1"]["flavor_id"] = "f-big"
    here.flavors.append({"id": "f-big", "name": "big", "enabled": True})
    dst = target()
    dst["services"] = [{"id": "k", "type": "identity", "name": "keystone"}]
    reason = item(planned(here, dst=dst)).reason
    assert reason.startswith("The target has no load balancing (Octavia)")
    assert "(--exclude load_balancers:web)" in reason
    dst["services"].append({"id": "o", "type": "load-balancer", "name": "octavia"})
    dst["lb_providers"] = [{"name": "ovn"}]
    reason = item(planned(here, dst=dst)).reason
    assert "The target has no provider amphora (ovn)" in reason
    assert "no enabled flavor big of load balancers" in reason
    dst["lb_providers"] = [{"name": "amphora"}]
    dst["lb_flavors"] = [{"id": "F-BIG", "name": "big", "is_enabled": True}]
    made = item(planned(here, dst=dst))
    assert made.action is Action.CREATE
    assert bodies_balancing.load_balancer(made.row, IDS)["flavor_id"] == "F-BIG"


def test_certificates_block_until_they_are_named(here: FakeOctavia) -> None:
    """Secrets do not travel; a mapping says what their copies at the target are called."""
    ref = "https://keys.old.example/v1/containers/c1"
    listener = here.listeners[0]
    listener |= {"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": ref}
    listener["sni_container_refs"] = [ref]
    reason = item(planned(here)).reason
    assert f"Its certificates are in the source's key manager ({ref})" in reason
    assert "mappings.tls_containers" in reason
    new = "https://keys.new.example/v1/containers/c9"
    for key in (ref, "c1"):
        made = item(planned(here, tls_containers={key: new}))
        assert made.action is Action.CREATE
        (first, _) = bodies_balancing.load_balancer(made.row, IDS)["listeners"]
        assert first["default_tls_container_ref"] == new
        assert first["sni_container_refs"] == [new]


def test_a_server_behind_it_that_stays_blocks(here: FakeOctavia) -> None:
    """Its address goes as a whole; one that has moved already does not block, nor a stranger."""
    reason = item(planned(here, "load_balancers:web")).reason
    assert "Behind it is server web-1 (v1), which is not in the plan" in reason
    rows = furnished()
    rows["servers"][0]["metadata"] = {"pumphouse:migrated_to": "V1"}
    assert item(planned(here, "load_balancers:web", rows=rows)).action is Action.CREATE
    here.members["lb1-p0"].append({**MEMBER, "id": "m", "address": "192.0.2.77"})
    losses = item(planned(here)).losses
    assert "Nothing of this cloud are its members 192.0.2.77" in losses[0]


def test_an_address_that_both_clouds_would_answer_for_blocks(here: FakeOctavia) -> None:
    """On a network of the hardware the copy would be a second holder; on an overlay it is none."""
    rows = furnished()
    here.balancers["lb1"] |= {"vip_network_id": "nx", "vip_subnet_id": "sx"}
    assert "which both clouds are on" in item(planned(here, rows=rows)).reason
    rows["networks"][1] |= {"provider_type": "vxlan", "is_external": False, "is_shared": True}
    dst = target()
    dst["networks"][0] |= {"provider_type": "vxlan", "is_external": False, "is_shared": True}
    assert "both clouds" not in item(planned(here, rows=rows, dst=dst)).reason


def test_an_address_that_is_taken_at_the_target_blocks(here: FakeOctavia) -> None:
    """Most often it is a DHCP agent's."""
    rows, dst = furnished(), target()
    dst["projects"].append({**rows["projects"][0], "id": "P1", "tags": [tag("p1")]})
    dst["networks"].append({**rows["networks"][0], "id": "N1", "project_id": "P1",
                            "tags": [tag("n1")]})  # fmt: skip
    dst["subnets"].append({**rows["subnets"][0], "id": "S1", "network_id": "N1",
                           "tags": [tag("s1")]})  # fmt: skip
    dst["ports"] = [{**VIP, "id": "DHCP", "network_id": "N1", "device_owner": "network:dhcp"}]
    assert "10.0.0.10 is held there by the DHCP port" in item(planned(here, dst=dst)).reason


def test_one_that_octavia_is_at_is_waited_for(here: FakeOctavia) -> None:
    """What changes under us is not copied."""
    here.balancers["lb1"]["provisioning_status"] = "PENDING_UPDATE"
    assert "wait until it is ACTIVE" in item(planned(here)).reason


def test_what_octavia_sees_by_itself_is_no_drift(here: FakeOctavia) -> None:
    """Health and our own switch change nothing; a new member does."""
    before = item(planned(here)).fingerprint
    here.balancers["lb1"]["operating_status"] = "DEGRADED"
    rows = furnished()
    rows["floating_ips"][-1]["port_id"] = None
    assert item(planned(here, rows=rows)).fingerprint == before
    here.members["lb1-p0"].append({**MEMBER, "id": "m", "address": "10.0.0.6"})
    assert item(planned(here)).fingerprint != before


# ---- finalize


def finalized(here: FakeOctavia, **copy: Any) -> dict[str, Any]:
    """Return what becomes of project shop, moved whole with its load balancer."""
    src, dst = moved()
    src["ports"] += [dict(VIP), dict(VRRP)]
    read(here, src)
    dst["load_balancers"] = [
        {"id": "LB1", "tags": [tag("lb1")], "status": "ACTIVE", "vip_port_id": "LB1-vip",
         "vip_network_id": "N1", "vip_address": "10.0.0.10", "project_id": "P1",
         "created_at": "2026-03-01T00:00:00", **copy}
    ]  # fmt: skip
    return judged(src, dst)


def test_a_load_balancer_goes_and_frees_its_network(here: FakeOctavia) -> None:
    """After the servers behind it; its port and its amphora's go with it."""
    found = finalized(here)
    assert found["load_balancers:lb1"].is_removed
    assert found["networks:n1"].is_removed
    assert found["projects:p1"].is_removed
    kinds = [removal.kind for removal in found.values()]
    assert kinds.index("servers") < kinds.index("load_balancers") < kinds.index("networks")


@pytest.mark.parametrize(
    ("copy", "said"),
    [
        ({"status": "ERROR"}, "Its copy is not complete"),
        ({"status": "PENDING_UPDATE"}, "Its copy is PENDING_UPDATE."),
        ({"created_at": "2026-03-09T00:00:00"}, "Its grace period ends at 2026-03-16"),
        ({"tags": []}, "The target had one of its own"),
    ],
)
def test_a_load_balancer_whose_copy_is_not_sure_stays(
    here: FakeOctavia, copy: dict[str, Any], said: str
) -> None:
    """And with it the network that it is on, and the project."""
    found = finalized(here, **copy)
    assert said in found["load_balancers:lb1"].reason
    assert "stays" in found["networks:n1"].reason
    assert "1 load balancers" in found["projects:p1"].reason
