"""Volumes of the tenants, filled with the bytes of images."""

from openstack.connection import Connection

from lab.tenants.images import DATASET_IMAGE, GOLDEN_IMAGE, PORTAL_IMAGE
from lab.tenants.types import ARCHIVE

# name: (image that gives the bytes, volume type, bootable)
VOLUMES = {
    "acme": {
        "app-1-root": (GOLDEN_IMAGE, "standard", True),
        "db-1-data": (DATASET_IMAGE, "standard", False),
        "db-1-wal": (GOLDEN_IMAGE, "standard", False),
        "db-1-archive": (DATASET_IMAGE, ARCHIVE, False),
    },
    "umbrella": {"portal-uploads": (PORTAL_IMAGE, "standard", False)},
}
VOLUME_S = 180


def ensure_volumes(owner: Connection, project: str) -> None:
    """Create the volumes of a project, one GiB each."""
    storage = owner.block_storage
    volumes = {}
    for name, (image, kind, bootable) in VOLUMES[project].items():
        volume = storage.find_volume(name) or storage.create_volume(
            name=name,
            size=1,
            volume_type=kind,
            image_id=owner.image.find_image(image).id,
            metadata={"role": name.split("-")[-1]},
        )
        volumes[name] = (volume, bootable)
    for volume, bootable in volumes.values():
        if volume.status not in ("available", "in-use"):
            storage.wait_for_status(volume, "available", failures=["error"], wait=VOLUME_S)
        if storage.get_volume(volume).is_bootable != bootable:
            storage.set_volume_bootable_status(volume, bootable)
