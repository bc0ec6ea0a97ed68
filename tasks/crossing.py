"""One server on its way: what a cut-over has found out and done so far, and its journal."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from pumphouse import forwardings, port_names
from pumphouse.bodies import Ids
from pumphouse.checks import SINCE, STATE, WAS, is_half_way
from pumphouse.config import MigrateOptions, Timeouts
from pumphouse.forwardings import FLOATING, Forwarding
from pumphouse.health import Check
from pumphouse.models import ON_CEPH, Mover
from pumphouse.plan import Item
from pumphouse.tables import Row
from pumphouse.tasks import device_tags, servers
from pumphouse.tasks.api import Api
from pumphouse.tasks.carrying import Carrier
from pumphouse.tasks.meeting import Meeting
from pumphouse.tasks.waiting import NEVER

LOCKED = "pumphouse:locked"
PORT = "pumphouse:port:"
AILING = "pumphouse:ailing:"
MIGRATED = "migrated"
GROUP = "pumphouse:together"
"""Metadata key of a server that is cut over together with others: the same for all of them."""

UNDOING = ", being undone"
"""What is added to that before the source is given back: its copies grow old from then on."""

Log = Callable[[str], None]
Told = Callable[[str, int, int], None]
"""Called with what is copied, the bytes done and the bytes in all."""
SignIn = Callable[[str, str], AbstractContextManager[tuple[Api, str]]]
"""Gives an Api that acts at the target as a user in a project, and what is lost if it cannot."""


@dataclass
class Crossing:
    """
    One server between two clouds.

    Attributes:
        ids: The target's ids of everything that it depends on.

        parallel: How many of its disks are copied at once.

        migrate: How its volumes move, and where their pools are.

        checks: Its health checks; *moves_unhealthy* says that it is moved even if some fail.

        journal: What the source server's metadata say of how it was.

        is_ours: Whether this run noted itself on the source server.

        group: What the servers that are cut over together with it have in common; empty alone.

        meeting: Where they do what is done once for all of them.
    """

    source: Api
    target: Api
    sign_in: SignIn
    item: Item
    ids: Ids
    timeouts: Timeouts
    parallel: int = 2
    migrate: MigrateOptions = field(default_factory=MigrateOptions)
    log: Log = lambda text: None
    told: Told = lambda what, done, size: None
    stop: threading.Event = NEVER
    on_step: Log = lambda name: None
    after_step: Log = lambda name: None
    checks: tuple[Check, ...] = ()
    moves_unhealthy: bool = False
    group: str = ""
    meeting: Meeting = field(default_factory=Meeting)

    live: servers.Server = field(default_factory=dict)
    tags_inside: device_tags.Tags = field(default_factory=dict)
    owner: Api | None = None
    lost: str = ""
    journal: dict[str, str] = field(default_factory=dict)
    is_resumed: bool = False
    is_ours: bool = False
    copy: servers.Server | None = None
    volume_ids: dict[str, str] = field(default_factory=dict)
    image_id: str | None = None
    flavor_id: str = ""
    bytes: int = 0
    checksums: dict[str, str] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)
    ailing: dict[str, str] = field(default_factory=dict)
    health: str = ""
    stopped_at: float | None = None
    downtime_s: float | None = None

    @property
    def row(self) -> Row:
        """The source's row."""
        return self.item.row

    @property
    def grouped(self) -> dict[str, str]:
        """What its journal says of its group."""
        return {GROUP: self.group} if self.group else {}

    @property
    def id(self) -> str:
        """The source server's id."""
        return self.item.source_id

    @property
    def untouched(self) -> str:
        """What is said when nothing of it was touched: it may be half-way since an earlier run."""
        known = self.live or self.row
        if not is_half_way(known.get("metadata")):
            return "Nothing was touched; the source server is as it was."
        return (
            f"Nothing was touched; an earlier run was cut short and left it {known['status']} at "
            "the source: run the same migration again, or give it back with pumphouse rollback."
        )

    def floating(self) -> list[tuple[str, list[str]]]:
        """Return each floating IP of the journal with its port's id and, maybe, address."""
        return [
            (key.removeprefix(FLOATING), value.split())
            for key, value in self.journal.items()
            if key.startswith(FLOATING)
        ]

    def forwarded(self) -> dict[str, list[Forwarding]]:
        """Return the port forwardings of the journal, by floating IP."""
        return forwardings.read(self.journal)

    @property
    def same_ports(self) -> dict[str, str]:
        """Its source ports, each as itself: what `target_ports` is at the target."""
        return {port["id"]: port["id"] for port in self.every_port()}

    @property
    def target_ports(self) -> dict[str, str]:
        """The target's port of each source port."""
        there = self.ids["ports"]
        return {id_: there[id_] for id_ in self.same_ports if id_ in there}

    def names(self) -> dict[str, str]:
        """Return, by the target's port, the DNS names that its ports have of their own."""
        return {self.target_ports[id_]: name for id_, name in port_names.own(self.row).items()}

    def every_port(self) -> list[Row]:
        """
        Return its source ports, and those that go with them.

        These are below them on trunks, or its floating IPs forward to them too.
        """
        return [*self.row["ports"], *self.row.get("subports", ())]

    def source_ports(self) -> list[str]:
        """Return the ids of its source ports that were up, subports of its trunks too."""
        every = [port["id"] for port in self.every_port()]
        return [id_ for id_ in every if f"{PORT}{id_}" not in self.journal]

    def wanted_checks(self) -> list[Check]:
        """Return the checks that its source passed before the stop; none if it was stopped."""
        if self.journal.get(WAS) != "ACTIVE":
            return []
        return [check for check in self.checks if f"{AILING}{check.name}" not in self.journal]

    @property
    def project_id(self) -> str:
        """The target's id of its project."""
        return self.ids["projects"][self.row["project_id"]]

    @property
    def sought(self) -> Row:
        """Its row with the project at the target in which its copy is looked for."""
        there = self.ids.get("projects", {}).get(self.row.get("project_id") or "")
        return {**self.row, "target_project_id": there}

    def carrier(self, volume: Row) -> Carrier:
        """Return what moving one of its volumes needs."""
        name = volume["name"] or volume["id"]
        return Carrier(
            self.source,
            self.target,
            self.owner,
            self.migrate,
            self.timeouts.volume_s,
            self.stop,
            lambda done, size: self.told(f"volume {name}", done, size),
            self.known,
        )

    def mover_of(self, volume: Row) -> Mover:
        """Return the mover of one of its volumes."""
        return self.item.movers.get(volume["id"], Mover.IMAGE)

    @property
    def managed(self) -> list[Row]:
        """Its volumes of which there are no copies: the clouds hand over the very bytes."""
        return [v for v in self.row["attached"] if self.mover_of(v) is Mover.MANAGE]

    @property
    def on_ceph(self) -> list[Row]:
        """Its volumes of which something is done while it runs."""
        return [v for v in self.row["attached"] if self.mover_of(v) in ON_CEPH]

    def down_for(self) -> float:
        """Return the seconds since the stop, which may have been another run's."""
        since = self.journal.get(STATE, "").removeprefix(SINCE).removesuffix(UNDOING)
        if self.is_resumed and since.isdigit():
            return time.time() - int(since)
        assert self.stopped_at is not None
        return time.monotonic() - self.stopped_at
