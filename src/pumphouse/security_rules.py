"""What a security group rule says, in the one form that Neutron takes for all equal ones."""

from collections.abc import Hashable
from ipaddress import ip_interface

from pumphouse.tables import Row

NUMBERS = {
    "ah": "51", "dccp": "33", "egp": "8", "esp": "50", "gre": "47", "hopopt": "0", "icmp": "1",
    "icmpv6": "58", "igmp": "2", "ip": "0", "ipip": "4", "ipv6-encap": "41", "ipv6-frag": "44",
    "ipv6-icmp": "58", "ipv6-nonxt": "59", "ipv6-opts": "60", "ipv6-route": "43", "ospf": "89",
    "pgm": "113", "rsvp": "46", "sctp": "132", "tcp": "6", "udp": "17", "udplite": "136",
    "vrrp": "112",
}  # fmt: skip
"""By the name of a protocol that Neutron knows: its number, which says the same."""

EVERY_PORT = (1, 65535)


def said(rule: Row) -> tuple[Hashable, ...]:
    """
    Return direction, protocol, ports and addresses of a rule.

    Neutron turns all ports into none and IPv6's icmp into ipv6-icmp, and takes two rules for
    duplicates also if one has a protocol's number or the prefix of every address.
    """
    ports = (rule["port_range_min"], rule["port_range_max"])
    return (
        rule["direction"],
        rule["ether_type"],
        _protocol(rule),
        *((None, None) if ports == EVERY_PORT else ports),
        _prefix(rule["remote_ip_prefix"]),
    )


def _protocol(rule: Row) -> str | None:
    if rule["protocol"] is None:
        return None
    name = str(rule["protocol"]).lower()
    number = NUMBERS.get(name, name)
    is_icmp = number == NUMBERS["icmp"] and rule["ether_type"] == "IPv6"
    return NUMBERS["ipv6-icmp"] if is_icmp else number


def _prefix(prefix: str | None) -> str | None:
    if not prefix:
        return None
    network = ip_interface(prefix)
    return network.with_prefixlen if network.network.prefixlen else None
