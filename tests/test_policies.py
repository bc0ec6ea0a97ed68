"""QoS policies, pools, scopes, address groups and shares: found, compared, made, or said lost."""

from typing import Any

from pumphouse import bodies, bodies_network, policies
from pumphouse.comparison import RULES, match
from pumphouse.losses import losses
from pumphouse.models import SOURCE_ID, Action
from pumphouse.plan import Item, Plan
from pumphouse.planning import plan
from pumphouse.selection import Selection, chosen
from tests.tenants import Rows, estate, row, source, target

IDS = {
    "projects": {"p0": "P0", "p1": "P1"},
    "networks": {"n1": "N1", "nx": "NX"},
    "subnets": {"s1": "S1"},
    "security_groups": {"g1": "G1"},
    "qos_policies": {"q1": "Q1"},
    "address_scopes": {"as1": "AS1"},
    "subnet_pools": {"sp1": "SP1"},
    "address_groups": {"ag1": "AG1"},
}


def used() -> Rows:
    """Return a source where everything of these kinds is used by something."""
    rows = source()
    for kind in ("networks", "ports", "floating_ips"):
        rows[kind][0]["qos_policy_id"] = "q1"
    rows["routers"][0]["external_gateway"]["qos_policy_id"] = "q1"
    rows["subnets"][0]["subnet_pool_id"] = "sp1"
    rows["security_group_rules"].append(
        {
            "id": "gr9", "security_group_id": "g1", "direction": "ingress", "ether_type": "IPv4",
            "remote_address_group_id": "ag1",
        }
    )  # fmt: skip
    return rows


def planned(here: Rows, there: Rows, *include: str) -> Plan:
    found = estate(here)
    return plan(chosen(Selection(include=include), found), found, estate(there))


def item(made: Plan, kind: str, id_: str) -> Item:
    (found,) = [each for each in made.of(kind) if each.source_id == id_]
    return found


def with_extensions(*left_out: str) -> Rows:
    every = {alias for needs in policies.EXTENSIONS.values() for alias in needs}
    aliases = [{"alias": alias} for alias in sorted(every - set(left_out))]
    return {**target(), "network_extensions": aliases}


def test_what_is_used_comes_along_and_before_its_user() -> None:
    """A server alone brings the policy, pool with its scope, and address group, in that order."""
    made = planned(used(), target(), "web-1")
    assert item(made, "networks", "n1").depends_on == ("projects:p1", "qos_policies:q1")
    assert "subnet_pools:sp1" in item(made, "subnets", "s1").depends_on
    assert "address_scopes:as1" in item(made, "subnet_pools", "sp1").depends_on
    assert "address_groups:ag1" in item(made, "security_groups", "g1").depends_on
    for kind, id_ in (("ports", "po1"), ("floating_ips", "fl1"), ("routers", "ro1")):
        assert "qos_policies:q1" in item(made, kind, id_).depends_on


def test_bodies_name_the_targets_copies() -> None:
    """Networks, ports, addresses, gateways, subnets and rules refer to what was made there."""
    rows = used()

    def of(kind: str, place: int = 0) -> dict[str, Any]:
        return row(kind, **rows[kind][place])

    assert bodies.network(of("networks"), IDS)["qos_policy_id"] == "Q1"
    assert bodies.port(of("ports"), IDS)["qos_policy_id"] == "Q1"
    assert bodies.floating_ip(of("floating_ips"), IDS)["qos_policy_id"] == "Q1"
    gateway = bodies.router(of("routers"), IDS)["external_gateway_info"]
    assert gateway["qos_policy_id"] == "Q1"
    assert bodies.subnet(of("subnets"), IDS)["subnetpool_id"] == "SP1"
    rule = bodies.rule(of("security_group_rules", -1), "G1", "P1", IDS)
    assert rule["remote_address_group_id"] == "AG1"
    pool = bodies_network.subnet_pool(of("subnet_pools"), IDS)
    assert (pool["address_scope_id"], pool["prefixes"]) == ("AS1", ["10.9.0.0/16"])
    assert pool["tags"] == [f"{SOURCE_ID}=sp1"]
    (qos_rule,) = of("qos_policies")["rules"]
    assert bodies_network.qos_rule(qos_rule) == {
        "max_kbps": 1000, "max_burst_kbps": 0, "direction": "egress",
    }  # fmt: skip


def test_a_target_without_the_extension_is_said_as_a_loss() -> None:
    """No policy, pool or group is asked of it, and whoever would lose one says so."""
    there = with_extensions("qos", "subnet_allocation", "security-groups-remote-address-group")
    made = planned(used(), there, "web-1")
    assert [
        i for kind in ("qos_policies", "subnet_pools", "address_groups") for i in made.of(kind)
    ] == []
    lost = {
        kind: " ".join(item(made, kind, id_).losses)
        for kind, id_ in (("networks", "n1"), ("ports", "po1"), ("floating_ips", "fl1"),
                          ("subnets", "s1"), ("security_groups", "g1"))
    }  # fmt: skip
    assert ["QoS" in lost[kind] for kind in ("networks", "ports", "floating_ips")] == [True] * 3
    assert "subnet pool" in lost["subnets"]
    assert "gr9" in lost["security_groups"]
    assert item(made, "security_groups", "g1").action is Action.CREATE


def test_a_target_with_the_extensions_loses_nothing_of_it() -> None:
    """What is carried is no loss; a pool that is the default one keeps all but that."""
    rows = used()
    made = planned(rows, with_extensions(), "web-1")
    for kind, id_ in (("ports", "po1"), ("floating_ips", "fl1"), ("security_groups", "g1")):
        assert item(made, kind, id_).losses == ()
    rows["subnet_pools"][0]["is_default"] = True
    (said,) = item(planned(rows, with_extensions(), "web-1"), "subnet_pools", "sp1").losses
    assert "default pool" in said


def test_a_policy_of_ours_gets_the_rules_that_it_lacks() -> None:
    """Ids of rules differ between clouds, what they say does not; another's is a conflict."""
    here = estate(source())
    ours = source()["qos_policies"][0]
    equal = {**ours, "id": "Q", "rules": [{**ours["rules"][0], "id": "other", "tags": []}]}

    def judged(**changes: Any) -> Action:
        projects = [{"id": "p1", "name": "shop", "domain_id": "default"}]
        domains = [{"id": "default", "name": "Default"}]
        there = {"qos_policies": [{**equal, **changes}], "projects": projects, "domains": domains}
        return match("qos_policies", here.rows("qos_policies")[0], here, estate(there)).action

    assert judged() is Action.ADOPT
    assert judged(rules=[]) is Action.CONFLICT
    assert judged(rules=[], tags=[f"{SOURCE_ID}=q1"]) is Action.UPDATE
    assert judged(tags=[f"{SOURCE_ID}=q1"]) is Action.SKIP


def test_what_has_no_mark_is_ours_in_a_project_of_ours() -> None:
    """An address group that its tenant changed is left alone there; elsewhere it is a conflict."""
    here = estate(source())

    def judged(*marks: str) -> Action:
        there = {
            "domains": [{"id": "default", "name": "Default"}],
            "projects": [
                {"id": "P1", "name": "shop", "domain_id": "default", "tags": list(marks)}
            ],
            "address_groups": [
                {"id": "AG", "name": "office", "project_id": "P1", "addresses": []}
            ],
        }
        return match("address_groups", here.rows("address_groups")[0], here, estate(there)).action

    assert judged() is Action.CONFLICT
    assert judged(f"{SOURCE_ID}=p1") is Action.SKIP


def test_scopes_and_pools_of_two_versions_may_share_a_name() -> None:
    """The version belongs to the key: one for IPv4 is not the one for IPv6."""
    here = estate(source())
    scope = here.rows("address_scopes")[0]
    other = {**scope, "ip_version": 6}
    key = RULES["address_scopes"].key
    assert key is not None
    assert key(scope, here) != key(other, here)


def test_a_share_comes_with_its_object_if_its_project_is_there() -> None:
    """One with a project that moves or is there is made; another is a loss of the object."""
    made = planned(source(), target(), "web-1")
    share = item(made, "rbac_policies", "rb1")
    assert (share.action, share.name) == (
        Action.CREATE, "access_as_shared of Default/shop/front for Default/admin",
    )  # fmt: skip
    assert {"networks:n1", "projects:p0", "projects:p1"} == set(share.depends_on)
    body = bodies_network.rbac_policy(share.row, IDS)
    assert (body["object_id"], body["target_tenant"]) == ("N1", "P0")
    rows = source()
    rows["rbac_policies"][0]["target_project_id"] = "p2"
    made = planned(rows, target(), "web-1")
    assert made.of("rbac_policies") == []
    assert "Default/other" in " ".join(item(made, "networks", "n1").losses)
    assert planned(rows, target(), "everything").of("rbac_policies") != []


def test_the_trace_of_a_flag_is_no_share_of_its_own() -> None:
    """External and shared networks get theirs with the flag; groups have no flag."""
    rows = source()
    everybody = {"project_id": "p1", "action": "access_as_shared", "target_project_id": "*"}
    rows["rbac_policies"] += [
        {"id": "rb3", "object_type": "address_group", "object_id": "ag1", **everybody},
        {"id": "rb4", "object_type": "qos_policy", "object_id": "q1", **everybody},
    ]
    made = planned(rows, target(), "project:shop")
    assert {i.source_id for i in made.of("rbac_policies")} == {"rb1", "rb3"}


def test_a_share_that_is_there_is_not_made_again() -> None:
    """It is found by its object at the target, not by names: two networks may share one."""
    there = target()
    network = {
        **source()["networks"][0],
        "id": "N1",
        "project_id": "P1",
        "tags": [f"{SOURCE_ID}=n1"],
    }
    there["networks"].append(network)
    share = {**source()["rbac_policies"][0], "id": "RB", "object_id": "N1"}
    there["rbac_policies"] = [{**share, "target_project_id": "P0"}]
    found = item(planned(source(), there, "web-1"), "rbac_policies", "rb1")
    assert (found.action, found.target_id) == (Action.ADOPT, "RB")
    there["rbac_policies"] = [{**share, "target_project_id": "elsewhere"}]
    assert item(planned(source(), there, "web-1"), "rbac_policies", "rb1").action is Action.CREATE


def test_a_port_keeps_what_its_administrator_said() -> None:
    """Capabilities and the kind of NIC travel; where it was plugged does not."""
    port = row("ports", **{
        **source()["ports"][0], "vnic_type": "direct",
        "binding_profile": {"capabilities": ["switchdev"], "pci_slot": "0000:05:00.1"},
    })  # fmt: skip
    body = bodies.port(port, IDS)
    assert body["binding:profile"] == {"capabilities": ["switchdev"]}
    assert body["binding:vnic_type"] == "direct"
    plain = bodies.port(row("ports", **source()["ports"][0]), IDS)
    assert not [name for name in plain if name.startswith("binding:")]


def test_a_servers_port_gets_no_dns_name_before_its_server() -> None:
    """Nova names a server's port after it; a port of nothing keeps its name itself."""
    here = estate(source())
    own = row("ports", **{**source()["ports"][0], "dns_name": "web-1"})
    assert list(losses("ports", own, here)) == []
    assert "dns_name" not in bodies.port(own, IDS)
    free = {**own, "dns_name": "vip", "device_id": ""}
    assert (losses("ports", free, here), bodies.port(free, IDS)["dns_name"]) == ([], "vip")


def test_segments_travel_with_an_administrators_network() -> None:
    """An external network of several segments has them at the target; a tenant's loses them."""
    segments = [{"provider:network_type": "vlan", "provider:segmentation_id": n} for n in (1, 2)]
    outer = row("networks", **{**source()["networks"][1], "segments": segments})
    body = bodies.network(outer, IDS)
    assert (body["segments"], "provider:network_type" in body) == (segments, False)
    assert losses("networks", outer, estate(source())) == []
    inner = {**outer, "is_external": False}
    assert "2 segments" in losses("networks", inner, estate(source()))[0]


def test_an_external_network_of_one_project_is_not_everybodys() -> None:
    """The flag would let every project at the target use it; the policies travel as they are."""
    rows = source()
    rows["rbac_policies"][1]["target_project_id"] = "p1"
    made = planned(rows, {"domains": target()["domains"]}, "project:shop")
    network = item(made, "networks", "nx").row
    assert (network["is_external"], network["is_limited"]) == (True, True)
    assert bodies.network(network, IDS)["router:external"] is False
    assert bodies.network(network, IDS)["provider:physical_network"] == "ph"
    assert item(made, "rbac_policies", "rb2").action is Action.CREATE
    rows["rbac_policies"].append(
        {**rows["rbac_policies"][1], "id": "rb3", "target_project_id": "*"}
    )
    made = planned(rows, {"domains": target()["domains"]}, "project:shop")
    assert bodies.network(item(made, "networks", "nx").row, IDS)["router:external"] is True
