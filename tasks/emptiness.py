"""
Whether a host is empty: Nova's servers, Placement's allocations and the hypervisor's own count.

One of them alone is not enough. A move that was not confirmed has left Nova's list, but holds an
allocation and a disk; a guest that nobody knows of runs on the hypervisor only.
"""

from collections.abc import Iterator
from typing import Any

from pumphouse.errors import RequestFailed
from pumphouse.tasks.api import Api, ServiceMissing
from pumphouse.tasks.compute_services import at_most
from pumphouse.tasks.readers import LISTED_HYPERVISORS
from pumphouse.verdicts import HOST, TASK

Raw = dict[str, Any]

SHOWN = 5
"""How many ids a sentence names."""


def servers_on(api: Api, host: str) -> list[Raw]:
    """Return the servers that Nova has on *host*, deleted ones that wait for reclaim too."""
    params = {"all_tenants": 1, "host": host, "limit": 1000}
    version = api.microversion("compute")
    return api.list("compute", "/servers/detail", "servers", params=params, microversion=version)


def hypervisors_of(api: Api, host: str) -> list[Raw]:
    """Return the hypervisors of *host*, with their count of running servers."""
    version = at_most(api, LISTED_HYPERVISORS)
    found = api.list("compute", "/os-hypervisors/detail", "hypervisors", microversion=version)
    return [raw for raw in found if raw["service"]["host"] == host]


def providers_of(api: Api, name: str) -> list[Raw]:
    """Return Placement's provider *name* and those below it; none if it has no such provider."""
    roots = _providers(api, {"name": name})
    return [p for root in roots for p in _providers(api, {"in_tree": root["uuid"]})]


def _providers(api: Api, params: Raw) -> list[Raw]:
    version = api.microversion("placement")
    found: list[Raw] = api.get("placement", "/resource_providers", params, version)[
        "resource_providers"
    ]
    return found


def consumers_of(api: Api, provider_id: str) -> list[str]:
    """Return the ids of what has an allocation of a provider: servers, and their migrations."""
    path = f"/resource_providers/{provider_id}/allocations"
    answer = api.get("placement", path, None, api.microversion("placement"))
    return sorted(answer["allocations"])


def problems(api: Api, host: str, *, is_dead: bool = False) -> list[str]:
    """
    Return a sentence for each thing that says *host* is not empty; none when all agree.

    is_dead: Nova leaves the allocations of evacuated servers with a dead host, and its count is
        the last that it reported: neither is held against it.
    """
    found = []
    if servers := servers_on(api, host):
        found.append(f"Nova has {len(servers)} server(s) there: {_some(map(_named, servers))}.")
    for hypervisor in hypervisors_of(api, host):
        name = hypervisor["hypervisor_hostname"]
        if hypervisor.get("running_vms") and not is_dead:
            found.append(f"Hypervisor {name} counts {hypervisor['running_vms']} server(s).")
        held = list(_held(api, name, host, is_dead))
        if held:
            found.append(f"Placement has allocations of {_some(held)} on provider {name}.")
    return found


def _held(api: Api, name: str, host: str, is_dead: bool) -> Iterator[str]:
    """Yield what has allocations on the host, without servers that were evacuated from it."""
    try:
        providers = providers_of(api, name)
    except ServiceMissing:
        return
    for provider in providers:
        for consumer in consumers_of(api, provider["uuid"]):
            if not (is_dead and lives_elsewhere(api, consumer, host)):
                yield consumer


def lives_elsewhere(api: Api, server_id: str, host: str) -> bool:
    """Tell whether *server_id* is a settled server on another host than *host*."""
    try:
        server = api.get("compute", f"/servers/{server_id}", None, api.microversion("compute"))
    except RequestFailed as failed:
        if failed.status != 404:
            raise
        return False
    row = server["server"]
    is_settled = row["status"] in ("ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED")
    return is_settled and not row[TASK] and row[HOST] not in (None, host)


def _named(server: Raw) -> str:
    return f"{server['name']} ({server['id']}, {server['status']})"


def _some(names: Any) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more
