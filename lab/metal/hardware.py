"""The hardware of a machine, decided by its name, and its description in Nailgun's terms."""

import hashlib
from dataclasses import dataclass
from typing import Any

from lab.metal.booting import MISSING_NIC, SMALL_DISK

# Fuel's admin network: what an agent reports from outside of its range ends in an error.
ADMIN_NETWORK = "10.20.0.0/24"
ADMIN_NETMASK = "255.255.255.0"
ADMIN_GATEWAY = "10.20.0.2"
FIRST_ADDRESS = 140

GIB = 2**30
CPU_MODEL = "Intel(R) Xeon(R) Gold 6130"
MANUFACTURER, PRODUCT = "Dell Inc.", "PowerEdge R740"


@dataclass(frozen=True)
class Nic:
    """One network interface; `speed_mbps` is what it can, and does."""

    name: str
    mac: str
    bus: str
    speed_mbps: int


@dataclass(frozen=True)
class Disk:
    """One disk."""

    name: str
    path: str
    serial: str
    size: int


@dataclass(frozen=True)
class Hardware:
    """All that never changes about a machine."""

    host: str
    ip: str
    serial: str
    uuid: str
    nics: tuple[Nic, ...]
    disks: tuple[Disk, ...]
    cores: int = 32
    sockets: int = 2
    memory: int = 256 * GIB

    @property
    def macs(self) -> tuple[str, ...]:
        """Return the addresses of all interfaces; the first boots from the network."""
        return tuple(nic.mac for nic in self.nics)


def hardware_of(host: str, number: int) -> Hardware:
    """Return the hardware of the host that is the `number`th of the lab, from 0 on."""
    digest = hashlib.sha256(host.encode()).hexdigest()
    prefix = f"52:54:00:{digest[:2]}:{digest[2:4]}"
    last = int(digest[4:6], 16) & 0xF0
    nics = tuple(
        Nic(name, f"{prefix}:{last + position:02x}", f"0000:3b:00.{position}", speed)
        for position, (name, speed) in enumerate(
            (("eno1", 1000), ("eno2", 1000), ("ens1f0", 10000), ("ens1f1", 10000))
        )
    )
    disks = tuple(
        Disk(name, f"pci-0000:18:00.0-scsi-0:0:{position}:0", f"6186{digest[:10]}{position:02}", s)
        for position, (name, s) in enumerate((("sda", 480 * GIB), ("sdb", 960 * GIB)))
    )
    uuid = f"4c4c4544-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
    ip = f"10.20.0.{FIRST_ADDRESS + number}"
    return Hardware(host, ip, digest[:7].upper(), uuid, nics, disks)


def meta(hardware: Hardware, fqdn: str, faults: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return `meta` as Nailgun's agent sends it; sizes are bytes, speeds are Mbit/s."""
    nics = hardware.nics[:-1] if MISSING_NIC in faults else hardware.nics
    disks = [_disk(disk) for disk in hardware.disks]
    if SMALL_DISK in faults:
        disks[0]["size"] //= 2
    return {
        "system": _system(hardware, fqdn),
        "cpu": {
            "real": hardware.sockets,
            "total": hardware.cores,
            "spec": [{"model": CPU_MODEL, "frequency": 2100}] * hardware.cores,
        },
        "memory": _memory(hardware),
        "numa_topology": _numa(hardware),
        "pci_devices": {},
        "interfaces": [
            _nic(nic, hardware.ip if not index else "") for index, nic in enumerate(nics)
        ],
        "disks": disks,
    }


def _system(hardware: Hardware, fqdn: str) -> dict[str, str]:
    return {
        "manufacturer": MANUFACTURER,
        "product": PRODUCT,
        "serial": hardware.serial,
        "family": "Not Specified",
        "version": "Not Specified",
        "fqdn": fqdn,
        "uuid": hardware.uuid.upper(),
        "runtime_uuid": hardware.uuid,
    }


def _memory(hardware: Hardware) -> dict[str, Any]:
    return {
        "slots": 24,
        "total": hardware.memory,
        "maximum_capacity": 3072 * GIB,
        "devices": [{"type": "DDR4", "size": 32 * GIB}] * (hardware.memory // (32 * GIB)),
    }


def _numa(hardware: Hardware) -> dict[str, Any]:
    share = hardware.cores // hardware.sockets
    return {
        "supported_hugepages": [2048, 1048576],
        "distances": [["1.0", "2.1"], ["2.1", "1.0"]],
        "numa_nodes": [
            {
                "id": node,
                "cpus": list(range(node * share, (node + 1) * share)),
                "memory": hardware.memory // hardware.sockets,
            }
            for node in range(hardware.sockets)
        ],
    }


def _nic(nic: Nic, ip: str) -> dict[str, Any]:
    offloads = ("rx-checksumming", "tcp-segmentation-offload")
    return {
        "name": nic.name,
        "mac": nic.mac,
        "state": "up",
        "driver": "ixgbe",
        "bus_info": nic.bus,
        "max_speed": nic.speed_mbps,
        "current_speed": nic.speed_mbps,
        "offloading_modes": [{"name": name, "state": None, "sub": []} for name in offloads],
        "pxe": bool(ip),
        "sriov": {"available": False, "sriov_totalvfs": 0, "pci_id": ""},
        "dpdk": {},
        "numa_node": 0,
        **({"ip": ip, "netmask": ADMIN_NETMASK} if ip else {}),
    }


def _disk(disk: Disk) -> dict[str, Any]:
    return {
        "name": disk.name,
        "disk": f"disk/by-path/{disk.path}",
        "model": "PERC H740P",
        "removable": "0",
        "size": disk.size,
        "extra": [f"disk/by-id/wwn-0x{disk.serial}"],
        "paths": f"/dev/{disk.name}",
    }
