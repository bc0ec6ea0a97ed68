"""Rows of the network tables, from what Neutron answers."""

from collections.abc import Iterable

from pumphouse import forwardings
from pumphouse.rows_identity import Raw, taken
from pumphouse.tables import Row


def _owned(raw: Raw, same: str, **renamed: str) -> Row:
    """Take fields, and the owner: Zed says tenant_id where extensions add no project_id."""
    row = taken(raw, same, **renamed)
    row["project_id"] = raw.get("project_id") or raw.get("tenant_id")
    return row


def network(raw: Raw) -> Row:
    """Return the row of a network."""
    return _owned(
        raw,
        "id name description mtu segments dns_domain qos_policy_id availability_zone_hints "
        "status tags",
        is_admin_state_up="admin_state_up",
        is_external="router:external",
        is_shared="shared",
        is_port_security_enabled="port_security_enabled",
        provider_type="provider:network_type",
        provider_physical_network="provider:physical_network",
        provider_segmentation_id="provider:segmentation_id",
        ipv4_address_scope_id="ipv4_address_scope",
        ipv6_address_scope_id="ipv6_address_scope",
        subnet_ids="subnets",
    )


def subnet(raw: Raw) -> Row:
    """Return the row of a subnet."""
    return _owned(
        raw,
        "id name description network_id ip_version cidr gateway_ip allocation_pools "
        "dns_nameservers host_routes ipv6_address_mode ipv6_ra_mode dns_publish_fixed_ip "
        "service_types tags",
        is_dhcp_enabled="enable_dhcp",
        subnet_pool_id="subnetpool_id",
    )


def subnet_pool(raw: Raw) -> Row:
    """Return the row of a subnet pool. Neutron gives prefix lengths as text or numbers."""
    row = _owned(
        raw,
        "id name description prefixes ip_version address_scope_id is_default default_quota tags",
        is_shared="shared",
    )
    for end in ("default", "min", "max"):
        length = raw.get(f"{end}_prefixlen")
        row[f"{end}_prefix_length"] = None if length is None else int(length)
    return row


def router(raw: Raw) -> Row:
    """Return the row of a router."""
    return _owned(
        raw,
        "id name description status routes tags",
        is_admin_state_up="admin_state_up",
        external_gateway="external_gateway_info",
        is_distributed="distributed",
        is_ha="ha",
    )


def port(raw: Raw) -> Row:
    """Return the row of a port."""
    return _owned(
        raw,
        "id name description network_id mac_address fixed_ips device_id device_owner status "
        "allowed_address_pairs extra_dhcp_opts dns_name dns_domain qos_policy_id "
        "trunk_details tags",
        is_admin_state_up="admin_state_up",
        host_id="binding:host_id",
        vnic_type="binding:vnic_type",
        vif_type="binding:vif_type",
        binding_profile="binding:profile",
        security_group_ids="security_groups",
        is_port_security_enabled="port_security_enabled",
    )


def trunk(raw: Raw) -> Row:
    """Return the row of a trunk."""
    same = "id name description port_id sub_ports status tags"
    return _owned(raw, same, is_admin_state_up="admin_state_up")


def floating_ip(raw: Raw, forwarded: Iterable[Raw] = ()) -> Row:
    """Return the row of a floating IP. *forwarded*: its port forwardings, in full."""
    row = _owned(
        raw,
        "id description floating_network_id floating_ip_address fixed_ip_address port_id "
        "router_id status dns_name dns_domain qos_policy_id tags",
    )
    return row | {"port_forwardings": [forwardings.row(each) for each in forwarded]}


def security_group(raw: Raw) -> Row:
    """Return the row of a security group; its rules are a table of their own."""
    return _owned(raw, "id name description tags", is_stateful="stateful", is_shared="shared")


def security_group_rule(raw: Raw) -> Row:
    """Return the row of a rule."""
    return _owned(
        raw,
        "id security_group_id description direction protocol port_range_min port_range_max "
        "remote_ip_prefix remote_group_id remote_address_group_id",
        ether_type="ethertype",
    )


def rbac_policy(raw: Raw) -> Row:
    """Return the row of an RBAC policy."""
    same = "id object_type object_id action"
    return _owned(raw, same, target_project_id="target_tenant")


def shared_apart(policies: Iterable[Raw]) -> set[str]:
    """
    Return the ids of what RBAC policies share with some projects, and not with everybody.

    Of these Neutron says ``shared`` to whomever they are shared with.
    """
    shared = [raw for raw in policies if raw["action"] == "access_as_shared"]
    everybodys = {raw["object_id"] for raw in shared if raw["target_tenant"] == "*"}
    return {raw["object_id"] for raw in shared} - everybodys


def qos_policy(raw: Raw) -> Row:
    """Return the row of a QoS policy."""
    return _owned(raw, "id name description is_default rules tags", is_shared="shared")


def address_scope(raw: Raw) -> Row:
    """Return the row of an address scope."""
    return _owned(raw, "id name ip_version", is_shared="shared")


def address_group(raw: Raw) -> Row:
    """Return the row of an address group."""
    return _owned(raw, "id name description addresses")


def network_extension(raw: Raw) -> Row:
    """Return the row of an extension."""
    return taken(raw, "alias name")


def network_agent(raw: Raw) -> Row:
    """Return the row of a Neutron agent."""
    row = taken(
        raw,
        "id binary host",
        type="agent_type",
        is_alive="alive",
        is_admin_state_up="admin_state_up",
    )
    return row | {"mode": (raw.get("configurations") or {}).get("agent_mode")}
