"""What will not survive, per resource and as sentences, said before anything is touched."""

from collections.abc import Callable, Iterator

from pumphouse import (
    balancer_limits,
    forwardings,
    images,
    policies,
    port_names,
    routers,
    snapshots,
    spare_ports,
    volume_types,
    zones,
)
from pumphouse.estate import Estate
from pumphouse.tables import Row

Losses = Iterator[str]


def losses(kind: str, row: Row, source: Estate) -> list[str]:
    """Return what a copy of *row* will not have; servers are judged by `pumphouse.checks`."""
    said = SAID.get(kind)
    return list(said(row, source)) if said else []


def _user(row: Row, source: Estate) -> Losses:
    if (row["options"] or {}).get("multi_factor_auth_enabled"):
        yield "The secrets of its further factors (TOTP): it must register them anew."
    names = [r["name"] for r in source.where("application_credentials", "user_id", row["id"])]
    if names:
        yield f"Its application credentials ({', '.join(sorted(names))}): secrets do not travel."


def _network(row: Row, source: Estate) -> Losses:
    yield from _policy(row, source)
    yield from port_names.losses(row)
    is_tenants = not (row["is_external"] or row["is_shared"])
    if row["segments"] and len(row["segments"]) > 1 and is_tenants:
        yield f"Its {len(row['segments'])} segments: the copy has one."
    if row["provider_segmentation_id"] and is_tenants:
        yield "Its segmentation id: the target chooses one."


def _policy(row: Row, source: Estate) -> Losses:
    if row["qos_policy_id"] and not source.get("qos_policies", row["qos_policy_id"]):
        yield "Its QoS policy: the target's network service has none."


def _subnet(row: Row, source: Estate) -> Losses:
    yield from port_names.losses(row)
    if row["subnet_pool_id"] and not source.get("subnet_pools", row["subnet_pool_id"]):
        yield "Its subnet pool: the copy has the same CIDR without one."


def _security_group(row: Row, source: Estate) -> Losses:
    kept = policies.carried(row["rules"], source)
    if named := sorted(r["id"] for r in row["rules"] if r not in kept):
        yield (
            f"Its {len(named)} rule(s) for address groups ({', '.join(named)}): without the group "
            "they would let everybody in; make them at the target."
        )


def _subnet_pool(row: Row, source: Estate) -> Losses:
    if row["is_default"]:
        yield "That it is the default pool: the target keeps its own."
    scope = row["address_scope_id"]
    if scope and not source.get("address_scopes", scope):
        yield "Its address scope: the target's network service has none."


def _router(row: Row, source: Estate) -> Losses:
    yield from routers.losses(row)
    yield from routers.lost_routes(row, source)
    gateway = row["external_gateway"] or {}
    yield from _policy({"qos_policy_id": gateway.get("qos_policy_id")}, source)


def _port(row: Row, source: Estate) -> Losses:
    yield from _policy(row, source)
    yield from port_names.losses(row, source.get("servers", row["device_id"]))


def _floating_ip(row: Row, source: Estate) -> Losses:
    yield from _policy(row, source)
    yield from port_names.losses(row)
    yield from forwardings.losses(row, source)
    yield from spare_ports.losses(row)
    yield from zones.reverse_losses(row, source)


def _flavor(row: Row, source: Estate) -> Losses:
    if row["is_disabled"]:
        yield "That it is disabled: Nova's API cannot say so of a new one."
    known = source.get("flavors", row["id"])
    if known and not known["is_public"] and not known["id"].startswith("embedded:"):
        access = known["access_project_ids"] or ()
        revoked = [p for p in row["server_project_ids"] if p not in access]
        if names := ", ".join(str(source.label("projects", p)) for p in revoked):
            yield f"That {names} may not use it: servers there need it to boot, and get access."


def _volume(row: Row, source: Estate) -> Losses:
    if count := snapshots.left(row, source):
        yield f"Its {count} snapshot(s), unless they are asked for (--snapshots)."
    zones = {r["name"] for r in source.where("availability_zones", "service", "volume")}
    if len(zones) > 1 and row["availability_zone"] and not row.get("target_zone"):
        yield f"Its availability zone {row['availability_zone']}: the target's scheduler chooses."


SAID: dict[str, Callable[[Row, Estate], Losses]] = {
    "users": _user,
    "images": images.losses,
    "networks": _network,
    "subnets": _subnet,
    "subnet_pools": _subnet_pool,
    "security_groups": _security_group,
    "routers": _router,
    "ports": _port,
    "floating_ips": _floating_ip,
    "volume_types": volume_types.losses,
    "snapshots": snapshots.losses,
    "flavors": _flavor,
    "volumes": _volume,
    "zones": zones.losses,
    "load_balancers": balancer_limits.losses,
}
