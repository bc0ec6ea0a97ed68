"""
Take a host that has left the source out of it: its compute service, provider and agents.

Deleting a compute service deletes its provider too, but not when anything is still allocated
there: then Nova only logs that, and a provider stays that nobody owns and that clashes with a
host of the same name. So the provider is looked for afterwards.
"""

from collections.abc import Iterator
from typing import Any

from pumphouse.errors import Refused, RequestFailed
from pumphouse.tasks import emptiness
from pumphouse.tasks.api import Api, ServiceMissing
from pumphouse.tasks.compute_services import delete_service

Raw = dict[str, Any]

ALLOCATIONS = "1.28"
"""Placement microversion that changes allocations safely (by generation): from 1.38 on it gives
the consumer type ``unknown``, which it does not take back."""


def remove(api: Api, host: str) -> list[str]:
    """
    Remove all that the cloud still knows of *host*, and say what was removed. Safe to repeat.

    Raises:
        Refused: The host is up or not empty. Nothing was changed.
    """
    services = _services(api, host)
    agents = _agents(api, host)
    if reasons := _reasons(api, host, services, agents):
        raise Refused(f"Removing host {host} from cloud {api.name}", reasons)
    names = {h["hypervisor_hostname"] for h in emptiness.hypervisors_of(api, host)} | {host}
    # First what evacuations left, else Nova cannot delete the provider with the service.
    done = [line for name in sorted(names) for line in _release(api, name, host)]
    for service in services:
        delete_service(api, service)
        done.append(f"compute service {service['id']}")
    done += [line for name in sorted(names) for line in _remove_providers(api, name)]
    for agent in agents:
        api.delete("network", f"/agents/{agent['id']}")
        done.append(f"network agent {agent['binary']} ({agent['id']})")
    return done


def remains(api: Api, host: str) -> list[str]:
    """Return what the cloud still knows of *host*, in a word each; nothing when it is gone."""
    names = {h["hypervisor_hostname"] for h in emptiness.hypervisors_of(api, host)} | {host}
    providers = [p["name"] for name in sorted(names) for p in _providers(api, name)]
    return [
        *(f"compute service {s['id']}" for s in _services(api, host)),
        *(f"resource provider {name}" for name in providers),
        *(f"network agent {agent['binary']}" for agent in _agents(api, host)),
    ]


def _services(api: Api, host: str) -> list[Raw]:
    params = {"binary": "nova-compute", "host": host}
    version = api.microversion("compute")
    found: list[Raw] = api.get("compute", "/os-services", params, version)["services"]
    return found


def _agents(api: Api, host: str) -> list[Raw]:
    try:
        return api.list("network", "/agents", "agents", params={"host": host})
    except ServiceMissing:
        return []
    except RequestFailed as failed:
        # No agents extension: no agents.
        if failed.status != 404:
            raise
        return []


def _reasons(api: Api, host: str, services: list[Raw], agents: list[Raw]) -> list[str]:
    found = []
    if any(s["state"] == "up" and not s.get("forced_down") for s in services):
        found.append(
            f"Its nova-compute is up and would register again; stop it on host {host} first."
        )
    alive = [a["binary"] for a in agents if a.get("alive")]
    if alive:
        found.append(f"Its agents {', '.join(alive)} are alive; stop them on host {host} first.")
    if services:
        found += emptiness.problems(api, host, is_dead=True)
    return found


def _release(api: Api, name: str, host: str) -> Iterator[str]:
    """Take from evacuated servers what they still hold of a dead host; keep what they use."""
    for provider in _providers(api, name):
        for consumer in emptiness.consumers_of(api, provider["uuid"]):
            if not emptiness.lives_elsewhere(api, consumer, host):
                continue
            path = f"/allocations/{consumer}"
            body: Raw = api.get("placement", path, None, ALLOCATIONS)
            body["allocations"] = {
                id_: {"resources": of["resources"]}
                for id_, of in body["allocations"].items()
                if id_ != provider["uuid"]
            }
            api.call("PUT", "placement", path, json=body, microversion=ALLOCATIONS)
            yield f"allocation of server {consumer} on provider {provider['name']}"


def _remove_providers(api: Api, name: str) -> Iterator[str]:
    """Remove the provider that Nova left behind; those below it first."""
    for provider in reversed(_providers(api, name)):
        if held := emptiness.consumers_of(api, provider["uuid"]):
            what = f"Removing provider {provider['name']} ({provider['uuid']})"
            raise Refused(what, [f"It has allocations of {', '.join(held)}."])
        api.delete("placement", f"/resource_providers/{provider['uuid']}")
        yield f"resource provider {provider['name']} ({provider['uuid']})"


def _providers(api: Api, name: str) -> list[Raw]:
    try:
        return emptiness.providers_of(api, name)
    except ServiceMissing:
        return []
