"""
Where the plain tables come from: one paged GET each, and a pure function of an answer's object.

Tables that need more than one call are in `pumphouse.tasks.extraction`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pumphouse import (
    rows_balancing,
    rows_compute,
    rows_dns,
    rows_identity,
    rows_network,
    rows_storage,
)
from pumphouse.tables import Row

PAGE = 1000
"""Rows asked for at once: the default of Nova's, Cinder's and Glance's own upper limit."""


@dataclass(frozen=True)
class Listing:
    """
    One listing of an API. *service* is a key of `Api`; *key* holds an answer's objects.

    *paging* is how the next page is found: most answers link it. Cinder's attachments and
    Nova's server groups cut off at the service's limit and say nothing: there the next page is
    asked for by the last id or by an offset, until one is shorter than the first.
    """

    service: str
    path: str
    key: str
    row: Callable[[Mapping[str, Any]], Row] = dict
    params: Mapping[str, Any] = field(default_factory=dict)
    paging: Literal["links", "marker", "offset"] = "links"
    headers: Mapping[str, str] = field(default_factory=dict)


_PAGED = {"limit": PAGE}
_EVERYBODYS = {"all_tenants": 1, "limit": PAGE}


def _network(path: str, row: Callable[[Mapping[str, Any]], Row], key: str = "") -> Listing:
    return Listing("network", f"/{path}", key or path.replace("-", "_"), row, _PAGED)


def _dns(name: str, row: Callable[[Mapping[str, Any]], Row]) -> Listing:
    """
    Return a listing of Designate's, of all projects.

    Asked by a header: it leaves a parameter of that meaning out of the link to the next page.
    A number above its own limit it refuses, and takes that limit by the word.
    """
    everybodys = {"X-Auth-All-Projects": "true"}
    return Listing("dns", f"/{name}", name, row, {"limit": "max"}, headers=everybodys)


def _balancing(
    path: str, row: Callable[[Mapping[str, Any]], Row] = dict, key: str = ""
) -> Listing:
    """Return a listing of Octavia's: an administrator is shown all projects."""
    return Listing("load-balancer", f"/{path}", key or path.rpartition("/")[2], row, _PAGED)


# Rules come with each group unless the fields wanted are named: ten times the bytes.
_GROUP_FIELDS = (
    "id",
    "name",
    "description",
    "project_id",
    "tenant_id",
    "stateful",
    "shared",
    "tags",
)

RAW: dict[str, Listing] = {
    "services": Listing("identity", "/services", "services"),
    "endpoints": Listing("identity", "/endpoints", "endpoints"),
    "domains": Listing("identity", "/domains", "domains"),
    "projects": Listing("identity", "/projects", "projects"),
    "identity_providers": Listing(
        "identity", "/OS-FEDERATION/identity_providers", "identity_providers"
    ),
    "users": Listing("identity", "/users", "users"),
    "groups": Listing("identity", "/groups", "groups"),
    "roles": Listing("identity", "/roles", "roles"),
    "role_inferences": Listing("identity", "/role_inferences", "role_inferences"),
    "effective_assignments": Listing(
        "identity", "/role_assignments", "role_assignments", params={"effective": "true"}
    ),
    "flavors": Listing(
        "compute", "/flavors/detail", "flavors", params={"is_public": "None", "limit": PAGE}
    ),
    "server_groups": Listing(
        "compute",
        "/os-server-groups",
        "server_groups",
        params={"all_projects": "true", "limit": PAGE},
        paging="offset",
    ),
    "servers": Listing("compute", "/servers/detail", "servers", params=_EVERYBODYS),
    "hypervisors": Listing("compute", "/os-hypervisors/detail", "hypervisors", params=_PAGED),
    "compute_zones": Listing("compute", "/os-availability-zone/detail", "availabilityZoneInfo"),
    "volume_zones": Listing("block-storage", "/os-availability-zone", "availabilityZoneInfo"),
    "network_zones": Listing("network", "/availability_zones", "availability_zones"),
    # Glance shows community and foreign shared images only when asked for all, and hidden
    # ones only when asked for those.
    "images": Listing("image", "/images", "images", params={"visibility": "all", "limit": PAGE}),
    "hidden_images": Listing(
        "image",
        "/images",
        "images",
        params={"visibility": "all", "os_hidden": "true", "limit": PAGE},
    ),
    "volume_types": Listing(
        "block-storage", "/types", "volume_types", params={"is_public": "None", "limit": PAGE}
    ),
    "rbac_policies": Listing("network", "/rbac-policies", "rbac_policies", params=_PAGED),
    "lb_pools": _balancing("lbaas/pools"),
    "lb_policies": _balancing("lbaas/l7policies"),
}
"""Listings that a table needs to put together with others. Not all are tables of their own."""

LISTINGS: dict[str, Listing] = {
    "services": Listing("identity", "/services", "services", rows_identity.service),
    "regions": Listing("identity", "/regions", "regions", rows_identity.region),
    "domains": Listing("identity", "/domains", "domains", rows_identity.domain),
    "projects": Listing("identity", "/projects", "projects", rows_identity.project),
    "assignments": Listing(
        "identity", "/role_assignments", "role_assignments", rows_identity.assignment
    ),
    "aggregates": Listing("compute", "/os-aggregates", "aggregates", rows_compute.aggregate),
    "compute_services": Listing(
        "compute", "/os-services", "services", rows_compute.compute_service
    ),
    "networks": _network("networks", rows_network.network),
    "subnets": _network("subnets", rows_network.subnet),
    "subnet_pools": _network("subnetpools", rows_network.subnet_pool),
    "routers": _network("routers", rows_network.router),
    "ports": _network("ports", rows_network.port),
    "trunks": _network("trunks", rows_network.trunk),
    "floating_ips": _network("floatingips", rows_network.floating_ip),
    "security_groups": Listing(
        "network",
        "/security-groups",
        "security_groups",
        rows_network.security_group,
        {"limit": PAGE, "fields": list(_GROUP_FIELDS)},
    ),
    "security_group_rules": _network("security-group-rules", rows_network.security_group_rule),
    "rbac_policies": _network("rbac-policies", rows_network.rbac_policy),
    "qos_policies": _network("qos/policies", rows_network.qos_policy, "policies"),
    "address_scopes": _network("address-scopes", rows_network.address_scope),
    "address_groups": _network("address-groups", rows_network.address_group),
    "network_extensions": _network("extensions", rows_network.network_extension, "extensions"),
    "network_agents": _network("agents", rows_network.network_agent),
    "volumes": Listing(
        "block-storage", "/volumes/detail", "volumes", rows_storage.volume, _EVERYBODYS
    ),
    "snapshots": Listing(
        "block-storage", "/snapshots/detail", "snapshots", rows_storage.snapshot, _EVERYBODYS
    ),
    "attachments": Listing(
        "block-storage",
        "/attachments/detail",
        "attachments",
        rows_storage.attachment,
        _EVERYBODYS,
        paging="marker",
    ),
    "qos_specs": Listing(
        "block-storage", "/qos-specs", "qos_specs", rows_storage.qos_specs, _PAGED
    ),
    "volume_services": Listing(
        "block-storage", "/os-services", "services", rows_storage.volume_service
    ),
    "zones": _dns("zones", rows_dns.zone),
    "recordsets": _dns("recordsets", rows_dns.recordset),
    "load_balancers": _balancing("lbaas/loadbalancers", rows_balancing.load_balancer),
    "lb_listeners": _balancing("lbaas/listeners", rows_balancing.listener),
    "lb_monitors": _balancing("lbaas/healthmonitors", rows_balancing.monitor),
    "lb_flavors": _balancing("lbaas/flavors", rows_balancing.flavor),
    "lb_providers": _balancing("lbaas/providers", rows_balancing.provider),
    "lb_zones": _balancing("lbaas/availabilityzones", rows_balancing.zone, "availability_zones"),
    "amphorae": _balancing("octavia/amphorae", rows_balancing.amphora),
}
"""By kind of table: one listing, one row an object."""
