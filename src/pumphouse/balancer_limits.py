"""Load balancers: what stands in their way, what is lost, and what the target calls things."""

from collections.abc import Iterator, Mapping
from typing import Any

from pumphouse.balancers import pool_names
from pumphouse.estate import Estate
from pumphouse.tables import Row

LISTENER_REFS = ("default_tls_container_ref", "client_ca_tls_container_ref",
                 "client_crl_container_ref")  # fmt: skip
POOL_REFS = ("tls_container_ref", "ca_tls_container_ref", "crl_container_ref")
OVERLAYS = ("vxlan", "gre", "geneve")
"""Types of networks that are apart in each cloud, whatever their numbers are."""


def refs(row: Row) -> list[str]:
    """Return the certificates and lists that a load balancer names in the key manager."""
    found: list[str] = []
    for listener in row["listeners"]:
        options = listener["options"] or {}
        found += [options[name] for name in LISTENER_REFS if name in options]
        found += options.get("sni_container_refs", ())
    for pool in row["pools"]:
        found += [(pool["options"] or {})[n] for n in POOL_REFS if n in (pool["options"] or {})]
    return list(dict.fromkeys(found))


def problems(row: Row, source: Estate) -> Iterator[str]:
    """Yield why a load balancer cannot be carried, as far as the source says."""
    if row["status"] not in ("ACTIVE", "ERROR"):
        yield f"It is {row['status']}: Octavia is at it; wait until it is ACTIVE."
    network = source.get("networks", row["vip_network_id"])
    if network is None or not (network["is_external"] or network["is_shared"]):
        return
    if network["provider_type"] not in OVERLAYS:
        yield (
            f"Its address {row['vip_address']} is on network {network['name']}, which both clouds "
            "are on: source and copy would answer for it at once. Give it an address on a network "
            "of its project and a floating IP, or make it by hand when the source's is gone."
        )


def losses(row: Row, source: Estate) -> Iterator[str]:
    """Yield what the copy of a load balancer will not have."""
    named = pool_names(row["pools"])
    renamed = [
        f"{pool['name'] or pool['id']} → {named[pool['id']]}"
        for pool in row["pools"]
        if named[pool["id"]] != pool["name"]
    ]
    if renamed:
        yield (
            f"Names of pools ({', '.join(renamed)}): Octavia makes a whole load balancer only "
            "with names that differ."
        )
    if row["vip_qos_policy_id"] and not source.get("qos_policies", row["vip_qos_policy_id"]):
        yield "The QoS policy of its address: the target's network service has none."
    if row["availability_zone"] and not row.get("target_zone"):
        yield f"Its availability zone {row['availability_zone']}: the target has none such."


def translated(
    source: Estate, target: Estate, containers: Mapping[str, str]
) -> dict[str, list[Row]]:
    """
    Return the source's tables of load balancers as the target has to call things.

    A load balancer gets ``target_flavor_id`` and ``target_zone``, None where the target has
    none of that name; references to the key manager become those of *containers*.
    """
    flavors = {r["name"]: r["id"] for r in target.rows("lb_flavors") if r["is_enabled"]}
    zones = {r["name"] for r in target.rows("lb_zones") if r["is_enabled"]}
    rows = []
    for row in source.rows("load_balancers"):
        flavor = source.get("lb_flavors", row["flavor_id"]) or {}
        zone = row["availability_zone"] if row["availability_zone"] in zones else None
        given = {"target_flavor_id": flavors.get(flavor.get("name")), "target_zone": zone}
        rows.append({**row, **given})
    changed = {"load_balancers": rows}
    if containers:
        for kind in ("lb_listeners", "lb_pools"):
            changed[kind] = [
                {**row, "options": _renamed(row["options"] or {}, containers)}
                for row in source.rows(kind)
            ]
    return changed


def _renamed(options: Mapping[str, Any], containers: Mapping[str, str]) -> dict[str, Any]:
    """Return *options* with the references that *containers* names, by their URL or their id."""

    def at_target(ref: str) -> str:
        return containers.get(ref) or containers.get(ref.rpartition("/")[2]) or ref

    said = dict(options)
    for name in {*LISTENER_REFS, *POOL_REFS} & said.keys():
        said[name] = at_target(said[name])
    if "sni_container_refs" in said:
        said["sni_container_refs"] = [at_target(ref) for ref in said["sni_container_refs"]]
    return said
