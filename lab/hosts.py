"""Compute hosts that join a cloud, leave it, or die: each is a nova-compute of its own name."""

import os
import signal

from lab.api import Api
from lab.commands import run
from lab.configs.compute import forget_host, write_host
from lab.environment import cloud_environment
from lab.errors import LabError
from lab.infrastructure import sql
from lab.layout import Cloud, Lab
from lab.processes import Processes
from lab.roster import compute_hosts, join, leave
from lab.services import worker_commands
from lab.waiting import START_S, wait_until


def process_of(cloud: Cloud, host: str) -> str:
    """Return the name of a host's nova-compute, as `status` shows it."""
    return f"{cloud.name}-nova-compute-{host}"


def add(lab: Lab, cloud: Cloud, host: str) -> None:
    """Make `host` a compute host of a cloud, up and mapped to its cell; safe to repeat."""
    join(cloud, host)
    write_host(cloud, host)
    name = process_of(cloud, host)
    argv = worker_commands(cloud)[name.removeprefix(f"{cloud.name}-")]
    api = Api(cloud)
    _purge(lab, cloud, host)
    # A host that died a moment ago still counts as up: it has to report anew.
    before = {s["updated_at"] for s in _services(api, host)}
    if not Processes(lab.run).start(name, argv, cloud_environment(cloud)):
        before = set()
    wait_until(
        lambda: any(
            s["state"] == "up" and s["updated_at"] not in before for s in _services(api, host)
        ),
        lambda: f"{cloud.name}: {host} did not come up; see {Processes(lab.run).log(name)}",
        START_S,
    )
    manage = [cloud.program("nova-manage"), "--config-file", cloud.etc / "nova" / "nova.conf"]
    log = lab.logs / f"{cloud.name}-schemas.log"
    run([*manage, "cell_v2", "discover_hosts"], cloud_environment(cloud), log)


def remove(lab: Lab, cloud: Cloud, host: str) -> None:
    """Stop a host's nova-compute and delete its service; safe to repeat.

    Nova refuses that while the host has servers; then only the process is stopped.
    """
    Processes(lab.run).stop([process_of(cloud, host)])
    api = Api(cloud)
    for service in _services(api, host):
        api.call("DELETE", "nova", f"/os-services/{service['id']}", None, **VERSION)
    leave(cloud, host)
    forget_host(cloud, host)


def start(lab: Lab, cloud: Cloud, host: str) -> None:
    """Start the nova-compute of a host of the cloud, without waiting for it; safe to repeat."""
    name = process_of(cloud, host)
    argv = worker_commands(cloud)[name.removeprefix(f"{cloud.name}-")]
    Processes(lab.run).start(name, argv, cloud_environment(cloud))


def kill(lab: Lab, cloud: Cloud, host: str) -> None:
    """End a host's nova-compute as a power cut does; Nova notices after a minute."""
    known = compute_hosts(cloud)
    if host not in known:
        raise LabError(f"{cloud.name} has no host {host!r}; it has {', '.join(known)}")
    for pid in Processes(lab.run).members(process_of(cloud, host)):
        os.kill(pid, signal.SIGKILL)


def _purge(lab: Lab, cloud: Cloud, host: str) -> None:
    """Purge what Nova keeps of deleted services of this name, as its archiving does.

    Nova judges a server's host by the first record of that name, also when it is deleted: with
    one left, each cold migration and each detachment of a volume there is refused (409).
    """
    table = f"{cloud.database('nova_cell1')}.services"
    sql(lab, f"DELETE FROM {table} WHERE host = '{host}' AND deleted <> 0;")


VERSION = {"X_OpenStack_Nova_API_Version": "2.53"}


def _services(api: Api, host: str) -> list[dict]:
    answer = api.get("nova", f"/os-services?binary=nova-compute&host={host}", **VERSION)
    return list(answer["services"])
