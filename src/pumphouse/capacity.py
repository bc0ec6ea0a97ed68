"""
Whether the target's hosts can hold the servers of a plan.

Pure. Every server is given a place, largest first, by what Placement says is left of each
host, the zones, and the policies of server groups. Nova's scheduler has the last word.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pumphouse.drafts import Draft
from pumphouse.estate import Estate
from pumphouse.models import Action
from pumphouse.placing import Needs, needs
from pumphouse.plan import Cost
from pumphouse.tables import Row

UNITS = ("vCPUs", "MiB of RAM", "GiB of local disk")
STRICT = ("anti-affinity", "affinity")


@dataclass
class Hosts:
    """
    What is left of the hosts that take servers.

    Attributes:
        free: Lines are vCPUs, MiB of RAM and GiB of disk; a column a host.

        members: By id of a server group, the numbers of the hosts that have its servers.
    """

    names: list[str]
    zones: NDArray[np.str_]
    free: NDArray[np.float64]
    members: dict[str, list[int]]
    _within: dict[str | None, NDArray[np.bool_]] = field(default_factory=dict, repr=False)

    def within(self, zone: str | None) -> NDArray[np.bool_]:
        """Tell of each host whether it is in *zone*; without a zone all are."""
        if zone not in self._within:
            in_zone = self.zones == zone if zone else np.ones(len(self.names), dtype=bool)
            self._within[zone] = in_zone
        return self._within[zone]


def hosts(target: Estate) -> Hosts:
    """Return the target's hosts that are enabled and up."""
    zones = {
        row["host"]: row["availability_zone"] or ""
        for row in target.rows("compute_services")
        if row["binary"] == "nova-compute"
    }
    rows = [r for r in target.rows("hypervisors") if _takes_servers(r, target)]
    names = [row["host"] or row["name"] for row in rows]
    number = {name: at for at, name in enumerate(names)}
    members: dict[str, list[int]] = {}
    for group in target.rows("server_groups"):
        there = (target.get("servers", id_) for id_ in group["member_ids"] or ())
        places = [number[s["host"]] for s in there if s and s["host"] in number]
        members[group["id"]] = places
    free = np.array([_free(row) for row in rows], dtype=float).reshape(len(rows), len(UNITS)).T
    return Hosts(names, np.array([zones.get(n, "") for n in names], dtype=str), free, members)


def _takes_servers(row: Row, target: Estate) -> bool:
    services = target.where("compute_services", "host", row["host"])
    forced = any(s["is_forced_down"] for s in services if s["binary"] == "nova-compute")
    return row["status"] == "enabled" and row["state"] == "up" and not forced


def _free(row: Row) -> list[float]:
    def left(of: str, unit: str = "") -> float:
        given = row[f"{of}_allocatable{unit}"]
        return math.inf if given is None else float(given) - (row[f"{of}_used{unit}"] or 0)

    return [left("vcpus"), left("ram", "_mib"), left("disk", "_gib")]


def servers(every: list[Draft], target: Estate) -> list[Cost]:
    """Return what the servers need of each zone; block those for which there is no room."""
    new = [d for d in every if d.kind == "servers" and d.match.action is Action.CREATE]
    there = hosts(target)
    if not target.rows("hypervisors"):
        return []
    before = there.free.copy()
    wanted = [(draft, needs(draft.row)) for draft in new if not draft.problems]
    groups = {d.row["id"]: d.row for d in every if d.kind == "server_groups"}
    wanted.sort(key=lambda pair: (pair[1].ram_mib, pair[1].vcpus, pair[1].local_gib), reverse=True)
    for draft, of in wanted:
        group = target.get("server_groups", draft.row.get("target_group_id"))
        group = group or groups.get(draft.row.get("group_id"))
        if problem := _place(draft.row, of, there, group):
            draft.problems.append(problem)
    return list(_costs([(draft.row, of) for draft, of in wanted], there, before))


def _place(row: Row, of: Needs, there: Hosts, group: Row | None) -> str:
    """Take the room of one server, which joins *group*; return why there is none."""
    zone = row.get("target_zone")
    allowed = there.within(zone)
    if not allowed.any():
        where = f" in zone {zone}" if zone else ""
        return f"No host of the target{where} is enabled and up; enable or add a host."
    amounts = np.array([of.vcpus, of.ram_mib, of.local_gib], dtype=float)
    vcpus, ram, disk = there.free
    has_room = (vcpus >= of.vcpus) & (ram >= of.ram_mib) & (disk >= of.local_gib)
    if group:
        allowed = _by_policy(group, allowed, there)
    fits = allowed & has_room
    best = int(np.where(fits, ram, -math.inf).argmax())
    if not fits[best]:
        return _no_room(amounts, allowed, has_room, group, zone)
    there.free[:, best] -= amounts
    if group:
        there.members.setdefault(group["id"], []).append(best)
    return ""


def _by_policy(group: Row, allowed: NDArray[np.bool_], there: Hosts) -> NDArray[np.bool_]:
    taken = there.members.get(group["id"], [])
    if group["policy"] not in STRICT or not taken:
        return allowed
    counts = np.bincount(taken, minlength=len(there.names))
    if group["policy"] == "affinity":
        return allowed & (counts > 0)
    most = int((group["rules"] or {}).get("max_server_per_host", 1))
    return allowed & (counts < most)


def _no_room(
    amounts: NDArray[np.float64],
    allowed: NDArray[np.bool_],
    has_room: NDArray[np.bool_],
    group: Row | None,
    zone: str | None,
) -> str:
    where = f" in zone {zone}" if zone else ""
    if group and group["policy"] in STRICT and has_room.any():
        return (
            f"No host of the target{where} takes it under the policy {group['policy']} of its "
            f"server group {group['name']}; add a host, or leave the group by mappings."
        )
    pairs = zip(amounts, UNITS, strict=True)
    asked = ", ".join(f"{amount:.0f} {unit}" for amount, unit in pairs if amount)
    return (
        f"No enabled host of the target{where} has {asked} free, beside the other servers of the "
        "plan; add a host or free one."
    )


def _costs(
    wanted: list[tuple[Row, Needs]], there: Hosts, before: NDArray[np.float64]
) -> Iterator[Cost]:
    """Yield, for each zone that is asked for, what all its servers need and what is left."""
    sums: dict[str, list[float]] = {}
    for row, of in wanted:
        total = sums.setdefault(row.get("target_zone") or "", [0.0] * len(UNITS))
        for at, amount in enumerate((of.vcpus, of.ram_mib, of.local_gib)):
            total[at] += amount
    for zone, total in sorted(sums.items()):
        left = before[:, there.within(zone)].sum(axis=1)
        scope = f"zone {zone}" if zone else "hosts"
        for unit, needed, free in zip(UNITS, total, left, strict=True):
            limit = None if math.isinf(free) else float(free)
            yield Cost(scope=scope, resource=unit, needed=needed, free=limit)
