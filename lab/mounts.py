"""The bind mounts that make Cinder's NFS driver believe in a share.

os-brick takes a share as mounted when its mount point is in /proc/mounts. A bind mount
within one file system is none for `os.path.ismount`, so the table itself is read.
"""

import hashlib
import subprocess
from pathlib import Path

from lab.layout import Cloud


def share(cloud: Cloud) -> str:
    """Return the name of the share as Cinder's configuration has it."""
    return f"127.0.0.1:/{cloud.name}"


def mount_point(cloud: Cloud) -> Path:
    """Return the directory where os-brick expects the share."""
    digest = hashlib.md5(share(cloud).encode(), usedforsecurity=False).hexdigest()
    return cloud.home / "cinder" / "mnt" / digest


def mounted(path: Path, table: str | None = None) -> bool:
    """Tell whether something is mounted at `path`."""
    text = Path("/proc/mounts").read_text() if table is None else table
    # The kernel writes a space as \040.
    return any(
        line.split()[1].replace("\\040", " ") == str(path) for line in text.splitlines() if line
    )


def mount_share(cloud: Cloud) -> bool:
    """Mount a cloud's volumes where Cinder looks for them; return whether it was needed."""
    point = mount_point(cloud)
    point.mkdir(parents=True, exist_ok=True)
    if mounted(point):
        return False
    subprocess.run(["mount", "--bind", cloud.home / "cinder" / "volumes", point], check=True)
    return True


def unmount_share(cloud: Cloud) -> None:
    """Take the mount away, as often as it was made."""
    while mounted(mount_point(cloud)):
        subprocess.run(["umount", mount_point(cloud)], check=True)
