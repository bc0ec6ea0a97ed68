"""What QEMU is called with: firmware, interfaces, disks, and words for the kernels."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from lab.metal.booting import DISK, MISSING_NIC, NETWORK, SMALL_DISK, SOURCE, State
from lab.metal.hardware import ADMIN_GATEWAY, ADMIN_NETWORK, GIB, Hardware
from lab.metal.images import KERNEL_WORDS, source_boot_sector
from lab.metal.machines import Site

PROGRAM = "qemu-system-x86_64"
MEMORY_MIB = 512
DISK_SIZES = {"vda": 120 * GIB, "vdb": 240 * GIB}
FIRST_NIC_SLOT, FIRST_DISK_SLOT = 3, 8
SOURCE_WORDS = b"source runs"


def kernel_words(site: Site, boot_url: str, role: str) -> str:
    """Return the kernel's command line for one of the two systems."""
    return (
        f"{KERNEL_WORDS} role={role} metal={boot_url} fuel={seen_from_guest(site.fuel_url)} "
        f"keepalive={max(1, round(site.timing.keepalive_s))}"
    )


def seen_from_guest(url: str) -> str:
    """Return a URL of this machine's loopback as guests reach it."""
    host = urlsplit(url).hostname
    return url.replace(host, ADMIN_GATEWAY, 1) if host in ("127.0.0.1", "localhost") else url


def make_disks(home: Path, state: State) -> None:
    """Make the images of disks that are missing, sparse, in their full size."""
    home.mkdir(parents=True, exist_ok=True)
    for name, size in DISK_SIZES.items():
        path = home / f"{name}.img"
        if not path.exists():
            begin = source_boot_sector() if name == "vda" and state.disk == SOURCE else b""
            path.write_bytes(begin)
        halved = name == "vda" and SMALL_DISK in state.faults
        os.truncate(path, size // 2 if halved else size)


def command(
    hardware: Hardware, home: Path, boot_url: str, order: tuple[str, ...], faults: tuple[str, ...]
) -> list[str]:
    """Return how QEMU is called; devices that are not in the boot order are not tried."""
    console = home / "console.log"
    return [
        *(PROGRAM, "-nodefaults", "-no-user-config", "-display", "none"),
        # That /dev/kvm exists proves nothing, so it is never tried.
        *("-machine", "pc,accel=tcg", "-cpu", "qemu64", "-m", str(MEMORY_MIB)),
        *("-boot", "strict=on", "-no-reboot", "-qmp", "stdio"),
        *("-chardev", f"file,id=console,path={console},append=on", "-serial", "chardev:console"),
        *("-smbios", _smbios(hardware)),
        *_nics(hardware, boot_url, order, MISSING_NIC in faults),
        *_disks(hardware, home, order),
    ]


def _smbios(hardware: Hardware) -> str:
    return (
        "type=1,manufacturer=QEMU,product=Standard PC,"
        f"serial={hardware.serial},uuid={hardware.uuid}"
    )


def _nics(hardware: Hardware, boot_url: str, order: tuple[str, ...], one_less: bool) -> list[str]:
    """Return the interfaces: the first has a network to boot from, the others a dead cable."""
    network = (
        f"user,id=net0,net={ADMIN_NETWORK},host={ADMIN_GATEWAY},dhcpstart={hardware.ip},"
        f"bootfile={boot_url}/{hardware.host}/boot.ipxe"
    )
    words: list[str] = []
    for number, nic in enumerate(hardware.nics[:-1] if one_less else hardware.nics):
        words += ["-netdev", f"hubport,id=net{number},hubid={number}" if number else network]
        words += [
            "-device",
            f"virtio-net-pci,netdev=net{number},mac={nic.mac},addr={FIRST_NIC_SLOT + number:#x},"
            f"speed={nic.speed_mbps},duplex=full"
            + (",romfile=" if number else _bootindex(NETWORK, order)),
        ]
    return words


def _disks(hardware: Hardware, home: Path, order: tuple[str, ...]) -> list[str]:
    words: list[str] = []
    for number, name in enumerate(DISK_SIZES):
        drive = f"if=none,id={name},format=raw,cache=unsafe,file={home / f'{name}.img'}"
        words += ["-drive", drive]
        words += [
            "-device",
            f"virtio-blk-pci,drive={name},addr={FIRST_DISK_SLOT + number:#x},"
            f"serial={hardware.serial}{number:02}" + ("" if number else _bootindex(DISK, order)),
        ]
    return words


def _bootindex(device: str, order: tuple[str, ...]) -> str:
    return f",bootindex={order.index(device)}" if device in order else ""
