"""Rows of the tables of load balancers, from what Octavia answers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pumphouse.rows_identity import Raw, taken
from pumphouse.tables import Row

_COMMON = {
    "is_admin_state_up": "admin_state_up",
    "status": "provisioning_status",
}
LISTENER_OPTIONS = (
    "connection_limit", "insert_headers", "allowed_cidrs", "timeout_client_data",
    "timeout_member_connect", "timeout_member_data", "timeout_tcp_inspect",
    "default_tls_container_ref", "sni_container_refs", "client_ca_tls_container_ref",
    "client_authentication", "client_crl_container_ref", "tls_ciphers", "tls_versions",
    "alpn_protocols", "hsts_max_age", "hsts_include_subdomains", "hsts_preload",
)  # fmt: skip
"""What a listener may be given beside what it listens on."""

POOL_OPTIONS = (
    "tls_enabled", "tls_container_ref", "ca_tls_container_ref", "crl_container_ref",
    "tls_ciphers", "tls_versions", "alpn_protocols",
)  # fmt: skip
"""What a pool that speaks TLS to its members may be given."""

MEMBER = (
    "name", "address", "protocol_port", "weight", "backup", "subnet_id", "monitor_address",
    "monitor_port", "admin_state_up", "tags", "vnic_type",
)  # fmt: skip
MONITOR = (
    "name", "type", "delay", "timeout", "max_retries", "max_retries_down", "http_method",
    "url_path", "expected_codes", "http_version", "domain_name", "admin_state_up", "tags",
)  # fmt: skip
RULE = ("type", "compare_type", "key", "value", "invert", "admin_state_up", "tags")


def load_balancer(raw: Raw) -> Row:
    """Return the row of a load balancer; without a flavor Octavia says an empty text."""
    same = (
        "id name description project_id provider availability_zone vip_address vip_port_id "
        "vip_network_id vip_subnet_id vip_qos_policy_id additional_vips operating_status tags "
        "created_at"
    )
    row = taken(raw, same, vip_security_group_ids="vip_sg_ids", **_COMMON)
    return row | {"flavor_id": raw.get("flavor_id") or None}


def listener(raw: Raw) -> Row:
    """Return the row of a listener."""
    same = "id name description project_id protocol protocol_port default_pool_id tags"
    more = {"load_balancer_id": _first(raw, "loadbalancers")}
    return taken(raw, same, **_COMMON) | more | {"options": given(raw, LISTENER_OPTIONS)}


def pool(raw: Raw, members: Mapping[str, Sequence[Raw]]) -> Row:
    """Return the row of a pool; *members* gives those of the pools that have any, by id."""
    same = "id name description project_id protocol lb_algorithm tags"
    row = taken(raw, same, health_monitor_id="healthmonitor_id", **_COMMON)
    persistence = raw.get("session_persistence") or {}
    return row | {
        "load_balancer_id": _first(raw, "loadbalancers"),
        "session_persistence": given(persistence, persistence) or None,
        "members": [given(each, MEMBER) for each in members.get(raw["id"], ())],
        "options": given(raw, POOL_OPTIONS),
    }


def monitor(raw: Raw) -> Row:
    """Return the row of a health monitor."""
    row = taken(raw, "id project_id", status="provisioning_status")
    return row | {"pool_id": _first(raw, "pools"), "options": given(raw, MONITOR)}


def policy(raw: Raw, rules: Mapping[str, Sequence[Raw]]) -> Row:
    """Return the row of an L7 policy; *rules* gives those of the policies that have any, by id."""
    same = (
        "id name description project_id listener_id action position redirect_pool_id redirect_url "
        "redirect_prefix redirect_http_code tags"
    )
    row = taken(raw, same, **_COMMON)
    return row | {"rules": [given(each, RULE) for each in rules.get(raw["id"], ())]}


def flavor(raw: Raw) -> Row:
    """Return the row of a flavor of load balancers."""
    return taken(raw, "id name description", is_enabled="enabled")


def provider(raw: Raw) -> Row:
    """Return the row of a provider."""
    return taken(raw, "name description")


def zone(raw: Raw) -> Row:
    """Return the row of an availability zone of load balancers."""
    return taken(raw, "name description", is_enabled="enabled")


def amphora(raw: Raw) -> Row:
    """Return the row of an amphora: the server that works for a load balancer."""
    same = "id compute_id vrrp_port_id ha_port_id lb_network_ip role status"
    return taken(raw, same, load_balancer_id="loadbalancer_id")


def given(raw: Raw, names: Iterable[str]) -> dict[str, Any]:
    """
    Return the fields *names* that say something.

    What is empty or false is the default, unless it says that something is switched off: an older
    Octavia refuses fields that it does not know.
    """
    return {
        name: value
        for name in names
        if (value := raw.get(name)) not in (None, "", [], {})
        and (value is not False or name == "admin_state_up")
    }


def _first(raw: Raw, name: str) -> str | None:
    """Return the id of what something belongs to; Octavia wraps the one in a list."""
    found = raw.get(name) or [{}]
    id_: str | None = found[0].get("id")
    return id_
