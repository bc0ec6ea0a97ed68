"""What a plan rests on, as a short hash of each source row: drift shows, progress does not."""

import hashlib
import json
from typing import Any

import orjson

from pumphouse.tables import Row

OWN = "pumphouse:"
"""What all our metadata keys and tags start with."""

VOLATILE = frozenset(
    {
        "power_state", "status", "task_state", "vm_state", "used", "host", "hypervisor",
        "is_locked", "locked_reason", "launched_at", "fault", "updated_at", "host_id",
        "vif_type", "addresses", "root_device",
    }
)  # fmt: skip
"""Columns that change by themselves, or by our own cut-over."""

OF_KIND = {
    # Ids of the target, which come with the migration itself.
    "images": frozenset({"shared_with"}),
    "users": frozenset({"target_default_project_id"}),
    # The servers are items of their own.
    "flavors": frozenset({"server_project_ids"}),
    # A cut-over puts ports down and takes floating IPs off.
    "ports": frozenset({"is_admin_state_up", "binding_profile", "is_spare"}),
    "floating_ips": frozenset(
        {"port_id", "router_id", "fixed_ip_address", "port_forwardings", "spare_port"}
    ),
    # The zone of a server follows its host; the one it is pinned to is a column of its own.
    "servers": frozenset(
        {"availability_zone", "target_group_id", "forwardings", "target_hostname", "flavor_size"}
    ),
    "server_groups": frozenset({"target_group_id", "member_ids"}),
    "zones": frozenset({"serial", "action"}),
    "load_balancers": frozenset(
        {
            "operating_status",
            "floating_ips",
            "server_ids",
            "strangers",
            "target_flavor_id",
            "target_zone",
        }
    ),
}

_LEFT_OUT = {kind: VOLATILE | columns for kind, columns in OF_KIND.items()}


def fingerprint(kind: str, row: Row) -> str:
    """Return a short hash of what a copy of *row* rests on."""
    kept = content(kind, row)
    try:
        # json takes eight times as long: a sixth of a large plan.
        text = orjson.dumps(kept, default=str, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # A number of more than 64 bits, for example, which JSON of a cloud may hold.
        text = json.dumps(kept, default=str, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest()[:16]


def content(kind: str, row: Row) -> Row:
    """Return *row* without what changes by itself; what belongs to it as ids."""
    left_out = _LEFT_OUT.get(kind, VOLATILE)
    kept = {k: v for k, v in row.items() if k not in left_out}
    for column in ("metadata", "properties"):
        if kept.get(column):
            kept[column] = _own_free(kept[column])
    if kept.get("tags"):
        kept["tags"] = [tag for tag in kept["tags"] if not tag.startswith(OWN)]
    if kind == "volumes":
        attachments = kept.get("attachments") or ()
        kept["attachments"] = sorted(a["server_id"] for a in attachments)
    if kind == "servers":
        kept["attached"] = [volume["id"] for volume in row.get("attached", ())]
        for column in ("ports", "subports"):
            kept[column] = sorted(port["id"] for port in row.get(column, ()))
    if kind == "routers":
        kept["interfaces"] = sorted(
            f["ip_address"] for p in row.get("interfaces", ()) for f in p["fixed_ips"] or ()
        )
    return kept


def changes(kind: str, old: Row, new: Row) -> list[str]:
    """Return ``column: old → new`` for everything that a copy rests on and that changed."""
    before, after = content(kind, old), content(kind, new)
    return [
        f"{name}: {_short(before.get(name))} → {_short(after.get(name))}"
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def _own_free(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if not k.startswith(OWN)}


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
