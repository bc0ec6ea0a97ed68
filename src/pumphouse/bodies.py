"""What is sent to the target to make a copy: request bodies from source rows and target ids."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from pumphouse.checks import own_free
from pumphouse.fingerprints import OWN
from pumphouse.images import SIGNATURE
from pumphouse.models import SOURCE_ID
from pumphouse.tables import Row

Ids = Mapping[str, Mapping[str, str]]
"""By kind: the target's id of each source id."""

NOT_CARRIED = frozenset(
    {
        "base_image_ref", "direct_url", "instance_uuid", "locations", "owner_id",
        "owner_project_name", "owner_user_name", "signature_verified", "stores", "user_id",
        *SIGNATURE,
    }
)  # fmt: skip
"""Image properties that name other things of the source, or its certificates."""

OF_THE_HOST = frozenset(
    {
        "allocation", "arq_uuid", "card_serial_number", "migrating_to", "os_vif_delegation",
        "parent_name", "pci_slot", "pci_vendor_info", "pf_mac_address", "physical_network", "tag",
        "vf_num",
    }
)  # fmt: skip
"""Keys of a binding profile that say where a port is, and not what it is."""


def tag(source_id: str) -> str:
    """Return the tag that marks a copy of *source_id*."""
    return f"{SOURCE_ID}={source_id}"


def tags(row: Row) -> list[str]:
    """Return a row's tags with the mark of its copy."""
    return [t for t in row["tags"] or [] if not t.startswith(OWN)] + [tag(row["id"])]


def present(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return *body* without what is None."""
    return {name: value for name, value in body.items() if value is not None}


def project(row: Row, ids: Ids) -> dict[str, Any]:
    """Return the body of a project, below its parent, which was made before it."""
    body = {
        "name": row["name"],
        "domain_id": ids["domains"].get(row["domain_id"], row["domain_id"]),
        "description": row["description"] or "",
        "enabled": bool(row["is_enabled"]),
        "tags": tags(row),
        "parent_id": ids["projects"].get(row["parent_id"] or ""),
        "options": row["options"] or None,
    }
    return present(body)


def user(row: Row, ids: Ids) -> dict[str, Any]:
    """Return the body of a user, who gets no password: nobody can log in until one is set."""
    body = {
        "name": row["name"],
        "domain_id": ids["domains"].get(row["domain_id"], row["domain_id"]),
        "enabled": bool(row["is_enabled"]),
        "email": row["email"],
        "description": row["description"],
        "default_project_id": row.get("target_default_project_id")
        or ids["projects"].get(row["default_project_id"] or ""),
        "options": row["options"] or None,
    }
    return present(body)


def flavor(row: Row) -> dict[str, Any]:
    """Return the body of a flavor, under the same id unless that was invented by us."""
    return {
        "name": row["name"],
        "id": "auto" if row["id"].startswith("embedded:") else row["id"],
        "vcpus": row["vcpus"],
        "ram": row["ram_mib"],
        "disk": row["disk_gib"],
        "OS-FLV-EXT-DATA:ephemeral": row["ephemeral_gib"] or 0,
        "swap": row["swap_mib"] or 0,
        "rxtx_factor": row["rxtx_factor"] or 1.0,
        "os-flavor-access:is_public": bool(row["is_public"]),
        **({"description": row["description"]} if row["description"] else {}),
    }


def image(row: Row, owner_id: str | None) -> dict[str, Any]:
    """Return the body of an image: properties, tags, owner and mark, but not yet its bytes."""
    properties = {
        k: v
        for k, v in (row["properties"] or {}).items()
        if k not in NOT_CARRIED and not k.startswith(("os_glance", OWN))
    }
    return {
        **properties,
        **present({"owner": owner_id, "min_ram": row["min_ram_mib"]}),
        "name": row["name"],
        "disk_format": row["disk_format"],
        "container_format": row["container_format"],
        "visibility": row["visibility"],
        "min_disk": row["min_disk_gib"] or 0,
        "protected": bool(row["is_protected"]),
        "os_hidden": bool(row["is_hidden"]),
        "tags": list(row["tags"] or []),
        SOURCE_ID: row["id"],
    }


def network(row: Row, ids: Ids) -> dict[str, Any]:
    """Return the body of a network; provider attributes only of an administrator's one."""
    body = {
        "name": row["name"],
        "description": row["description"] or "",
        "project_id": ids["projects"][row["project_id"]],
        "admin_state_up": bool(row["is_admin_state_up"]),
        # The flag makes it external for everybody.
        "router:external": bool(row["is_external"] and not row.get("is_limited")),
        "shared": bool(row["is_shared"]),
        "port_security_enabled": row["is_port_security_enabled"],
        "mtu": row["mtu"],
        "dns_domain": row["dns_domain"] or None,
        "qos_policy_id": _policy(row, ids),
        "tags": tags(row),
    }
    if row["segments"] and (row["is_external"] or row["is_shared"]):
        body["segments"] = row["segments"]
    elif row["is_external"] or row["is_shared"]:
        body["provider:network_type"] = row["provider_type"]
        body["provider:physical_network"] = row["provider_physical_network"]
        body["provider:segmentation_id"] = row["provider_segmentation_id"]
    return present(body)


def subnet(row: Row, ids: Ids) -> dict[str, Any]:
    """Return the body of a subnet."""
    body = {
        "name": row["name"],
        "description": row["description"] or "",
        "network_id": ids["networks"][row["network_id"]],
        "project_id": ids["projects"].get(row["project_id"]),
        "ip_version": row["ip_version"],
        "cidr": row["cidr"],
        "subnetpool_id": ids.get("subnet_pools", {}).get(row["subnet_pool_id"] or ""),
        "enable_dhcp": bool(row["is_dhcp_enabled"]),
        "allocation_pools": row["allocation_pools"],
        "dns_nameservers": row["dns_nameservers"],
        "host_routes": row["host_routes"],
        "ipv6_address_mode": row["ipv6_address_mode"],
        "ipv6_ra_mode": row["ipv6_ra_mode"],
        # Sent only where they say something: a target without these extensions refuses the names.
        "service_types": row["service_types"] or None,
        "dns_publish_fixed_ip": row["dns_publish_fixed_ip"] or None,
        "tags": tags(row),
    }
    # Null says "no gateway"; left out means "the first address".
    return {**present(body), "gateway_ip": row["gateway_ip"]}


def security_group(row: Row, ids: Ids) -> dict[str, Any]:
    """Return the body of a security group, without its rules."""
    body = {
        "name": row["name"],
        "description": row["description"] or "",
        "project_id": ids["projects"][row["project_id"]],
        "tags": tags(row),
    }
    return body if row["is_stateful"] in (None, True) else {**body, "stateful": False}


def rule(row: Row, group_id: str, project_id: str, ids: Ids) -> dict[str, Any]:
    """Return the body of a rule of the target's group *group_id*."""
    remote, addresses = row["remote_group_id"], row["remote_address_group_id"]
    body = {
        "security_group_id": group_id,
        "project_id": project_id,
        "description": row["description"] or None,
        "direction": row["direction"],
        "ethertype": row["ether_type"],
        "protocol": row["protocol"],
        "port_range_min": row["port_range_min"],
        "port_range_max": row["port_range_max"],
        "remote_ip_prefix": row["remote_ip_prefix"],
        "remote_group_id": ids["security_groups"][remote] if remote else None,
        "remote_address_group_id": ids["address_groups"][addresses] if addresses else None,
    }
    return present(body)


def router(row: Row, ids: Ids) -> dict[str, Any]:
    """Return the body of a router, without interfaces and routes."""
    gateway = row["external_gateway"] or {}
    body: dict[str, Any] = {
        "name": row["name"],
        "description": row["description"] or "",
        "project_id": ids["projects"][row["project_id"]],
        "admin_state_up": bool(row["is_admin_state_up"]),
        "tags": tags(row),
    }
    if gateway:
        body["external_gateway_info"] = {"network_id": ids["networks"][gateway["network_id"]]}
        if gateway.get("enable_snat") is False:
            body["external_gateway_info"]["enable_snat"] = False
        if policy := _policy(gateway, ids):
            body["external_gateway_info"]["qos_policy_id"] = policy
        if kept := row.get("target_addresses"):
            body["external_gateway_info"]["external_fixed_ips"] = [
                {"subnet_id": ids["subnets"][f["subnet_id"]], "ip_address": f["ip_address"]}
                for f in kept
            ]
    body |= dict.fromkeys(row.get("target_flags", ()), True)
    return body


def _policy(row: Row, ids: Ids) -> str | None:
    """Return the target's QoS policy of *row*; none where the target takes no policies."""
    return ids.get("qos_policies", {}).get(row.get("qos_policy_id") or "")


def port(row: Row, ids: Ids) -> dict[str, Any]:
    """Return the body of a port at the target: same MAC and addresses, down if it has a server."""
    body = {
        "name": row["name"] or "",
        "description": row["description"] or "",
        "network_id": ids["networks"][row["network_id"]],
        "project_id": ids["projects"][row["project_id"]],
        "mac_address": row["mac_address"],
        "fixed_ips": [_fixed_ip(f, row["mac_address"], ids) for f in row["fixed_ips"] or []],
        "admin_state_up": bool(row.get("is_spare") and row["is_admin_state_up"]),
        "security_groups": [ids["security_groups"][g] for g in row["security_group_ids"] or []],
        "allowed_address_pairs": row["allowed_address_pairs"] or None,
        "extra_dhcp_opts": row["extra_dhcp_opts"] or None,
        "qos_policy_id": _policy(row, ids),
        "binding:vnic_type": None if row["vnic_type"] == "normal" else row["vnic_type"],
        "binding:profile": own_profile(row) or None,
        # Nova refuses a port that has another name than its server, and names it itself.
        "dns_name": None if row["device_id"] else row["dns_name"] or None,
        "dns_domain": row["dns_domain"] or None,
        # Left out, it would be that of the network.
        "port_security_enabled": row["is_port_security_enabled"],
        "tags": tags(row),
    }
    if row["is_port_security_enabled"] is False:
        body["security_groups"] = []
        body["allowed_address_pairs"] = None
    return present(body)


def own_profile(row: Row) -> dict[str, Any]:
    """Return a port's binding profile without what Nova and the host wrote into it."""
    profile = row["binding_profile"] or {}
    return {name: value for name, value in profile.items() if name not in OF_THE_HOST}


def _fixed_ip(fixed: Row, mac: str, ids: Ids) -> dict[str, str]:
    """Return one address of a port; one that is derived from its MAC Neutron only makes itself."""
    subnet = {"subnet_id": ids["subnets"][fixed["subnet_id"]]}
    address = ip_address(fixed["ip_address"])
    if address.version == 6 and int(address) % 2**64 == eui64(mac):
        return subnet
    return subnet | {"ip_address": fixed["ip_address"]}


def eui64(mac: str) -> int:
    """Return the lower half of the IPv6 address that SLAAC derives from *mac* (RFC 4291)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    return int.from_bytes(bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:])


def floating_ip(row: Row, ids: Ids) -> dict[str, Any]:
    """Return the body of a floating IP: the same address, not yet bound to a port."""
    body = {
        "floating_network_id": ids["networks"][row["floating_network_id"]],
        "floating_ip_address": row["floating_ip_address"],
        "project_id": ids["projects"][row["project_id"]],
        "description": row["description"] or "",
        "dns_name": row["dns_name"] or None,
        "dns_domain": row["dns_domain"] or None,
        "qos_policy_id": _policy(row, ids),
        "tags": tags(row),
    }
    return present(body)


def volume(row: Row, image_id: str | None) -> dict[str, Any]:
    """Return the body of a volume made from the target's image *image_id*, or of an empty one."""
    body = {
        "name": row["name"] or "",
        "description": row["description"],
        "size": row["size_gib"],
        "volume_type": row["volume_type"],
        "availability_zone": row.get("target_zone"),
        "imageRef": image_id,
        "metadata": {**own_free(row["metadata"]), SOURCE_ID: row["id"]},
    }
    return present(body)


def server(
    row: Row, flavor_id: str, image_id: str | None, volumes: list[str], ports: list[str]
) -> dict[str, Any]:
    """
    Return the body of a server.

    row: The source's, with ``attached``: its volumes in order.
    image_id: What its root disk is made of; None when it boots from the first volume.
    volumes, ports: Ids at the target, in the source's order of devices and NICs.
    """
    keep = {v["id"]: not v["delete_on_termination"] for v in row["volumes"] or []}
    mapping: list[dict[str, Any]] = []
    if image_id:
        mapping.append(
            {
                "boot_index": 0,
                "uuid": image_id,
                "source_type": "image",
                "destination_type": "local",
                "delete_on_termination": True,
            }
        )
    for place, (source, id_) in enumerate(zip(row["attached"], volumes, strict=True)):
        mapping.append(
            {
                "boot_index": 0 if not image_id and place == 0 else -1,
                "uuid": id_,
                "source_type": "volume",
                "destination_type": "volume",
                "delete_on_termination": not keep.get(source["id"], True),
            }
        )
    mapping += _local_disks(row)
    body = {
        "name": row["name"],
        "description": row["description"],
        "flavorRef": flavor_id,
        "imageRef": image_id or "",
        "block_device_mapping_v2": mapping,
        "networks": [{"port": id_} for id_ in ports] or "none",
        "key_name": row["key_name"],
        "availability_zone": row.get("target_zone"),
        "user_data": row["user_data"],
        "config_drive": True if row["has_config_drive"] else None,
        "metadata": {**own_free(row["metadata"]), SOURCE_ID: row["id"]},
        "tags": list(row["tags"] or []) or None,
    }
    return present(body)


def hints(row: Row, ids: Ids) -> dict[str, Any]:
    """Return what goes beside the body of a server: the target's group that it joins."""
    group = ids.get("server_groups", {}).get(row.get("group_id") or "")
    return {"os:scheduler_hints": {"group": group}} if group else {}


def _local_disks(row: Row) -> list[dict[str, Any]]:
    """Return the ephemeral and swap disks: with a mapping of our own, Nova adds none itself."""
    blank = {
        "boot_index": -1,
        "source_type": "blank",
        "destination_type": "local",
        "delete_on_termination": True,
    }
    found = []
    if row["ephemeral_gib"]:
        found.append({**blank, "volume_size": row["ephemeral_gib"]})
    if row["swap_mib"]:
        # Nova sizes a swap disk in the unit of its flavor, MiB.
        found.append({**blank, "guest_format": "swap", "volume_size": row["swap_mib"]})
    return found
