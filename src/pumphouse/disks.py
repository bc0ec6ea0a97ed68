"""
Clone the disk layout of one node of Fuel onto another.

Pure. Disks are paired by what stays the same, never by their ids: Fuel answers 500 to an id that
the node does not have. Volumes are fitted to the target's *own* sizes: Fuel compares a layout
only with the sizes in the request, and takes one that is larger than the real disk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pumphouse.fuel import Node
from pumphouse.fuel_layouts import Disk, Volume

FIXED = frozenset({"os"})
"""Volumes that are kept as large as they are on the model; the others share what remains."""


@dataclass(frozen=True)
class Layout:
    """
    A layout to be sent to Fuel, or sentences that say why there is none.

    Attributes:
        disks: The target's own disks with their new volumes, in the target's order.

        problems: What keeps the layout from being cloned; then `disks` is empty.

        remarks: What an operator should know about it.
    """

    disks: tuple[Disk, ...] = ()
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Seen:
    """A disk with what its node's agent said about it."""

    disk: Disk
    model: str
    removable: bool


def clone(
    model: Node,
    model_disks: Sequence[Disk],
    target: Node,
    target_disks: Sequence[Disk],
    minimal_mib: Mapping[str, int],
) -> Layout:
    """
    Return the layout of *model* for the disks of *target*.

    minimal_mib: Smallest total of each volume, as Fuel's ``/volumes/`` has it.
    """
    ours, theirs = _seen(model, model_disks), _seen(target, target_disks)
    pairs, unpaired = pair(ours, [seen for seen in theirs if not seen.removable])
    problems = [
        f"Disk {seen.disk.name} of the model {model.label} ({_size(seen.disk.size)}, "
        f"{_volumes(seen.disk)}) has no counterpart in {target.label}."
        for seen in unpaired
    ]
    fitted: dict[str, tuple[Volume, ...]] = {}
    for mine, its in pairs:
        volumes = fit(mine.disk, its.disk, minimal_mib)
        if isinstance(volumes, str):
            problems.append(volumes)
        else:
            fitted[its.disk.id] = volumes
    if problems:
        return Layout(problems=tuple(problems))
    unused = [disk for disk in target_disks if disk.id not in fitted]
    disks = tuple(_with(disk, fitted.get(disk.id, ())) for disk in target_disks)
    return Layout(
        disks=disks,
        remarks=tuple(
            f"Disk {disk.name} ({_size(disk.size)}) of {target.label} stays unused: the model "
            "has no such disk."
            for disk in unused
        ),
    )


def pair(
    ours: Sequence[_Seen], theirs: Sequence[_Seen]
) -> tuple[list[tuple[_Seen, _Seen]], list[_Seen]]:
    """
    Return pairs of disks, and those of *ours* that are used and found no counterpart.

    The same slot and size is the surest sign; then the same size and model; then the same
    size; then the same slot; what is left goes by size, largest first.
    """
    mine = [seen for seen in ours if _used(seen.disk)]
    free = list(theirs)
    pairs: list[tuple[_Seen, _Seen]] = []
    for is_alike in (_slot_and_size, _size_and_model, _size_only, _slot_only):
        for seen in list(mine):
            found = next((other for other in free if is_alike(seen, other)), None)
            if found:
                pairs.append((seen, found))
                mine.remove(seen)
                free.remove(found)
    mine.sort(key=lambda seen: -seen.disk.size)
    free.sort(key=lambda seen: -seen.disk.size)
    pairs += zip(mine, free, strict=False)
    return pairs, mine[len(free) :]


def fit(model: Disk, target: Disk, minimal_mib: Mapping[str, int]) -> tuple[Volume, ...] | str:
    """
    Return the volumes of *model* for *target*, or the sentence that says why they do not fit.

    Fixed volumes keep their size. The others grow and shrink in proportion, none below the
    smaller of its present size and its minimum: so no total falls below its minimum either.
    Free space stays free while there is some.
    """
    sizes = {volume.name: volume.size for volume in model.volumes if volume.size}
    spare = max(0, model.size - sum(sizes.values()))
    floors = {
        name: size if name in FIXED else min(size, minimal_mib.get(name, 0))
        for name, size in sizes.items()
    }
    room = target.size
    if sum(floors.values()) > room:
        # Only now: an operator may have made the system volume larger than it must be.
        floors = {name: min(size, minimal_mib.get(name, size)) for name, size in sizes.items()}
    if sum(floors.values()) > room:
        return (
            f"Disk {target.name} ({_size(target.size)}) is too small for the volumes of disk "
            f"{model.name} of the model: {_volumes(model)} need at least "
            f"{_size(sum(floors.values()))}."
        )
    # On a larger disk what is free on the model's stays as large; on a smaller one it is used.
    filled = room - spare if room >= model.size else min(room, sum(sizes.values()))
    fitted = _shared(sizes, floors, filled)
    return tuple(Volume(name=v.name, size=fitted.get(v.name, 0)) for v in model.volumes)


def _shared(sizes: Mapping[str, int], floors: Mapping[str, int], room: int) -> dict[str, int]:
    """Return sizes that fill *room*: elastic ones in proportion, none below its floor."""
    fitted = {name: floors[name] for name in sizes if name in FIXED}
    elastic = {name: size for name, size in sizes.items() if name not in FIXED}
    if not elastic:
        return {name: min(size, max(floors[name], room)) for name, size in sizes.items()}
    left = room - sum(fitted.values())
    while elastic:
        total = sum(elastic.values())
        shares = {name: left * size // total for name, size in elastic.items()}
        low = [name for name, share in shares.items() if share < floors[name]]
        if not low:
            largest = max(shares, key=lambda name: shares[name])
            shares[largest] += left - sum(shares.values())
            return fitted | shares
        for name in low:
            fitted[name] = floors[name]
            left -= floors[name]
            del elastic[name]
    return fitted


def _seen(node: Node, disks: Sequence[Disk]) -> list[_Seen]:
    reported = {disk.path: disk for disk in node.hardware.disks if disk.path}
    by_name = {disk.name: disk for disk in node.hardware.disks}
    seen = []
    for disk in disks:
        told = reported.get(disk.id) or by_name.get(disk.name)
        removable = bool(told and told.removable == "1")
        seen.append(_Seen(disk, (told.model or "") if told else "", removable))
    return seen


def _slot_and_size(one: _Seen, other: _Seen) -> bool:
    return one.disk.id == other.disk.id and one.disk.size == other.disk.size


def _size_and_model(one: _Seen, other: _Seen) -> bool:
    return one.disk.size == other.disk.size and bool(one.model) and one.model == other.model


def _size_only(one: _Seen, other: _Seen) -> bool:
    return one.disk.size == other.disk.size


def _slot_only(one: _Seen, other: _Seen) -> bool:
    return one.disk.id == other.disk.id


def _used(disk: Disk) -> bool:
    return any(volume.size for volume in disk.volumes)


def _with(disk: Disk, volumes: tuple[Volume, ...]) -> Disk:
    """Return *disk* with *volumes*; those that it has besides are emptied, and keep no data."""
    sizes = {volume.name: volume.size for volume in volumes}
    names = dict.fromkeys([*(v.name for v in disk.volumes), *sizes])
    made = tuple(Volume(name=name, size=sizes.get(name, 0)) for name in names)
    return disk.model_copy(update={"volumes": made})


def _volumes(disk: Disk) -> str:
    return ", ".join(f"{v.name} {_size(v.size)}" for v in disk.volumes if v.size)


def _size(mib: int) -> str:
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib} MiB"
