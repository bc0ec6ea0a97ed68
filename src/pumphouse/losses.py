"""What will not survive, per resource and as sentences, said before anything is touched."""

from collections.abc import Callable, Iterator

from pumphouse import images
from pumphouse.estate import Estate
from pumphouse.tables import Row

BACKEND = "volume_backend_name"

Losses = Iterator[str]


def losses(kind: str, row: Row, source: Estate) -> list[str]:
    """Return what a copy of *row* will not have; servers are judged by `pumphouse.checks`."""
    said = SAID.get(kind)
    return list(said(row, source)) if said else []


def quota_losses(row: Row, target: Estate) -> list[str]:
    """Return which limits the target has no name for; of an unread service nothing is known."""
    known = {q["resource"] for q in target.where("quotas", "service", row["service"])}
    lost = sorted(name for name in row["limits"] if name not in known) if known else []
    shown = ", ".join(f"{name} {row['limits'][name]}" for name in lost)
    return [f"Limits that the target does not know: {shown}."] if lost else []


def _user(row: Row, source: Estate) -> Losses:
    yield "Its password: the copy has none until one is set."
    if (row["options"] or {}).get("multi_factor_auth_enabled"):
        yield "The secrets of its further factors (TOTP): it must register them anew."
    names = [r["name"] for r in source.where("application_credentials", "user_id", row["id"])]
    if names:
        yield f"Its application credentials ({', '.join(sorted(names))}): secrets do not travel."


def _network(row: Row, source: Estate) -> Losses:
    if row["qos_policy_id"]:
        yield "Its QoS policy."
    if row["segments"] and len(row["segments"]) > 1:
        yield f"Its {len(row['segments'])} segments: the copy has one."
    if row["provider_segmentation_id"] and not (row["is_external"] or row["is_shared"]):
        yield "Its segmentation id: the target chooses one."
    policies = source.where("rbac_policies", "object_id", row["id"])
    shared = [p for p in policies if p["action"] == "access_as_shared"]
    if any(p["target_project_id"] != "*" for p in shared):
        yield "The projects that it is shared with by RBAC policies."


def _subnet(row: Row, source: Estate) -> Losses:
    if row["subnet_pool_id"]:
        yield "Its subnet pool: the copy has the same CIDR without one."


def _security_group(row: Row, source: Estate) -> Losses:
    named = sorted(r["id"] for r in row["rules"] if r["remote_address_group_id"])
    if named:
        yield (
            f"Its {len(named)} rule(s) for address groups ({', '.join(named)}): without the group "
            "they would let everybody in; make them at the target."
        )


def _router(row: Row, source: Estate) -> Losses:
    if row["external_gateway"]:
        yield "Its address on the external network: the target gives it a new one."


def _port(row: Row, source: Estate) -> Losses:
    if row["qos_policy_id"]:
        yield "Its QoS policy."
    if row["binding_profile"]:
        yield "Its binding profile."
    if row["dns_name"] or row["dns_domain"]:
        yield "Its DNS name and domain: the target gives it those of its server."


def _floating_ip(row: Row, source: Estate) -> Losses:
    if row["qos_policy_id"]:
        yield "Its QoS policy."


def _volume_type(row: Row, source: Estate) -> Losses:
    if row["qos_specs_id"]:
        yield "Its QoS specs."
    if (row["extra_specs"] or {}).get(BACKEND):
        yield "The backend that it names: the target's scheduler chooses one."


def _volume(row: Row, source: Estate) -> Losses:
    snapshots = source.where("snapshots", "volume_id", row["id"])
    if snapshots:
        yield f"Its {len(snapshots)} snapshot(s)."
    zones = {r["name"] for r in source.where("availability_zones", "service", "volume")}
    if len(zones) > 1 and row["availability_zone"] and not row.get("target_zone"):
        yield f"Its availability zone {row['availability_zone']}: the target's scheduler chooses."


SAID: dict[str, Callable[[Row, Estate], Losses]] = {
    "users": _user,
    "images": images.losses,
    "networks": _network,
    "subnets": _subnet,
    "security_groups": _security_group,
    "routers": _router,
    "ports": _port,
    "floating_ips": _floating_ip,
    "volume_types": _volume_type,
    "volumes": _volume,
}
