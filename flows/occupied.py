"""What is said of a host that is being emptied: how it is, and both ways from there."""

from pumphouse.blocks.site import Site, load_site
from pumphouse.errors import PumphouseError
from pumphouse.flows.host_hooks import hook_saying
from pumphouse.tasks import maintenance


def way_on(host: str) -> str:
    """Return the command that goes on."""
    return f"pumphouse evacuate {host}"


def where(pair: Site, host: str) -> str:
    """Say how the host is now, and both ways from there."""
    found = maintenance.maintenance_status(pair, host)
    state = f"Its compute service is {found['service']}"
    return f"{state}, and {len(found['servers'])} servers are on it. {_ways(host)}"


def where_if_known(pair: Site, host: str) -> str:
    """Say the same; where it cannot be read, only both ways."""
    try:
        return where(pair, host)
    except PumphouseError as error:
        return f"How it is could not be read. ({error}) {_ways(host)}"


def _ways(host: str) -> str:
    return f"Forward: {way_on(host)}. Back: pumphouse maintenance leave {host}."


SAY_WHERE = hook_saying(lambda site, host: where(load_site(site), host), way_on)
