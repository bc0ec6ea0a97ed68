"""Fuel's words for the disks and ports of a node as it will lay them out."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from pumphouse.fuel import Answer


class Volume(Answer):
    """A piece of a disk; `size` is in MiB."""

    name: str
    size: int
    keep_data: bool = False


class VolumeKind(Answer):
    """A volume that a node's roles ask for; `min_size` in MiB is its total over all disks."""

    name: str
    min_size: int = 0


class Disk(Answer):
    """A disk as Fuel will partition it; `size` is in MiB, after what Fuel takes for itself."""

    id: str
    name: str
    size: int
    bootable: bool = False
    extra: tuple[str, ...] = ()
    volumes: tuple[Volume, ...] = ()

    def body(self) -> dict[str, Any]:
        """Return it as Fuel takes it."""
        return self.model_dump(mode="json")


class NetworkRef(Answer):
    """A network as a port names it."""

    id: int
    name: str


class Slave(Answer):
    """A port that is part of a bond."""

    name: str


class Interface(Answer):
    """
    A port or a bond of a node, and the networks on it.

    A bond has no id and no MAC. Attributes are Fuel's own, kept as they are; a bond's mode
    stands in them doubly nested, and 500 is the answer to anything else.
    """

    type: str = "ether"
    name: str
    id: int | None = None
    mac: str | None = None
    pxe: bool = False
    driver: str | None = None
    bus_info: str | None = None
    max_speed: int | None = None
    current_speed: int | None = None
    state: str | None = None
    mode: str | None = None
    slaves: tuple[Slave, ...] = ()
    networks: tuple[NetworkRef, ...] = Field(default=(), alias="assigned_networks")
    attributes: dict[str, Any] = Field(default={})
    meta: dict[str, Any] = Field(default={})

    @property
    def is_bond(self) -> bool:
        """Say whether it is a bond of other ports."""
        return self.type == "bond"

    def body(self) -> dict[str, Any]:
        """Return it as Fuel takes it."""
        networks = [network.model_dump() for network in self.networks]
        if self.is_bond:
            return {
                "type": "bond",
                "name": self.name,
                "mode": self.mode,
                "slaves": [slave.model_dump() for slave in self.slaves],
                "assigned_networks": networks,
                "attributes": bond_attributes(self.mode or "", self.attributes),
            }
        kept = self.model_dump(exclude={"networks", "slaves", "mode"})
        return {**kept, "assigned_networks": networks}


def bond_attributes(mode: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a bond's attributes with its mode where Fuel looks for it, and the rest kept."""
    basic = {"type__": {"type": "hidden", "value": "linux"}}
    return {**basic, **attributes, "mode": {"value": {"value": mode}}}
