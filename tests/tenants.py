"""Two small clouds as plain rows, for the tests of the pure core of a migration."""

from collections.abc import Mapping
from typing import Any

from pumphouse import tables
from pumphouse.estate import Estate
from pumphouse.tables import Row

Rows = dict[str, list[dict[str, Any]]]


def estate(rows: Mapping[str, list[dict[str, Any]]]) -> Estate:
    """Return the estate of *rows*; kinds that are not given were not read."""
    return Estate({kind: tables.frame(kind, given) for kind, given in rows.items()})


def row(kind: str, **values: Any) -> Row:
    """Return a full row of *kind*: what is not given is missing."""
    return tables.rows(kind, tables.frame(kind, [values]))[0]


def source() -> Rows:
    """Return project shop with a network, two servers, and what these need; and project other."""
    return {
        "domains": [{"id": "default", "name": "Default"}],
        "projects": [
            {"id": "p1", "name": "shop", "domain_id": "default", "is_enabled": True, "tags": []},
            {"id": "p2", "name": "other", "domain_id": "default", "is_enabled": True},
            {"id": "p0", "name": "admin", "domain_id": "default", "is_enabled": True},
        ],
        "users": [
            {"id": "u1", "name": "anna", "domain_id": "default", "is_enabled": True},
            {"id": "u2", "name": "otto", "domain_id": "default", "is_enabled": True},
        ],
        "roles": [{"id": "r1", "name": "member"}, {"id": "r2", "name": "rare"}],
        "implied_roles": [{"prior_role_id": "r1", "implied_role_id": "r2"}],
        "groups": [{"id": "g1", "name": "staff", "domain_id": "default"}],
        "group_members": [{"group_id": "g1", "user_id": "u1"}],
        "assignments": [
            {"role_id": "r1", "user_id": "u1", "project_id": "p1", "is_inherited": False},
            {"role_id": "r2", "user_id": "u2", "project_id": "p2", "is_inherited": False},
            {"role_id": "r1", "group_id": "g1", "project_id": "p1", "is_inherited": False},
        ],
        "quotas": [
            {"project_id": "p1", "service": "compute", "resource": "cores", "limit": 8},
            {"project_id": "p1", "service": "compute", "resource": "instances", "limit": 4},
            {"project_id": "p1", "service": "volume", "resource": "volumes", "limit": 10},
        ],
        "flavors": [
            {
                "id": "f1", "name": "small", "vcpus": 1, "ram_mib": 512, "disk_gib": 1,
                "ephemeral_gib": 0, "swap_mib": 0, "rxtx_factor": 1.0, "is_public": False,
                "extra_specs": {"hw:x": "1"}, "access_project_ids": ["p1", "p2"],
            }
        ],
        "keypairs": [
            {"name": "k1", "user_id": "u1", "type": "ssh", "fingerprint": "aa", "public_key": "k"}
        ],
        "images": [
            {
                "id": "i1", "name": "base", "owner_id": "p1", "visibility": "private",
                "status": "active", "disk_format": "qcow2", "container_format": "bare",
                "size_bytes": 100, "checksum": "c1", "hash_algo": "sha512", "hash_value": "h1",
                "properties": {"os_distro": "debian", "base_image_ref": "x"}, "tags": ["t"],
                "min_disk_gib": 1, "min_ram_mib": 0, "is_protected": False, "is_hidden": False,
            }
        ],
        "networks": [
            {
                "id": "n1", "name": "front", "project_id": "p1", "is_admin_state_up": True,
                "is_external": False, "is_shared": False, "mtu": 1400, "tags": ["blue"],
            },
            {
                "id": "nx", "name": "ext", "project_id": "p0", "is_admin_state_up": True,
                "is_external": True, "is_shared": False, "provider_type": "flat",
                "provider_physical_network": "ph", "tags": [],
            },
        ],
        "subnets": [
            {
                "id": "s1", "name": "front4", "network_id": "n1", "project_id": "p1",
                "ip_version": 4, "cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.1",
                "is_dhcp_enabled": True, "tags": [],
            },
            {
                "id": "sx", "name": "ext4", "network_id": "nx", "project_id": "p0",
                "ip_version": 4, "cidr": "198.51.100.0/24", "gateway_ip": "198.51.100.1",
                "is_dhcp_enabled": False, "tags": [],
            },
        ],
        "qos_policies": [
            {
                "id": "q1", "name": "slow", "project_id": "p1", "is_shared": False, "tags": ["t"],
                "rules": [
                    {
                        "id": "qr1", "qos_policy_id": "q1", "type": "bandwidth_limit",
                        "max_kbps": 1000, "max_burst_kbps": 0, "direction": "egress",
                    }
                ],
            }
        ],
        "address_scopes": [
            {"id": "as1", "name": "inner", "project_id": "p1", "ip_version": 4, "is_shared": False}
        ],
        "subnet_pools": [
            {
                "id": "sp1", "name": "tens", "project_id": "p1", "ip_version": 4, "tags": [],
                "prefixes": ["10.9.0.0/16"], "min_prefix_length": 8, "max_prefix_length": 32,
                "default_prefix_length": 24, "address_scope_id": "as1", "is_shared": False,
            }
        ],
        "address_groups": [
            {"id": "ag1", "name": "office", "project_id": "p1", "addresses": ["192.0.2.0/24"]}
        ],
        "rbac_policies": [
            {
                "id": "rb1", "project_id": "p1", "object_type": "network", "object_id": "n1",
                "action": "access_as_shared", "target_project_id": "p0",
            },
            {
                "id": "rb2", "project_id": "p0", "object_type": "network", "object_id": "nx",
                "action": "access_as_external", "target_project_id": "*",
            },
        ],
        "routers": [
            {
                "id": "ro1", "name": "edge", "project_id": "p1", "is_admin_state_up": True,
                "external_gateway": {"network_id": "nx", "enable_snat": False}, "routes": [],
                "tags": [],
            }
        ],
        "ports": [
            {
                "id": "po1", "network_id": "n1", "project_id": "p1", "mac_address": "fa:1",
                "fixed_ips": [{"subnet_id": "s1", "ip_address": "10.0.0.5"}], "device_id": "v1",
                "device_owner": "compute:nova", "is_admin_state_up": True, "vnic_type": "normal",
                "security_group_ids": ["g1"], "tags": [], "binding_profile": {},
            },
            {
                "id": "po2", "network_id": "n1", "project_id": "p1", "mac_address": "fa:2",
                "fixed_ips": [{"subnet_id": "s1", "ip_address": "10.0.0.1"}], "device_id": "ro1",
                "device_owner": "network:router_interface", "is_admin_state_up": True,
            },
        ],
        "trunks": [
            {"id": "tr1", "name": "vlans", "project_id": "p1", "port_id": "po1", "sub_ports": []}
        ],
        "floating_ips": [
            {
                "id": "fl1", "project_id": "p1", "floating_network_id": "nx",
                "floating_ip_address": "198.51.100.7", "port_id": "po1", "tags": [],
            },
            {
                "id": "fl2", "project_id": "p1", "floating_network_id": "nx",
                "floating_ip_address": "198.51.100.8", "tags": [],
            },
        ],
        "security_groups": [
            {"id": "g1", "name": "web", "project_id": "p1", "is_stateful": True, "tags": []},
            {"id": "g2", "name": "db", "project_id": "p1", "is_stateful": True, "tags": []},
            {"id": "g3", "name": "alone", "project_id": "p1", "is_stateful": False, "tags": []},
        ],
        "security_group_rules": [
            {
                "id": "gr1", "security_group_id": "g1", "direction": "ingress",
                "ether_type": "IPv4", "protocol": "tcp", "port_range_min": 80,
                "port_range_max": 80, "remote_group_id": "g2",
            },
            {
                "id": "gr2", "security_group_id": "g2", "direction": "ingress",
                "ether_type": "IPv4", "remote_group_id": "g2",
            },
        ],
        "volume_types": [{"id": "vt1", "name": "fast", "is_public": True}],
        "server_groups": [
            {
                "id": "sg1", "name": "pair", "project_id": "p1", "user_id": "u1",
                "policy": "anti-affinity", "rules": {}, "member_ids": [],
            }
        ],
        "volumes": [
            {
                "id": "vol1", "name": "data", "project_id": "p1", "user_id": "u1",
                "status": "in-use", "size_gib": 2, "volume_type": "fast", "is_bootable": False,
                "metadata": {"a": "b", "pumphouse:x": "y"},
                "attachments": [{"server_id": "v1", "device": "/dev/vdb"}],
            },
            {
                "id": "vol2", "name": "spare", "project_id": "p1", "user_id": "u1",
                "status": "available", "size_gib": 1, "volume_type": "fast", "attachments": [],
            },
        ],
        "servers": [
            {
                "id": "v1", "name": "web-1", "project_id": "p1", "user_id": "u1",
                "status": "ACTIVE", "host": "cmp1", "flavor_name": "small", "vcpus": 1,
                "ram_mib": 512, "disk_gib": 1, "ephemeral_gib": 0, "swap_mib": 0,
                "image_id": "i1", "key_name": "k1", "has_config_drive": True,
                "user_data": "aGk=", "hostname": "web-1", "metadata": {"role": "web"},
                "volumes": [{"id": "vol1", "delete_on_termination": True}], "tags": ["x"],
                "server_group_ids": [],
            },
            {
                "id": "v2", "name": "job", "project_id": "p2", "user_id": "u2",
                "status": "SHUTOFF", "host": "cmp2", "flavor_name": "gone", "vcpus": 2,
                "ram_mib": 1024, "disk_gib": 0, "ephemeral_gib": 5, "swap_mib": 64,
                "flavor_extra_specs": {"hw:y": "2"}, "metadata": {}, "volumes": [],
                "server_group_ids": [],
            },
        ],
        "hypervisors": [{"id": "h1", "name": "cmp1", "host": "cmp1"}],
    }  # fmt: skip


def target() -> Rows:
    """Return a target that has the external network, the role, and nothing of the tenants."""
    rows = source()
    return {
        "domains": [{"id": "default", "name": "Default"}],
        "projects": [
            {"id": "P0", "name": "admin", "domain_id": "default", "is_enabled": True, "tags": []}
        ],
        "roles": [{"id": "R1", "name": "member"}],
        "networks": [{**rows["networks"][1], "id": "NX", "project_id": "P0"}],
        "subnets": [{**rows["subnets"][1], "id": "SX", "network_id": "NX", "project_id": "P0"}],
        "volume_types": [{"id": "VT1", "name": "fast", "is_public": True}],
        "hypervisors": [
            {
                "id": "h1", "name": "new1", "host": "new1", "status": "enabled", "state": "up",
                "vcpus_allocatable": 16.0, "ram_allocatable_mib": 4096.0, "vcpus_used": 0,
                "ram_used_mib": 0,
            }
        ],
    }  # fmt: skip
