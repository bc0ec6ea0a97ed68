"""The files that a QEMU machine boots: kernel, initial file system, and an installed disk.

The kernel is Debian's for clouds, fetched with apt and unpacked, not installed; the initial
file system is busybox with the modules of virtio and one script. All are kept in the lab's
directory under a digest of what decides them. No root's rights are needed.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from lab.commands import run
from lab.errors import LabError
from lab.files import write

GUEST = Path(__file__).parent / "guest"
KERNEL_PACKAGE = "linux-image-cloud-amd64"
BUSYBOX = Path("/bin/busybox")
DISK_KIB = 24 * 1024
# In the order in which they must be loaded: virtio itself needs its rings.
MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net",
    "virtio_blk",
)
# Under load the kernel stops at its timer check; the rest saves time in an emulator.
KERNEL_WORDS = "console=ttyS0 quiet panic=-1 no_timer_check mitigations=off nokaslr"


def boot_files(cache: Path) -> Path:
    """Return the directory with `vmlinuz` and `initrd.gz`, made when it is missing."""
    package = _kernel_package()
    place = cache / _digest(package)
    if not place.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            _build(package, Path(scratch), made)
            # Whoever else makes the same meanwhile may have been first.
            if not place.exists():
                made.rename(place)
    return place


def make_disk(files: Path, place: Path, kernel_words: str) -> None:
    """Write `disk.img` below `place`, a disk that boots the installed system, and its digest.

    The digest's file holds the SHA-1 and the size in MiB.
    """
    place.mkdir(parents=True, exist_ok=True)
    image = place / "disk.img"
    image.unlink(missing_ok=True)
    write(
        place / "syslinux.cfg",
        "SERIAL 0\nDEFAULT installed\nPROMPT 0\nTIMEOUT 1\nLABEL installed\n"
        f"KERNEL vmlinuz\nINITRD initrd.gz\nAPPEND {KERNEL_WORDS} {kernel_words}\n",
    )
    run(["/sbin/mkfs.vfat", "-C", image, str(DISK_KIB)])
    contents = [files / "vmlinuz", files / "initrd.gz", place / "syslinux.cfg"]
    run(["mcopy", "-i", image, *contents, "::/"])
    run(["syslinux", "--install", image])
    digest = hashlib.sha1(image.read_bytes(), usedforsecurity=False).hexdigest()
    write(place / "disk.img.sha1", f"{digest} {DISK_KIB // 1024}\n")


def source_boot_sector() -> bytes:
    """Return a boot sector that stands for the source's system: it says so and halts.

    It writes its words to the first serial port and stops the processor, so that a machine
    which still belongs to the source costs nothing.
    """
    words = b"source runs\r\n\0"
    code = bytes.fromhex(
        "fa"  # cli
        "31c0"  # xor ax, ax
        "8ed8"  # mov ds, ax
        "fc"  # cld
        "be177c"  # mov si, 7c17h: the words
        "baf803"  # mov dx, 3f8h: the serial port
        "ac"  # next: lodsb
        "08c0"  # or al, al
        "7403"  # jz halt
        "ee"  # out dx, al
        "ebf8"  # jmp next
        "f4"  # halt: hlt
        "ebfd"  # jmp halt
    )
    assert len(code) == 0x17
    return (code + words).ljust(510, b"\0") + b"\x55\xaa"


def _kernel_package() -> str:
    """Return the package that the kernel's meta package stands for."""
    words = run(["apt-cache", "depends", KERNEL_PACKAGE]).split()
    names = [word for word in words if word.startswith("linux-image-") and word != KERNEL_PACKAGE]
    if not names:
        raise LabError(f"apt knows no {KERNEL_PACKAGE}; nothing was changed; run 'apt-get update'")
    return names[0]


def _digest(package: str) -> str:
    digest = hashlib.sha256(f"{package} {MODULES}".encode())
    for path in sorted(GUEST.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    digest.update(BUSYBOX.read_bytes())
    return digest.hexdigest()[:16]


def _build(package: str, scratch: Path, place: Path) -> None:
    # Without a user of its own, for that one cannot write here; the package is signed anyway.
    download = f"apt-get download -qq -o APT::Sandbox::User=root {package}"
    run(["bash", "-c", f"cd '{scratch}' && {download}"])
    (archive,) = scratch.glob("*.deb")
    run(["dpkg-deb", "-x", archive, scratch / "kernel"])
    (kernel,) = (scratch / "kernel" / "boot").glob("vmlinuz-*")
    shutil.copy(kernel, place / "vmlinuz")
    tree = scratch / "initrd"
    _fill(tree, scratch / "kernel")
    pack = f"cd '{tree}' && find . | cpio -o -H newc --quiet | gzip -9 > '{place}/initrd.gz'"
    run(["bash", "-o", "pipefail", "-c", pack])


def _fill(tree: Path, kernel: Path) -> None:
    for name in ("bin", "dev", "proc", "sys", "lib/modules", "tmp", "etc"):
        (tree / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, tree / "bin" / "busybox")
    for applet in run([BUSYBOX, "--list"]).split():
        if applet != "busybox":
            os.symlink("busybox", tree / "bin" / applet)
    for number, name in enumerate(MODULES, start=10):
        found = list(kernel.rglob(f"{name}.ko"))
        if len(found) != 1:
            raise LabError(f"the kernel has {len(found)} modules {name}.ko; nothing was changed")
        shutil.copy(found[0], tree / "lib" / "modules" / f"{number}-{name}.ko")
    for source, target in (("init", "init"), ("udhcpc.sh", "etc/udhcpc.sh")):
        shutil.copy(GUEST / source, tree / target)
        (tree / target).chmod(0o755)
