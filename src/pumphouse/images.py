"""What belongs to an image beside its bytes: members, kernels, state. What cannot travel."""

from collections.abc import Hashable, Iterable, Iterator, Mapping

from pumphouse.estate import Estate
from pumphouse.tables import Row

UNFINISHED = "pumphouse:unfinished"
"""Property of a copy that lacks bytes, members, its state or its protection: who makes it."""

READABLE = ("active", "deactivated")
"""States in which an image has bytes; those of a deactivated one an administrator may read."""

REFERENCES = ("kernel_id", "ramdisk_id")
"""Properties that name other images, without which this one does not boot."""

SIGNATURE = (
    "img_signature", "img_signature_certificate_uuid", "img_signature_hash_method",
    "img_signature_key_type",
)  # fmt: skip
"""Properties that make Glance check the bytes against a certificate of its own cloud."""

OF_MACHINES = ("hw_", "os_", "img_", "trait:")
"""What properties start with that say what a server made of an image is like."""


def needed(rows: Iterable[Row]) -> list[str]:
    """Return the ids of the kernel and ramdisk images that images or servers name."""
    return [id_ for row in rows for id_ in _named(row).values()]


def _named(row: Row) -> dict[str, str]:
    # Nova notes an empty one on every snapshot of a server that boots its disk.
    values = row if "kernel_id" in row else row["properties"] or {}
    return {name: values[name] for name in REFERENCES if values.get(name)}


def translated(row: Row, ids: Mapping[str, Mapping[str, str]]) -> Row:
    """
    Return the image *row* as it is at the target: its kernel and ramdisk are the copies'.

    *ids* are the target's by kind. ``grants`` has, by id of a member there, what it decided.
    """
    kept = {k: v for k, v in (row["properties"] or {}).items() if k not in REFERENCES}
    there = {**row.get("shared_with", {})}
    there |= {id_: ids["projects"].get(id_, there[id_]) for id_ in there}
    return {
        **row,
        "properties": kept | {n: ids["images"][i] for n, i in _named(row).items()},
        "grants": {
            there[entry["member_id"]]: entry["status"]
            for entry in row["members"] or ()
            if entry["member_id"] in there
        },
    }


def shared_with(row: Row, there: Mapping[str, str]) -> dict[str, str]:
    """
    Return, by id of a member that the copy can have, its id at the target.

    there: Ids at the target by those of the source; an id that is not known yet is empty.
    """
    if row["visibility"] != "shared":
        return {}
    members = [entry["member_id"] for entry in row["members"] or ()]
    return {id_: there[id_] for id_ in members if id_ in there}


def parts(row: Row, estate: Estate) -> frozenset[Hashable]:
    """Return the members, and those who have decided: a later decision of theirs is left alone."""
    found: set[Hashable] = set()
    carried = row.get("shared_with")
    for entry in row["members"] or ():
        if carried is None or entry["member_id"] in carried:
            label = estate.label("projects", entry["member_id"])
            found.add(("member", label))
            if entry["status"] != "pending":
                found.add(("decided", label))
    return frozenset(found)


def have_same_bytes(one: Row, other: Row) -> bool | None:
    """
    Tell whether two images are the same by the hashes that both have; None when both have none.

    An image that Glance has by location only, as Nova's snapshots in Ceph, has no hash.
    """
    pairs = [(one["checksum"], other["checksum"])]
    if one["hash_algo"] == other["hash_algo"]:
        pairs.append((one["hash_value"], other["hash_value"]))
    equal = [mine == theirs for mine, theirs in pairs if mine and theirs]
    return all(equal) if equal else None


def traits(row: Row, estate: Estate) -> dict[str, object]:
    """Return what decides about servers made of an image, beside its bytes; kernels by name."""
    properties = row["properties"] or {}
    said = {
        name: value
        for name, value in properties.items()
        if name.startswith(OF_MACHINES) and name not in SIGNATURE
    }
    kernels = {name: estate.label("images", id_) for name, id_ in _named(row).items()}
    least = {name: row[name] or 0 for name in ("min_disk_gib", "min_ram_mib")}
    return {"status": row["status"], **least, **kernels, **said}


def problems(row: Row, source: Estate) -> Iterator[str]:
    """Yield why an image cannot be copied, each with what would help."""
    properties = row["properties"] or {}
    label = f"images:{row['id']}"
    if row["status"] not in READABLE:
        yield f"It is {row['status']} and has no bytes; upload it again, or delete it."
    if properties.get("block_device_mapping") and not row["size_bytes"]:
        yield (
            "It is of a server that boots from a volume: it has no bytes and names volume "
            "snapshots, which do not travel. Upload that volume to an image, or leave this one "
            f"out (--exclude {label})."
        )
    if properties.get("cinder_encryption_key_id"):
        yield (
            "It is of an encrypted volume, and keys do not travel; copy the contents inside, or "
            f"leave it out (--exclude {label})."
        )
    yield from lacking(row, source)


def lacking(row: Row, source: Estate) -> Iterator[str]:
    """Yield which images that an image or a server boots with are no longer there."""
    for name, id_ in _named(row).items():
        image = source.get("images", id_)
        if image is None or image["status"] not in READABLE:
            what = name.removesuffix("_id")
            yield f"Its {what} image {id_} is gone, so that no copy could boot; leave it out."


def losses(row: Row, source: Estate) -> Iterator[str]:
    """Yield what a copy will not have."""
    if row["visibility"] == "shared":
        left = [
            source.label("projects", entry["member_id"]) or ""
            for entry in row["members"] or ()
            if entry["member_id"] not in row.get("shared_with", {})
        ]
        if left:
            yield (
                f"Its members {', '.join(sorted(left))}: the target has no such project; it is "
                "shared with them when they are migrated."
            )
    if any(name in (row["properties"] or {}) for name in SIGNATURE):
        yield "Its signature: the certificate stays with the source's key manager."
