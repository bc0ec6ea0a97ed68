"""
Which flavor a probe gets when none is named: the smallest public one that its image fits into.

Pure. A flavor made for the purpose would be left behind by a run that is killed, and this step
would change what belongs to the whole cloud. Flavors with extra specs are passed over: they ask
for hosts of a kind, so a probe that is refused would say nothing about this one.
"""

from collections.abc import Iterable, Iterator
from typing import Any

Raw = dict[str, Any]
GIB = 1 << 30


def candidates(flavors: Iterable[Raw], image: Raw) -> Iterator[Raw]:
    """Yield Nova's public *flavors* that Glance's *image* fits into, smallest first."""
    fitting = [f for f in flavors if _is_open(f) and _holds(f, image)]
    yield from sorted(fitting, key=_size)


def _is_open(flavor: Raw) -> bool:
    is_public = flavor.get("os-flavor-access:is_public", True)
    return (
        is_public and not flavor.get("OS-FLV-DISABLED:disabled") and not flavor.get("extra_specs")
    )


def _holds(flavor: Raw, image: Raw) -> bool:
    if flavor["ram"] < (image.get("min_ram") or 0):
        return False
    # Without a root disk of its own a server gets one of the image's size.
    needed = max(image.get("virtual_size") or image.get("size") or 0, 0)
    return not flavor["disk"] or (
        flavor["disk"] >= (image.get("min_disk") or 0) and flavor["disk"] * GIB >= needed
    )


def _size(flavor: Raw) -> tuple[int, int, bool, int, str]:
    return (flavor["ram"], flavor["vcpus"], not flavor["disk"], flavor["disk"], flavor["name"])
