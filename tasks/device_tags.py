"""
What a server's NICs and disks are called inside it: the tags that its creator gave them.

No listing has them, so they are asked for server by server, right before its cut-over. The tag
of a disk that is no volume Nova shows to nobody.
"""

from collections.abc import Mapping
from typing import Any

from pumphouse.tasks.api import Api

SHOWN_SINCE = (2, 70)
"""Compute microversion that shows them."""

Tags = dict[str, str]
"""By MAC of a NIC, and by id of a volume."""


def read(api: Api, server_id: str) -> Tags:
    """Return the tags of a server; none of a Nova that does not show them."""
    version = api.microversion("compute")
    if tuple(map(int, (version or "2.1").split("."))) < SHOWN_SINCE:
        return {}
    path = f"/servers/{server_id}"
    nics = api.get("compute", f"{path}/os-interface", None, version)["interfaceAttachments"]
    disks = api.get("compute", f"{path}/os-volume_attachments", None, version)["volumeAttachments"]
    found = {nic["mac_addr"]: nic.get("tag") for nic in nics}
    found |= {disk["volumeId"]: disk.get("tag") for disk in disks}
    return {of: tag for of, tag in found.items() if tag}


def put(body: dict[str, Any], tags: Tags, there: Mapping[str, str]) -> None:
    """
    Write *tags* into the body of a new server.

    there: By MAC or the source's volume id: the port or volume that it is at the target.
    """
    by_id = {there[of]: tag for of, tag in tags.items() if of in there}
    networks = body["networks"] if isinstance(body["networks"], list) else []
    for entry in networks:
        if tag := by_id.get(entry["port"]):
            entry["tag"] = tag
    for entry in body["block_device_mapping_v2"]:
        if tag := by_id.get(entry.get("uuid", "")):
            entry["tag"] = tag
