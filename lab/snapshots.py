"""Copies of an initialised lab, so that the next one starts in seconds.

A snapshot holds the database server's files, taken while it is stopped, and the state of
both clouds: Keystone's keys, images, volumes and servers' disks. Its name is a digest of
everything that decides what is in it, so a changed release or table step makes a new one.
"""

import hashlib
import shutil
from pathlib import Path

from lab.commands import run
from lab.infrastructure import DATABASE, start_database
from lab.layout import Lab
from lab.output import say
from lab.processes import Processes

HERE = Path(__file__).parent
BARE = "bare"
SMALL = "small"
# What decides the content, below this package.
INPUTS = {
    BARE: ("releases.py", "layout.py", "schemas.py", "catalog.py", "infrastructure.py", "configs"),
    SMALL: ("tenants", "drivers"),
}
# Not state: written anew at each start, or mounted.
SKIPPED = {"etc", ".cache"}


def snapshot_path(lab: Lab, label: str) -> Path:
    """Return where the snapshot of this lab, as it is coded now, lies or would lie."""
    return lab.root / "snapshots" / f"{label}-{_digest(lab, label)}"


def restore(lab: Lab, label: str) -> bool:
    """Fill an empty lab from a snapshot; return whether there was one."""
    path = snapshot_path(lab, label)
    if not path.exists():
        return False
    lab.run.mkdir(parents=True, exist_ok=True)
    copy(sorted(path.iterdir()), lab.run)
    return True


def save(lab: Lab, processes: Processes, label: str) -> None:
    """Copy the state of both clouds; the database server is away for some seconds."""
    path = snapshot_path(lab, label)
    for old in path.parent.glob(f"{label}-*"):
        shutil.rmtree(old)
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for cloud in lab.clouds:
        _copy_cloud(cloud.home, part / cloud.name)
    processes.stop([DATABASE], wait_s=60)
    try:
        copy([lab.run / "mysql"], part)
    finally:
        start_database(lab, processes)
    part.rename(path)
    say(f"saved a snapshot ({label}) for the next start")


def empty(lab: Lab) -> bool:
    """Tell whether the lab holds no state yet."""
    return not (lab.run / "mysql" / "mysql").exists()


def _copy_cloud(home: Path, target: Path) -> None:
    copy([item for item in home.iterdir() if item.name not in {*SKIPPED, "cinder"}], target)
    volumes = home / "cinder"
    copy([item for item in volumes.iterdir() if item.name != "mnt"], target / "cinder")


def copy(items: list[Path], target: Path) -> None:
    """Copy files and directories into `target`, without what is not written in them."""
    target.mkdir(parents=True, exist_ok=True)
    if items:
        run(["cp", "-a", "--sparse=always", "--reflink=auto", *items, target])


def _digest(lab: Lab, label: str) -> str:
    digest = hashlib.sha256()
    settings = (lab.root, lab.source, lab.target, lab.port_offset)
    digest.update(repr(settings).encode())
    for release in (lab.source, lab.target):
        digest.update(release.freeze.read_bytes() if release.freeze.exists() else b"")
    for path in _inputs(label):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _inputs(label: str) -> list[Path]:
    names = INPUTS[BARE] if label == BARE else (*INPUTS[BARE], *INPUTS[SMALL])
    files: list[Path] = []
    for name in names:
        path = HERE / name
        files += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return files
