"""
The new host at the target: its compute service, its aggregates, and tenants' servers.

It is kept disabled from the moment that its service appears until its probe was well.
"""

from collections.abc import Iterator
from typing import Any

from pumphouse.errors import Refused, WaitFailed
from pumphouse.fuel import Node
from pumphouse.models import Role
from pumphouse.probing import candidates
from pumphouse.tasks import compute_services, removals
from pumphouse.tasks.api import Api
from pumphouse.tasks.fuel import FuelClient
from pumphouse.tasks.upgrading import Work
from pumphouse.tasks.waiting import poll
from pumphouse.upgrade_facts import VERIFIED
from pumphouse.upgrade_options import UpgradeOptions

Raw = dict[str, Any]

UNPROBED = "pumphouse: upgrade; not probed yet"
"""Why the service of a new host is disabled."""


def services(api: Api) -> list[Raw]:
    """Return all compute services."""
    version = api.microversion("compute")
    found: list[Raw] = api.get("compute", "/os-services", {"binary": "nova-compute"}, version)[
        "services"
    ]
    return found


def aggregates(api: Api) -> list[Raw]:
    """Return all host aggregates."""
    version = api.microversion("compute")
    found: list[Raw] = api.get("compute", "/os-aggregates", None, version)["aggregates"]
    return found


def problems(api: Api, options: UpgradeOptions) -> Iterator[str]:
    """Yield a sentence for each thing that the configuration names and the target lacks."""
    names = {aggregate["name"] for aggregate in aggregates(api)}
    for name in options.aggregates:
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            yield f"The target has no aggregate {name}; there are {known}."
    probe = options.probe
    if not probe.image:
        return
    image = row_of(api, "image", probe.image)
    if image is not None and not probe.flavor and flavor_for(api, image) is None:
        yield (
            f"The target has no public flavor without extra specs that image {image['name']} fits "
            "into; name one for the probe (upgrade.probe.flavor)."
        )
    for kind, name in (
        ("image", probe.image),
        ("flavor", probe.flavor),
        ("network", probe.network),
    ):
        if name and find(api, kind, name) is None:
            yield f"The target has no {kind} {name} for the probe (upgrade.probe.{kind})."


def find(api: Api, kind: str, name_or_id: str) -> str | None:
    """Return the id of an image, flavor or network of the target; None when there is none."""
    row = row_of(api, kind, name_or_id)
    return str(row["id"]) if row else None


def row_of(api: Api, kind: str, name_or_id: str) -> Raw | None:
    """Return an image, flavor or network as the target lists it; None when there is none."""
    service, path, key = {
        "image": ("image", "/images", "images"),
        "flavor": ("compute", "/flavors", "flavors"),
        "network": ("network", "/networks", "networks"),
    }[kind]
    return next(
        (r for r in api.list(service, path, key) if name_or_id in (r["id"], r["name"])), None
    )


def flavor_for(api: Api, image: Raw) -> Raw | None:
    """Return the flavor of a probe with *image* when none is named; None when none fits."""
    version = api.microversion("compute")
    params = {"is_public": "true"}
    rows = api.list("compute", "/flavors/detail", "flavors", params=params, microversion=version)
    for flavor in candidates(rows, image):
        # Before microversion 2.61 the list does not have them.
        path = f"/flavors/{flavor['id']}/os-extra_specs"
        if "extra_specs" in flavor or not api.get("compute", path)["extra_specs"]:
            return flavor
    return None


def await_compute(work: Work) -> None:
    """
    Wait until the host's compute service is up, and disable it as soon as it is seen.

    Raises:
        WaitFailed: It did not come up.
    """
    with work.fuel() as client, work.cloud(Role.TARGET) as api:
        node = node_of(work, client)

        def read() -> Raw | None:
            found = service_of(api, node)
            if found and found["status"] == "enabled" and VERIFIED not in node.labels:
                keep_off(api, found)
            return found

        poll(
            f"the compute service of {node.label} to be up in the target",
            read,
            lambda found: found is not None and found["state"] == "up",
            work.timeouts.compute_s,
            work.stop,
        )
    work.log("Its compute service is up, and disabled until it is probed.")


def service_of(api: Api, node: Node) -> Raw | None:
    """Return the compute service of *node* at the target; None when there is none."""
    return next((s for s in services(api) if node.is_called(s["host"])), None)


def enable(work: Work) -> None:
    """Add the host to its aggregates and let tenants' servers come; the same twice is once."""
    with work.fuel() as client, work.cloud(Role.TARGET) as api:
        node = node_of(work, client)
        if VERIFIED not in node.labels:
            raise Refused(f"Enabling {node.label}", ["It was not probed yet."])
        service = required(api, node)
        for name in work.options.aggregates:
            _join(api, name, service["host"])
        if service["status"] != "enabled":
            compute_services.enable(api, service)
    work.log(f"{service['host']} takes tenants' servers.")


def _join(api: Api, name: str, host: str) -> None:
    found = next((a for a in aggregates(api) if a["name"] == name), None)
    if found is None:
        raise Refused(f"Adding {host} to aggregate {name}", ["The target has no such aggregate."])
    if host in found["hosts"]:
        return
    body = {"add_host": {"host": host}}
    version = api.microversion("compute")
    api.call(
        "POST", "compute", f"/os-aggregates/{found['id']}/action", json=body, microversion=version
    )


def retire(work: Work) -> None:
    """
    Remove what the source still knows of the host; it waits until Nova and Neutron see it down.

    Raises:
        WaitFailed: It is still up there, or not empty; the last reason is told.
    """
    with work.cloud(Role.SOURCE) as api:
        reasons: list[str] = []

        def read() -> list[str] | None:
            try:
                return removals.remove(api, work.host)
            except Refused as refused:
                reasons[:] = refused.reasons
                return None

        try:
            removed = poll(
                f"host {work.host} to be removable from the source",
                read,
                lambda lines: lines is not None,
                work.timeouts.retire_s,
                work.stop,
            )
        except WaitFailed as error:
            raise WaitFailed(error.what, " ".join([error.reason, *reasons])) from error
    work.log(f"Removed from the source: {', '.join(removed or []) or 'nothing was left'}.")


def node_of(work: Work, client: FuelClient) -> Node:
    node = client.find_node(work.macs)
    if node is None:
        raise Refused(f"Host {work.host}", ["Fuel does not know it (any more)."])
    return node


def required(api: Api, node: Node) -> Raw:
    found = service_of(api, node)
    if found is None:
        raise Refused(f"{node.label}", ["The target has no compute service of it."])
    return found


def keep_off(api: Api, service: Raw) -> None:
    """Disable a new host's service until it was probed."""
    compute_services.disable_because(api, service, UNPROBED)
