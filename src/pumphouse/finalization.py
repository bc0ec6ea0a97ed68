"""
What of the source may be deleted because its copy has taken its place, and what must stay.

Pure over the tables of both clouds. A thing goes only if it was migrated by us, its copy is
whole, its grace period is over, and nothing that stays uses it. Everything else is left, with
the reason.
"""

from pydantic import BaseModel, ConfigDict

from pumphouse import balancers
from pumphouse.estate import Estate
from pumphouse.exclusions import LEFT_OUT
from pumphouse.plan import Item, Plan
from pumphouse.staying import Bounds, Judge

ORDER = (
    "servers", "load_balancers", "server_groups", "snapshots", "volumes", "floating_ips", "trunks",
    "ports", "routers", "networks", "security_groups", "subnet_pools", "address_scopes",
    "address_groups", "qos_policies", "zones", "images", "keypairs", "quotas", "users", "projects",
)  # fmt: skip
"""In which order things are deleted."""

JUDGED = (
    "servers", "load_balancers", "server_groups", "snapshots", "volumes", "floating_ips", "trunks",
    "ports", "routers", "networks", "security_groups", "subnet_pools", "address_scopes",
    "address_groups", "qos_policies", "zones", "images", "projects", "users", "keypairs", "quotas",
)  # fmt: skip
"""In which order they are judged: each after what decides about it."""


class Removal(BaseModel):
    """
    What becomes of one thing of the source.

    Attributes:
        is_removed: Whether it may go; else *reason* says why it stays.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    source_id: str
    name: str
    project: str
    target_id: str | None
    is_removed: bool
    reason: str

    @property
    def key(self) -> str:
        """As a plan's items have it."""
        return f"{self.kind}:{self.source_id}"


def removals(intended: Plan, source: Estate, target: Estate, bounds: Bounds) -> list[Removal]:
    """Return what becomes of everything of a plan, in the order in which it is deleted."""
    judge = Judge(source, target, bounds)
    judge.servers = {item.source_id: item for item in intended.of("servers")}
    judge.volumes = {item.source_id: item for item in intended.of("volumes")}
    found: dict[str, list[Removal]] = {kind: [] for kind in ORDER}
    for kind in JUDGED:
        items = intended.of(kind)
        # What lies in a zone goes before it.
        for item in reversed(items) if kind == "zones" else items:
            if _is_default(item):
                judge.defaults[item.row["project_id"]] = item
                continue
            if item.reason == LEFT_OUT:
                continue
            reason = judge.reason(item)
            if not reason:
                judge.gone.add(item.key)
                if kind == "load_balancers":
                    judge.freed |= balancers.ports(item.row, source)
            found[kind].append(
                Removal(
                    kind=kind,
                    source_id=item.source_id,
                    name=item.name,
                    project=item.project,
                    target_id=item.target_id,
                    is_removed=not reason,
                    reason=reason or _GOES.get(kind, "Its copy has taken its place."),
                )
            )
    return [removal for kind in ORDER for removal in found[kind]]


_GOES = {
    "zones": "Its copy has taken its place. Whoever still asks the source's name servers, because "
    "the zone above names them, finds nothing afterwards.",
}
"""By kind: what is to be known of a thing that may go, where that is more than the usual."""


def _is_default(item: Item) -> bool:
    """A project's own security group: it goes with the project."""
    return item.kind == "security_groups" and item.row["name"] == "default"
