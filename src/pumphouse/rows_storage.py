"""Rows of the image and volume tables, from what Glance and Cinder answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from pumphouse.rows_identity import Raw, taken
from pumphouse.tables import Row

_IMAGE_FIELDS = {
    "owner_id": "owner",
    "size_bytes": "size",
    "virtual_size_bytes": "virtual_size",
    "min_disk_gib": "min_disk",
    "min_ram_mib": "min_ram",
    "hash_algo": "os_hash_algo",
    "hash_value": "os_hash_value",
    "is_protected": "protected",
    "is_hidden": "os_hidden",
}
_IMAGE_SAME = "id name visibility status disk_format container_format checksum tags created_at"
_SERVICE_OWN = frozenset(
    {*_IMAGE_SAME.split(), *_IMAGE_FIELDS.values()}
    | {"updated_at", "file", "self", "schema", "direct_url", "locations", "stores"}
)
"""What Glance sets or shows by a field of its own; the rest are properties of the image."""


def image(raw: Raw, members: Mapping[str, Sequence[Raw]]) -> Row:
    """Return the row of an image; *members* gives those of the shared images by id."""
    row = taken(raw, _IMAGE_SAME, **_IMAGE_FIELDS)
    row["properties"] = {
        name: value
        for name, value in raw.items()
        if name not in _SERVICE_OWN and not name.startswith("os_glance_")
    }
    row["members"] = [taken(m, "member_id status") for m in members.get(raw["id"], ())]
    return row


ADMINISTRATORS = ("readonly", "attached_mode")
"""What Cinder shows among a volume's metadata, and is none: nobody can write it there."""

_ENCRYPTION = "provider cipher key_size control_location"


def volume_type(raw: Raw, access: Mapping[str, Sequence[str]], encryption: Raw) -> Row:
    """
    Return the row of a volume type.

    access: The project ids of the private ones, by id.
    encryption: What Cinder says of how it encrypts: nothing of a type that does not.
    """
    row = taken(raw, "id name description is_public qos_specs_id extra_specs")
    private = raw["id"] in access and not row["is_public"]
    row["access_project_ids"] = sorted(access[raw["id"]]) if private else None
    row["encryption"] = taken(encryption, _ENCRYPTION) if encryption.get("provider") else None
    return row


def qos_specs(raw: Raw) -> Row:
    """Return the row of the QoS specs of volume types."""
    return taken(raw, "id name consumer specs")


def volume(raw: Raw) -> Row:
    """Return the row of a volume."""
    row = taken(
        raw,
        "id name description user_id status volume_type availability_zone snapshot_id "
        "metadata created_at updated_at",
        project_id="os-vol-tenant-attr:tenant_id",
        size_gib="size",
        host="os-vol-host-attr:host",
        is_encrypted="encrypted",
        is_multiattach="multiattach",
        source_volume_id="source_volid",
        image_metadata="volume_image_metadata",
    )
    row["is_bootable"] = flag(raw.get("bootable"))
    metadata = row["metadata"] or {}
    row["is_readonly"] = flag(metadata.get("readonly")) or False
    row["metadata"] = {k: v for k, v in metadata.items() if k not in ADMINISTRATORS}
    row["attachments"] = [
        taken(a, "server_id device attachment_id") for a in raw.get("attachments", ())
    ]
    return row


def snapshot(raw: Raw) -> Row:
    """Return the row of a volume snapshot."""
    return taken(
        raw,
        "id name description user_id volume_id status metadata created_at",
        project_id="os-extended-snapshot-attributes:project_id",
        size_gib="size",
    )


def attachment(raw: Raw) -> Row:
    """Return the row of an attachment."""
    return taken(raw, "id volume_id status attach_mode", server_id="instance")


def volume_service(raw: Raw) -> Row:
    """Return the row of a Cinder service."""
    same = "binary host status state disabled_reason"
    return taken(raw, same, availability_zone="zone")


def flag(value: Any) -> bool | None:
    """Return a boolean that Cinder may write as text."""
    return value.lower() == "true" if isinstance(value, str) else value
