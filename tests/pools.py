"""What tests and benches do in the lab's pools of Ceph beside Pumphouse: fill, look, compare."""

import errno
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.ceph import backends
from lab.ceph.layout import Ceph
from lab.commands import run

MIB = 1 << 20
BLOCK = 4096


def options(ceph: Ceph, is_shared: bool = True) -> dict[str, Any]:
    """Return the section `migrate` of a site whose volumes lie in the lab's pools."""
    clouds = {cloud.name: cloud for cloud in ceph.lab.clouds}
    access = {
        name: {
            "conf": str(ceph.conf),
            "user": ceph.user(name),
            "keyring": str(ceph.keyring(ceph.user(name))),
            "pools": backends.pools(cloud),
        }
        for name, cloud in clouds.items()
    }
    pairs = {backends.SHARED: backends.pool_of(clouds["target"], backends.SHARED)}
    return {"rbd": access, "shared_backends": pairs if is_shared else {}}


def rbd(ceph: Ceph, *words: str) -> str:
    """Return what `rbd` says to the cluster's administrator."""
    return run(["rbd", "-c", ceph.conf, "--id", "admin", *words], quiet=True)


def images(ceph: Ceph, pool: str) -> list[str]:
    """Return the names of the images in a pool."""
    return rbd(ceph, "ls", pool).split()


def image_id(ceph: Ceph, spec: str) -> str:
    """Return Ceph's own id of an image."""
    return str(json.loads(rbd(ceph, "info", "--format", "json", spec))["id"])


def write(ceph: Ceph, spec: str, mib: int, pattern: str = "seq", size_kib: int = 4096) -> None:
    """Write *mib* MiB into an image, in pieces of *size_kib* KiB, in order or anywhere."""
    how = ["--io-type", "write", "--io-pattern", pattern, "--io-size", f"{size_kib}K"]
    rbd(ceph, "bench", *how, "--io-total", f"{mib}M", spec)


def digest(ceph: Ceph, spec: str) -> str:
    """Return the SHA-256 of what was written to an image, and where."""
    argv = [
        "rbd",
        "-c",
        str(ceph.conf),
        "--id",
        "admin",
        "export-diff",
        "--no-progress",
        spec,
        "-",
    ]
    found = hashlib.sha256()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as reader:
        assert reader.stdout is not None
        while chunk := reader.stdout.read(MIB):
            found.update(chunk)
    assert reader.returncode == 0, spec
    return found.hexdigest()


def contents(ceph: Ceph, spec: str) -> str:
    """Return a digest of a whole image as a guest would read it: of all blocks but zeros."""
    with tempfile.TemporaryDirectory() as folder:
        # Into a file, `rbd export` writes no zeros: most of these images are nothing else.
        path = Path(folder) / "image"
        rbd(ceph, "export", "--no-progress", spec, str(path))
        found = hashlib.sha256(b"%d" % path.stat().st_size)
        with path.open("rb") as file:
            for place in _blocks(file.fileno()):
                block = os.pread(file.fileno(), BLOCK, place)
                if block.strip(b"\0"):
                    found.update(b"@%d" % place + block)
    return found.hexdigest()


def _blocks(file: int) -> Iterator[int]:
    """Yield where the blocks of a sparse file begin that are not holes."""
    end = 0
    while True:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield from range(start // BLOCK * BLOCK, end, BLOCK)
