"""
The mover `manage`: a volume changes clouds within one pool of Ceph, and no byte is copied.

Cinder finds an image by its name alone, so whoever has the name has the image. The target makes
an empty volume, whose empty image is removed; then the source's image gets its name by one
rename, and by one rename goes back. So it never has two owners, and whoever looks finds it under
one of two names; a rename that was killed may have left both, which Ceph's own id of the image
shows: docs/adr/0011-movers-on-ceph.md.
"""

from pumphouse.errors import CephFailed, Conflict, Unverified
from pumphouse.models import Mover
from pumphouse.rbd_options import looked_up
from pumphouse.returning import outgrown
from pumphouse.tables import Row
from pumphouse.tasks.api import Api
from pumphouse.tasks.carrying import Carrier, Moved, forget_mover, noted_mover
from pumphouse.tasks.empty_volumes import HOST, forget, image_name, make_empty
from pumphouse.tasks.rbd import Image, gib
from pumphouse.tasks.volumes import complete, find_copy, read_volume, settle
from pumphouse.tasks.waiting import poll

FLATTEN_S = 24 * 3600.0


def problems(carrier: Carrier, volume: Row) -> list[str]:
    """Return what of its image keeps a volume from being taken, as sentences; only reads."""
    home = _home(carrier, volume)
    if carrier.source_rbd.info(home) is None:
        copy = find_copy(carrier.target, volume["id"])
        if copy and carrier.source_rbd.info(_taken(carrier, volume, copy)):
            return []
        return [f"Its image {home.spec} does not exist; look at its pool."]
    if found := carrier.source_rbd.snapshots(home):
        return [
            f"Its image {home.spec} has {len(found)} snapshot(s), {', '.join(found[:3])}: "
            "something was cloned from it or backs it up; flatten that and remove them, or choose "
            "the mover image or rbd."
        ]
    return []


def prepare(carrier: Carrier, volume: Row) -> Row:
    """
    Make the target's volume, without an image; what the source's shares with a parent is given it.

    Safe to repeat, and while the volume is in use. The target may not read its parent's pool.

    Raises:
        CephFailed: The target's volume is in another pool, there are two images with data, or one
            under two names.
    """
    rbd = carrier.source_rbd
    copy = find_copy(carrier.target, volume["id"])
    if copy and _is_useless(carrier, volume, copy):
        give_back(carrier, volume)
        copy = None
    copy = copy or make_empty(carrier, volume, Mover.MANAGE)
    home = _home(carrier, volume)
    if (info := rbd.info(home)) is None:
        return copy
    _require_same_pool(carrier, volume, copy)
    if info.get("parent"):
        # Cut off, the next one goes on where it was.
        rbd.change("flatten", home.spec, timeout_s=FLATTEN_S, stop=carrier.stop)
    taken = _taken(carrier, volume, copy)
    if rbd.info(taken):
        _remove_empty(carrier, volume, home, taken)
    return copy


def take(carrier: Carrier, volume: Row) -> Moved:
    """
    Let the target own a volume's image. Its source volume stays, and finds nothing any more.

    Begun by an earlier run, it is carried on: the image's name says where it is.

    Raises:
        CephFailed, RequestFailed, WaitFailed, Unverified: It is not done; `give_back` undoes it.
    """
    copy = prepare(carrier, volume)
    rbd, home = carrier.source_rbd, _home(carrier, volume)
    if rbd.info(home):
        if found := problems(carrier, volume):
            raise CephFailed("source", f"image {home.spec}", " ".join(found).rstrip("."))
        _require_unused(carrier, home)
        rbd.rename(home, _taken(carrier, volume, copy).name)
    identity = _identity(carrier, volume, copy)
    complete(carrier.target, copy, volume)
    return Moved(copy["id"], f"rbd-id:{identity}")


def give_back(carrier: Carrier, volume: Row) -> None:
    """
    Let the source have its volume again, under the id and the name that it always had.

    Nothing is done if it has it. No server may use the target's volume any more.
    """
    copy = find_copy(carrier.target, volume["id"])
    if copy and copy.get("attachments"):
        raise Conflict("volumes", f"{copy['name']} ({copy['id']})", [
            "a server of the target still has it; detach it there"
        ])  # fmt: skip
    bring_home(carrier, volume)
    if copy:
        _forget_copy(carrier, volume, copy)
    forget_mover(carrier.source, volume["id"])


def require_returnable(carrier: Carrier, volume: Row) -> None:
    """
    Look at a volume at the target, before anything of its return is done.

    Raises:
        Conflict: Home comes an image that the source's Cinder takes for another.
    """
    copy = find_copy(carrier.target, volume["id"])
    if copy is None or not is_taken(carrier.source, volume["id"]):
        return
    params = {"all_tenants": 1, "volume_id": copy["id"]}
    found = carrier.target.list("block-storage", "/snapshots", "snapshots", params=params)
    # An old Cinder ignores the filter for some callers: look ourselves.
    count = sum(raw["volume_id"] == copy["id"] for raw in found)
    if words := outgrown(volume, copy["size"], count):
        raise Conflict("volumes", _label(volume), [f"it {words}"])


def bring_home(carrier: Carrier, volume: Row) -> None:
    """Take a volume's image from the target, whose volume stays and finds nothing any more."""
    rbd, home = carrier.source_rbd, _home(carrier, volume)
    copy = find_copy(carrier.target, volume["id"])
    taken = _taken(carrier, volume, copy) if copy else None
    if rbd.info(home):
        _require_one_name(carrier, home, taken)
        return
    if taken is None or rbd.info(taken) is None:
        raise CephFailed("source", f"image {home.spec}", "it has neither of its two names")
    _require_unused(carrier, taken)
    rbd.rename(taken, home.name)


def bring_there(carrier: Carrier, volume: Row) -> None:
    """Undo `bring_home`: let the target's volume, which stayed, have its image again."""
    copy = find_copy(carrier.target, volume["id"])
    if copy is None:
        return
    home, taken = _home(carrier, volume), _taken(carrier, volume, copy)
    if carrier.source_rbd.info(taken):
        _require_one_name(carrier, home, taken)
        return
    _require_unused(carrier, home)
    carrier.source_rbd.rename(home, taken.name)


def is_taken(source: Api, volume_id: str) -> bool:
    """Tell whether a volume of the source, if it is still there, gave its image away."""
    return noted_mover(source, volume_id) == Mover.MANAGE.value


def require_taken(carrier: Carrier, volume: Row) -> None:
    """
    Look in the pool: what the source is about to delete must not be the image.

    volume: With ``id``, ``name`` and ``host``, of the source.

    Raises:
        Unverified: The source has it, or the target has not.
        CephFailed: It has both names.
    """
    copy = find_copy(carrier.target, volume["id"])
    home = _home(carrier, volume)
    taken = _taken(carrier, volume, copy) if copy else None
    _require_one_name(carrier, home, taken)
    found = [f"image {home.spec} is still the source's"] if carrier.source_rbd.info(home) else []
    if taken is None or carrier.source_rbd.info(taken) is None:
        found.append(f"image {taken.spec if taken else 'of the copy'} does not exist")
    if found:
        raise Unverified("volumes", _label(volume), copy["id"] if copy else "", found)


def let_go(carrier: Carrier, volume_id: str) -> None:
    """Let the source forget a volume whose image the target has. No image is touched."""
    raw = read_volume(carrier.source, volume_id)
    require_taken(carrier, raw | {"host": raw[HOST]})
    forget(carrier.source, volume_id, carrier.timeout_s)


def _label(volume: Row) -> str:
    return f"{volume['name']} ({volume['id']})"


def _home(carrier: Carrier, volume: Row) -> Image:
    """Return the image as the source calls it."""
    pool = carrier.source_rbd.pool(volume["host"])
    return Image(pool, image_name(read_volume(carrier.source, volume["id"])))


def _taken(carrier: Carrier, volume: Row, copy: Row) -> Image:
    """Return the image as the target calls it."""
    return Image(carrier.source_rbd.pool(volume["host"]), image_name(copy))


def _require_same_pool(carrier: Carrier, volume: Row, copy: Row) -> None:
    """The target's scheduler chose a back end; the image is in the pool of one of them only."""
    wanted = looked_up(carrier.migrate.shared_backends, volume["host"])
    if copy[HOST] != wanted:
        why = f"its copy {copy['id']} is on {copy[HOST]}, and the same pool is that of {wanted}"
        raise CephFailed("target", f"volume {_label(volume)}", why)


def _is_useless(carrier: Carrier, volume: Row, copy: Row) -> bool:
    """Tell whether what an earlier run made failed, or is empty and of a size that was."""
    if copy["status"].startswith("error") or copy["status"] == "creating":
        return True
    differs = copy["size"] != volume["size_gib"]
    return differs and carrier.source_rbd.info(_home(carrier, volume)) is not None


def _forget_copy(carrier: Carrier, volume: Row, copy: Row) -> None:
    """Let the target forget a volume that the bytes have left, and what is left of its image."""
    # What Cinder is at, may be the making of an image.
    settle(carrier.target, copy["id"], carrier.timeout_s)
    rbd, taken = carrier.source_rbd, _taken(carrier, volume, copy)
    if rbd.info(taken):
        _remove_empty(carrier, volume, _home(carrier, volume), taken)
    forget(carrier.target, copy["id"], carrier.timeout_s)


def _require_one_name(carrier: Carrier, home: Image, taken: Image | None) -> None:
    """
    Tell what a rename that was cut off left from an image that Cinder made for the copy.

    `rbd` renames no further then, since the new name exists; the pool's directory has one of both.

    Raises:
        CephFailed: Both names lead to one image, and removing either would remove it.
    """
    rbd = carrier.source_rbd
    here, there = rbd.info(home), rbd.info(taken) if taken else None
    if taken is None or here is None or there is None or here["id"] != there["id"]:
        return
    spare = taken if home.name in rbd.names(home.pool) else home
    why = (
        f"a rename was cut off, and {taken.spec} is the same image: remove and delete neither. "
        f"When `rbd status {home.spec}` shows no watchers, take the spare name away with "
        f"`rados -p {spare.pool} rm rbd_id.{spare.name}`, which leaves the image as it is"
    )
    raise CephFailed("source", f"image {home.spec}", why)


def _remove_empty(carrier: Carrier, volume: Row, home: Image, taken: Image) -> None:
    """Remove the image that Cinder made for the copy, if nothing was ever written there."""
    _require_one_name(carrier, home, taken)
    if carrier.source_rbd.call("diff", taken.spec).strip():
        why = f"{taken.spec} has data too; find out which of the two is the volume's"
        raise CephFailed("source", f"image of volume {_label(volume)}", why)
    carrier.source_rbd.change("rm", taken.spec)


def _require_unused(carrier: Carrier, image: Image) -> None:
    """Two clients that write to one image destroy it: wait until nobody has it open."""
    rbd = carrier.source_rbd
    found = rbd.watchers(image)
    if found:
        what = f"image {image.spec} to be open nowhere ({', '.join(found)} has it)"
        poll(what, lambda: rbd.watchers(image), lambda w: not w, rbd.timeout_s, carrier.stop)


def _identity(carrier: Carrier, volume: Row, copy: Row) -> str:
    """Return Ceph's own id of the image, which no rename changes; compare its size."""
    home, taken = _home(carrier, volume), _taken(carrier, volume, copy)
    info = carrier.source_rbd.info(taken)
    if info is None:
        raise CephFailed("source", f"image {taken.spec}", "the target does not have it")
    differing = [
        f"size: {volume['size_gib']} GiB at the source, {size} GiB {where}"
        for size, where in ((copy["size"], "at the target"), (gib(info["size"]), "in the pool"))
        if size != volume["size_gib"]
    ]
    if carrier.source_rbd.info(home):
        _require_one_name(carrier, home, taken)
        differing.append(f"{home.spec} exists beside it")
    if differing:
        raise Unverified("volumes", _label(volume), copy["id"], differing)
    return str(info["id"])
