"""
Cut one server over: the steps of `pumphouse.steps`, each with its undo.

The source server's metadata are the journal: a run that was killed is carried on by the next
one, which finds there how the server was. Every step looks first whether it is done.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

from pumphouse import bodies, checks
from pumphouse.bodies import Ids
from pumphouse.checks import STATE, WAS
from pumphouse.comparison import MIGRATED_TO, mark
from pumphouse.config import Timeouts
from pumphouse.errors import (
    Conflict,
    CutOverFailed,
    Interrupted,
    PumphouseError,
    Unverified,
    WaitFailed,
)
from pumphouse.models import Mover
from pumphouse.plan import Item
from pumphouse.steps import STEPS, undo_order
from pumphouse.tables import Row
from pumphouse.tasks import images, ports, servers, volumes
from pumphouse.tasks.api import Api
from pumphouse.tasks.waiting import NEVER

LOCKED = "pumphouse:locked"
FLOATING = "pumphouse:fip:"
PORT = "pumphouse:port:"
MIGRATED = "migrated"
SINCE = "cutting over since "

Log = Callable[[str], None]
Told = Callable[[str, int, int], None]
"""Called with what is copied, the bytes done and the bytes in all."""
SignIn = Callable[[str, str], AbstractContextManager[tuple[Api, str]]]
"""Gives an Api that acts at the target as a user in a project, and what is lost if it cannot."""


@dataclass(frozen=True)
class Arrived:
    """A server that was cut over. *checksums* are of its disks, in their order."""

    target_id: str
    downtime_s: float | None
    bytes: int
    checksums: tuple[str, ...]
    lost: str = ""


@dataclass
class CutOver:
    """
    The cut-over of one server.

    Attributes:
        ids: The target's ids of everything that it depends on.

        parallel: How many of its disks are copied at once.

        volume_format: What its volumes' bytes are on the way: ``qcow2`` or ``raw``.
    """

    source: Api
    target: Api
    sign_in: SignIn
    item: Item
    ids: Ids
    timeouts: Timeouts
    parallel: int = 2
    volume_format: str = "qcow2"
    log: Log = lambda text: None
    told: Told = lambda what, done, size: None
    stop: threading.Event = NEVER
    on_step: Log = lambda name: None

    live: servers.Server = field(default_factory=dict)
    owner: Api | None = None
    lost: str = ""
    journal: dict[str, str] = field(default_factory=dict)
    is_resumed: bool = False
    copy: servers.Server | None = None
    volume_ids: dict[str, str] = field(default_factory=dict)
    image_id: str | None = None
    flavor_id: str = ""
    bytes: int = 0
    checksums: dict[str, str] = field(default_factory=dict)
    stopped_at: float | None = None
    downtime_s: float | None = None

    @property
    def row(self) -> Row:
        """The source's row."""
        return self.item.row

    @property
    def id(self) -> str:
        """The source server's id."""
        return self.item.source_id

    # ---- the whole

    def run(self) -> Arrived:
        """
        Do all steps; return where the server is now.

        Raises:
            CutOverFailed: It is not there. The message says what was undone.
        """
        with ExitStack() as stack:
            self._prepare(stack)
            for step in STEPS:
                self.on_step(step.name)
                try:
                    if self.stop.is_set() and step.name != "mark":
                        raise Interrupted(f"about to {step.name}")
                    getattr(self, f"do_{step.name}")()
                except Exception as error:  # whatever it is, the server must not stay down
                    state = self._undo(step.name)
                    raise CutOverFailed(self.item.label, step.name, said(error), state) from error
        assert self.copy is not None
        order = [v["id"] for v in self.row["attached"]]
        sums = tuple(self.checksums[key] for key in ["root", *order] if self.checksums.get(key))
        return Arrived(self.copy["id"], self.downtime_s, self.bytes, sums, self.lost)

    def _prepare(self, stack: ExitStack) -> None:
        """Look and sign in before anything is touched: what fails here costs no downtime."""
        try:
            self.live = servers.read_server(self.source, self.id)
            if WAS in (self.live.get("metadata") or {}):
                # A killed run may have asked for something that Nova is still at.
                timeout_s = self.timeouts.server_stop_s
                self.live = servers.settle(self.source, self.id, timeout_s, self.stop)
            self._check_drift()
            user = self.ids["users"].get(self.row["user_id"], "")
            project = self.ids["projects"][self.row["project_id"]]
            self.owner, self.lost = stack.enter_context(self.sign_in(user, project))
            for service in ("compute", "block-storage"):
                self.owner.adapter(service)
                self.owner.microversion(service)
            self.flavor_id = self._flavor()
            self.copy = servers.find_copy(self.target, self.row)
            if self.copy and not self.is_resumed:
                # Its disks are of an unknown time: going on with them could lose what came after.
                raise Conflict("servers", self.item.label, [
                    f"server {self.copy['id']} carries its id, but no cut-over is under way; "
                    "delete that server"
                ])  # fmt: skip
            for port in self.row["ports"]:
                ports.read_port(self.target, self.ids["ports"][port["id"]])
            if not self.copy or self.copy["status"] == "ERROR":
                # What a killed run left is old: the server may have run since.
                servers.delete_snapshots(self.source, self.id)
                images.delete_copies(self.target, self.id)
        except PumphouseError as error:
            state = "Nothing was touched; the source server is as it was."
            raise CutOverFailed(self.item.label, "prepare", str(error), state) from error

    def _check_drift(self) -> None:
        metadata = self.live.get("metadata") or {}
        self.is_resumed = WAS in metadata
        state = metadata.get(WAS) or self.live["status"]
        task = self.live.get("OS-EXT-STS:task_state")
        if state not in checks.MOVABLE or task:
            became = f"It is {state}{f' and {task}' if task else ''}."
            raise WaitFailed(f"server {self.item.label} to be ACTIVE or SHUTOFF, and idle", became)
        attached = {v["id"] for v in self.live["os-extended-volumes:volumes_attached"]}
        if attached != {v["id"] for v in self.row["attached"]}:
            raise WaitFailed(
                f"the volumes of server {self.item.label} to be those of the plan",
                "A volume was attached or detached since; run again.",
            )

    def _flavor(self) -> str:
        name = self.row["flavor_name"]
        found = self.target.list("compute", "/flavors", "flavors", params={"is_public": "None"})
        for flavor in found:
            if flavor["name"] == name:
                return str(flavor["id"])
        raise WaitFailed(f"flavor {name} at the target", "There is none of that name.")

    # ---- the steps, in their order

    def do_remember(self) -> None:
        """Write the journal, or read the one that an interrupted run left."""
        metadata = self.live.get("metadata") or {}
        if self.is_resumed:
            self.journal = {k: v for k, v in metadata.items() if k.startswith(checks.OWN)}
            self.log("An interrupted cut-over is carried on.")
            return
        self.journal = {
            WAS: self.live["status"],
            LOCKED: "yes" if self.live.get("locked") else "no",
            STATE: f"{SINCE}{int(time.time())}",
        }
        for port in self.row["ports"]:
            if not port["is_admin_state_up"]:
                self.journal[f"{PORT}{port['id']}"] = "down"
            for fip in self._floating_at_source(port["id"]):
                value = f"{port['id']} {fip['fixed_ip_address'] or ''}"
                self.journal[f"{FLOATING}{fip['id']}"] = value.strip()
        servers.write_metadata(self.source, self.id, self.journal)

    def _floating_at_source(self, port_id: str) -> list[Row]:
        return self.source.list(
            "network", "/floatingips", "floatingips", params={"port_id": port_id}
        )

    def do_lock(self) -> None:
        """Lock the source server."""
        if not self.live.get("locked"):
            servers.act(self.source, self.id, "lock", {"locked_reason": "pumphouse"}, retry=True)

    def do_stop(self) -> None:
        """Stop the source server. The downtime starts."""
        self.stopped_at = time.monotonic()
        if self.is_resumed and self.live["status"] == "ACTIVE":
            # It ran since an earlier run copied: those bytes are old.
            self._delete_copies()
        servers.set_power(self.source, self.live, False, self.timeouts.server_stop_s, self.stop)
        self.live["status"] = "SHUTOFF"

    def do_isolate(self) -> None:
        """Put the source ports down; take the floating IPs off."""
        for fip_id, _ in self._floating():
            ports.bind(self.source, fip_id, None)
        ports.set_ports(self.source, self._source_ports(), False)

    def _floating(self) -> list[tuple[str, list[str]]]:
        """Return each floating IP of the journal with its port's id and, maybe, address."""
        return [
            (key.removeprefix(FLOATING), value.split())
            for key, value in self.journal.items()
            if key.startswith(FLOATING)
        ]

    def _source_ports(self) -> list[str]:
        return [
            port["id"] for port in self.row["ports"] if f"{PORT}{port['id']}" not in self.journal
        ]

    def do_move(self) -> None:
        """Copy the disks, several at once, unless the target server is there already."""
        if self.copy and self.copy["status"] != "ERROR":
            return
        jobs = [self._volume_job(volume) for volume in self.row["attached"]]
        if self.row["image_id"] and self.item.mover is not Mover.REBUILD:
            jobs.insert(0, self._root)
        elif self.row["image_id"]:
            self.image_id = self.ids["images"][self.row["image_id"]]
        if len(jobs) < 2:
            for job in jobs:
                job()
            return
        with ThreadPoolExecutor(min(self.parallel, len(jobs))) as pool:
            # With the context of this task, so that progress is shown as this task's.
            results = [pool.submit(copy_context().run, job) for job in jobs]
        for result in results:
            result.result()

    def _root(self) -> None:
        image = servers.snapshot(self.source, self.id, self.timeouts.image_s, self.stop)
        row = image | {
            "name": f"{self.row['name']} disk",
            "visibility": "private",
            "is_protected": False,
        }
        self.image_id, self.checksums["root"] = images.copy_image(
            self.source,
            self.target,
            row,
            self.ids["projects"][self.row["project_id"]],
            lambda done, size: self.told("root disk", done, size),
            self.stop,
            self.id,
        )
        self.bytes += int(image["size_bytes"])

    def _volume_job(self, volume: Row) -> Callable[[], None]:
        def copy() -> None:
            assert self.owner is not None
            name = volume["name"] or volume["id"]
            made, checksum, size = volumes.copy_volume(
                self.source,
                self.target,
                self.owner,
                volume,
                self.ids["projects"][volume["project_id"]],
                self.timeouts.volume_s,
                lambda done, total: self.told(f"volume {name}", done, total),
                self.stop,
                self.volume_format,
            )
            self.volume_ids[volume["id"]] = made
            self.checksums[volume["id"]] = checksum
            self.bytes += size

        return copy

    def do_boot(self) -> None:
        """Boot the target server as its owner and wait for it; stop it if it was stopped."""
        assert self.owner is not None
        if self.copy and self.copy["status"] == "ERROR":
            servers.delete_server(self.target, self.copy["id"], self.timeouts.server_boot_s)
            self.copy = None
        if self.copy is None:
            self.copy = self._boot(self.owner)
        # Polled as its owner would: the same answer, and no rights in the way.
        if self.copy["status"] not in checks.MOVABLE:
            self.copy = servers.wait_for(
                self.target, self.copy["id"], "ACTIVE", self.timeouts.server_boot_s, self.stop
            )
        is_on = self.journal[WAS] == "ACTIVE"
        servers.set_power(self.target, self.copy, is_on, self.timeouts.server_boot_s, self.stop)

    def _boot(self, owner: Api) -> servers.Server:
        by_mac = {port["mac_address"]: port["id"] for port in self.row["ports"]}
        order = [by_mac[mac] for mac, _ in servers.addresses(self.live) if mac in by_mac]
        order += [port["id"] for port in self.row["ports"] if port["id"] not in order]
        body = bodies.server(
            self.row,
            self.flavor_id,
            self.image_id,
            [self.volume_ids[v["id"]] for v in self.row["attached"]],
            [self.ids["ports"][id_] for id_ in order],
        )
        if self.lost:
            # A key belongs to a user: another one cannot name it. It is on the disk already.
            body.pop("key_name", None)
        version = owner.microversion("compute")
        if version and tuple(map(int, version.split("."))) >= (2, 90) and self.row["hostname"]:
            body["hostname"] = self.row["hostname"].partition(".")[0]
        answer = owner.call(
            "POST", "compute", "/servers", json={"server": body}, microversion=version
        )
        return {"id": answer.json()["server"]["id"], "status": "BUILD"}

    def do_connect(self) -> None:
        """Put the target's ports up and bind the floating IPs there."""
        ports.set_ports(self.target, [self.ids["ports"][p] for p in self._source_ports()], True)
        for fip_id, (port_id, *address) in self._floating():
            fip = self.ids["floating_ips"][fip_id]
            port = self.ids["ports"][port_id]
            ports.bind(self.target, fip, port, *address)

    def do_verify(self) -> None:
        """Compare the target server with its source. The downtime ends."""
        assert self.copy is not None
        self.copy = servers.read_server(self.target, self.copy["id"])
        source = self.row | {"status": self.journal[WAS]}
        if self.lost:
            source["key_name"] = self.copy.get("key_name")
        found = checks.same_server(source, self.copy, self._carried())
        if found:
            raise Unverified("servers", self.item.label, self.copy["id"], found)
        if self.journal[WAS] == "ACTIVE" and self.stopped_at is not None:
            self.downtime_s = round(self._down_for(), 3)

    def _down_for(self) -> float:
        """Return the seconds since the stop, which may have been another run's."""
        since = self.journal.get(STATE, "").removeprefix(SINCE)
        if self.is_resumed and since.isdigit():
            return time.time() - int(since)
        assert self.stopped_at is not None
        return time.monotonic() - self.stopped_at

    def _carried(self) -> Mapping[str, Any]:
        assert self.copy is not None
        attached = [
            volumes.read_volume(self.target, v["id"])
            for v in self.copy["os-extended-volumes:volumes_attached"]
        ]
        attached.sort(key=lambda raw: _device(raw, str(self.copy and self.copy["id"])))
        wanted_floating = sorted(
            (self.ids["floating_ips"][fip], self.ids["ports"][value[0]])
            for fip, value in self._floating()
        )
        owner = (self.copy["user_id"], self.copy["tenant_id"])
        wanted_owner = (
            owner[0] if self.lost else self.ids["users"][self.row["user_id"]],
            self.ids["projects"][self.row["project_id"]],
        )
        return {
            "volumes": [mark(raw) for raw in attached],
            "wanted_volumes": [v["id"] for v in self.row["attached"]],
            "addresses": servers.addresses(self.copy),
            "wanted_addresses": servers.addresses(self.live),
            "floating": self._bound(fip for fip, _ in wanted_floating),
            "wanted_floating": wanted_floating,
            "owner": owner,
            "wanted_owner": wanted_owner,
        }

    def _bound(self, fips: Iterable[str]) -> list[tuple[str, str]]:
        found = []
        for fip in fips:
            raw = self.target.get("network", f"/floatingips/{fip}")["floatingip"]
            found.append((fip, raw["port_id"]))
        return sorted(found)

    def do_mark(self) -> None:
        """Note at the source where the server went."""
        assert self.copy is not None
        # Before the note: a run that is killed between the two comes back and does it again.
        self._clean_up()
        note = {MIGRATED_TO: self.copy["id"], STATE: MIGRATED}
        servers.write_metadata(self.source, self.id, note)

    def _clean_up(self) -> None:
        """Delete what was only needed on the way. A failure is told; the move is done."""
        try:
            servers.delete_snapshots(self.source, self.id)
        except PumphouseError as error:
            self.log(f"A temporary snapshot is left at the source: {error}")

    # ---- back again

    def _undo(self, failed: str) -> str:
        """Take everything back, newest first; return what became of it, as sentences."""
        self.stop = NEVER
        problems: list[str] = []
        for name in undo_order(failed):
            undo: Callable[[], None] | None = getattr(self, f"undo_{name}", None)
            if undo is None or (name == "remember" and problems):
                # What is left undone is carried on from the journal: it must stay.
                continue
            try:
                undo()
            except Exception as error:  # noqa: BLE001 - the rest must be taken back all the same
                problems.append(f"{name}: {said(error)}")
        if not problems:
            state = self.journal.get(WAS, self.live["status"])
            return f"Everything was undone: the source server is {state} as before."
        return (
            "NOT everything could be undone: "
            + " | ".join(problems)
            + " Repair that and run again: it goes on from the source server's metadata."
        )

    def undo_mark(self) -> None:
        """Take the note back."""
        servers.remove_metadata(self.source, self.id, [MIGRATED_TO])

    def undo_connect(self) -> None:
        """Take the floating IPs off at the target and put its ports down."""
        for fip_id, _ in self._floating():
            ports.bind(self.target, self.ids["floating_ips"][fip_id], None)
        ports.set_ports(self.target, [self.ids["ports"][p] for p in self._source_ports()], False)

    def undo_boot(self) -> None:
        """Delete the target server, also one whose creation was not answered."""
        found = servers.find_copy(self.target, self.row)
        if found:
            servers.delete_server(self.target, found["id"], self.timeouts.server_boot_s)
        self.copy = None

    def undo_move(self) -> None:
        """Delete what was copied."""
        self._delete_copies()

    def _delete_copies(self) -> None:
        if found := servers.find_copy(self.target, self.row):
            servers.delete_server(self.target, found["id"], self.timeouts.server_boot_s)
            self.copy = None
        # Looked for, not remembered: what answered nothing may have been made all the same.
        for volume in self.row["attached"]:
            volumes.discard(self.source, self.target, volume["id"], self.timeouts.volume_s)
        if self.item.mover is not Mover.REBUILD:
            images.delete_copies(self.target, self.id)
        servers.delete_snapshots(self.source, self.id)

    def undo_isolate(self) -> None:
        """Put the source ports up again and the floating IPs back."""
        ports.set_ports(self.source, self._source_ports(), True)
        for fip_id, (port_id, *address) in self._floating():
            ports.bind(self.source, fip_id, port_id, *address)

    def undo_stop(self) -> None:
        """Start the source server, if it ran before."""
        if self.journal.get(WAS) == "ACTIVE":
            live = servers.settle(self.source, self.id, self.timeouts.server_stop_s)
            servers.set_power(self.source, live, True, self.timeouts.server_boot_s)

    def undo_lock(self) -> None:
        """Unlock the source server, unless somebody else had locked it."""
        if self.journal.get(LOCKED) != "yes":
            servers.act(self.source, self.id, "unlock", retry=True)

    def undo_remember(self) -> None:
        """Remove the journal: last, since a killed undo is carried on from it."""
        servers.remove_metadata(self.source, self.id, list(self.journal))


def said(error: Exception) -> str:
    """Return an error's words; one that we did not foresee also by its type."""
    return str(error) if isinstance(error, PumphouseError) else f"{type(error).__name__}: {error}."


def _device(volume: Mapping[str, Any], server_id: str) -> tuple[int, str]:
    for attachment in volume.get("attachments") or []:
        if attachment["server_id"] == server_id:
            device = attachment["device"] or ""
            return len(device), device
    return 0, ""
