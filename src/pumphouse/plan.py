"""The plan of a migration: one item for each resource, what is done with it, and why."""

from collections.abc import Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, SkipValidation

from pumphouse.checks import root_gib
from pumphouse.closure import KINDS
from pumphouse.estimates import Duration, Rates
from pumphouse.models import Action, Mover

STAGES = {
    kind: stage
    for stage, kinds in {
        "identity": (
            "domains", "projects", "roles", "implied_roles", "users", "groups", "group_members",
            "assignments",
        ),
        "types": ("qos_specs", "volume_types"),
        "quotas": ("quotas",),
        "flavors": ("flavors",),
        "keypairs": ("keypairs",),
        "groups": ("server_groups",),
        "images": ("images",),
        "networks": (
            "qos_policies", "address_scopes", "subnet_pools", "address_groups", "networks",
            "subnets", "security_groups", "routers", "rbac_policies",
        ),
        "dns": ("zones",),
        "ports": ("ports", "trunks", "floating_ips"),
        "balancing": ("load_balancers",),
        "volumes": ("snapshots", "volumes"),
        "servers": ("servers",),
    }.items()
    for kind in kinds
}  # fmt: skip
"""Which stage each kind is done in; stages run in this order."""

GIB = 1 << 30
DONE = (Action.ADOPT, Action.SKIP)
MOVED = (Action.CREATE, Action.UPDATE)
STOPS = (Action.CONFLICT, Action.BLOCKED)

MOVERS: dict[str, tuple[Mover, ...]] = {
    "servers": (Mover.IMAGE, Mover.REBUILD),
    "volumes": (Mover.IMAGE, Mover.MANAGE, Mover.RBD),
}
"""By kind: the movers that a row of a plan may have."""

COLUMNS = (
    "stage", "kind", "source_id", "name", "project", "action", "target_id", "depends_on",
    "reason", "mapping", "losses", "size_bytes", "downtime_estimate_s", "mover", "fingerprint",
)  # fmt: skip
"""Columns of a plan's table, in their order."""


class PlanRow(BaseModel):
    """
    One row of a plan: all that is written of it, in a file too.

    Attributes:
        depends_on: ``kind:source id`` of the items that must be done first.

        mapping: Which mapping of the configuration applied; empty when none did.

        losses: Sentences about what will not survive.

        fingerprint: Hash of what the copy rests on.
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
    mapping: str = ""
    losses: tuple[str, ...] = ()
    size_bytes: int = 0
    downtime_estimate_s: float = 0.0
    mover: Mover | None = None
    fingerprint: str = ""

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


class Item(PlanRow):
    """
    One row of a plan, with the source's row that it is about.

    Attributes:
        missing: For an update: what the target's lacks, as the kind's rule words it.

        merged_into: Key of the item whose copy is this one's too; empty for most.

        movers: For a server: the mover of each of its volumes, by its id.
    """

    # To check it would copy it: a twelfth of the memory of a large plan.
    row: SkipValidation[dict[str, Any]] = {}
    missing: tuple[Any, ...] = ()
    merged_into: str = ""
    movers: dict[str, Mover] = {}


class Cost(BaseModel):
    """
    What a plan needs of one thing that may run out at the target.

    Attributes:
        scope: Whose it is: a project, a zone, a network.

        free: What is left of it; None when it is unlimited or not known.
    """

    model_config = ConfigDict(frozen=True)

    scope: str
    resource: str
    needed: float
    free: float | None = None

    @property
    def fits(self) -> bool:
        """Whether there is enough."""
        return self.free is None or self.needed <= self.free


class Plan(BaseModel):
    """
    Every item, in the order in which it is done.

    Attributes:
        costs: What it needs at the target, and what is left there.

        rates: What its estimates rest on.

        duration: How long it will take.

        notes: What to know beside: mappings that mean nothing, tables that were not read.
    """

    model_config = ConfigDict(frozen=True)

    items: tuple[Item, ...]
    costs: tuple[Cost, ...] = ()
    rates: Rates = Rates()
    duration: Duration = Duration()
    notes: tuple[str, ...] = ()

    @cached_property
    def _by_kind(self) -> dict[str, list[Item]]:
        found: dict[str, list[Item]] = {kind: [] for kind in KINDS}
        for item in self.items:
            found[item.kind].append(item)
        return found

    def of(self, *kinds: str) -> list[Item]:
        """Return the items of *kinds*."""
        if len(kinds) == 1:
            return list(self._by_kind[kinds[0]])
        return [item for item in self.items if item.kind in kinds]

    @property
    def actions(self) -> dict[str, int]:
        """How many items have which action, without actions of none."""
        counts = {action.value: 0 for action in Action}
        for item in self.items:
            counts[item.action.value] += 1
        return {name: count for name, count in counts.items() if count}

    @property
    def obstacles(self) -> list[str]:
        """A sentence for each item that cannot be done."""
        return obstacles(self.items)

    @property
    def ids(self) -> dict[str, dict[str, str]]:
        """By kind: the target's id of each source id that is known before anything is done."""
        known: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
        for item in self.items:
            if item.target_id:
                known[item.kind][item.source_id] = item.target_id
        return known

    @property
    def carried_bytes(self) -> int:
        """The size of all that is carried; a volume of several servers counts once."""
        apart = self.of("images", "snapshots", "volumes")
        servers = [item for item in self.of("servers") if item.action in MOVED]
        attached = {
            volume["id"]: volume["size_gib"] or 0
            for item in servers
            for volume in item.row["attached"]
            if item.movers.get(volume["id"]) is not Mover.MANAGE
        }
        roots = sum(root_gib(item.row, item.mover) for item in servers)
        return (roots + sum(attached.values())) * GIB + sum(
            item.size_bytes for item in apart if not item.row.get("attachments")
        )

    def table(self) -> pd.DataFrame:
        """Return the plan as a table, one row an item; its columns are those of the design."""
        return table(self.items)


def obstacles(rows: Sequence[PlanRow]) -> list[str]:
    """Return a sentence for each of *rows* that cannot be done."""
    return [f"{row.kind} {row.label}: {row.reason}" for row in rows if row.action in STOPS]


def table(rows: Sequence[PlanRow]) -> pd.DataFrame:
    """Return *rows* as a table with the columns `COLUMNS`; lists are JSON or sentences."""
    values: dict[str, list[Any]] = {name: [*map(attrgetter(name), rows)] for name in COLUMNS}
    values["action"] = [action.value for action in values["action"]]
    values["mover"] = [mover.value if mover else "" for mover in values["mover"]]
    values["losses"] = [" ".join(losses) for losses in values["losses"]]
    values["depends_on"] = [
        '["' + '", "'.join(keys) + '"]' if keys else "[]" for keys in values["depends_on"]
    ]
    return pd.DataFrame(values, columns=list(COLUMNS))
