"""What is sent to make a copy."""

import pytest

from pumphouse import bodies
from pumphouse.comparison import RULES
from pumphouse.losses import losses
from pumphouse.models import SOURCE_ID
from tests.tenants import estate, row, source

IDS = {
    "domains": {"default": "default"},
    "projects": {"p0": "P0", "p1": "P1"},
    "networks": {"n1": "N1", "nx": "NX"},
    "subnets": {"s1": "S1"},
    "security_groups": {"g1": "G1", "g2": "G2"},
}
ROWS = source()


def of(kind: str, place: int = 0, **values: object) -> dict[str, object]:
    return row(kind, **{**ROWS[kind][place], **values})


def test_copies_carry_their_source_id() -> None:
    """Projects, networks, ports and volumes are marked in the request that makes them."""
    mark = bodies.tag("n1")
    assert [mark] == bodies.network(of("networks"), IDS)["tags"][-1:]
    assert f"{SOURCE_ID}=p1" in bodies.project(of("projects"), IDS)["tags"]
    assert "po1" in bodies.port(of("ports"), IDS)["tags"][-1]
    assert bodies.volume(of("volumes"), "I")["metadata"] == {"a": "b", SOURCE_ID: "vol1"}


def test_a_second_hop_replaces_the_mark() -> None:
    """A copy of a copy is marked with the id that it was copied from, once."""
    tags = bodies.network(of("networks", tags=[f"{SOURCE_ID}=older", "blue"]), IDS)["tags"]
    assert ["blue", f"{SOURCE_ID}=n1"] == tags


def test_a_user_gets_no_password() -> None:
    """Nobody can log in as the copy until a password is set."""
    assert "password" not in bodies.user(of("users"), IDS)


def test_provider_attributes_are_the_administrators() -> None:
    """A tenant's network is left to the target; an external one is made as it was."""
    assert not [k for k in bodies.network(of("networks"), IDS) if k.startswith("provider:")]
    external = bodies.network(of("networks", 1), IDS)
    assert (
        external["provider:network_type"],
        external["provider:physical_network"],
    ) == ("flat", "ph")


def test_a_subnet_without_gateway_gets_none() -> None:
    """Null is sent: left out, Neutron would choose the first address."""
    assert bodies.subnet(of("subnets", gateway_ip=None), IDS)["gateway_ip"] is None


def test_a_port_is_the_same_but_down() -> None:
    """MAC and addresses are kept; nothing answers them until the cut-over."""
    body = bodies.port(of("ports"), IDS)
    assert (body["admin_state_up"], body["mac_address"]) == (False, "fa:1")
    assert body["fixed_ips"] == [{"subnet_id": "S1", "ip_address": "10.0.0.5"}]
    assert body["security_groups"] == ["G1"]


def test_an_address_that_neutron_derives_from_the_mac_is_not_asked_for() -> None:
    """Asked for, Neutron calls it taken; the copy has the same MAC and so the same address."""
    fixed = [
        {"subnet_id": "s1", "ip_address": "fd10:30::f816:3eff:fe86:6422"},
        {"subnet_id": "s1", "ip_address": "fd10:30::f816:3eff:fe86:6423"},
    ]

    body = bodies.port(of("ports", mac_address="fa:16:3e:86:64:22", fixed_ips=fixed), IDS)

    assert body["fixed_ips"] == [
        {"subnet_id": "S1"},
        {"subnet_id": "S1", "ip_address": "fd10:30::f816:3eff:fe86:6423"},
    ]


def test_a_port_without_security_has_no_groups() -> None:
    """Neutron refuses groups on a port whose security is off."""
    body = bodies.port(of("ports", is_port_security_enabled=False), IDS)
    assert (body["security_groups"], body["port_security_enabled"]) == ([], False)


def test_a_port_says_its_security_and_does_not_inherit_it() -> None:
    """On a network whose security is off, one that has it on would lose it, or be refused."""
    body = bodies.port(of("ports", is_port_security_enabled=True), IDS)
    assert (body["security_groups"], body["port_security_enabled"]) == (["G1"], True)
    assert "port_security_enabled" not in bodies.port(of("ports"), IDS)


def test_rules_name_groups_by_the_targets_ids() -> None:
    """A remote group becomes its copy."""
    body = bodies.rule(of("security_group_rules"), "G1", "P1", IDS)
    assert (body["remote_group_id"], body["port_range_min"]) == ("G2", 80)
    assert "remote_ip_prefix" not in body


def test_a_router_keeps_snat_off() -> None:
    """The gateway is the external network's copy; SNAT is only sent when it is off."""
    gateway = bodies.router(of("routers"), IDS)["external_gateway_info"]
    assert gateway == {"network_id": "NX", "enable_snat": False}
    inner = bodies.router(of("routers", external_gateway=None), IDS)
    assert "external_gateway_info" not in inner
    snat = bodies.router(of("routers", external_gateway={"network_id": "nx"}), IDS)
    assert snat["external_gateway_info"] == {"network_id": "NX"}


def test_a_floating_ip_keeps_its_address_and_waits() -> None:
    """It is reserved at the target and bound to nothing."""
    body = bodies.floating_ip(of("floating_ips"), IDS)
    assert body["floating_ip_address"] == "198.51.100.7"
    assert "port_id" not in body


def test_stateless_groups_stay_stateless() -> None:
    """The flag is only sent where it is off: old clouds do not know it."""
    assert "stateful" not in bodies.security_group(of("security_groups"), IDS)
    assert bodies.security_group(of("security_groups", 2), IDS)["stateful"] is False


def test_an_image_leaves_behind_where_it_came_from() -> None:
    """Properties that Nova wrote about its origin mean nothing at the target."""
    body = bodies.image(of("images"), "P1")
    assert (body["os_distro"], body[SOURCE_ID], body["owner"]) == ("debian", "i1", "P1")
    assert "base_image_ref" not in body
    assert "owner" not in bodies.image(of("images"), None)


def test_a_flavor_keeps_its_id_when_it_had_one() -> None:
    """Only a flavor that exists no more gets a new id."""
    assert bodies.flavor(of("flavors"))["id"] == "f1"
    assert bodies.flavor(of("flavors", id="embedded:small"))["id"] == "auto"
    assert bodies.flavor(of("flavors", description="tiny"))["description"] == "tiny"


def attached(place: int = 0, **values: object) -> dict[str, object]:
    return {**of("servers", place, **values), "attached": [of("volumes")]}


def test_a_server_boots_from_its_disk_and_keeps_its_volumes() -> None:
    """Root disk first, then the volumes with their delete flag; ports in order; key and data."""
    body = bodies.server(attached(), "F", "I", ["VOL"], ["P-1", "P-2"])
    root, data = body["block_device_mapping_v2"]
    assert (root["boot_index"], root["uuid"], root["source_type"]) == (0, "I", "image")
    assert (data["boot_index"], data["uuid"], data["delete_on_termination"]) == (-1, "VOL", True)
    assert body["networks"] == [{"port": "P-1"}, {"port": "P-2"}]
    assert (body["key_name"], body["user_data"], body["config_drive"]) == ("k1", "aGk=", True)
    assert body["metadata"] == {"role": "web", SOURCE_ID: "v1"}


def test_a_server_without_image_boots_from_its_first_volume() -> None:
    """Boot from volume: no image, and the first volume is the root disk."""
    body = bodies.server(attached(image_id=None), "F", None, ["VOL"], [])
    assert [entry["boot_index"] for entry in body["block_device_mapping_v2"]] == [0]
    assert (body["imageRef"], body["networks"]) == ("", "none")


def test_ephemeral_and_swap_disks_are_asked_for() -> None:
    """With a mapping of its own a server gets only what the mapping says."""
    body = bodies.server(attached(ephemeral_gib=5, swap_mib=64), "F", "I", ["VOL"], [])
    sizes = [e["volume_size"] for e in body["block_device_mapping_v2"] if "volume_size" in e]
    assert sizes == [5, 64]


def test_volumes_and_their_copies_must_be_as_many() -> None:
    """A missing copy is never left out silently."""
    with pytest.raises(ValueError, match="shorter"):
        bodies.server(attached(), "F", "I", [], [])


def test_zones_and_groups_are_those_of_the_target() -> None:
    """Only what a mapping found at the target is asked for; the source's own names are not."""
    plain = {**row("servers", **source()["servers"][0]), "attached": []}
    placed = {**plain, "target_zone": "az9", "group_id": "g"}
    ids = {"server_groups": {"g": "G"}}
    assert "availability_zone" not in bodies.server(plain, "F", "I", [], [])
    assert bodies.server(placed, "F", "I", [], [])["availability_zone"] == "az9"
    assert (bodies.hints(plain, ids), bodies.hints(placed, ids)) == (
        {}, {"os:scheduler_hints": {"group": "G"}},
    )  # fmt: skip


def test_what_a_target_may_not_know_is_sent_only_where_it_says_something() -> None:
    """Service types and DNS names travel; where there are none, their names are not sent."""
    subnet = bodies.subnet(of("subnets", service_types=["compute:nova"]), IDS)
    address = bodies.floating_ip(of("floating_ips", dns_name="www", dns_domain="shop."), IDS)
    assert subnet["service_types"] == ["compute:nova"]
    assert (address["dns_name"], address["dns_domain"]) == ("www", "shop.")
    assert not {"service_types", "dns_publish_fixed_ip"} & set(bodies.subnet(of("subnets"), IDS))
    assert not {"dns_name", "dns_domain"} & set(bodies.floating_ip(of("floating_ips"), IDS))


def test_a_rule_for_an_address_group_is_a_loss_and_no_part() -> None:
    """It is said before; it is not compared, or the copy would lack it for ever."""
    rule = row("security_group_rules", id="gr9", security_group_id="g1",
               direction="ingress", ether_type="IPv4", remote_address_group_id="a1")  # fmt: skip
    group = {**of("security_groups"), "rules": [rule]}
    (said,) = losses("security_groups", group, estate(ROWS))
    assert "gr9" in said
    assert RULES["security_groups"].parts(group, estate(ROWS)) == frozenset()
