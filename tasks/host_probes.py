"""
A server that is booted on a new host, and deleted again, before tenants' servers may come.

Nova's scheduler refuses disabled hosts by a trait in Placement, whoever asks. So that trait is
taken away for the probe, which asks for this host by name, while the service stays disabled:
whoever does not ask by name is still sent elsewhere.
"""

from datetime import UTC, datetime
from typing import Any

from pumphouse.errors import Refused, WaitFailed
from pumphouse.models import Role
from pumphouse.tasks import compute_services, emptiness
from pumphouse.tasks.api import Api, ServiceMissing
from pumphouse.tasks.host_joining import find, flavor_for, keep_off, node_of, required, row_of
from pumphouse.tasks.upgrading import Work
from pumphouse.tasks.waiting import poll
from pumphouse.upgrade_facts import VERIFIED

Raw = dict[str, Any]

DISABLED_TRAIT = "COMPUTE_STATUS_DISABLED"
PROBE_OF = "pumphouse:probe"
"""Metadata key of a probe: the host that it is for."""


def probe(work: Work) -> None:
    """
    Boot a server on the host and delete it again; then note at Fuel that the host is sound.

    A probe that an earlier run left is deleted first. Without an image nothing is booted.

    Raises:
        Refused: The target has no compute service of the host.
        WaitFailed: The probe did not boot, or stayed. It is deleted if that is possible.
    """
    with work.fuel() as client, work.cloud(Role.TARGET) as api:
        node = node_of(work, client)
        if VERIFIED in node.labels:
            return
        service = required(api, node)
        if service["status"] == "enabled":
            keep_off(api, service)
            service = required(api, node)
        if work.options.probe.image:
            _boot_and_delete(work, api, service)
        client.set_label(node.id, VERIFIED, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    work.log("It is sound." if work.options.probe.image else "No probe is configured.")


def _boot_and_delete(work: Work, api: Api, service: Raw) -> None:
    """Boot a probe; a host that Nova disables anew while we ask is asked once more."""
    host = service["host"]
    for attempts_left in (2, 1, 0):
        _delete_probes(work, api, host)
        dropped = service["status"] == "disabled" and _set_trait(api, host, False)
        try:
            work.log(f"A probe is booted on {host}.")
            _boot(work, api, service)
            return
        except WaitFailed as failed:
            if "No valid host" not in failed.reason or not (dropped and attempts_left):
                raise
        finally:
            _delete_probes(work, api, host)
            if dropped:
                _set_trait(api, host, True)


def _boot(work: Work, api: Api, service: Raw) -> None:
    server = _create(work, api, service)

    def read() -> Raw:
        version = api.microversion("compute")
        found: Raw = api.get("compute", f"/servers/{server['id']}", None, version)["server"]
        return found

    def done(found: Raw) -> bool:
        if found["status"] == "ERROR":
            fault = (found.get("fault") or {}).get("message", "Nova gives no reason")
            raise WaitFailed(f"the probe {server['id']} to run", f"{fault.rstrip('.')}.")
        return bool(found["status"] == "ACTIVE")

    what = f"the probe {server['id']} on {service['host']} to run"
    running = poll(what, read, done, work.timeouts.probe_s, work.stop)
    on = running["OS-EXT-SRV-ATTR:host"]
    if on != service["host"]:
        raise WaitFailed(what, f"It runs on {on}.")


def _create(work: Work, api: Api, service: Raw) -> Raw:
    chosen = work.options.probe
    zone = f"{service.get('zone') or 'nova'}:{service['host']}"
    network = find(api, "network", chosen.network) if chosen.network else None
    image, flavor = _shape(work, api)
    body = {
        "name": f"pumphouse-probe-{work.host}",
        "imageRef": image,
        "flavorRef": flavor,
        "availability_zone": zone,
        "metadata": {PROBE_OF: service["host"]},
        "networks": [{"uuid": network}] if network else "none",
    }
    # Of this microversion on a server may have no network at all.
    version = compute_services.at_most(api, "2.37")
    answer = api.call("POST", "compute", "/servers", json={"server": body}, microversion=version)
    created: Raw = answer.json()["server"]
    return created


def _shape(work: Work, api: Api) -> tuple[str, str]:
    """
    Return the ids of the probe's image and flavor.

    Raises:
        Refused: One of them is gone, or no flavor fits. No probe was booted.
    """
    chosen = work.options.probe
    what = f"Probing host {work.host}"
    image = row_of(api, "image", chosen.image)
    if image is None:
        raise Refused(what, [f"The target has no image {chosen.image} any more."])
    if chosen.flavor:
        if named := find(api, "flavor", chosen.flavor):
            return str(image["id"]), named
        raise Refused(what, [f"The target has no flavor {chosen.flavor} any more."])
    flavor = flavor_for(api, image)
    if flavor is None:
        raise Refused(what, ["No public flavor fits its image; name one (upgrade.probe.flavor)."])
    work.log(f"The probe gets the smallest flavor that fits its image: {flavor['name']}.")
    return str(image["id"]), str(flavor["id"])


def _delete_probes(work: Work, api: Api, host: str) -> None:
    """Delete every probe of *host*, and return when they are gone."""

    def ours() -> list[Raw]:
        found = emptiness.servers_on(api, host) + _failed_probes(api, work.host)
        return [s for s in found if s["metadata"].get(PROBE_OF) == host]

    for server in ours():
        api.delete("compute", f"/servers/{server['id']}")
    poll(f"probes on {host} to be gone", ours, lambda s: not s, work.timeouts.probe_s)


def _failed_probes(api: Api, host: str) -> list[Raw]:
    """Return probes that no host took: they are on none."""
    params = {"all_tenants": 1, "name": f"^pumphouse-probe-{host}$"}
    version = api.microversion("compute")
    return api.list("compute", "/servers/detail", "servers", params=params, microversion=version)


def _set_trait(api: Api, host: str, is_wanted: bool) -> bool:
    """Set or take away the trait of a disabled host; tell whether that changed anything."""
    changed = False
    try:
        for hypervisor in emptiness.hypervisors_of(api, host):
            for provider in emptiness.providers_of(api, hypervisor["hypervisor_hostname"]):
                changed |= _set_trait_of(api, provider["uuid"], is_wanted)
    except ServiceMissing:
        return False
    return changed


def _set_trait_of(api: Api, provider_id: str, is_wanted: bool) -> bool:
    path, version = f"/resource_providers/{provider_id}/traits", api.microversion("placement")
    body: Raw = api.get("placement", path, None, version)
    if (DISABLED_TRAIT in body["traits"]) is is_wanted:
        return False
    others = [trait for trait in body["traits"] if trait != DISABLED_TRAIT]
    body["traits"] = [*others, DISABLED_TRAIT] if is_wanted else others
    api.call("PUT", "placement", path, json=body, microversion=version)
    return True
