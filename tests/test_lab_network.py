"""Networks arrive at the lab's real target with all that they refer to, field by field."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from openstack.connection import Connection

from lab.layout import EXTERNAL_NETWORK
from pumphouse.blocks.site import Site
from pumphouse.ledger import failures
from pumphouse.mappings import Mappings
from pumphouse.models import SOURCE_ID, Mover
from pumphouse.plan import DONE, Plan
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Selection, chosen
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import do_batch
from pumphouse.tasks.migration import EFFECTS
from tests.lab_tenants import Tenant, spare_address
from tests.migrations import ORDER, Writes, estates, prepare, site

pytest_plugins = ["tests.lab"]
pytestmark = pytest.mark.lab

Raw = dict[str, Any]


@pytest.fixture(name="pair")
def _pair(clouds_file: Path, tmp_path: Path) -> Site:
    return site(clouds_file, tmp_path / "store", ("source", "target"))


def made(cloud: Connection, path: str, key: str, **body: Any) -> Raw:
    """Create one of Neutron's resources as the admin and return what it answers."""
    answer = cloud.network.post(f"/{path}", json={key: body})
    assert answer.ok, answer.text
    found: Raw = answer.json()[key]
    return found


@pytest.fixture(name="net")
def _net(make_tenant: Callable[[], Tenant], source: Connection) -> SimpleNamespace:
    """Fill a tenant of the source with everything that networks refer to; it has a neighbor."""
    tenant, neighbor = make_tenant(), make_tenant()
    mine = {"project_id": tenant.project_id}
    qos = made(source, "qos/policies", "policy", name="slow", **mine)
    rules = f"qos/policies/{qos['id']}"
    made(source, f"{rules}/bandwidth_limit_rules", "bandwidth_limit_rule",
         max_kbps=1000, max_burst_kbps=80, direction="ingress")  # fmt: skip
    made(source, f"{rules}/dscp_marking_rules", "dscp_marking_rule", dscp_mark=26)
    # The lab's networks take no rules: theirs is a policy without any.
    plain = made(source, "qos/policies", "policy", name="plain", **mine)
    scope = made(source, "address-scopes", "address_scope", name="inner", ip_version=4, **mine)
    pool = made(source, "subnetpools", "subnetpool", name="tens", prefixes=["10.66.0.0/16"],
                default_prefixlen=26, address_scope_id=scope["id"], **mine)  # fmt: skip
    network = made(source, "networks", "network", name=f"{tenant.name}-net",
                   qos_policy_id=plain["id"], **mine)  # fmt: skip
    source.network.put(f"/networks/{network['id']}/tags", json={"tags": ["blue", "front"]})
    subnet = made(source, "subnets", "subnet", name=f"{tenant.name}-subnet", ip_version=4,
                  network_id=network["id"], subnetpool_id=pool["id"], **mine)  # fmt: skip
    office = made(source, "address-groups", "address_group", name="office",
                  addresses=["192.0.2.0/24", "198.51.100.7/32"],
                  description="Ours", **mine)  # fmt: skip
    group = made(source, "security-groups", "security_group", name=f"{tenant.name}-web", **mine)
    made(source, "security-group-rules", "security_group_rule", direction="ingress",
         security_group_id=group["id"], ethertype="IPv4", protocol="tcp", port_range_min=22,
         port_range_max=22, remote_address_group_id=office["id"], **mine)  # fmt: skip
    for type_, id_ in (("network", network["id"]), ("security_group", group["id"]),
                       ("address_group", office["id"]), ("qos_policy", qos["id"])):  # fmt: skip
        made(source, "rbac-policies", "rbac_policy", object_type=type_, object_id=id_,
             action="access_as_shared", target_tenant=neighbor.project_id, **mine)  # fmt: skip
    outside = source.network.find_network(EXTERNAL_NETWORK)
    inside = made(source, "networks", "network", name=f"{tenant.name}-inside", **mine)
    made(source, "subnets", "subnet", name=f"{tenant.name}-inside4", network_id=inside["id"],
         ip_version=4, cidr="10.88.0.0/24", **mine)  # fmt: skip
    parent = made(source, "ports", "port", name="parent", network_id=network["id"], **mine)
    below = made(source, "ports", "port", name="below", network_id=inside["id"], **mine)
    sub = {"port_id": below["id"], "segmentation_type": "vlan", "segmentation_id": 7}
    trunk = made(source, "trunks", "trunk", name="vlans", port_id=parent["id"], sub_ports=[sub],
                 description="Of the shop", **mine)  # fmt: skip
    source.network.put(f"/trunks/{trunk['id']}/tags", json={"tags": ["trunk"]})
    router = made(source, "routers", "router", name=f"{tenant.name}-router",
                  external_gateway_info={"network_id": outside.id, "enable_snat": False,
                                         "external_fixed_ips": [spare_address(source, outside)],
                                         "qos_policy_id": qos["id"]}, **mine)  # fmt: skip
    source.network.add_interface_to_router(router["id"], subnet_id=subnet["id"])
    port = made(source, "ports", "port", name="vip", network_id=network["id"],
                qos_policy_id=plain["id"], dns_name="vip", dns_domain="shop.lab.",
                security_groups=[group["id"]],
                extra_dhcp_opts=[{"opt_name": "mtu", "opt_value": "1400", "ip_version": 4}],
                fixed_ips=[{"subnet_id": subnet["id"]}, {"subnet_id": subnet["id"]}],
                allowed_address_pairs=[{"ip_address": "10.66.0.60"}],
                **{"binding:profile": {"capabilities": ["switchdev"]}}, **mine)  # fmt: skip
    source.network.put(f"/ports/{port['id']}/tags", json={"tags": ["vip"]})
    address = made(source, "floatingips", "floatingip", floating_network_id=outside.id,
                   qos_policy_id=qos["id"], description="Of the shop", **mine)  # fmt: skip
    source.network.put(f"/floatingips/{address['id']}/tags", json={"tags": ["public"]})
    bound = made(source, "floatingips", "floatingip", floating_network_id=outside.id,
                 port_id=port["id"], description="Of both", **mine,
                 fixed_ip_address=port["fixed_ips"][0]["ip_address"])  # fmt: skip
    # Neutron calls it shared when it is shared with who asks: that is not with everybody.
    made(source, "rbac-policies", "rbac_policy", object_type="network", object_id=inside["id"],
         action="access_as_shared", target_tenant=source.current_project_id, **mine)  # fmt: skip
    limited = made(source, "networks", "network", name=f"{tenant.name}-limited", **mine)
    for project_id in (tenant.project_id, neighbor.project_id):
        made(source, "rbac-policies", "rbac_policy", object_type="network",
             object_id=limited["id"], action="access_as_external", target_tenant=project_id,
             **mine)  # fmt: skip
    return SimpleNamespace(
        tenant=tenant, neighbor=neighbor, router=router, port=port, bound=bound["id"]
    )


def planned(pair: Site, folder: Path, net: SimpleNamespace) -> Plan:
    here, there = estates(pair, folder)
    include = tuple(f"project:{t.project_id}" for t in (net.tenant, net.neighbor))
    wishes = Wishes(mappings=Mappings(router_addresses="same"))
    return plan(chosen(Selection(include=include), here), here, there, wishes)


def carry_out(pair: Site, intended: Plan) -> int:
    """Do a plan without images and servers as a run does; return how many items were done."""
    assert intended.obstacles == []
    ids = {kind: dict(of) for kind, of in intended.ids.items()}
    count = 0
    with Api(pair.target, "target") as api:
        for kind in ORDER:
            items = intended.of("security_groups" if kind == "rules" else kind)
            todo = [item for item in items if item.action not in DONE]
            entries = do_batch(api, todo, EFFECTS[kind], ids, frozenset())
            assert failures(entries) == []
            for done in entries:
                ids[done.kind][done.source_id] = done.target_id or ""
            count += len(entries)
    return count


class Shown:
    """What one cloud has of a project, in names instead of ids."""

    def __init__(self, cloud: Connection, project: str) -> None:
        self.cloud = cloud
        (self.project,) = cloud.identity.projects(name=project)
        self.names = {p.id: p.name for p in cloud.identity.projects()} | {"*": "*"}
        for path, key in (
            ("qos/policies", "policies"), ("address-scopes", "address_scopes"),
            ("subnetpools", "subnetpools"), ("networks", "networks"), ("subnets", "subnets"),
            ("address-groups", "address_groups"), ("security-groups", "security_groups"),
        ):  # fmt: skip
            self.names |= {each["id"]: each["name"] for each in self.of(path, key, {})}
        self.names |= {p["id"]: p["mac_address"] for p in self.of("ports", "ports")}

    def of(self, path: str, key: str, wanted: Raw | None = None) -> list[Raw]:
        params = {"project_id": self.project.id} if wanted is None else wanted
        found: list[Raw] = self.cloud.network.get(f"/{path}", params=params).json()[key]
        return found

    def fields(self, path: str, key: str, *fields: str) -> list[Raw]:
        """Return some fields of every resource, ids as names, without our marks."""
        found = [{f: self.said(each[f]) for f in fields} for each in self.of(path, key)]
        return sorted(found, key=str)

    def said(self, value: Any) -> Any:
        if isinstance(value, list):
            return sorted(
                (self.said(v) for v in value if not str(v).startswith(SOURCE_ID)), key=str
            )
        if isinstance(value, dict):
            own = ("id", "qos_policy_id", "tags", "revision_number")
            return {k: self.said(v) for k, v in value.items() if k not in own}
        return self.names.get(value, value) if isinstance(value, str) else value

    def all(self) -> dict[str, list[Raw]]:
        """Return everything that is to be the same at both clouds."""
        return {
            "qos": self.fields("qos/policies", "policies", "name", "shared", "rules", "tags"),
            "scopes": self.fields("address-scopes", "address_scopes", "name", "ip_version",
                                  "shared"),
            "pools": self.fields("subnetpools", "subnetpools", "name", "prefixes", "shared",
                                 "min_prefixlen", "max_prefixlen", "default_prefixlen",
                                 "address_scope_id", "is_default"),
            "networks": self.fields("networks", "networks", "name", "mtu", "qos_policy_id", "tags",
                                    "ipv4_address_scope", "port_security_enabled", "shared",
                                    "router:external"),
            "subnets": self.fields("subnets", "subnets", "name", "cidr", "subnetpool_id",
                                   "gateway_ip", "allocation_pools"),
            "address groups": self.fields("address-groups", "address_groups", "name", "addresses",
                                          "description"),
            "rules": self.fields("security-group-rules", "security_group_rules", "direction",
                                 "security_group_id", "ethertype", "protocol", "port_range_min",
                                 "remote_address_group_id", "remote_group_id"),
            "shares": self.fields("rbac-policies", "rbac_policies", "object_type", "object_id",
                                  "action", "target_tenant"),
            "trunks": self.fields("trunks", "trunks", "name", "port_id", "sub_ports", "tags",
                                  "description", "admin_state_up"),
            "floating ips": self.fields("floatingips", "floatingips", "floating_ip_address",
                                        "qos_policy_id", "description", "tags"),
        }  # fmt: skip

    def port(self, mac: str) -> Raw:
        (found,) = self.of("ports", "ports", {"mac_address": mac})
        fields = ("name", "qos_policy_id", "dns_name", "dns_domain", "extra_dhcp_opts",
                  "fixed_ips", "tags",
                  "allowed_address_pairs", "security_groups", "binding:profile",
                  "binding:vnic_type", "mac_address", "network_id")  # fmt: skip
        return {field: self.said(found[field]) for field in fields}

    def gateway(self) -> Raw:
        (router,) = self.of("routers", "routers")
        gateway: Raw = router["external_gateway_info"]
        policy = self.names.get(gateway.get("qos_policy_id") or "")
        outside = [self.said(fixed) for fixed in gateway["external_fixed_ips"]]
        return {"snat": gateway["enable_snat"], "qos": policy, "outside": outside}


def test_everything_that_networks_refer_to_arrives_and_a_second_run_writes_nothing(
    pair: Site, net: SimpleNamespace, source: Connection, target: Connection, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """QoS, pools, scopes, address groups, shares, DHCP options: the target says what the source says."""  # noqa: E501
    first = planned(pair, tmp_path / "1", net)
    (bound,) = [item for item in first.of("floating_ips") if item.source_id == net.bound]
    assert "openstack floating ip set --port" in " ".join(bound.losses)
    assert carry_out(pair, first) > 15
    here, there = (Shown(cloud, net.tenant.name) for cloud in (source, target))
    was, now = here.all(), there.all()
    for what in was:
        assert now[what] == was[what], what
    assert len(was["shares"]) == 7
    assert [row["router:external"] for row in was["networks"]] == [False, True, False]
    assert there.port(net.port["mac_address"]) == here.port(net.port["mac_address"])
    gateway = here.gateway()
    assert (gateway["snat"], gateway["qos"], len(gateway["outside"])) == (False, "slow", 1)
    assert there.gateway() == gateway
    writes = Writes(monkeypatch.setattr)
    assert carry_out(pair, planned(pair, tmp_path / "2", net)) == 0
    assert writes.seen == []


def test_a_server_moves_with_its_trunk(
    pair: Site, tenant: Tenant, source: Connection, target: Connection, tmp_path: Path
) -> None:
    """Its subports go down at the source and up at the target, below a trunk on its port."""
    image, flavor = tenant.create_image(), tenant.create_flavor()
    server = tenant.create_server(image, flavor, tenant.create_network())
    mine = {"project_id": tenant.project_id}
    inside = made(source, "networks", "network", name=f"{tenant.name}-inside", **mine)
    made(source, "subnets", "subnet", name=f"{tenant.name}-inside4", network_id=inside["id"],
         ip_version=4, cidr="10.88.0.0/24", **mine)  # fmt: skip
    (parent,) = source.network.ports(device_id=server.id)
    below = made(source, "ports", "port", name="below", network_id=inside["id"], **mine)
    sub = {"port_id": below["id"], "segmentation_type": "vlan", "segmentation_id": 7}
    trunk = made(source, "trunks", "trunk", name="vlans", port_id=parent.id, sub_ports=[sub],
                 **mine)  # fmt: skip
    # A name that Nova did not give, and one below that Nova knows nothing of.
    source.network.put(f"/ports/{parent.id}", json={"port": {"dns_name": "shop"}})
    source.network.put(f"/ports/{below['id']}", json={"port": {"dns_name": "vlan"}})
    with ExitStack() as stack:
        prepared = prepare(stack, pair, tmp_path, server.id, Mover.REBUILD)
        assert not target.network.get_port(prepared.ids["ports"][below["id"]]).is_admin_state_up
        arrived = prepared.cut_over().run()
    (there,) = target.network.ports(device_id=arrived.target_id)
    copy = target.network.get_trunk(prepared.ids["trunks"][trunk["id"]])
    assert (copy.port_id, there.mac_address) == (there.id, parent.mac_address)
    under = target.network.get_port(copy.sub_ports[0]["port_id"])
    assert (copy.sub_ports[0]["segmentation_id"], under.mac_address) == (7, below["mac_address"])
    assert (there.dns_name, under.dns_name) == ("shop", "vlan")
    assert (there.is_admin_state_up, under.is_admin_state_up) == (True, True)
    assert not source.network.get_port(below["id"]).is_admin_state_up
