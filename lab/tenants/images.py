"""Images with real, reproducible random bytes, so that checksums mean something."""

import random
import subprocess
import tempfile
from pathlib import Path

from openstack.connection import Connection

MIB = 2**20
PUBLIC_IMAGE = "debian-12"
GOLDEN_IMAGE = "acme-shop-2026.10"
DATASET_IMAGE = "acme-dataset"
PORTAL_IMAGE = "umbrella-portal"


def ensure_images(admin: Connection, owners: dict[str, Connection]) -> None:
    """Create one public image and private ones of both tenants."""
    ensure_image(
        admin, PUBLIC_IMAGE, 32, visibility="public", tags=["lts"],
        os_distro="debian", os_version="12", hw_disk_bus="virtio",
    )  # fmt: skip
    ensure_image(
        owners["acme"], GOLDEN_IMAGE, 16, tags=["golden", "shop"],
        os_distro="debian", hw_vif_model="virtio", build="417",
    )  # fmt: skip
    ensure_image(owners["acme"], DATASET_IMAGE, 8, disk_format="raw", tags=["dataset"])
    ensure_image(owners["umbrella"], PORTAL_IMAGE, 8, os_distro="alpine")


def ensure_image(
    connection: Connection,
    name: str,
    size_mib: int,
    disk_format: str = "qcow2",
    visibility: str = "private",
    tags: list[str] | None = None,
    **properties: str,
):
    """Return the image called `name`; create it with bytes that its name decides."""
    image = connection.image.find_image(name)
    if image and image.status == "active":
        return image
    if image:
        connection.image.delete_image(image)
    image = connection.image.create_image(
        name=name,
        disk_format=disk_format,
        container_format="bare",
        visibility=visibility,
        tags=tags or [],
        **properties,
    )
    with tempfile.TemporaryDirectory() as directory:
        path = write_disk(Path(directory), name, size_mib, disk_format)
        upload(connection, image.id, path)
    return connection.image.get_image(image.id)


def upload(connection: Connection, image_id: str, path: Path) -> None:
    """Send the bytes of a file as an image's data."""
    with path.open("rb") as file:
        answer = connection.image.put(
            f"/images/{image_id}/file",
            data=file,
            headers={"Content-Type": "application/octet-stream"},
        )
    answer.raise_for_status()


def write_disk(directory: Path, seed: str, size_mib: int, disk_format: str) -> Path:
    """Write a disk of random bytes that only `seed` decides, in a format of qemu-img's."""
    raw = directory / "disk.raw"
    content = random.Random(seed)
    with raw.open("wb") as file:
        for _ in range(size_mib):
            file.write(content.randbytes(MIB))
    if disk_format == "raw":
        return raw
    disk = directory / f"disk.{disk_format}"
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", disk_format, raw, disk], check=True)
    return disk
