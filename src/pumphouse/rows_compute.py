"""Rows of the compute tables, from what Nova and Placement answer."""

from collections.abc import Iterable, Mapping, Sequence

from pumphouse.rows_identity import Raw, taken
from pumphouse.tables import Row

POWER_STATES = {
    0: "nostate",
    1: "running",
    3: "paused",
    4: "shutdown",
    6: "crashed",
    7: "suspended",
}
"""Nova's numbers, as `openstack server show` names them."""

_SERVER = {
    "task_state": "OS-EXT-STS:task_state",
    "vm_state": "OS-EXT-STS:vm_state",
    "is_locked": "locked",
    "project_id": "tenant_id",
    "host": "OS-EXT-SRV-ATTR:host",
    "hypervisor": "OS-EXT-SRV-ATTR:hypervisor_hostname",
    "availability_zone": "OS-EXT-AZ:availability_zone",
    "pinned_availability_zone": "pinned_availability_zone",
    "hostname": "OS-EXT-SRV-ATTR:hostname",
    "user_data": "OS-EXT-SRV-ATTR:user_data",
    "root_device": "OS-EXT-SRV-ATTR:root_device_name",
    "kernel_id": "OS-EXT-SRV-ATTR:kernel_id",
    "ramdisk_id": "OS-EXT-SRV-ATTR:ramdisk_id",
    "created_at": "created",
    "launched_at": "OS-SRV-USG:launched_at",
}
_SAME = "id name description user_id status locked_reason key_name addresses metadata tags"


def server(raw: Raw, groups: Mapping[str, Sequence[str]]) -> Row:
    """
    Return the row of a server; *groups* gives the ids of the server groups by member.

    A server in a cell that does not answer has its id and little else.
    """
    flavor, image, fault = raw.get("flavor") or {}, raw.get("image"), raw.get("fault")
    power = raw.get("OS-EXT-STS:power_state")
    row = taken(raw, _SAME, **_SERVER)
    row["power_state"] = None if power is None else POWER_STATES.get(power, str(power))
    row["flavor_name"] = flavor.get("original_name")
    row |= size(flavor)
    row["flavor_extra_specs"] = flavor.get("extra_specs")
    # Nova says "" for a server that was booted from a volume.
    row["image_id"] = image["id"] if isinstance(image, Mapping) else None
    row["has_config_drive"] = bool(raw.get("config_drive"))
    row["volumes"] = [
        {"id": v["id"], "delete_on_termination": bool(v.get("delete_on_termination"))}
        for v in raw.get("os-extended-volumes:volumes_attached", ())
    ]
    row["security_groups"] = sorted({g["name"] for g in raw.get("security_groups", ())})
    row["server_group_ids"] = list(groups.get(raw["id"], ()))
    row["fault"] = fault.get("message") if fault else None
    return row


def size(flavor: Raw) -> Row:
    """Return the numbers of the flavor that a server remembers."""
    row = taken(flavor, "vcpus", ram_mib="ram", disk_gib="disk", ephemeral_gib="ephemeral")
    return row | {"swap_mib": flavor.get("swap") or 0}


def group_ids_by_member(groups: Iterable[Raw]) -> dict[str, list[str]]:
    """Return, by server id, the ids of the server groups that it is a member of."""
    found: dict[str, list[str]] = {}
    for group in groups:
        for member in group.get("members", ()):
            found.setdefault(member, []).append(group["id"])
    return found


def flavor(raw: Raw, access: Mapping[str, Sequence[str]]) -> Row:
    """Return the row of a flavor; *access* gives the project ids of the private ones by id."""
    row = taken(
        raw,
        "id name description vcpus extra_specs",
        ram_mib="ram",
        disk_gib="disk",
        ephemeral_gib="OS-FLV-EXT-DATA:ephemeral",
        is_public="os-flavor-access:is_public",
        is_disabled="OS-FLV-DISABLED:disabled",
    )
    row["swap_mib"] = raw.get("swap") or 0
    row["rxtx_factor"] = float(raw.get("rxtx_factor") or 1.0)
    row["access_project_ids"] = _access(row["is_public"], raw["id"], access)
    return row


def _access(
    is_public: bool | None, of: str, access: Mapping[str, Sequence[str]]
) -> list[str] | None:
    return sorted(access[of]) if of in access and not is_public else None


def keypair(raw: Raw, user_id: str) -> Row:
    """Return the row of a key pair of *user_id*."""
    pair = raw["keypair"]
    return taken(pair, "name fingerprint public_key") | {
        "user_id": user_id,
        "type": pair.get("type", "ssh"),
    }


def server_group(raw: Raw) -> Row:
    """Return the row of a server group."""
    row = taken(raw, "id name project_id user_id policy rules", member_ids="members")
    # Before microversion 2.64 there was a list of one policy.
    row["policy"] = row["policy"] or next(iter(raw.get("policies") or ()), None)
    return row


def aggregate(raw: Raw) -> Row:
    """Return the row of a host aggregate."""
    row = taken(raw, "name availability_zone hosts metadata")
    return row | {"id": str(raw["id"])}


def availability_zone(raw: Raw, of: str) -> Row:
    """Return the row of a zone as Nova and Cinder describe it; *of* is the service."""
    return {
        "name": raw["zoneName"],
        "service": of,
        "is_available": raw["zoneState"]["available"],
        "hosts": sorted(raw.get("hosts") or ()),
    }


def network_zone(raw: Raw) -> Row:
    """Return the row of a zone as Neutron describes it; it says once for routers and networks."""
    available = raw.get("state") == "available"
    return {"name": raw["name"], "service": "network", "is_available": available, "hosts": []}


def compute_service(raw: Raw) -> Row:
    """Return the row of a Nova service."""
    row = taken(
        raw,
        "binary host status state disabled_reason updated_at",
        availability_zone="zone",
        is_forced_down="forced_down",
    )
    return row | {"id": str(raw["id"])}


def hypervisor(
    raw: Raw, inventories: Mapping[str, Raw] | None = None, usages: Mapping[str, int] | None = None
) -> Row:
    """
    Return the row of a hypervisor.

    raw: As Nova gives it up to microversion 2.87; later ones leave capacity out.
    inventories, usages: Placement's of this provider, where it is known: what the scheduler
        goes by. Nova's own use counts what the host keeps for itself, too.
    """
    row = taken(
        raw,
        "status state host_ip vcpus",
        name="hypervisor_hostname",
        type="hypervisor_type",
        version="hypervisor_version",
        servers="running_vms",
        ram_mib="memory_mb",
        disk_gib="local_gb",
    )
    row["id"] = str(raw["id"])
    row["host"] = raw["service"]["host"]
    for name, classes, physical, used in _CAPACITY:
        row[f"{name[0]}_allocatable{name[1]}"] = allocatable(inventories, classes, raw[physical])
        row[f"{name[0]}_used{name[1]}"] = used_of(usages, classes, raw[used])
    return row


# Column's name before and after the word, Placement's classes, Nova's capacity and use.
# Pinned processors are a class of their own.
_CAPACITY = (
    (("vcpus", ""), ("VCPU", "PCPU"), "vcpus", "vcpus_used"),
    (("ram", "_mib"), ("MEMORY_MB",), "memory_mb", "memory_mb_used"),
    (("disk", "_gib"), ("DISK_GB",), "local_gb", "local_gb_used"),
)


def allocatable(
    inventories: Mapping[str, Raw] | None, classes: Sequence[str], physical: float | None
) -> float | None:
    """Return what Placement gives out of *classes*; the *physical* amount if it says nothing."""
    found = [(inventories or {})[name] for name in classes if name in (inventories or {})]
    if not found:
        return None if physical is None else float(physical)
    return float(sum(map(_given_out, found)))


def _given_out(inventory: Raw) -> float:
    usable = inventory["total"] - inventory.get("reserved", 0)
    return float(usable * inventory.get("allocation_ratio", 1.0))


def used_of(
    usages: Mapping[str, int] | None, classes: Sequence[str], novas: int | None
) -> int | None:
    """Return what is allocated of *classes*; what Nova says if Placement says nothing."""
    found = [(usages or {})[name] for name in classes if name in (usages or {})]
    return sum(found) if found else novas
