"""Nodes, disks and NICs of Fuel as plain values, for tests of what is decided about them."""

from collections.abc import Sequence
from typing import Any

from pumphouse.fuel import Network, Node
from pumphouse.fuel_layouts import Disk, Interface, NetworkRef, Slave, Volume

NETWORKS = {"fuelweb_admin": 1, "management": 3, "storage": 4, "private": 5}
MINIMAL = {"os": 55296, "vm": 5120}


def node(id_: int = 1, **given: Any) -> Node:
    """Return a ready compute node of environment 2, unless told otherwise."""
    usual: dict[str, Any] = {
        "id": id_,
        "name": f"n{id_}",
        "hostname": f"node-{id_}",
        "mac": f"52:54:00:00:{id_:02x}:00",
        "status": "ready",
        "online": True,
        "cluster": 2,
        "roles": ("compute",),
        "group_id": 2,
    }
    return Node.model_validate(usual | given)


def disk(name: str, size: int, id_: str = "", **volumes: int) -> Disk:
    """Return a disk of *size* MiB in slot *id_* with *volumes* in MiB."""
    made = tuple(Volume(name=n, size=s) for n, s in volumes.items())
    return Disk(id=id_ or f"disk/by-path/{name}", name=name, size=size, volumes=made)


def nic(name: str, networks: Sequence[str] = (), **given: Any) -> Interface:
    """Return a NIC of 10 Gbit/s with *networks*."""
    refs = tuple(NetworkRef(id=NETWORKS[n], name=n) for n in networks)
    usual: dict[str, Any] = {"max_speed": 10000, "id": sum(map(ord, name))}
    return Interface(name=name, networks=refs, **(usual | given))


def bond(name: str, slaves: Sequence[str], networks: Sequence[str] = ()) -> Interface:
    """Return a bond of *slaves* with *networks*."""
    refs = tuple(NetworkRef(id=NETWORKS[n], name=n) for n in networks)
    parts = tuple(Slave(name=s) for s in slaves)
    return Interface(type="bond", name=name, mode="active-backup", slaves=parts, networks=refs)


def networks(group_id: int, shift: int = 0) -> list[Network]:
    """Return the networks of a node group, whose ids are *shift* higher, and the admin one."""
    return [
        Network(id=id_ if id_ == 1 else id_ + shift, name=name, group_id=g)
        for name, id_ in NETWORKS.items()
        for g in [None if id_ == 1 else group_id]
    ]
