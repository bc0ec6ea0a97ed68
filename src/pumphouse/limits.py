"""Names and sizes of the Prefect global concurrency limits of a site."""

from collections.abc import Collection, Iterable

from pumphouse.config import Config
from pumphouse.models import Mover, Role
from pumphouse.plan import Item
from pumphouse.rbd_options import looked_up


def api_limit(site: str, role: Role) -> str:
    """Return the name of the limit on listings and small calls of one cloud."""
    return f"{site}-{role.value}-api"


def copies_limit(site: str) -> str:
    """Return the name of the limit on images and volumes under way at once."""
    return f"{site}-copies"


def cutovers_limit(site: str) -> str:
    """Return the name of the limit on servers cut over at once."""
    return f"{site}-cutovers"


def moves_limit(site: str) -> str:
    """Return the name of the limit on servers that leave hosts of the source at once."""
    return f"{site}-host-moves"


def host_limit(site: str, host: str) -> str:
    """Return the name of the limit that lets one run at a time work on *host*."""
    return f"{site}-run-on-{host}"


def backend_limit(site: str, backend: str) -> str:
    """Return the name of the limit on what is copied from a back end of the source at once."""
    return f"{site}-backend-{backend}"


def backends_of(items: Iterable[Item], limited: Collection[str]) -> tuple[str, ...]:
    """
    Return which of the *limited* back ends volumes, snapshots or servers are copied from.

    In an order that all share. What is handed over within a pool is not copied.
    """
    every = {name: name for name in limited}
    found = {
        looked_up(every, volume["host"])
        for item in items
        for volume in (item.row["attached"] if item.kind == "servers" else [item.row])
        if (item.movers.get(volume["id"]) or item.mover) is not Mover.MANAGE
    }
    return tuple(sorted(name for name in found if name))


def names(config: Config) -> dict[str, int]:
    """Return every limit of a site with its slots: what a set-up creates."""
    site, limits = config.name, config.limits
    return {
        **{api_limit(site, role): limits.api_calls for role in Role},
        copies_limit(site): limits.copies,
        cutovers_limit(site): limits.cutovers,
        **{backend_limit(site, name): size for name, size in limits.backends.items()},
        moves_limit(site): config.maintenance.parallel,
        **{host_limit(site, host): 1 for host in config.hosts},
    }
