"""Names and sizes of the Prefect global concurrency limits of a site."""

from pumphouse.config import Limits
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


def names(site: str, limits: Limits) -> dict[str, int]:
    """Return every limit of *site* with its slots: what a set-up creates."""
    return {
        **{api_limit(site, role): limits.api_calls for role in Role},
        copies_limit(site): limits.copies,
        cutovers_limit(site): limits.cutovers,
    }
