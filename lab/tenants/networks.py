"""Networks, routers and security groups of the tenants."""

from openstack.connection import Connection

from lab.layout import EXTERNAL_NETWORK

# name of the network: (IPv4 range, IPv6 range, how IPv6 addresses are given)
NETWORKS = {
    "acme": {
        "acme-frontend": ("10.10.0.0/24", "fd10:10::/64", "dhcpv6-stateful"),
        "acme-backend": ("10.20.0.0/24", None, None),
    },
    "umbrella": {"umbrella-net": ("10.10.0.0/24", "fd10:30::/64", "slaac")},
}


def ensure_networks(owner: Connection, project: str) -> None:
    """Create the networks of a project, a router to the outside, and its security groups."""
    network = owner.network
    router = network.find_router(f"{project}-router", ignore_missing=True)
    if not router:
        outside = network.find_network(EXTERNAL_NETWORK)
        router = network.create_router(
            name=f"{project}-router", external_gateway_info={"network_id": outside.id}
        )
    for name, (v4, v6, mode) in NETWORKS[project].items():
        for subnet in _ensure_network(owner, name, v4, v6, mode):
            _ensure_interface(owner, router, subnet)
    _ensure_security_groups(owner, project)


def _ensure_network(owner: Connection, name: str, v4: str, v6: str | None, mode: str | None):
    """Return the subnets of a network; create what is missing."""
    network = owner.network.find_network(name) or owner.network.create_network(
        name=name, description=f"{name} of the shop", mtu=1400
    )
    owner.network.set_tags(network, ["tenant", name])
    subnets = [
        _ensure_subnet(
            owner, f"{name}-v4", network_id=network.id, ip_version=4, cidr=v4,
            dns_nameservers=["192.0.2.53"],
            host_routes=[{"destination": "192.0.2.0/24", "nexthop": _second(v4)}],
        )
    ]  # fmt: skip
    if v6:
        subnets.append(
            _ensure_subnet(
                owner, f"{name}-v6", network_id=network.id, ip_version=6, cidr=v6,
                gateway_ip=v6.replace("::/64", "::1"),
                ipv6_address_mode=mode, ipv6_ra_mode=mode,
            )
        )  # fmt: skip
    return subnets


def _ensure_subnet(owner: Connection, name: str, **attributes):
    return owner.network.find_subnet(name) or owner.network.create_subnet(name=name, **attributes)


def _ensure_interface(owner: Connection, router, subnet) -> None:
    ports = owner.network.ports(device_id=router.id)
    have = {address["subnet_id"] for port in ports for address in port.fixed_ips}
    if subnet.id not in have:
        owner.network.add_interface_to_router(router, subnet_id=subnet.id)


def _ensure_security_groups(owner: Connection, project: str) -> None:
    """Create two groups whose rules name each other."""
    web = _ensure_group(owner, "web", "Web servers")
    database = _ensure_group(owner, "database", "Databases")
    anywhere = {"ethertype": "IPv4", "remote_ip_prefix": "0.0.0.0/0"}
    _ensure_rules(
        owner,
        web,
        [
            {"protocol": "tcp", "port_range_min": 443, "port_range_max": 443, **anywhere},
            {"protocol": "tcp", "port_range_min": 80, "port_range_max": 80, "ethertype": "IPv6"},
            {"protocol": "icmp", "ethertype": "IPv4", "remote_group_id": database.id},
        ],
    )
    _ensure_rules(
        owner,
        database,
        [
            {
                "protocol": "tcp",
                "port_range_min": 5432,
                "port_range_max": 5432,
                "ethertype": "IPv4",
                "remote_group_id": web.id,
            },
            {"ethertype": "IPv4", "remote_group_id": database.id},
        ],
    )


def _ensure_group(owner: Connection, name: str, description: str):
    project_id = owner.current_project_id
    return owner.network.find_security_group(
        name, project_id=project_id
    ) or owner.network.create_security_group(name=name, description=description)


def _ensure_rules(owner: Connection, group, rules: list[dict]) -> None:
    have = list(owner.network.security_group_rules(security_group_id=group.id))
    for rule in rules:
        if not any(all(getattr(h, k, None) == v for k, v in _known(rule)) for h in have):
            owner.network.create_security_group_rule(
                security_group_id=group.id, direction="ingress", **rule
            )


def _known(rule: dict) -> list[tuple[str, object]]:
    """Return what of a rule comes back under the name that the SDK gives it."""
    names = {"ethertype": "ether_type"}
    return [("direction", "ingress"), *((names.get(k, k), v) for k, v in rule.items())]


def _second(cidr: str) -> str:
    return cidr.replace("0/24", "2")
