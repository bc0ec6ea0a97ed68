"""
The tables of an inventory, declared once: columns, types, and what one row is.

Scalars have a column of their own. What is nested in the API is a ``json`` column:
text that `pumphouse.tables.value` reads back, so that every table is flat, can be queried,
and keeps its type in Parquet.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from pumphouse.errors import ConfigError

Dtype = Literal["str", "int", "float", "bool", "time", "json"]

PANDAS_DTYPES: dict[Dtype, str] = {
    "str": "string",
    "int": "Int64",
    "float": "Float64",
    "bool": "boolean",
    "time": "datetime64[us, UTC]",
    "json": "string",
}


@dataclass(frozen=True)
class Column:
    """One column: its name, type, and unit or meaning where the name does not say it."""

    name: str
    dtype: Dtype
    doc: str = ""


@dataclass(frozen=True)
class Schema:
    """One kind of table: what a row is, and its columns. `key` names a row within a cloud."""

    kind: str
    row: str
    service: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("id",)
    names: dict[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", {c.name: c for c in self.columns})


def _columns(text: str) -> Iterator[Column]:
    """Read ``name[:type] [doc]`` lines; a line without a type is text."""
    for line in text.strip().splitlines():
        head, _, doc = line.strip().partition(" ")
        name, _, dtype = head.partition(":")
        yield Column(name, dtype or "str", doc.strip())  # type: ignore[arg-type]


def _schema(kind: str, service: str, row: str, text: str, key: str = "id") -> Schema:
    return Schema(kind, row, service, tuple(_columns(text)), tuple(key.split()))


SCHEMAS: dict[str, Schema] = {
    schema.kind: schema
    for schema in (
        # ---- identity
        _schema(
            "services",
            "identity",
            "a service of the catalogue",
            """
            id
            name
            type
            description
            is_enabled:bool
        """,
        ),
        _schema(
            "endpoints",
            "identity",
            "an endpoint of a service",
            """
            id
            service_id
            service_name
            service_type
            region_id
            interface
            url
            is_enabled:bool
        """,
        ),
        _schema(
            "regions",
            "identity",
            "a region",
            """
            id
            description
            parent_region_id
        """,
        ),
        _schema(
            "domains",
            "identity",
            "a domain",
            """
            id
            name
            description
            is_enabled:bool
            tags:json list of text
            options:json
        """,
        ),
        _schema(
            "projects",
            "identity",
            "a project",
            """
            id
            name
            domain_id
            parent_id
            description
            is_enabled:bool
            is_domain:bool
            tags:json list of text
            options:json
        """,
        ),
        _schema(
            "users",
            "identity",
            "a user",
            """
            id
            name
            domain_id
            email
            description
            default_project_id
            is_enabled:bool
            password_expires_at:time
            options:json
            identity_provider of a federated user
        """,
        ),
        _schema(
            "groups",
            "identity",
            "a group of users",
            """
            id
            name
            domain_id
            description
        """,
        ),
        _schema(
            "group_members",
            "identity",
            "one user in one group",
            """
            group_id
            user_id
        """,
            "group_id user_id",
        ),
        _schema(
            "roles",
            "identity",
            "a role",
            """
            id
            name
            domain_id
            description
            options:json
        """,
        ),
        _schema(
            "implied_roles",
            "identity",
            "one role that whoever has another role has too",
            """
            prior_role_id
            implied_role_id
        """,
            "prior_role_id implied_role_id",
        ),
        _schema(
            "assignments",
            "identity",
            "one role given to one user or group on one scope",
            """
            role_id
            user_id
            group_id
            project_id
            domain_id
            system text "all" for a system assignment
            is_inherited:bool
        """,
            "role_id user_id group_id project_id domain_id system is_inherited",
        ),
        _schema(
            "application_credentials",
            "identity",
            "an application credential, no secret",
            """
            id
            name
            user_id
            project_id
            description
            is_unrestricted:bool
            expires_at:time
            roles:json role names
        """,
        ),
        # ---- quotas
        _schema(
            "quotas",
            "quota",
            "one limit of one project in one service",
            """
            project_id
            service compute, volume or network
            resource the service's own name
            limit:int -1 is unlimited
            used:int
        """,
            "project_id service resource",
        ),
        # ---- compute
        _schema(
            "flavors",
            "compute",
            "a flavor",
            """
            id
            name
            description
            vcpus:int
            ram_mib:int
            disk_gib:int
            ephemeral_gib:int
            swap_mib:int
            rxtx_factor:float
            is_public:bool
            is_disabled:bool
            extra_specs:json
            access_project_ids:json of a private flavor
        """,
        ),
        _schema(
            "keypairs",
            "compute",
            "a key pair of a user",
            """
            name
            user_id
            type
            fingerprint
            public_key
        """,
            "user_id name",
        ),
        _schema(
            "server_groups",
            "compute",
            "a server group",
            """
            id
            name
            project_id
            user_id
            policy
            rules:json
            member_ids:json
        """,
        ),
        _schema(
            "aggregates",
            "compute",
            "a host aggregate",
            """
            id
            name
            availability_zone
            hosts:json
            metadata:json
        """,
        ),
        _schema(
            "availability_zones",
            "compute",
            "an availability zone of a service",
            """
            name
            service compute, volume or network
            is_available:bool
            hosts:json
        """,
            "service name",
        ),
        _schema(
            "compute_services",
            "compute",
            "a Nova service on a host",
            """
            id
            binary
            host
            availability_zone
            status enabled or disabled
            state up or down
            disabled_reason
            is_forced_down:bool
            updated_at:time
        """,
        ),
        _schema(
            "hypervisors",
            "compute",
            "a hypervisor, with capacity and use",
            """
            id
            name
            host
            type
            version:int
            status
            state
            host_ip
            servers:int
            vcpus:int physical, before the allocation ratio
            vcpus_used:int allocated (Placement), pinned ones too
            vcpus_allocatable:float after reservation and ratio (Placement)
            ram_mib:int
            ram_used_mib:int
            ram_allocatable_mib:float
            disk_gib:int
            disk_used_gib:int
            disk_allocatable_gib:float
        """,
        ),
        _schema(
            "servers",
            "compute",
            "a server",
            """
            id
            name
            description
            project_id
            user_id
            status
            task_state
            power_state
            vm_state
            is_locked:bool
            locked_reason
            host
            hypervisor
            availability_zone
            pinned_availability_zone
            hostname
            flavor_name
            vcpus:int
            ram_mib:int
            disk_gib:int
            ephemeral_gib:int
            swap_mib:int
            flavor_extra_specs:json
            image_id empty for a server booted from a volume
            key_name
            has_config_drive:bool
            user_data base64
            root_device
            kernel_id of the image that its kernel is from; mostly empty
            ramdisk_id
            addresses:json as Nova gives them
            volumes:json list of {id, delete_on_termination} in attachment order
            security_groups:json names
            server_group_ids:json
            metadata:json
            tags:json
            fault
            created_at:time
            launched_at:time
        """,
        ),
        # ---- image
        _schema(
            "images",
            "image",
            "an image",
            """
            id
            name
            owner_id
            visibility
            status
            disk_format
            container_format
            size_bytes:int
            virtual_size_bytes:int
            min_disk_gib:int
            min_ram_mib:int
            checksum md5
            hash_algo
            hash_value
            is_protected:bool
            is_hidden:bool
            tags:json
            properties:json everything else, without what the service itself sets
            members:json list of {member_id, status} of a shared image
            created_at:time
        """,
        ),
        # ---- network
        _schema(
            "networks",
            "network",
            "a network",
            """
            id
            name
            description
            project_id
            is_admin_state_up:bool
            is_external:bool
            is_shared:bool with everybody, not only with the project that reads it
            is_port_security_enabled:bool
            mtu:int
            provider_type
            provider_physical_network
            provider_segmentation_id:int
            segments:json
            dns_domain
            qos_policy_id
            ipv4_address_scope_id
            ipv6_address_scope_id
            availability_zone_hints:json
            subnet_ids:json
            status
            tags:json
        """,
        ),
        _schema(
            "subnets",
            "network",
            "a subnet",
            """
            id
            name
            description
            network_id
            project_id
            ip_version:int
            cidr
            gateway_ip
            is_dhcp_enabled:bool
            allocation_pools:json list of {start, end}
            dns_nameservers:json
            host_routes:json
            ipv6_address_mode
            ipv6_ra_mode
            subnet_pool_id
            dns_publish_fixed_ip:bool
            service_types:json
            tags:json
        """,
        ),
        _schema(
            "subnet_pools",
            "network",
            "a subnet pool",
            """
            id
            name
            description
            project_id
            prefixes:json
            default_prefix_length:int
            min_prefix_length:int
            max_prefix_length:int
            default_quota:int
            ip_version:int
            address_scope_id
            is_shared:bool with everybody, not only with the project that reads it
            is_default:bool
            tags:json
        """,
        ),
        _schema(
            "routers",
            "network",
            "a router",
            """
            id
            name
            description
            project_id
            is_admin_state_up:bool
            status
            external_gateway:json
            routes:json
            is_distributed:bool
            is_ha:bool
            tags:json
        """,
        ),
        _schema(
            "ports",
            "network",
            "a port",
            """
            id
            name
            description
            network_id
            project_id
            mac_address
            fixed_ips:json list of {subnet_id, ip_address}
            device_id
            device_owner
            is_admin_state_up:bool
            status
            host_id
            vnic_type
            vif_type
            binding_profile:json
            security_group_ids:json
            is_port_security_enabled:bool
            allowed_address_pairs:json
            extra_dhcp_opts:json
            dns_name
            dns_domain
            qos_policy_id
            trunk_details:json
            tags:json
        """,
        ),
        _schema(
            "trunks",
            "network",
            "a trunk",
            """
            id
            name
            description
            project_id
            port_id
            sub_ports:json
            is_admin_state_up:bool
            status
            tags:json
        """,
        ),
        _schema(
            "floating_ips",
            "network",
            "a floating IP",
            """
            id
            description
            project_id
            floating_network_id
            floating_ip_address
            fixed_ip_address
            port_id
            router_id
            status
            dns_name
            dns_domain
            qos_policy_id
            port_forwardings:json list of {protocol, external, internal, address, port_id, …}
            tags:json
        """,
        ),
        _schema(
            "security_groups",
            "network",
            "a security group",
            """
            id
            name
            description
            project_id
            is_stateful:bool
            is_shared:bool with everybody, not only with the project that reads it
            tags:json
        """,
        ),
        _schema(
            "security_group_rules",
            "network",
            "a rule of a security group",
            """
            id
            security_group_id
            project_id
            description
            direction
            ether_type
            protocol
            port_range_min:int
            port_range_max:int
            remote_ip_prefix
            remote_group_id
            remote_address_group_id
        """,
        ),
        _schema(
            "rbac_policies",
            "network",
            "an RBAC policy",
            """
            id
            project_id
            object_type
            object_id
            action
            target_project_id
        """,
        ),
        _schema(
            "qos_policies",
            "network",
            "a QoS policy",
            """
            id
            name
            description
            project_id
            is_shared:bool with everybody, not only with the project that reads it
            is_default:bool
            rules:json
            tags:json
        """,
        ),
        _schema(
            "address_scopes",
            "network",
            "an address scope",
            """
            id
            name
            project_id
            ip_version:int
            is_shared:bool with everybody, not only with the project that reads it
        """,
        ),
        _schema(
            "address_groups",
            "network",
            "an address group",
            """
            id
            name
            description
            project_id
            addresses:json
        """,
        ),
        _schema(
            "network_extensions",
            "network",
            "an extension of the network service",
            """
            alias
            name
        """,
            "alias",
        ),
        _schema(
            "network_agents",
            "network",
            "a Neutron agent",
            """
            id
            type
            binary
            host
            mode of an L3 agent: legacy, dvr, dvr_snat …
            is_alive:bool
            is_admin_state_up:bool
        """,
        ),
        # ---- volume
        _schema(
            "volume_types",
            "volume",
            "a volume type",
            """
            id
            name
            description
            is_public:bool
            qos_specs_id
            extra_specs:json
            access_project_ids:json of a private type
            encryption:json {provider, cipher, key_size, control_location} of an encrypting type
        """,
        ),
        _schema(
            "qos_specs",
            "volume",
            "QoS specs of volume types",
            """
            id
            name
            consumer front-end, back-end or both
            specs:json
        """,
        ),
        _schema(
            "volumes",
            "volume",
            "a volume",
            """
            id
            name
            description
            project_id
            user_id
            status
            size_gib:int
            volume_type
            availability_zone
            host
            is_bootable:bool
            is_encrypted:bool
            is_multiattach:bool
            is_readonly:bool
            snapshot_id
            source_volume_id
            metadata:json
            image_metadata:json
            attachments:json list of {server_id, device, attachment_id}
            created_at:time
            updated_at:time when Cinder last changed it: attached, detached, backed up, …
        """,
        ),
        _schema(
            "snapshots",
            "volume",
            "a volume snapshot",
            """
            id
            name
            description
            project_id
            user_id
            volume_id
            status
            size_gib:int
            metadata:json
            created_at:time
        """,
        ),
        _schema(
            "attachments",
            "volume",
            "one attachment of a volume",
            """
            id
            volume_id
            server_id
            status
            attach_mode
        """,
        ),
        _schema(
            "volume_services",
            "volume",
            "a Cinder service on a host",
            """
            binary
            host
            availability_zone
            status
            state
            disabled_reason
        """,
            "binary host",
        ),
        # ---- load balancing
        _schema(
            "load_balancers",
            "load balancing",
            "a load balancer",
            """
            id
            name
            description
            project_id
            provider
            flavor_id
            availability_zone
            vip_address
            vip_port_id
            vip_network_id
            vip_subnet_id
            vip_qos_policy_id
            vip_security_group_ids:json
            additional_vips:json list of {subnet_id, ip_address, …}
            is_admin_state_up:bool
            status of provisioning
            operating_status
            tags:json
            created_at:time
        """,
        ),
        _schema(
            "lb_listeners",
            "load balancing",
            "a listener of a load balancer",
            """
            id
            name
            description
            project_id
            load_balancer_id
            protocol
            protocol_port:int
            default_pool_id
            is_admin_state_up:bool
            options:json limits, time-outs, headers, certificates: what is not the default
            status of provisioning
            tags:json
        """,
        ),
        _schema(
            "lb_pools",
            "load balancing",
            "a pool of a load balancer",
            """
            id
            name
            description
            project_id
            load_balancer_id
            protocol
            lb_algorithm
            session_persistence:json
            health_monitor_id
            is_admin_state_up:bool
            members:json list of {address, protocol_port, weight, …}
            options:json of TLS to its members
            status of provisioning
            tags:json
        """,
        ),
        _schema(
            "lb_monitors",
            "load balancing",
            "a health monitor of a pool",
            """
            id
            project_id
            pool_id
            options:json {type, delay, timeout, max_retries, …}
            status of provisioning
        """,
        ),
        _schema(
            "lb_policies",
            "load balancing",
            "an L7 policy of a listener",
            """
            id
            name
            description
            project_id
            listener_id
            action
            position:int
            redirect_pool_id
            redirect_url
            redirect_prefix
            redirect_http_code:int
            is_admin_state_up:bool
            rules:json list of {type, compare_type, key, value, …}
            status of provisioning
            tags:json
        """,
        ),
        _schema(
            "lb_flavors",
            "load balancing",
            "a flavor of load balancers",
            """
            id
            name
            description
            is_enabled:bool
        """,
        ),
        _schema(
            "lb_providers",
            "load balancing",
            "a provider of load balancers",
            """
            name
            description
        """,
            "name",
        ),
        _schema(
            "lb_zones",
            "load balancing",
            "an availability zone of load balancers",
            """
            name
            description
            is_enabled:bool
        """,
            "name",
        ),
        _schema(
            "amphorae",
            "load balancing",
            "an amphora: a server that works for a load balancer",
            """
            id
            load_balancer_id
            compute_id the server
            vrrp_port_id
            ha_port_id
            lb_network_ip
            role
            status
        """,
        ),
        # ---- dns
        _schema(
            "zones",
            "dns",
            "a DNS zone",
            """
            id
            name with the dot at its end
            project_id
            pool_id
            type PRIMARY or SECONDARY
            email
            ttl:int seconds
            serial:int
            masters:json of a secondary zone
            description
            attributes:json what its pool is chosen by
            is_shared:bool
            status
            action what Designate is at
            created_at:time
        """,
        ),
        _schema(
            "recordsets",
            "dns",
            "a set of DNS records of one name and type",
            """
            id
            zone_id
            zone_name
            project_id
            name
            type
            ttl:int seconds; the zone's when missing
            records:json
            description
            status
            action what Designate is at
        """,
        ),
    )
}


def schema_of(kind: str) -> Schema:
    """
    Return the schema of the table *kind*.

    Raises:
        ConfigError: There is none; names those that there are.
    """
    if kind not in SCHEMAS:
        raise ConfigError(f"table {kind!r}", [f"It is not known. Tables: {', '.join(SCHEMAS)}."])
    return SCHEMAS[kind]
