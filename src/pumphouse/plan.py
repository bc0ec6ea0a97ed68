"""The plan of a migration: one item for each resource, what is done with it, and why."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from pumphouse import checks
from pumphouse.closure import KINDS, Rows
from pumphouse.comparison import Match, mark, match
from pumphouse.estate import Estate
from pumphouse.models import Action, Mover
from pumphouse.tables import Row

STAGES = {
    kind: stage
    for stage, kinds in {
        "identity": ("domains", "projects", "roles", "users", "assignments"),
        "quotas": ("quotas",),
        "flavors": ("flavors",),
        "keypairs": ("keypairs",),
        "images": ("images",),
        "networks": ("networks", "subnets", "security_groups", "routers", "volume_types"),
        "ports": ("ports", "floating_ips"),
        "volumes": ("volumes",),
        "servers": ("servers",),
    }.items()
    for kind in kinds
}
"""Which stage each kind is done in; stages run in this order."""

DONE = (Action.ADOPT, Action.SKIP)
STOPS = (Action.CONFLICT, Action.BLOCKED)
GIB = 1 << 30

REFERENCES: dict[str, tuple[tuple[str, str], ...]] = {
    "projects": (("domains", "domain_id"),),
    "users": (("domains", "domain_id"),),
    "assignments": (("roles", "role_id"), ("users", "user_id"), ("projects", "project_id")),
    "quotas": (("projects", "project_id"),),
    "keypairs": (("users", "user_id"),),
    "images": (("projects", "owner_id"),),
    "networks": (("projects", "project_id"),),
    "subnets": (("networks", "network_id"),),
    "security_groups": (("projects", "project_id"),),
    "routers": (("projects", "project_id"),),
    "ports": (("networks", "network_id"),),
    "floating_ips": (("networks", "floating_network_id"), ("projects", "project_id")),
    "volumes": (("projects", "project_id"), ("users", "user_id")),
    "servers": (("projects", "project_id"), ("users", "user_id")),
}
"""By kind: the kinds it refers to, and the column with the id."""

_PLAN_COLUMNS = (
    "stage", "kind", "source_id", "name", "project", "action", "target_id", "depends_on",
    "reason", "losses", "size_bytes", "downtime_estimate_s", "mover", "fingerprint",
)  # fmt: skip


class Item(BaseModel):
    """
    One row of a plan, with the source's row that it is about.

    Attributes:
        depends_on: ``kind:source id`` of the items that must be done first.

        missing: For an update: what the target's lacks, as the kind's rule words it.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    source_id: str
    name: str
    project: str = ""
    action: Action
    target_id: str | None = None
    depends_on: tuple[str, ...] = ()
    reason: str
    losses: tuple[str, ...] = ()
    size_bytes: int = 0
    downtime_estimate_s: float = 0
    mover: Mover | None = None
    fingerprint: str = ""
    row: dict[str, Any] = {}
    missing: tuple[Any, ...] = ()

    @property
    def stage(self) -> str:
        """The stage that it is done in."""
        return STAGES[self.kind]

    @property
    def key(self) -> str:
        """How other items refer to it."""
        return f"{self.kind}:{self.source_id}"

    @property
    def label(self) -> str:
        """Name and id, as every message has them."""
        return f"{self.name} ({self.source_id})"


class Plan(BaseModel):
    """Every item, in the order in which it is done."""

    model_config = ConfigDict(frozen=True)

    items: tuple[Item, ...]

    def of(self, *kinds: str) -> list[Item]:
        """Return the items of *kinds*."""
        return [item for item in self.items if item.kind in kinds]

    @property
    def obstacles(self) -> list[str]:
        """A sentence for each item that cannot be done."""
        return [
            f"{item.kind} {item.label}: {item.reason}"
            for item in self.items
            if item.action in STOPS
        ]

    @property
    def ids(self) -> dict[str, dict[str, str]]:
        """By kind: the target's id of each source id that is known before anything is done."""
        known: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
        for item in self.items:
            if item.target_id:
                known[item.kind][item.source_id] = item.target_id
        return known

    def table(self) -> pd.DataFrame:
        """Return the plan as a table, one row an item; its columns are those of the design."""
        records = [
            {
                **item.model_dump(exclude={"row", "missing"}, mode="json"),
                "stage": item.stage,
                "depends_on": json.dumps(item.depends_on),
                "losses": " ".join(item.losses),
                "mover": item.mover.value if item.mover else "",
            }
            for item in self.items
        ]
        return pd.DataFrame(records, columns=list(_PLAN_COLUMNS))


def plan(rows: Rows, source: Estate, target: Estate, mover: Mover) -> Plan:
    """Return what is to be done for *rows*, a closure of the *source*, at the *target*."""
    items: list[Item] = []
    for kind in KINDS:
        for row in rows[kind]:
            items.append(_item(kind, row, source, target, mover))
    present = {item.key for item in items}
    items = [
        item.model_copy(update={"depends_on": tuple(_depends(item, source, present))})
        for item in items
    ]
    return Plan(items=tuple(_with_quotas(items, target)))


def _item(kind: str, row: Row, source: Estate, target: Estate, mover: Mover) -> Item:
    if kind == "quotas":
        found = _quota_match(row, source, target)
    elif kind == "servers":
        return _server_item(row, source, target, mover)
    else:
        found = match(kind, row, source, target)
    size = {"images": row.get("size_bytes"), "volumes": (row.get("size_gib") or 0) * GIB}
    return Item(
        kind=kind,
        source_id=row["id"],
        name=_name(kind, row, source),
        project=source.label("projects", row.get("project_id") or row.get("owner_id")) or "",
        action=found.action,
        target_id=found.target_id,
        reason=found.reason,
        missing=found.missing,
        losses=tuple(_losses(kind, row)),
        size_bytes=(size.get(kind) or 0) if found.action not in DONE else 0,
        fingerprint=fingerprint(row, found.target_id),
        row=row,
    )


def _server_item(row: Row, source: Estate, target: Estate, asked: Mover) -> Item:
    mover = checks.chosen_mover(row, asked)
    found = match("servers", row, source, target)
    arrived = checks.migrated(row)
    if arrived and found.target_id:
        found = Match(Action.SKIP, found.target_id, "Migrated and verified before.")
    elif arrived:
        found = Match(
            Action.BLOCKED,
            None,
            f"It was migrated to {arrived}, which is gone; to migrate it again, remove its "
            "metadata key pumphouse:migrated_to.",
        )
    elif found.target_id:
        found = Match(Action.UPDATE, found.target_id, "Its cut-over was interrupted; it goes on.")
    if found.action in (Action.CREATE, Action.UPDATE):
        image = source.get("images", row["image_id"])
        problems = checks.blockers(row, mover, image)
        if found.action is Action.CREATE:
            problems += checks.no_room(row, target.rows("hypervisors"))
        if problems:
            found = Match(Action.BLOCKED, found.target_id, " ".join(problems))
    losses = checks.losses(row, mover)
    disk = (row["disk_gib"] or 0) * GIB if row["image_id"] and mover is Mover.IMAGE else 0
    disks = disk + sum((v["size_gib"] or 0) * GIB for v in row["attached"])
    moves = found.action in (Action.CREATE, Action.UPDATE)
    return Item(
        kind="servers",
        source_id=row["id"],
        name=row["name"] or row["id"],
        project=source.label("projects", row["project_id"]) or "",
        action=found.action,
        target_id=found.target_id,
        reason=found.reason,
        losses=tuple(losses),
        size_bytes=disks if moves else 0,
        downtime_estimate_s=downtime_estimate_s(disks) if moves else 0,
        mover=mover,
        fingerprint=fingerprint(row, found.target_id),
        row=row,
    )


STOP_AND_BOOT_S = 30.0
ASSUMED_BYTES_PER_S = 100e6


def downtime_estimate_s(size_bytes: int) -> float:
    """Return a first guess: stop and boot, and three passes over the disks at 100 MB/s each."""
    return round(STOP_AND_BOOT_S + 3 * size_bytes / ASSUMED_BYTES_PER_S, 1)


def fingerprint(row: Row, target_id: str | None) -> str:
    """Return a short hash of what an item rests on, without what changes by itself."""
    volatile = {"power_state", "status", "task_state", "used"}
    kept = {k: v for k, v in row.items() if k not in volatile}
    text = json.dumps([kept, target_id], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _name(kind: str, row: Row, source: Estate) -> str:
    if kind == "assignments":
        user = source.label("users", row["user_id"])
        return f"{user} is {source.label('roles', row['role_id'])}"
    if kind == "quotas":
        return f"{row['service']} of {source.label('projects', row['project_id'])}"
    if kind == "floating_ips":
        return str(row["floating_ip_address"])
    if kind == "ports":
        return row["name"] or str(row["mac_address"])
    return row["name"] or str(row["id"])


def _losses(kind: str, row: Row) -> Iterator[str]:
    if kind == "users":
        yield "Its password: the copy has none until one is set."
    if kind == "routers" and row["external_gateway"]:
        yield "Its address on the external network: the target gives it a new one."
    if kind == "subnets" and row["subnet_pool_id"]:
        yield "Its subnet pool: the copy has the same CIDR without one."
    if kind == "volume_types" and row["qos_specs_id"]:
        yield "Its QoS specs."
    if kind == "networks" and row["qos_policy_id"]:
        yield "Its QoS policy."
    if kind == "images" and row["members"]:
        yield "The projects that it is shared with."


def _depends(item: Item, source: Estate, present: set[str]) -> list[str]:
    row = item.row
    keys = [f"{kind}:{row[column]}" for kind, column in REFERENCES.get(item.kind, ())]
    if item.kind == "servers":
        keys += [f"volumes:{v['id']}" for v in row["attached"]]
        keys += [f"ports:{p['id']}" for p in row["ports"]]
        keys += [f"images:{row['image_id']}"] if item.mover is Mover.REBUILD else []
        keys += [f"flavors:{f['id']}" for f in source.where("flavors", "name", row["flavor_name"])]
        keys.append(f"flavors:embedded:{row['flavor_name']}")
        keys.append(f"keypairs:{row['user_id']}:{row['key_name']}")
    if item.kind == "ports":
        keys += [f"security_groups:{id_}" for id_ in row["security_group_ids"] or []]
        keys += [f"subnets:{fixed['subnet_id']}" for fixed in row["fixed_ips"] or []]
    if item.kind == "routers":
        keys.append(f"networks:{(row['external_gateway'] or {}).get('network_id')}")
        keys += [f"subnets:{f['subnet_id']}" for p in row["interfaces"] for f in p["fixed_ips"]]
    if item.kind == "volumes":
        types = source.where("volume_types", "name", row["volume_type"])
        keys += [f"volume_types:{t['id']}" for t in types]
    return [key for key in dict.fromkeys(keys) if key in present and key != item.key]


def _quota_match(row: Row, source: Estate, target: Estate) -> Match:
    label = source.label("projects", row["project_id"])
    there = [p for p in target.rows("projects") if target.label("projects", p["id"]) == label]
    if not there:
        return Match(Action.CREATE, None, "The project is new.")
    id_ = f"{there[0]['id']}:{row['service']}"
    found = {
        q["resource"]: q["limit"]
        for q in target.where("quotas", "project_id", there[0]["id"])
        if q["service"] == row["service"]
    }
    differing = sorted(k for k, v in row["limits"].items() if k in found and found[k] != v)
    if not differing:
        return Match(Action.SKIP, id_, "The limits are equal.")
    if mark(there[0]) != row["project_id"]:
        return Match(Action.ADOPT, id_, "The project was there before; its limits are kept.")
    return Match(Action.UPDATE, id_, f"Differing: {', '.join(differing)}.", tuple(differing))


def _with_quotas(items: list[Item], target: Estate) -> Iterable[Item]:
    """Block what does not fit the quotas that its project will have at the target."""
    problems: dict[str, list[str]] = {}
    for quota in (item for item in items if item.kind == "quotas"):
        project = quota.row["project_id"]
        moving = [i for i in items if i.row.get("project_id") == project and i.action not in DONE]
        needed = checks.needs(
            [i.row for i in moving if i.kind == "servers"],
            [i.row for i in moving if i.kind == "volumes"],
        )
        service = quota.row["service"]
        project_id = (quota.target_id or ":").partition(":")[0]
        there = target.where("quotas", "project_id", project_id)
        used = {(q["service"], q["resource"]): q["used"] or 0 for q in there}
        limits = {(q["service"], q["resource"]): q["limit"] for q in there}
        if quota.action in (Action.CREATE, Action.UPDATE):
            limits.update({(service, k): v for k, v in quota.row["limits"].items()})
        mine = {key: value for key, value in needed.items() if key[0] == service}
        if found := checks.quota_problems(mine, limits, used):
            problems[quota.key] = found
    for item in items:
        if item.key in problems:
            yield item.model_copy(
                update={"action": Action.BLOCKED, "reason": " ".join(problems[item.key])}
            )
        else:
            yield item
