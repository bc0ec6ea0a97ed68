"""What must be installed: Debian packages and one environment for each release."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from lab.commands import run
from lab.errors import LabError
from lab.files import mark, write
from lab.layout import Cloud, Lab
from lab.output import say
from lab.releases import EXTRA_PACKAGES, Release

# Debian package and the file that proves it.
DEBIAN_PACKAGES = {
    "mariadb-server": "/usr/sbin/mariadbd",
    "rabbitmq-server": "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "qemu-utils": "/usr/bin/qemu-img",
    # The old release needs a package that has no wheel for this Python.
    "gcc": "/usr/bin/gcc",
    "libc6-dev": "/usr/include/stdio.h",
    "python3-dev": f"{sysconfig.get_path('include')}/Python.h",
}
# The lab does without these: its own BMC for OpenIPMI's, light machines for QEMU's.
BMC_PACKAGES = {
    "openipmi": "/usr/bin/ipmi_sim",
    "ipmitool": "/usr/bin/ipmitool",
}
QEMU_PACKAGES = {
    "qemu-system-x86": "/usr/bin/qemu-system-x86_64",
    "ipxe-qemu": "/usr/lib/ipxe/qemu/pxe-virtio.rom",
    "seabios": "/usr/share/seabios/bios-256k.bin",
    # The program alone may be that of the package without "static".
    "busybox-static": "/var/lib/dpkg/info/busybox-static.list",
    "cpio": "/usr/bin/cpio",
    "syslinux": "/usr/bin/syslinux",
    "mtools": "/usr/bin/mcopy",
    "dosfstools": "/sbin/mkfs.vfat",
}
# Of an option of the lab, `lab ceph up`.
CEPH_PACKAGES = {
    "ceph-mon": "/usr/bin/ceph-mon",
    "ceph-mgr": "/usr/bin/ceph-mgr",
    "ceph-osd": "/usr/bin/ceph-osd",
    "ceph-common": "/usr/bin/rbd",
    "python3-rados": "/var/lib/dpkg/info/python3-rados.list",
    "python3-rbd": "/var/lib/dpkg/info/python3-rbd.list",
    "qemu-block-extra": "/var/lib/dpkg/info/qemu-block-extra.list",
}
CLIENT_PACKAGES = ("openstacksdk", "PyMySQL")
POLICY_FILE = Path("/usr/sbin/policy-rc.d")


def missing(packages: Mapping[str, str]) -> list[str]:
    """Return the Debian packages that are not installed."""
    return [name for name, proof in packages.items() if not Path(proof).exists()]


def missing_packages() -> list[str]:
    """Return the Debian packages that `up` would install."""
    return missing(DEBIAN_PACKAGES | BMC_PACKAGES | QEMU_PACKAGES)


def install_packages() -> None:
    """Install what is missing with apt, as root; say so before, and go on without the optional."""
    install(missing(DEBIAN_PACKAGES))
    try:
        install(missing(BMC_PACKAGES | QEMU_PACKAGES))
    except LabError as error:
        say(f"{error}; the lab goes on without these packages")


def install(names: list[str]) -> None:
    """Install Debian packages with apt, as root, and say so before."""
    if not names:
        return
    command = f"apt-get install --no-install-recommends {' '.join(names)}"
    if os.geteuid() != 0:
        raise LabError(f"packages are missing; nothing was changed; as root, run: {command}")
    say(f"installing with root's rights: {command}")
    say("Debian's own services are not started by this")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    guarded = _forbid_service_starts()
    try:
        run(["apt-get", "update", "-qq"], env)
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names], env)
    finally:
        if guarded:
            POLICY_FILE.unlink(missing_ok=True)


def create_environments(lab: Lab) -> None:
    """Create the environments of both releases and of the client, where they are missing."""
    for release in {cloud.release for cloud in lab.clouds}:
        _create(lab, lab.root / "venvs" / release.name, _requirements(release), release)
    _create(lab, lab.client_venv, list(CLIENT_PACKAGES), None)
    for cloud in lab.clouds:
        link_driver(cloud)


def link_driver(cloud: Cloud) -> None:
    """Put the lab's hypervisor driver where Nova looks: only below nova.virt."""
    driver = Path(__file__).parent / "drivers" / "labvirt.py"
    for directory in cloud.venv.glob("lib/python*/site-packages/nova/virt"):
        link = directory / "labvirt.py"
        if not link.is_symlink() or link.resolve() != driver.resolve():
            link.unlink(missing_ok=True)
            link.symlink_to(driver)


def _requirements(release: Release) -> list[str]:
    if release.freeze.exists():
        return ["-r", str(release.freeze)]
    cutoff = ["--exclude-newer", release.cutoff] if release.cutoff else []
    return [*release.packages, *EXTRA_PACKAGES, *cutoff]


def _create(lab: Lab, path: Path, requirements: list[str], release: Release | None) -> None:
    done = path / "pumphouse-lab.done"
    wanted = " ".join(requirements)
    if release and release.freeze.exists():
        wanted = release.freeze.read_text()
    if done.exists() and done.read_text() == wanted:
        return
    say(f"installing Python packages into {path}")
    uv = _find_uv(lab)
    version = release.python if release else f"{sys.version_info[0]}.{sys.version_info[1]}"
    run([uv, "venv", "-q", "--clear", "--python", version, path])
    python = path / "bin" / "python"
    run([uv, "pip", "install", "-q", "--compile-bytecode", "--python", python, *requirements])
    write(done, wanted)


def _find_uv(lab: Lab) -> str:
    """Return a uv: the machine's own, or one in a small environment of the lab."""
    found = shutil.which("uv")
    if found:
        return found
    tools = lab.root / "venvs" / "tools"
    if not (tools / "tools.done").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", tools], check=True)
        run([tools / "bin" / "pip", "-q", "install", "uv"])
        mark(tools / "tools.done")
    return str(tools / "bin" / "uv")


def _forbid_service_starts() -> bool:
    """Make package scripts start nothing; leave a policy that is there alone."""
    if POLICY_FILE.exists():
        return False
    write(POLICY_FILE, "#!/bin/sh\nexit 101\n", mode=0o755)
    return True
