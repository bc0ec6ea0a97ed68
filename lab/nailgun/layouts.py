"""Disks of a node, as Nailgun lays them out: sizes in MiB, volumes by role."""

from typing import Any

from lab.nailgun.answers import Failure, python2, traceback
from lab.nailgun.store import Document
from lab.nailgun.world import Call, World

MIB = 2**20
KEPT_MIB = 500
"""What Fuel takes of every disk for boot partitions."""
ASSIGNED_MIB = 128
"""And what for LVM once the node has a role."""
ROOT_MIB = 51200
SWAP_MIB = 2048

VOLUMES = {"compute": ("os", "vm"), "controller": ("os", "image"), "cinder": ("os", "cinder")}
LABELS = {
    "os": ("Base System", 0),
    "vm": ("Virtual Storage", 5120),
    "image": ("Image Storage", 5120),
    "cinder": ("Cinder", 1536),
}


def get_disks(world: World, call: Call, node_id: str) -> Any:
    """GET /nodes/N/disks/."""
    return disks_of(world.node(int(node_id)))


def get_defaults(world: World, call: Call, node_id: str) -> Any:
    """GET /nodes/N/disks/defaults/."""
    return defaults(world.node(int(node_id)))


def get_volumes(world: World, call: Call, node_id: str) -> Any:
    """GET /nodes/N/volumes/."""
    node = world.node(int(node_id))
    return [
        {"name": name, "label": LABELS[name][0], "min_size": LABELS[name][1] or _os_size(node)}
        for name in _names(node)
    ]


def put_disks(world: World, call: Call, node_id: str) -> Any:
    """PUT /nodes/N/disks/: compared with the size in the request, not with the disk."""
    node = world.node(int(node_id))
    _check_shape(call.body)
    for disk in call.body:
        if sum(volume["size"] for volume in disk.get("volumes", [])) > disk["size"]:
            raise Failure(400, f"Not enough free space on disk: {python2(_printed(disk))}")
    current = disks_of(node)
    by_id = {disk["id"]: disk for disk in current}
    for disk in call.body:
        if disk["id"] not in by_id:
            raise traceback("IndexError: list index out of range", "set_volume_size", plain=True)
        volumes = {volume["name"]: volume for volume in by_id[disk["id"]]["volumes"]}
        for volume in disk.get("volumes", []):
            if volume["name"] in volumes:
                volumes[volume["name"]]["size"] = volume["size"]
    node["_disks"] = current
    world.store.save("node", node)
    return current


def disks_of(node: Document) -> list[dict[str, Any]]:
    """Return the layout that a node has now."""
    if node["cluster"] is None or not node.get("_disks"):
        return _plain(node, 0)
    kept: list[dict[str, Any]] = node["_disks"]
    return kept


def defaults(node: Document) -> list[dict[str, Any]]:
    """Return the layout that a node gets with its roles."""
    if node["cluster"] is None:
        return _plain(node, 0)
    disks = _plain(node, ASSIGNED_MIB)
    names = _names(node)
    for index, disk in enumerate(disks):
        system = _os_size(node) if index == 0 else 0
        disk["bootable"] = index == 0
        disk["volumes"] = [
            {"name": name, "size": system if name == "os" else 0, "keep_data": False}
            for name in names
        ]
        if len(names) > 1:
            disk["volumes"][1]["size"] = disk["size"] - system
    return disks


def _names(node: Document) -> list[str]:
    roles = node["roles"] + node["pending_roles"]
    names = [name for role in roles for name in VOLUMES.get(role, ("os",))]
    return list(dict.fromkeys(names)) or ["os"]


def _os_size(node: Document) -> int:
    return ROOT_MIB + SWAP_MIB * len(_real(node))


def _real(node: Document) -> list[dict[str, Any]]:
    return [disk for disk in node["meta"].get("disks", []) if disk.get("size")]


def _plain(node: Document, taken: int) -> list[dict[str, Any]]:
    return [
        {
            "id": disk["disk"],
            "name": disk["name"],
            "size": disk["size"] // MIB - KEPT_MIB - taken,
            "bootable": False,
            "extra": list(disk.get("extra") or []),
            "volumes": [],
        }
        for disk in _real(node)
    ]


def _check_shape(body: Any) -> None:
    where = "\n\nFailed validating in schema"
    if not isinstance(body, list):
        raise Failure(400, f"{python2(body)} is not of type 'array'{where}")
    for disk in body:
        for key in ("size", "id"):
            if key not in disk:
                raise Failure(400, f"'{key}' is a required property{where}")


def _printed(disk: dict[str, Any]) -> dict[str, Any]:
    """Return a disk with its keys in the order that Python 2 happens to print them in."""
    order = ("name", "extra", "bootable", "volumes", "id", "size")
    whole = {key: disk[key] for key in order if key in disk}
    whole["volumes"] = [_printed_volume(volume) for volume in disk.get("volumes", [])]
    return whole


def _printed_volume(volume: dict[str, Any]) -> dict[str, Any]:
    order = ("size", "name", "keep_data") if "keep_data" in volume else ("name", "size")
    return {key: volume[key] for key in order if key in volume}
