"""Whether the target can hold a plan: quotas, hosts, addresses, types and formats."""

from typing import Any

import pytest

from pumphouse.models import SOURCE_ID, Action
from pumphouse.plan import Plan
from pumphouse.planning import plan
from pumphouse.selection import Selection, chosen
from tests.tenants import Rows, estate, source, target


def planned(
    src: Rows | None = None, dst: Rows | None = None, what: tuple[str, ...] = ("project:shop",)
) -> Plan:
    """Return a plan of project shop, or of *what*."""
    here = estate(src or source())
    return plan(chosen(Selection(include=what), here), here, estate(dst or target()))


def reason(of: Plan, key: str) -> str:
    """Return why the item with that key is blocked."""
    found = next(i for i in of.items if i.key == key)
    assert Action.BLOCKED is found.action, found
    return found.reason


def costs(of: Plan, scope: str) -> dict[str, tuple[float, float | None]]:
    """Return what is needed and what is left, by resource."""
    return {c.resource: (c.needed, c.free) for c in of.costs if c.scope == scope}


def host(name: str, **values: Any) -> dict[str, Any]:
    """Return a hypervisor of the target that is up."""
    return {
        "id": name, "name": name, "host": name, "status": "enabled", "state": "up",
        "vcpus_allocatable": 16.0, "vcpus_used": 0, "ram_allocatable_mib": 4096.0,
        "ram_used_mib": 0,
    } | values  # fmt: skip


def twins(**values: Any) -> Rows:
    """Return the source with three servers like the first."""
    src = source()
    first = src["servers"][0] | {"volumes": []} | values
    src["servers"] = [first | {"id": f"w{i}", "name": f"w{i}"} for i in range(3)]
    src["volumes"] = [v for v in src["volumes"] if not v["attachments"]]
    src["ports"] = [p for p in src["ports"] if p["device_id"] != "v1"]
    return src


def there(dst: Rows) -> Rows:
    """Return the target with the project and its network, copied before."""
    dst["projects"].append({**source()["projects"][0], "id": "P1", "tags": [f"{SOURCE_ID}=p1"]})
    for kind, id_, more in (
        ("networks", "N1", {}),
        ("subnets", "S1", {"network_id": "N1"}),
    ):
        row = source()[kind][0]
        tags = [f"{SOURCE_ID}={row['id']}"]
        dst[kind].append(row | {"id": id_, "project_id": "P1", "tags": tags} | more)
    return dst


def test_quotas_are_counted_by_project() -> None:
    """What a plan needs of each quota is in its costs, with what is left of it."""
    found = costs(planned(), "Default/shop")
    assert found["compute cores"] == (1, 8)
    assert found["volume volumes"] == (2, 10)
    assert found["volume gigabytes"] == (3, None)
    assert found["volume gigabytes_fast"] == (3, None)
    assert found["network floatingip"] == (2, None)
    assert found["network security_group_rule"] == (2, None)


def test_servers_share_the_room() -> None:
    """Three servers need three places, not one place three times."""
    dst = target()
    dst["hypervisors"] = [host("a", ram_allocatable_mib=1100.0)]
    made = planned(twins(), dst)
    blocked = [i for i in made.of("servers") if i.action is Action.BLOCKED]
    assert len(blocked) == 1
    assert "No enabled host of the target has 1 vCPUs, 512 MiB of RAM" in blocked[0].reason
    assert costs(made, "hosts")["MiB of RAM"] == (1536, 1100.0)
    dst["hypervisors"] += [host("b")]
    assert planned(twins(), dst).obstacles == []


@pytest.mark.parametrize(
    "away", [{"state": "down"}, {"status": "disabled"}, {"disk_allocatable_gib": 0.5}]
)
def test_hosts_that_take_no_servers_are_no_room(away: dict[str, Any]) -> None:
    """Down, disabled and full hosts do not count."""
    dst = target()
    dst["hypervisors"] = [host("a", **away)]
    assert "add a host" in reason(planned(dst=dst), "servers:v1")


def test_a_host_that_is_forced_down_is_no_room() -> None:
    """Nova sends nothing there, whatever the hypervisor says."""
    dst = target()
    dst["compute_services"] = [
        {"id": "c", "binary": "nova-compute", "host": "new1", "is_forced_down": True}
    ]
    assert "enable or add a host" in reason(planned(dst=dst), "servers:v1")


@pytest.mark.parametrize(
    ("policy", "hosts", "fits"),
    [
        ("anti-affinity", 2, 2),
        ("anti-affinity", 3, 3),
        ("affinity", 3, 2),
        ("soft-affinity", 1, 3),
    ],
)
def test_policies_of_server_groups_are_kept(policy: str, hosts: int, fits: int) -> None:
    """Apart means a host each; together means one host with room for all."""
    src, dst = twins(server_group_ids=["sg"]), there(target())
    src["server_groups"] = [{"id": "sg", "name": "g", "project_id": "p1", "policy": policy}]
    dst["server_groups"] = [{"id": "SG", "name": "g", "project_id": "P1", "policy": policy}]
    room = 1100.0 if policy == "affinity" else 4096.0
    dst["hypervisors"] = [host(f"h{i}", ram_allocatable_mib=room) for i in range(hosts)]
    made = planned(src, dst)
    assert sum(i.action is Action.CREATE for i in made.of("servers")) == fits
    if fits < 3:
        assert f"under the policy {policy} of its server group g" in " ".join(made.obstacles)


def port(**values: Any) -> dict[str, Any]:
    """Return a port of somebody else at the target."""
    return {
        "id": "Q", "network_id": "N1", "mac_address": "fa:9", "device_id": "dev",
        "device_owner": "compute:nova",
        "fixed_ips": [{"subnet_id": "S1", "ip_address": "10.0.0.9"}],
    } | values  # fmt: skip


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ({"fixed_ips": [{"subnet_id": "S1", "ip_address": "10.0.0.5"}]}, "port Q of dev; delete"),
        (
            {
                "fixed_ips": [{"subnet_id": "S1", "ip_address": "10.0.0.5"}],
                "device_owner": "network:dhcp",
            },
            "the DHCP port Q; delete that port",
        ),
        ({"mac_address": "fa:1"}, "that of port Q of dev"),
    ],
)
def test_fixed_addresses_and_macs_must_be_free(taken: dict[str, Any], said: str) -> None:
    """Whoever holds them is named, a DHCP agent too."""
    dst = there(target())
    dst["ports"] = [port(**taken)]
    made = planned(dst=dst)
    if "mac_address" in taken:
        # The same MAC is our port by its natural key: with another address it is a conflict.
        assert Action.CONFLICT is next(i.action for i in made.of("ports"))
    else:
        assert said in reason(made, "ports:po1")


def test_floating_addresses_must_be_free_and_inside() -> None:
    """One that a router has, and one that no subnet there has, are told apart."""
    dst = target()
    held = port(
        network_id="NX", device_owner="network:router_gateway",
        fixed_ips=[{"subnet_id": "SX", "ip_address": "198.51.100.7"}],
    )  # fmt: skip
    dst["ports"] = [held]
    src = source()
    src["floating_ips"][1]["floating_ip_address"] = "203.0.113.5"
    made = planned(src, dst)
    assert "port Q (network:router_gateway)" in reason(made, "floating_ips:fl1")
    assert "in no subnet of the target's network" in reason(made, "floating_ips:fl2")


def test_an_external_pool_may_be_too_small() -> None:
    """Floating IPs and routers need an address each; what is taken is not there twice."""
    dst = target()
    dst["subnets"][0]["allocation_pools"] = [{"start": "198.51.100.6", "end": "198.51.100.8"}]
    dst["ports"] = [
        port(network_id="NX", fixed_ips=[{"subnet_id": "SX", "ip_address": "198.51.100.6"}])
    ]
    made = planned(dst=dst)
    assert costs(made, "Default/admin/ext") == {"addresses": (3, 2)}
    assert "has 2 addresses left at the target, and the plan needs 3" in reason(
        made, "routers:ro1"
    )


def test_ranges_must_not_overlap_within_a_network() -> None:
    """A subnet beside one that has part of its range is not made."""
    dst = there(target())
    dst["subnets"][1] |= {"cidr": "10.0.0.0/25", "tags": []}
    assert "overlaps with subnet front4 (S1) 10.0.0.0/25" in reason(planned(dst=dst), "subnets:s1")


def test_a_private_volume_type_needs_access() -> None:
    """A type that the project may not use is said before the volume is copied."""
    dst = target()
    dst["volume_types"][0] |= {"is_public": False, "access_project_ids": ["P0"]}
    assert "is private, and its project may not use it" in reason(planned(dst=dst), "volumes:vol1")


def test_a_volume_service_must_be_up() -> None:
    """Without one no volume is made."""
    dst = target()
    down = {"binary": "cinder-volume", "host": "c", "state": "down", "status": "enabled"}
    dst["volume_services"] = [down]
    assert "No volume service of the target is enabled" in reason(planned(dst=dst), "volumes:vol2")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("error", "is in error; repair it"),
        ("creating", "is being created; wait"),
        ("deleting", "is being deleted; leave it out"),
        ("maintenance", "is in maintenance"),
        ("error_deleting", "could not be deleted; delete it again"),
        ("error_extending", "is error_extending; repair it"),
        ("backing-up", "is backing-up; wait until"),
        ("awaiting-transfer", "waits for another project"),
    ],
)
def test_a_volume_that_nothing_can_read_is_an_obstacle(status: str, said: str) -> None:
    """So is a server with such a one: it would be stopped first, and then fail."""
    src = source()
    for volume in src["volumes"]:
        volume["status"] = status
    made = planned(src)
    for key in ("volumes:vol1", "volumes:vol2"):
        assert f"It {said}" in reason(made, key)
    assert f"Its volume data {said}" in reason(made, "servers:v1")


@pytest.mark.parametrize("status", ["available", "in-use", "reserved", "uploading", "detaching"])
def test_what_a_cut_over_makes_of_a_volume_is_no_obstacle(status: str) -> None:
    """A run that was killed is finished by the next one."""
    src = source()
    src["volumes"][0]["status"] = status
    assert planned(src).obstacles == []


def test_an_attached_volume_goes_with_its_server() -> None:
    """Alone it is not taken away from a server that stays."""
    made = planned(what=("volumes:vol1",))
    assert "attached to server web-1 (v1), which is not in the plan" in reason(
        made, "volumes:vol1"
    )


@pytest.mark.parametrize(
    ("type_", "image", "said"),
    [
        ("QEMU", {"disk_format": "ploop"}, "is ploop, which QEMU does not boot"),
        ("VMware vCenter Server", {}, "is qcow2, which VMware vCenter Server does not boot"),
        ("QEMU", {"properties": {"hypervisor_type": "vmware"}}, "is for vmware, and the target"),
        ("QEMU", {"properties": {"img_hv_type": "kvm"}}, ""),
        ("Strange", {"disk_format": "ploop"}, ""),
    ],
)
def test_images_must_boot_at_the_target(type_: str, image: dict[str, Any], said: str) -> None:
    """A format or hypervisor type that the target does not have is said of each server."""
    src, dst = source(), target()
    src["images"][0] |= image
    dst["hypervisors"][0]["type"] = type_
    made = planned(src, dst)
    if said:
        assert said in reason(made, "servers:v1")
    else:
        assert made.obstacles == []


def test_everything_is_said_at_once() -> None:
    """A plan with many problems has them all, on the rows that they are of."""
    src, dst = source(), target()
    src["servers"][0]["status"] = "PAUSED"
    dst["volume_types"][0] |= {"is_public": False, "access_project_ids": []}
    dst["ports"] = [
        port(network_id="NX", fixed_ips=[{"subnet_id": "SX", "ip_address": "198.51.100.7"}])
    ]
    kinds = [sentence.split()[0] for sentence in planned(src, dst).obstacles]
    assert kinds == ["floating_ips", "volumes", "volumes", "servers"]


@pytest.mark.parametrize("cloud", ["source", "target"])
def test_nothing_is_made_in_a_project_that_is_disabled(cloud: str) -> None:
    """Nobody gets a token for it: said before, with the way out."""
    src, dst = source(), there(target())
    (src if cloud == "source" else dst)["projects"][0 if cloud == "source" else -1] |= {
        "is_enabled": False
    }
    made = planned(src, dst)
    for key in ("servers:v1", "volumes:vol2", "server_groups:sg1"):
        assert f"The {cloud}'s project shop" in reason(made, key)
        assert "enable it until it has moved" in reason(made, key)


def test_no_project_is_made_below_what_is_disabled() -> None:
    """Keystone refuses that, in a domain as below a project."""
    src, dst = source(), target()
    src["domains"].append({"id": "d2", "name": "old", "is_enabled": False})
    src["projects"][0]["domain_id"] = "d2"
    assert "source's domain old (d2) is disabled" in reason(planned(src, dst), "projects:p1")
    src["projects"][0] |= {"domain_id": "default", "parent_id": "p2"}
    src["projects"][1]["is_enabled"] = False
    assert "project other (p2) is disabled" in reason(planned(src, dst), "projects:p1")


def test_a_disabled_domain_is_not_taken_for_an_enabled_one() -> None:
    """Who may log in is no detail."""
    src, dst = source(), target()
    src["domains"][0]["is_enabled"] = True
    dst["domains"][0]["is_enabled"] = False
    found = next(i for i in planned(src, dst).items if i.kind == "domains")
    assert found.action is Action.CONFLICT


def test_federated_users_are_never_made() -> None:
    """Their identity provider makes them; one that is there is adopted."""
    src, dst = source(), target()
    src["users"][0]["identity_provider"] = "sso"
    assert "identity provider sso" in reason(planned(src, dst), "users:u1")
    dst["users"] = [{**src["users"][0], "id": "U1"}]
    found = next(i for i in planned(src, dst).items if i.key == "users:u1")
    assert (found.action, found.target_id) == (Action.ADOPT, "U1")


@pytest.mark.parametrize(("factor", "action"), [(1.0, Action.ADOPT), (2.0, Action.CONFLICT)])
def test_flavors_of_another_network_share_are_others(factor: float, action: Action) -> None:
    """The rxtx factor is a number of a flavor like any other."""
    src, dst = source(), target()
    src["flavors"][0] |= {"is_public": True, "access_project_ids": None}
    dst["flavors"] = [{**src["flavors"][0], "id": "F1", "rxtx_factor": factor}]
    found = next(i for i in planned(src, dst).items if i.key == "flavors:f1")
    assert found.action is action


@pytest.mark.parametrize(
    ("what", "kinds", "key"),
    [
        ("volumes:spare", (), "volumes:vol2"),
        ("project:shop", ("volumes",), "volumes:vol2"),
        ("project:shop", ("servers",), "volumes:vol1"),
        ("server:web-1", ("servers",), "servers:v1"),
        ("networks:front", (), "networks:n1"),
    ],
)
def test_quotas_hold_for_plans_without_quotas_too(
    what: str, kinds: tuple[str, ...], key: str
) -> None:
    """What is chosen alone, or limited to kinds, needs room in its project as a whole one does."""
    here, dst = estate(source()), there(target())
    dst["networks"].pop(), dst["subnets"].pop()
    dst["quotas"] = [
        {"project_id": "P1", "service": service, "resource": resource, "limit": 0, "used": 0}
        for service, resource in (
            ("volume", "gigabytes"), ("compute", "cores"), ("network", "network"),
        )
    ]  # fmt: skip
    wanted = chosen(Selection(include=(what,), kinds=kinds), here)
    made = plan(wanted, here, estate(dst))
    assert "is 0, 0 are used and" in reason(made, key)
    assert costs(made, "Default/shop")
    for row in dst["quotas"]:
        row["limit"] = 100
    assert plan(wanted, here, estate(dst)).obstacles == []


def test_a_limit_of_each_volume_holds_for_one_that_is_chosen_alone() -> None:
    """The largest volume, too."""
    dst = there(target())
    limit = {"service": "volume", "resource": "per_volume_gigabytes", "limit": 0, "used": 0}
    dst["quotas"] = [{"project_id": "P1", **limit}]
    made = planned(dst=dst, what=("volumes:spare",))
    assert "per_volume_gigabytes is 0; raise it to 1" in reason(made, "volumes:vol2")
