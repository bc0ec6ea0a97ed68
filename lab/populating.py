"""Filling the source with tenants of a given size."""

from lab.layout import Lab
from lab.tenants import populate_small, remove_small


def populate(lab: Lab, size: str, remove: bool = False) -> None:
    """Create or remove the tenants; the larger sizes include the smaller one."""
    if remove:
        remove_small(lab)
        return
    populate_small(lab)
