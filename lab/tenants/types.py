"""The second volume type, the same in both clouds."""

from openstack.connection import Connection

from lab.configs.block_storage import BACKEND

ARCHIVE = "archive"


def ensure_volume_types(admin: Connection) -> None:
    """Create the volume type that the tenants use beside the default one."""
    if not admin.block_storage.find_type(ARCHIVE):
        admin.block_storage.create_type(
            name=ARCHIVE,
            description="Slow and large",
            extra_specs={"volume_backend_name": BACKEND},
        )
