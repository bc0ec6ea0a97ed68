"""Filling the source with tenants of a given size."""

from lab.clones.bulk import COUNTS, populate_bulk, remove_bulk
from lab.layout import Lab
from lab.tenants import populate_small, remove_small


def populate(lab: Lab, size: str, remove: bool = False) -> None:
    """Create or remove the tenants; the larger sizes include the small one."""
    if remove:
        remove_bulk(lab)
        remove_small(lab)
        return
    populate_small(lab)
    if size in COUNTS:
        populate_bulk(lab, size)
