"""
Whether the other hosts of a cloud can take the servers of one that is emptied.

Pure. The rules are those of Nova's default scheduler: what Placement gives out, enabled hosts
that are up, zones that a server is pinned to, aggregates that a flavor or a project is bound
to, and server groups.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from pumphouse.estate import Estate
from pumphouse.tables import Row

AGGREGATE_SPEC = "aggregate_instance_extra_specs:"
TENANT_KEY = "filter_tenant_id"


class Needs(BaseModel):
    """
    What a server takes of a host, as Nova asks Placement for it.

    Attributes:
        local_gib: Disks on the host itself: none of a server without ephemeral disk or swap
            that was booted from a volume.
    """

    model_config = ConfigDict(frozen=True)

    vcpus: int = 0
    ram_mib: int = 0
    local_gib: int = 0


def needs(row: Row) -> Needs:
    """Return what the server of *row* takes."""
    root = (row["disk_gib"] or 0) if row["image_id"] else 0
    swap = math.ceil((row["swap_mib"] or 0) / 1024)
    return Needs(
        vcpus=row["vcpus"] or 0,
        ram_mib=row["ram_mib"] or 0,
        local_gib=root + (row["ephemeral_gib"] or 0) + swap,
    )


@dataclass
class Room:
    """
    What is left of one host while servers are placed on it.

    Attributes:
        aggregates: Metadata of each aggregate that it is in.

        members: By id of a server group, how many of its servers are here.
    """

    host: str
    zone: str
    vcpus: float
    ram_mib: float
    disk_gib: float
    aggregates: tuple[Mapping[str, str], ...] = ()
    members: dict[str, int] = field(default_factory=dict)

    def lacks(self, of: Needs) -> str:
        """Return what it has too little of; nothing when *of* fits."""
        short = [
            f"{wanted} {unit} ({max(0, math.floor(free))} free)"
            for wanted, free, unit in (
                (of.vcpus, self.vcpus, "VCPUs"),
                (of.ram_mib, self.ram_mib, "MiB of RAM"),
                (of.local_gib, self.disk_gib, "GiB of disk"),
            )
            if wanted > free
        ]
        return f"lacks {' and '.join(short)}" if short else ""

    def take(self, of: Needs, group_ids: Iterable[str]) -> None:
        """Count a server as being here."""
        self.vcpus -= of.vcpus
        self.ram_mib -= of.ram_mib
        self.disk_gib -= of.local_gib
        for id_ in group_ids:
            self.members[id_] = self.members.get(id_, 0) + 1


def rooms(estate: Estate, leaving: str, only: str = "") -> list[Room]:
    """
    Return the room on every other host that takes servers: enabled, up, not forced down.

    only: The one host that is asked for; empty means any.
    """
    services = {
        row["host"]: row
        for row in estate.rows("compute_services")
        if row["binary"] == "nova-compute" and _takes_servers(row)
    }
    return [
        _room(estate, row, services[row["host"]])
        for row in estate.rows("hypervisors")
        if row["host"] in services and row["host"] != leaving and only in ("", row["host"])
    ]


def _takes_servers(service: Row) -> bool:
    is_up = service["state"] == "up" and not service["is_forced_down"]
    return is_up and service["status"] == "enabled"


def _room(estate: Estate, row: Row, service: Row) -> Room:
    def left(of: str, unit: str = "") -> float:
        given = row[f"{of}_allocatable{unit}"]
        used = row[f"{of}_used{unit}"] or 0
        return math.inf if given is None else given - used

    host = row["host"]
    members: dict[str, int] = {}
    for server in estate.where("servers", "host", host):
        for id_ in server["server_group_ids"] or ():
            members[id_] = members.get(id_, 0) + 1
    return Room(
        host=host,
        zone=service["availability_zone"] or "",
        vcpus=left("vcpus"),
        ram_mib=left("ram", "_mib"),
        disk_gib=left("disk", "_gib"),
        aggregates=tuple(
            aggregate["metadata"] or {}
            for aggregate in estate.rows("aggregates")
            if host in (aggregate["hosts"] or ())
        ),
        members=members,
    )


Wanted = Sequence[tuple[Row, Needs]]
Placed = tuple[dict[str, str], dict[str, str]]


def place(wanted: Wanted, there: Sequence[Room], estate: Estate) -> Placed:
    """
    Return, by server id, a host with room for each, and why there is none.

    Large servers come first. Two ways are tried, spreading as Nova does and packing tightly;
    the one that leaves fewer over is taken.
    """
    spread = _place(wanted, there, estate, lambda room: -room.ram_mib)
    if not spread[1]:
        return spread
    packed = _place(wanted, there, estate, lambda room: room.ram_mib)
    return packed if len(packed[1]) < len(spread[1]) else spread


def _place(
    wanted: Wanted, there: Sequence[Room], estate: Estate, order: Callable[[Room], float]
) -> Placed:
    left = [Room(**{**vars(room), "members": dict(room.members)}) for room in there]
    places: dict[str, str] = {}
    lacking: dict[str, str] = {}
    for row, of in sorted(wanted, key=lambda item: _size(*item), reverse=True):
        groups = _groups(estate, row)
        refused = {room.host: refusal(row, of, room, groups, estate) for room in left}
        fitting = [room for room in left if not refused[room.host]]
        if not fitting:
            lacking[row["id"]] = _sentence(refused, groups, row, estate)
            continue
        best = min(fitting, key=lambda room: (room.zone != row["availability_zone"], order(room)))
        best.take(of, [group["id"] for group in groups])
        places[row["id"]] = best.host
    return places, lacking


def _size(row: Row, of: Needs) -> tuple[bool, int, int, int]:
    return bool(row["server_group_ids"]), of.ram_mib, of.vcpus, of.local_gib


def _groups(estate: Estate, row: Row) -> list[Row]:
    found = (estate.get("server_groups", id_) for id_ in row["server_group_ids"] or ())
    return [group for group in found if group is not None]


def refusal(row: Row, of: Needs, room: Room, groups: Sequence[Row], estate: Estate) -> str:
    """Return why the host of *room* does not take the server of *row*; nothing if it does."""
    pinned = row["pinned_availability_zone"]
    if pinned and room.zone != pinned:
        return f"is in zone {room.zone}, and the server is bound to {pinned}"
    for reason in (_tenancy(row, room), _specs(row, room), _grouping(row, room, groups, estate)):
        if reason:
            return reason
    return room.lacks(of)


def _tenancy(row: Row, room: Room) -> str:
    """Aggregates may be reserved for projects: keys filter_tenant_id, filter_tenant_id2 …"""
    for metadata in room.aggregates:
        owners = [v for key, v in metadata.items() if key.startswith(TENANT_KEY)]
        if owners and row["project_id"] not in ",".join(owners).replace(" ", "").split(","):
            return "is reserved for other projects"
    return ""


def _specs(row: Row, room: Room) -> str:
    """A flavor may ask for hosts of an aggregate with certain metadata."""
    merged: dict[str, set[str]] = {}
    for metadata in room.aggregates:
        for key, value in metadata.items():
            merged.setdefault(key, set()).add(value)
    for key, value in (row["flavor_extra_specs"] or {}).items():
        name = key.removeprefix(AGGREGATE_SPEC)
        if (
            key.startswith(AGGREGATE_SPEC)
            and value.isalnum()
            and value not in merged.get(name, ())
        ):
            return f"is in no aggregate with {name}={value}, which the flavor asks for"
    return ""


def _grouping(row: Row, room: Room, groups: Sequence[Row], estate: Estate) -> str:
    for group in groups:
        here = room.members.get(group["id"], 0)
        if group["policy"] == "anti-affinity":
            rules: Mapping[str, Any] = group["rules"] or {}
            if here >= int(rules.get("max_server_per_host", 1)):
                return f"has a server of its anti-affinity group {group['name']} already"
        if group["policy"] == "affinity" and _others(row, group, estate) - {room.host}:
            return f"has none of the others of its affinity group {group['name']}"
    return ""


def _others(row: Row, group: Row, estate: Estate) -> set[str]:
    """Return the hosts of the other members of *group*."""
    rows = (estate.get("servers", id_) for id_ in group["member_ids"] or () if id_ != row["id"])
    return {other["host"] for other in rows if other is not None and other["host"]}


def _sentence(refused: Mapping[str, str], groups: Sequence[Row], row: Row, estate: Estate) -> str:
    if not refused:
        return "No other host is enabled and up; enable one, or add one."
    if any(g["policy"] == "affinity" and _others(row, g, estate) for g in groups):
        help_ = (
            "Nova moves servers one by one and keeps this group on one host: send the whole "
            "group to the target, or leave this host out"
        )
    else:
        help_ = "Free or add room, or send servers to the target (--to-target)"
    reasons = "; ".join(f"{host} {reason}" for host, reason in sorted(refused.items()))
    return f"No other host takes it: {reasons}. {help_}."
