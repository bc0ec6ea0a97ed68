"""What stands in the way of a server, what it loses, and where a copy differs: sentences."""

from collections.abc import Mapping
from typing import Any

from pumphouse import hostnames, rows_compute
from pumphouse.comparison import MIGRATED_TO, differences
from pumphouse.fingerprints import OWN
from pumphouse.models import SOURCE_ID, Mover
from pumphouse.tables import Row

WAS = "pumphouse:was"
STATE = "pumphouse:state"
SINCE = "cutting over since "
"""How the state of a server that is being cut over begins; the time in seconds follows."""

MIGRATED_AT = "pumphouse:migrated_at"
"""Metadata key of a source server that arrived: when that was."""

RETURNING = "pumphouse:returning"
"""Metadata key of a source server that is on its way back: how its copy was."""

RETURNED = "pumphouse:returned"
"""Metadata key of a copy whose source server runs again: when that was."""

MOVER_KEY = "pumphouse:mover"
AS_OF = "pumphouse:as_of"
"""Metadata key of a volume's copy: when its source, which no server used, had last changed."""

WITH_SERVER = "with its server"
"""The value of that when a server used it: it is as old as the copy of that."""

MOVABLE = ("ACTIVE", "SHUTOFF")

ANSWERS = {
    "PAUSED": "It is paused; unpause it, or stop it.",
    "SUSPENDED": "It is suspended; resume it: its memory cannot travel.",
    "SHELVED": "It is shelved; unshelve it first.",
    "SHELVED_OFFLOADED": "It is shelved and offloaded; unshelve it first.",
    "RESCUE": "It is in rescue mode; unrescue it first.",
    "VERIFY_RESIZE": "A resize waits for confirmation; confirm or revert it.",
    "RESIZE": "It is being resized; wait until it asks for confirmation, and confirm it.",
    "REVERT_RESIZE": "Its resize is being reverted; wait until it is ACTIVE again.",
    "BUILD": "It is being built; wait until it is ACTIVE.",
    "REBUILD": "It is being rebuilt; wait until it is ACTIVE again.",
    "MIGRATING": "It moves to another host of the source; wait until it is there.",
    "REBOOT": "It reboots; wait until it is ACTIVE again.",
    "HARD_REBOOT": "It reboots; wait until it is ACTIVE again, or reset its state if it hangs.",
    "PASSWORD": "Its password is being set; wait until it is ACTIVE again.",
    "DELETED": "It is deleted; leave it out.",
    "ERROR": "It is in error; repair it, or reset its state when it is sound.",
    "SOFT_DELETED": "It is deleted and waits for reclaim; restore it or leave it out.",
    "UNKNOWN": "Its host does not answer; bring the host back, or evacuate it.",
}

MOVABLE_VOLUMES = (
    "available", "in-use", "reserved", "attaching", "detaching", "uploading", "downloading",
)  # fmt: skip
"""What a volume that moves may be: at rest, or as a cut-over that was cut short left it."""

OF_VOLUMES = {
    "error": "is in error; repair it, or reset its state when it is sound.",
    "error_deleting": "could not be deleted; delete it again, or reset its state to keep it.",
    "creating": "is being created; wait until it is available.",
    "deleting": "is being deleted; leave it out, or reset its state if that hangs.",
    "maintenance": "is in maintenance: Cinder moves it to another back end; wait for that.",
    "awaiting-transfer": "waits for another project to take it; accept or delete the transfer.",
}


def own_free(metadata: Mapping[str, Any] | None) -> dict[str, str]:
    """Return metadata without the keys that Pumphouse writes."""
    return {k: v for k, v in (metadata or {}).items() if not k.startswith(OWN)}


def was(server: Row) -> str:
    """Return the state the server had before its cut-over began, or has now."""
    return str((server["metadata"] or {}).get(WAS) or server["status"])


def is_half_way(metadata: Mapping[str, Any] | None) -> bool:
    """Tell whether a server's cut-over was begun, and neither ended nor taken back as a whole."""
    known = metadata or {}
    return WAS in known and str(known.get(STATE, "")).startswith(SINCE)


def chosen_mover(server: Row, asked: Mover) -> Mover:
    """Return the mover of a server's root disk; auto follows what its metadata say."""
    if not server["image_id"]:
        return Mover.IMAGE
    if asked is not Mover.AUTO:
        return asked
    said = (server["metadata"] or {}).get(MOVER_KEY)
    return Mover.REBUILD if said == Mover.REBUILD.value else Mover.IMAGE


def root_gib(server: Row, mover: Mover | None) -> int:
    """Return the size of a server's own disk, if *mover* carries it."""
    is_carried = server["image_id"] and mover is not Mover.REBUILD
    return (server["disk_gib"] or 0) if is_carried else 0


def unreadable(volume: Row) -> str:
    """Return what a volume is at that nothing can read it, and what would help; or nothing."""
    state = volume["status"]
    if state is None or state in MOVABLE_VOLUMES:
        return ""
    if state in OF_VOLUMES:
        return OF_VOLUMES[state]
    if state.startswith("error"):
        return f"is {state}; repair it, or reset its state when it is sound."
    return f"is {state}; wait until it is available or in-use again."


def blockers(server: Row, mover: Mover, image: Row | None) -> list[str]:
    """Return why *server* cannot be moved now, each with what would help; empty if it can."""
    found: list[str] = []
    state = was(server)
    if state not in MOVABLE:
        found.append(ANSWERS.get(state, f"It is {state}; only ACTIVE and SHUTOFF servers move."))
    if server["task_state"]:
        found.append(f"Nova is busy with it ({server['task_state']}); wait and run again.")
    if not server["flavor_name"]:
        found.append("Its cell does not answer, so Nova knows nothing of it; repair the cell.")
    for volume in server["attached"]:
        name = f"volume {volume['name'] or volume['id']}"
        if volume["is_encrypted"]:
            found.append(f"Its {name} is encrypted, and keys do not travel; copy it inside.")
        if words := unreadable(volume):
            found.append(f"Its {name} {words}")
    for port in server["ports"]:
        if port["vnic_type"] not in (None, "normal"):
            found.append(f"Its port {port['id']} is {port['vnic_type']}; use a normal port.")
    if mover is Mover.REBUILD and (image is None or image["status"] != "active"):
        found.append("Its base image is gone, so it cannot be rebuilt; use the image mover.")
    return found


def losses(server: Row, mover: Mover) -> list[str]:
    """Return what will not survive the move of *server*, one sentence each."""
    found: list[str] = []
    if server["disk_gib"] and mover is Mover.REBUILD and server["image_id"]:
        found.append("What was written to its root disk since it was built.")
    if server["ephemeral_gib"]:
        found.append(f"The contents of its ephemeral disk ({server['ephemeral_gib']} GiB).")
    if server["swap_mib"]:
        found.append("The contents of its swap disk.")
    if server["pinned_availability_zone"] and not server.get("target_zone"):
        zone = server["pinned_availability_zone"]
        found.append(f"Its availability zone {zone}: the target's scheduler chooses.")
    if server["server_group_ids"] and not server.get("group_id"):
        found.append("Its server group: affinity is not kept.")
    found += hostnames.losses(server)
    if server.get("lost_key"):
        inside = "no key is put on its new disk" if mover is Mover.REBUILD else "its disk keeps it"
        found.append(f"Its key pair {server['lost_key']}, which its user has deleted: {inside}.")
    if not _is_nic_order_known(server.get("ports") or []):
        found.append(
            "The order of its NICs, which Nova does not show: the copy has those of one network "
            "one after the other, and those without an address last. A guest that knows them by "
            "MAC does not see it."
        )
    return found


def _is_nic_order_known(ports: list[Row]) -> bool:
    """Tell whether Nova shows it: it groups addresses by network, and NICs have them or not."""
    networks = [port["network_id"] for port in ports]
    is_grouped = len(set(networks)) in (1, len(networks))
    return len(ports) < 2 or (is_grouped and all(port["fixed_ips"] for port in ports))


CARRIED = (
    "volumes", "addresses", "floating", "forwarded", "names", "owner", "group", "tags_inside",
)  # fmt: skip
"""What of a server only other calls tell."""


def same_server(source: Row, copy: Mapping[str, Any], carried: Mapping[str, Any]) -> list[str]:
    """
    Return where *copy*, a server as Nova shows it, differs from *source*.

    source: Row of the source's table, with its ``ports`` and ``attached``.
    carried: Beside it, what is known of the target: ``volumes`` (ids in order), ``flavor``,
        ``addresses`` (of its ports), ``floating``, ``forwarded`` (ports of floating IPs),
        ``names`` (of ports, in DNS), ``owner``, ``group`` (its server group),
        ``tags_inside`` (of NICs and disks) and the same of the source as ``wanted_…``.
    """
    flavor = copy.get("flavor") or {}
    wanted = {
        "status": was(source),
        "name": source["name"],
        "description": source["description"],
        "flavor": source["flavor_name"],
        "size": source.get("flavor_size"),
        "key": source["key_name"],
        "user_data": source["user_data"],
        "config_drive": bool(source["has_config_drive"]),
        "metadata": own_free(source["metadata"]),
        "tags": sorted(source["tags"] or []),
        "source id": source["id"],
    } | {name: carried[f"wanted_{name}"] for name in CARRIED}
    found = {
        "status": copy["status"],
        "name": copy["name"],
        "description": copy.get("description"),
        "flavor": flavor.get("original_name"),
        "size": source.get("flavor_size") and rows_compute.size(flavor),
        "key": copy.get("key_name"),
        "user_data": copy.get("OS-EXT-SRV-ATTR:user_data"),
        # A target may force one on every server (force_config_drive).
        "config_drive": bool(source["has_config_drive"] and copy.get("config_drive")),
        "metadata": own_free(copy.get("metadata")),
        "tags": sorted(copy.get("tags") or []),
        "source id": (copy.get("metadata") or {}).get(SOURCE_ID),
    } | {name: carried[name] for name in CARRIED}
    return differences(wanted, found)


def migrated(server: Row) -> str | None:
    """Return the id of the copy that a finished cut-over wrote on the source server."""
    value = (server["metadata"] or {}).get(MIGRATED_TO)
    return str(value) if value else None


def quota_problems(
    needed: Mapping[tuple[str, str], int],
    limits: Mapping[tuple[str, str], int],
    used: Mapping[tuple[str, str], int],
) -> list[str]:
    """Return a sentence for each quota that is too small; a limit that is unknown is none."""
    found = []
    for (service, resource), amount in needed.items():
        limit, taken = limits.get((service, resource), -1), used.get((service, resource), 0)
        if 0 <= limit < taken + amount:
            found.append(
                f"The {service} quota of {resource} is {limit}, {taken} are used and {amount} "
                f"more are needed; raise it to {taken + amount}."
            )
    return found
