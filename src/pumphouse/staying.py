"""Why a thing of the source stays: its copy, its age, and what still uses it, kind by kind."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from pumphouse import old_copies, policies, routers, zones
from pumphouse.bonds import bonds
from pumphouse.checks import MIGRATED_AT, RETURNED, RETURNING, migrated, was
from pumphouse.comparison import mark
from pumphouse.estate import Estate
from pumphouse.models import Action
from pumphouse.passwords import is_of_directory
from pumphouse.plan import DONE, Item
from pumphouse.tables import Row

OWNED = ("servers", "volumes", "networks", "routers", "floating_ips", "security_groups",
         "snapshots", "trunks", "subnet_pools", "address_scopes", "address_groups",
         "qos_policies", "zones", "load_balancers")  # fmt: skip
"""Kinds with a project's id that must be gone before the project is."""

WITH_NETWORK = ("network:dhcp", "network:distributed", "network:floatingip_agent_gateway")
"""Owners of the ports that Neutron deletes with their network."""

USED_BY: dict[str, tuple[tuple[str, str, tuple[str, str]], ...]] = {
    "qos_policies": (
        ("networks", "qos_policy_id", ("networks", "id")),
        ("ports", "qos_policy_id", ("ports", "id")),
        ("floating_ips", "qos_policy_id", ("floating_ips", "id")),
    ),
    "subnet_pools": (("subnets", "subnet_pool_id", ("networks", "network_id")),),
    "address_scopes": (("subnet_pools", "address_scope_id", ("subnet_pools", "id")),),
    "address_groups": (
        ("security_group_rules", "remote_address_group_id",
         ("security_groups", "security_group_id")),
    ),
}  # fmt: skip
"""By kind: which rows refer to it, by which column, and what of them must go before it."""


class Bounds(BaseModel):
    """
    What no finalize goes beyond.

    Attributes:
        grace_s: Seconds from a thing's arrival until its source may go.

        whole: Ids of the projects that were chosen whole: only these, their users, key pairs
            and quotas go too.

        protected: Ids of users and projects that always stay: our own.

        kept: Keys of what stays in any case: its deletion failed.
    """

    model_config = ConfigDict(frozen=True)

    now: datetime
    grace_s: float
    whole: frozenset[str] = frozenset()
    protected: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()


class Judge:
    """Says why a thing stays; what it let go counts for what comes after."""

    def __init__(self, source: Estate, target: Estate, bounds: Bounds) -> None:
        self.source = source
        self.target = target
        self.bounds = bounds
        self.gone: set[str] = set()
        self.servers: dict[str, Item] = {}
        self.freed: set[str] = set()
        self.volumes: dict[str, Item] = {}
        self.defaults: dict[str, Item] = {}

    def reason(self, item: Item) -> str:
        """Return why the thing of *item* stays, as a sentence; empty when it may go."""
        if item.key in self.bounds.kept:
            return "It could not be deleted."
        rules: dict[str, Callable[[Item], str]] = {
            "users": self._user,
            "keypairs": self._keypair,
            "quotas": self._quota,
            "servers": self._server,
        }
        if item.kind in rules:
            return rules[item.kind](item)
        return self._copied(item) or _RULES[item.kind](self, item)

    def _copied(self, item: Item) -> str:
        """Return why *item* is not taken for migrated."""
        copy = self.target.get(item.kind, item.target_id)
        if copy is None:
            return f"It was not migrated. {item.reason}"
        if not self._is_ours(item, copy):
            return "The target had one of its own, which was taken: this one was not migrated."
        if item.action is not Action.SKIP:
            return f"Its copy is not complete: {item.reason}"
        return ""

    def _is_ours(self, item: Item, copy: Row) -> bool:
        if item.kind in policies.UNMARKED:
            home = self.target.get("projects", copy["project_id"])
            return bool(mark(home or {}) == item.row["project_id"])
        return mark(copy) == item.source_id

    def _server(self, item: Item) -> str:
        if reason := self._alone(item):
            return reason
        for bond in bonds([item.row]):
            for id_ in bond.servers:
                other = self.servers.get(id_)
                if id_ == item.source_id or not self.source.get("servers", id_):
                    continue
                reason = self._alone(other) if other else "It was not chosen."
                if reason:
                    name = other.label if other else id_
                    return f"It shares {bond.label} with server {name}, which stays: {reason}"
        return ""

    def _alone(self, item: Item) -> str:
        """Return why a server stays, whatever becomes of those that it shares something with."""
        row, metadata = item.row, item.row["metadata"] or {}
        arrived = migrated(row)
        copy = self.target.get("servers", arrived)
        if RETURNING in metadata:
            return "Its return to the source was cut short; finish that first."
        if arrived is None:
            return "It was not migrated, or never verified."
        if copy is None:
            return f"Its copy {arrived} is gone: this is all that is left of it."
        if mark(copy) != item.source_id or RETURNED in (copy["metadata"] or {}):
            return f"Server {arrived} at the target is not its copy any more."
        if row["status"] != "SHUTOFF":
            return f"It is {row['status']} at the source: somebody uses it."
        if copy["status"] != was(row):
            return f"Its copy {arrived} is {copy['status']}, and not {was(row)} as it was."
        return self._young(metadata.get(MIGRATED_AT)) or self._differs(row, copy)

    def _differs(self, row: Row, copy: Row) -> str:
        """Return what of a server its copy lacks: disks or addresses. The rest is its tenant's."""
        there = {mark(v): v for v in self.target.rows("volumes") if mark(v)}
        for volume in row["attached"]:
            found = there.get(volume["id"])
            users = {a["server_id"] for a in (found["attachments"] or [] if found else [])}
            if found is None or copy["id"] not in users:
                return f"The copy of its volume {volume['id']} is not at its copy {copy['id']}."
        macs = {p["mac_address"] for p in self.target.where("ports", "device_id", copy["id"])}
        if lost := [p["mac_address"] for p in row["ports"] if p["mac_address"] not in macs]:
            return f"Its copy {copy['id']} has no port {', '.join(lost)} any more."
        return ""

    def _young(self, since: str | None) -> str:
        if not since:
            return "It is not known since when its copy is there."
        at = datetime.fromisoformat(since)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        end = at + timedelta(seconds=self.bounds.grace_s)
        if self.bounds.now < end:
            return f"Its grace period ends at {end:%Y-%m-%d %H:%M} UTC."
        return ""

    def volume(self, item: Item) -> str:
        """Return why a volume stays."""
        users = [a["server_id"] for a in item.row["attachments"] or []]
        if used := self._staying("servers", users):
            return f"It is attached to server {', '.join(used)}, which stays."
        snapshots = self.source.where("snapshots", "volume_id", item.source_id)
        if count := len(self._staying("snapshots", [row["id"] for row in snapshots])):
            return f"It has {count} snapshot(s) that stay; delete them first."
        copy = self.target.get("volumes", item.target_id)
        if copy is None or copy["status"] not in ("available", "in-use"):
            return f"Its copy is {copy['status'] if copy else 'gone'}."
        if users:
            return ""
        is_old = old_copies.reason(item.row, copy, self.source, self.target)
        return is_old or self._young(copy["created_at"])

    def snapshot(self, item: Item) -> str:
        """Return why a snapshot stays: its volume does, or its copy is not whole."""
        volume = self.volumes.get(item.row["volume_id"])
        if volume is None:
            return f"Its volume {item.row['volume_name']} was not chosen."
        users = [a["server_id"] for a in volume.row["attachments"] or []]
        if stays := self._copied(volume) or ", ".join(self._staying("servers", users)):
            return f"Its volume {volume.label} stays: {stays}"
        copy = self.target.get("snapshots", item.target_id)
        if copy is None or copy["status"] != "available":
            return f"Its copy is {copy['status'] if copy else 'gone'}."
        return "" if users else self._young(copy["created_at"])

    def server_group(self, item: Item) -> str:
        """Return why a server group stays."""
        if count := len(self._staying("servers", item.row["member_ids"] or [])):
            return f"{count} of its servers stay."
        return self._alive(item.row["project_id"])

    def load_balancer(self, item: Item) -> str:
        """Return why a load balancer stays: servers behind it do, or its copy does not work."""
        if stays := self._staying("servers", item.row["server_ids"]):
            return f"Behind it is server {', '.join(stays)}, which stays."
        copy = self.target.get("load_balancers", item.target_id)
        if copy is None or copy["status"] != "ACTIVE":
            return f"Its copy is {copy['status'] if copy else 'gone'}."
        return self._young(copy["created_at"])

    def floating_ip(self, item: Item) -> str:
        """Return why a floating IP stays."""
        if count := len(item.row["port_forwardings"] or ()):
            return f"It still forwards {count} port(s) at the source; take these off first."
        for row in self.source.where("load_balancers", "vip_port_id", item.row["port_id"]):
            is_gone = f"load_balancers:{row['id']}" in self.gone
            if item.row["port_id"] and not is_gone:
                return f"Load balancer {row['name']} ({row['id']}) stays."
        port = self.source.get("ports", item.row["port_id"])
        is_used = port and port["device_id"] and port["id"] not in self.freed
        if port and is_used and (stays := self._device(port)):
            return stays
        copy = self.target.get("floating_ips", item.target_id)
        if item.row["port_id"] and copy and not copy["port_id"]:
            return (
                f"It leads to port {item.row['port_id']} at the source, and its copy to nothing; "
                "bind that first, or take this one off (openstack floating ip unset --port)."
            )
        return "" if is_used else self._alive(item.row["project_id"])

    def port(self, item: Item) -> str:
        """Return why a port stays."""
        if item.row["device_id"]:
            return self._device(item.row)
        fips = self.source.where("floating_ips", "port_id", item.source_id)
        if stays := self._staying("floating_ips", [row["id"] for row in fips]):
            return f"Floating IP {', '.join(stays)} is bound to it, which stays."
        return self._alive(item.row["project_id"])

    def trunk(self, item: Item) -> str:
        """Return why a trunk stays."""
        parent = self.source.get("ports", item.row["port_id"])
        has_server = bool(parent and parent["device_id"])
        return (
            self._device(parent) if parent and has_server else self._alive(item.row["project_id"])
        )

    def referred(self, item: Item) -> str:
        """Return why a policy, pool, scope or address group stays: what uses it does."""
        if item.row.get("is_shared"):
            return "It is shared: it belongs to the whole cloud."
        for kind, column, holder in USED_BY[item.kind]:
            for row in self.source.where(kind, column, item.source_id):
                user = f"{holder[0]}:{row[holder[1]]}"
                if user not in self.gone:
                    return f"It is used by {user.replace(':', ' ')}, which stays."
        return self._alive(item.row["project_id"])

    def router(self, item: Item) -> str:
        """Return why a router stays: it joins a network that was not chosen too."""
        carried = {port["id"] for port in item.row["interfaces"]}
        for port in routers.interfaces(item.source_id, self.source):
            if port["id"] not in carried:
                name = self.source.label("networks", port["network_id"])
                return f"It is also in network {name}, which was not chosen; its copy is not."
        return self._alive(item.row["project_id"])

    def network(self, item: Item) -> str:
        """Return why a network stays."""
        if item.row["is_external"] or item.row["is_shared"]:
            return "It is external or shared: it belongs to the whole cloud."
        for port in self.source.where("ports", "network_id", item.source_id):
            owner, device = port["device_owner"] or "", port["device_id"] or ""
            if owner in routers.PORTS and f"routers:{device}" in self.gone:
                continue
            if owner in WITH_NETWORK or f"ports:{port['id']}" in self.gone:
                continue
            if port["id"] in self.freed:
                continue
            if f"servers:{device}" not in self.gone:
                return f"Port {port['id']} on it ({owner or 'of nothing'}) stays."
        return self._alive(item.row["project_id"])

    def security_group(self, item: Item) -> str:
        """Return why a security group stays."""
        for port in self.source.rows("ports"):
            is_gone = {f"ports:{port['id']}", f"servers:{port['device_id']}"} & self.gone
            is_gone = is_gone or {port["id"]} & self.freed
            if item.source_id in (port["security_group_ids"] or []) and not is_gone:
                return f"Port {port['id']} uses it."
        for rule in self.source.where("security_group_rules", "remote_group_id", item.source_id):
            group = rule["security_group_id"]
            if group != item.source_id and self._is_in_staying_project(group):
                return f"A rule of group {group} names it."
        return self._alive(item.row["project_id"])

    def _is_in_staying_project(self, group_id: str) -> bool:
        group = self.source.get("security_groups", group_id)
        return bool(group and self._alive(group["project_id"]))

    def image(self, item: Item) -> str:
        """Return why an image stays."""
        visibility = item.row["visibility"]
        # Shared is what Glance makes by default: without members nobody else has it.
        is_lonely = visibility == "shared" and item.row["members"] == []
        if visibility != "private" and not is_lonely:
            return f"It is {visibility}: others may use it."
        users = [row["id"] for row in self.source.where("servers", "image_id", item.source_id)]
        if used := self._staying("servers", users):
            return f"{len(used)} server(s) that stay were made of it."
        return self._alive(item.row["owner_id"])

    def zone(self, item: Item) -> str:
        """Return why a DNS zone stays: its copy is another by now, or a zone below it stays."""
        name, copy = item.row["name"], self.target.get("zones", item.target_id)
        assert copy is not None, "it was looked at before"
        below = zones.directly_below(name, self.source)
        if stays := self._staying("zones", [row["id"] for row in below]):
            return f"{len(stays)} zone(s) below it stay."
        differs = zones.staying(item.row, copy, self.source, self.target)
        return differs or self._young(copy["created_at"])

    def project(self, item: Item) -> str:
        """Return why a project stays."""
        if item.source_id in self.bounds.protected:
            return "It is the project that we work in."
        if item.source_id not in self.bounds.whole:
            return "It was not chosen as a whole (project:NAME)."
        left = [
            f"{len(found)} {kind.replace('_', ' ')}"
            for kind in OWNED
            if (found := self._left(kind, "project_id", item.source_id))
        ]
        if images := self._left("images", "owner_id", item.source_id):
            left.append(f"{len(images)} images")
        if children := self._left("projects", "parent_id", item.source_id):
            left.append(f"{len(children)} projects below it")
        if (item.row["options"] or {}).get("immutable"):
            return "It is immutable in Keystone; set that option to false first."
        default = self.defaults.get(item.source_id)
        if default and default.action not in DONE:
            return f"The copy of its security group default is not complete: {default.reason}"
        return f"It still has {', '.join(left)}." if left else ""

    def _left(self, kind: str, column: str, id_: str) -> list[str]:
        rows = self.source.where(kind, column, id_)
        ids = [r["id"] for r in rows if kind != "security_groups" or r["name"] != "default"]
        return self._staying(kind, ids)

    def _user(self, item: Item) -> str:
        if item.source_id in self.bounds.protected:
            return "It is the user that we work as."
        if item.target_id is None:
            return "It was not migrated."
        if is_of_directory(item.row):
            return "A directory (LDAP) holds it, and Keystone deletes nothing there."
        own = self.source.where("assignments", "user_id", item.source_id)
        if any(f"projects:{row['project_id']}" not in self.gone for row in own):
            return "It has a role somewhere that stays."
        for member in self.source.where("group_members", "user_id", item.source_id):
            for row in self.source.where("assignments", "group_id", member["group_id"]):
                if f"projects:{row['project_id']}" not in self.gone:
                    group = self.source.label("groups", member["group_id"])
                    return f"It has a role somewhere that stays, by its group {group}."
        if not own:
            return "It has no role of its own in a project that goes."
        servers = [r["id"] for r in self.source.where("servers", "user_id", item.source_id)]
        return "It owns servers that stay." if self._staying("servers", servers) else ""

    def _keypair(self, item: Item) -> str:
        is_gone = f"users:{item.row['user_id']}" in self.gone
        return "" if is_gone else "Its user stays."

    def _quota(self, item: Item) -> str:
        is_gone = f"projects:{item.row['project_id']}" in self.gone
        return "" if is_gone else "Its project stays."

    def _staying(self, kind: str, ids: Iterable[str]) -> list[str]:
        return [id_ for id_ in ids if f"{kind}:{id_}" not in self.gone]

    def _device(self, port: Row) -> str:
        device = port["device_id"]
        stays = device and f"servers:{device}" not in self.gone
        return f"Server {device} stays." if stays else ""

    def _alive(self, project_id: str | None) -> str:
        """Return that a project still has servers: what it has beside may be for these."""
        servers = [r["id"] for r in self.source.where("servers", "project_id", project_id)]
        if count := len(self._staying("servers", servers)):
            return f"Its project still has {count} server(s)."
        return ""


_RULES: dict[str, Callable[[Judge, Item], str]] = {
    "volumes": Judge.volume,
    "snapshots": Judge.snapshot,
    "server_groups": Judge.server_group,
    "trunks": Judge.trunk,
    **dict.fromkeys(USED_BY, Judge.referred),
    "floating_ips": Judge.floating_ip,
    "ports": Judge.port,
    "routers": Judge.router,
    "networks": Judge.network,
    "security_groups": Judge.security_group,
    "images": Judge.image,
    "zones": Judge.zone,
    "load_balancers": Judge.load_balancer,
    "projects": Judge.project,
}
