"""Security group rules that Neutron takes for one are one, and no others."""

from typing import Any

import pytest

from pumphouse.models import SOURCE_ID, Action
from pumphouse.planning import plan
from pumphouse.security_rules import said
from pumphouse.selection import Selection, chosen
from tests.tenants import estate, row, source, target

RULE = {"direction": "ingress", "ether_type": "IPv4", "protocol": "tcp"}
ALL = {"port_range_min": 1, "port_range_max": 65535}
SIX = {"ether_type": "IPv6"}

SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (ALL, {}),
    ({"protocol": "icmp", **SIX}, {"protocol": "ipv6-icmp", **SIX}),
    ({"protocol": "icmpv6", **SIX}, {"protocol": "58", **SIX}),
    ({"protocol": "1", **SIX}, {"protocol": "58", **SIX}),
    ({"protocol": "TCP"}, {"protocol": "6"}),
    ({"remote_ip_prefix": "0.0.0.0/0"}, {}),
    ({"remote_ip_prefix": "::/0", **SIX}, SIX),
    ({"remote_ip_prefix": "192.0.2.1"}, {"remote_ip_prefix": "192.0.2.1/32"}),
    ({"remote_ip_prefix": "2001:DB8:0::/64", **SIX}, {"remote_ip_prefix": "2001:db8::/64", **SIX}),
]
APART: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"port_range_min": 1, "port_range_max": 1024}, {}),
    ({"protocol": "icmp"}, {"protocol": "ipv6-icmp"}),
    ({"protocol": "99"}, {"protocol": "udp"}),
    ({"protocol": None}, {}),
    ({"remote_ip_prefix": "192.0.2.0/24"}, {}),
    ({"remote_ip_prefix": "192.0.2.7/24"}, {"remote_ip_prefix": "192.0.2.0/24"}),
    ({"direction": "egress"}, {}),
]


def rule(values: dict[str, Any]) -> Any:
    return row("security_group_rules", **{**RULE, **values})


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_neutron_makes_of_a_rule_is_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    """It turns some into others when they are made, and refuses the rest as duplicates."""
    assert said(rule(one)) == said(rule(other))


@pytest.mark.parametrize(("one", "other"), APART)
def test_other_rules_are_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Half of the ports, one network, the other direction: each says something of its own."""
    assert said(rule(one)) != said(rule(other))


def test_a_copy_with_neutrons_own_form_of_a_rule_lacks_nothing() -> None:
    """Else every run would send it again, and finalize would never let the group go."""
    here, there = source(), target()
    old = {"id": "gr3", "security_group_id": "g3", **RULE, **ALL}
    here["security_group_rules"].append(old)
    tag = f"{SOURCE_ID}=p1"
    there["projects"].append({**here["projects"][0], "id": "P1", "tags": [tag]})
    made = {"id": "G3", "name": "alone", "project_id": "P1", "tags": [f"{SOURCE_ID}=g3"]}
    there["security_groups"] = [made]
    there["security_group_rules"] = [{"id": "GR3", "security_group_id": "G3", **RULE}]
    clouds = estate(here), estate(there)
    items = plan(chosen(Selection(include=("project:shop",)), clouds[0]), *clouds).items
    (item,) = (each for each in items if each.key == "security_groups:g3")
    assert item.action is Action.SKIP
