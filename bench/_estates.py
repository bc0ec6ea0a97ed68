"""Two large clouds as tables, made up: a third of the source has been migrated already."""

from typing import Any

import pandas as pd

from pumphouse import tables
from pumphouse.models import SOURCE_ID

Rows = dict[str, list[dict[str, Any]]]
Tables = dict[str, pd.DataFrame]

PER_PROJECT = 20
"""Servers of a project; each has a port, a volume, and every second a floating IP."""

ROWS_PER_PROJECT = 104
"""Rows that a project of the source has in all tables together."""

QUOTAS = {
    "compute": ("cores", "instances", "ram"),
    "volume": ("volumes", "gigabytes"),
    "network": ("port", "network", "subnet", "router", "security_group", "floatingip"),
}


def clouds(resources: int) -> tuple[Tables, Tables]:
    """Return the tables of a source with about so many resources, and of its target."""
    source: Rows = _shared()
    target: Rows = _shared()
    count = max(1, resources // ROWS_PER_PROJECT)
    for number in range(count):
        _add_project(source, number)
        if number % 3 == 0:
            _copy_project(source, target, number)
    for number in range(max(4, count * 2)):
        target["hypervisors"].append(_host(number))
    return _framed(source), _framed(target)


def size(of: Tables) -> int:
    """Return how many rows *of* has."""
    return sum(len(table) for table in of.values())


def _framed(rows: Rows) -> Tables:
    return {kind: tables.frame(kind, given) for kind, given in rows.items()}


def _shared() -> Rows:
    kinds = (
        "domains", "projects", "users", "roles", "assignments", "quotas", "flavors", "keypairs",
        "images", "networks", "subnets", "routers", "ports", "floating_ips", "security_groups",
        "security_group_rules", "volume_types", "volumes", "servers", "hypervisors",
    )  # fmt: skip
    rows: Rows = {kind: [] for kind in kinds}
    rows["domains"].append({"id": "default", "name": "Default"})
    rows["projects"].append({"id": "padmin", "name": "admin", "domain_id": "default"})
    rows["roles"].append({"id": "member", "name": "member"})
    rows["volume_types"].append({"id": "fast", "name": "fast", "is_public": True})
    rows["networks"].append(
        {
            "id": "ext", "name": "ext", "project_id": "padmin", "is_external": True,
            "is_shared": False, "provider_type": "flat", "provider_physical_network": "ph",
        }
    )  # fmt: skip
    rows["subnets"].append(
        {
            "id": "ext4", "name": "ext4", "network_id": "ext", "project_id": "padmin",
            "ip_version": 4, "cidr": "172.16.0.0/12", "is_dhcp_enabled": False,
            "allocation_pools": [{"start": "172.16.0.2", "end": "172.31.255.254"}],
        }
    )  # fmt: skip
    for cores in (1, 2, 4, 8):
        rows["flavors"].append(
            {
                "id": f"f{cores}", "name": f"m{cores}", "vcpus": cores, "ram_mib": 2048 * cores,
                "disk_gib": 10, "ephemeral_gib": 0, "swap_mib": 0, "is_public": True,
                "is_disabled": False, "extra_specs": {}, "access_project_ids": [],
            }
        )  # fmt: skip
    rows["images"].append(
        {
            "id": "base", "name": "base", "owner_id": "padmin", "visibility": "public",
            "status": "active", "disk_format": "qcow2", "container_format": "bare",
            "size_bytes": 1 << 29, "checksum": "c", "properties": {}, "tags": [],
        }
    )  # fmt: skip
    return rows


def _host(number: int) -> dict[str, Any]:
    return {
        "id": f"h{number}", "name": f"new{number}", "host": f"new{number}", "type": "QEMU",
        "status": "enabled", "state": "up", "vcpus_allocatable": 256.0, "vcpus_used": 0,
        "ram_allocatable_mib": 524288.0, "ram_used_mib": 0, "disk_allocatable_gib": 4096.0,
        "disk_used_gib": 0,
    }  # fmt: skip


def _add_project(rows: Rows, number: int) -> None:
    project, user = f"p{number:06}", f"u{number:06}"
    rows["projects"].append(
        {"id": project, "name": f"shop-{number}", "domain_id": "default", "is_enabled": True}
    )
    rows["users"].append(
        {"id": user, "name": f"user-{number}", "domain_id": "default", "is_enabled": True}
    )
    rows["assignments"].append({"role_id": "member", "user_id": user, "project_id": project})
    rows["keypairs"].append({"name": "key", "user_id": user, "type": "ssh", "fingerprint": "aa"})
    for service, names in QUOTAS.items():
        for name in names:
            rows["quotas"].append(
                {
                    "project_id": project, "service": service, "resource": name,
                    "limit": 1_000_000, "used": 0,
                }
            )  # fmt: skip
    rows["security_groups"].append({"id": f"g-{project}", "name": "web", "project_id": project})
    for port in range(80, 94):
        rows["security_group_rules"].append(
            {
                "id": f"r{port}-{project}", "security_group_id": f"g-{project}",
                "direction": "ingress", "ether_type": "IPv4", "protocol": "tcp",
                "port_range_min": port, "port_range_max": port,
            }
        )  # fmt: skip
    _add_network(rows, project)
    for at in range(PER_PROJECT):
        _add_server(rows, number, at, project, user)


def _add_network(rows: Rows, project: str) -> None:
    rows["networks"].append({"id": f"n-{project}", "name": "front", "project_id": project})
    rows["subnets"].append(
        {
            "id": f"s-{project}", "name": "front4", "network_id": f"n-{project}",
            "project_id": project, "ip_version": 4, "cidr": "10.0.0.0/16",
            "gateway_ip": "10.0.0.1", "is_dhcp_enabled": True,
        }
    )  # fmt: skip
    rows["routers"].append(
        {
            "id": f"ro-{project}", "name": "edge", "project_id": project, "routes": [],
            "external_gateway": {"network_id": "ext"},
        }
    )  # fmt: skip
    rows["ports"].append(
        {
            "id": f"gw-{project}", "network_id": f"n-{project}", "project_id": project,
            "mac_address": f"gw{project}", "device_id": f"ro-{project}",
            "device_owner": "network:router_interface",
            "fixed_ips": [{"subnet_id": f"s-{project}", "ip_address": "10.0.0.1"}],
        }
    )  # fmt: skip


def _add_server(rows: Rows, number: int, at: int, project: str, user: str) -> None:
    name, cores = f"{project}-{at:03}", (1, 2, 4, 8)[at % 4]
    rows["volumes"].append(
        {
            "id": f"vol-{name}", "name": "data", "project_id": project, "user_id": user,
            "status": "in-use", "size_gib": 10, "volume_type": "fast", "is_encrypted": False,
            "metadata": {}, "attachments": [{"server_id": f"v-{name}", "device": "/dev/vdb"}],
        }
    )  # fmt: skip
    rows["ports"].append(
        {
            "id": f"po-{name}", "network_id": f"n-{project}", "project_id": project,
            "mac_address": f"fa:{name}", "device_id": f"v-{name}", "vnic_type": "normal",
            "device_owner": "compute:nova", "security_group_ids": [f"g-{project}"],
            "fixed_ips": [{"subnet_id": f"s-{project}", "ip_address": f"10.0.1.{at + 2}"}],
        }
    )  # fmt: skip
    if at % 2:
        serial = number * PER_PROJECT + at
        rows["floating_ips"].append(
            {
                "id": f"fl-{name}", "project_id": project, "floating_network_id": "ext",
                "floating_ip_address": f"172.{16 + serial // 65000}.{serial // 250 % 250}."
                f"{2 + serial % 250}",
                "port_id": f"po-{name}",
            }
        )  # fmt: skip
    rows["servers"].append(
        {
            "id": f"v-{name}", "name": f"web-{name}", "project_id": project, "user_id": user,
            "status": "ACTIVE", "host": f"cmp{number % 500}", "flavor_name": f"m{cores}",
            "vcpus": cores, "ram_mib": 2048 * cores, "disk_gib": 10, "ephemeral_gib": 0,
            "swap_mib": 0, "image_id": "base", "key_name": "key", "metadata": {"tier": "web"},
            "volumes": [{"id": f"vol-{name}", "delete_on_termination": False}], "tags": [],
            "server_group_ids": [], "user_data": "I2Nsb3VkLWNvbmZpZwo=" * 4,
        }
    )  # fmt: skip


MARKED = ("projects", "networks", "subnets", "security_groups", "routers", "ports", "floating_ips")


def _copy_project(source: Rows, target: Rows, number: int) -> None:
    """Put the copies of a project's things into the target, as a finished migration leaves it."""
    project = f"p{number:06}"
    target["users"].append(dict(source["users"][-1]))
    target["assignments"].append(dict(source["assignments"][-1]))
    target["keypairs"].append(dict(source["keypairs"][-1]))
    for kind in (*MARKED, "security_group_rules", "quotas", "volumes", "servers"):
        for row in reversed(source[kind]):
            if project not in (row.get("project_id"), row.get("id")) and not str(
                row.get("id", "")
            ).endswith(project):
                break
            target[kind].append(_copy(kind, row))
    for server in reversed(source["servers"]):
        if server["project_id"] != project:
            break
        server["metadata"] = server["metadata"] | {"pumphouse:migrated_to": f"T{server['id']}"}


def _copy(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    if kind in MARKED:
        return row | {"tags": [f"{SOURCE_ID}={row['id']}"]}
    if kind in ("volumes", "servers"):
        return row | {"id": f"T{row['id']}", "metadata": {SOURCE_ID: row["id"]}}
    return dict(row)
