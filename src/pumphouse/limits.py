"""Names and sizes of the Prefect global concurrency limits of a site."""

from pumphouse.config import Config
from pumphouse.models import Role


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


def names(config: Config) -> dict[str, int]:
    """Return every limit of a site with its slots: what a set-up creates."""
    site, limits = config.name, config.limits
    return {
        **{api_limit(site, role): limits.api_calls for role in Role},
        copies_limit(site): limits.copies,
        cutovers_limit(site): limits.cutovers,
        moves_limit(site): config.maintenance.parallel,
        **{host_limit(site, host): 1 for host in config.hosts},
    }
