"""The lab as a benchmark finds it: its clouds, and a server to move."""

import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.connections import connect
from lab.settings import load_lab
from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.blocks.site import Site
from tests.lab_tenants import create_tenant, remove_named
from tests.migrations import site


def cloud(entry: str) -> OpenStackCloud:
    """Return the lab's cloud of that name, ``source`` or ``target``."""
    return OpenStackCloud(entry=entry, clouds_yaml=str(load_lab().clouds_file))


@contextmanager
def moving_server() -> Iterator[tuple[Site, Path, str]]:
    """Yield a site, a folder and the id of a running server; remove all of it from both clouds."""
    lab, name = load_lab(), f"bench-{uuid.uuid4().hex[:6]}"
    admin = connect(lab.cloud("source"))
    with tempfile.TemporaryDirectory() as folder:
        storage = Path(folder)
        try:
            tenant = create_tenant(lab.cloud("source"), admin, name)
            image, flavor = tenant.create_image(size_mib=32), tenant.create_flavor()
            server = tenant.create_server(image, flavor, tenant.create_network())
            pair = site(lab.clouds_file, storage, ("source", "target"))
            yield pair, storage, server.id
        finally:
            for side in ("source", "target"):
                remove_named(connect(lab.cloud(side)), name)


@contextmanager
def large_lab() -> Iterator[None]:
    """
    Fill the source with thousands of servers; then return both clouds to their first state.

    The larger sizes are rows in databases: to take them away one by one would take hours.
    """
    _command("populate", "--size", "large")
    try:
        yield
    finally:
        _command("down", "--wipe")
        _command("up")


def _command(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "lab", *words], check=True, stdout=sys.stderr)
