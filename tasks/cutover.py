"""
Cut one server over: the steps of `pumphouse.steps`, each with its undo.

The source server's metadata are the journal: a run that was killed is carried on by the next
one, which finds there how the server was. Every step looks first whether it is done.
"""

import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from pumphouse import bonds, checks
from pumphouse.checks import MIGRATED_AT, SINCE, STATE, WAS
from pumphouse.comparison import MIGRATED_TO
from pumphouse.errors import (
    Conflict,
    CutOverFailed,
    Interrupted,
    PumphouseError,
    ServerClaimed,
    WaitFailed,
)
from pumphouse.forwardings import FLOATING, noted
from pumphouse.health import summary
from pumphouse.steps import NAMES, STEPS
from pumphouse.tasks import (
    claims,
    forwardings,
    health,
    ports,
    servers,
    volume_movers,
)
from pumphouse.tasks.booting import boot, let_go
from pumphouse.tasks.crossing import (
    AILING,
    LOCKED,
    MIGRATED,
    PORT,
    UNDOING,
)
from pumphouse.tasks.crossing_disks import (
    copy_ahead,
    copy_disks,
    delete_copies,
    discard_old,
    prove_copies,
    shared_copies,
)
from pumphouse.tasks.meeting import RENEWED
from pumphouse.tasks.readiness import Readiness
from pumphouse.tasks.rollback import ENDS, said, undo, undo_boot
from pumphouse.tasks.verification import verify
from pumphouse.verdicts import ATTACHED


@dataclass(frozen=True)
class Arrived:
    """A server that was cut over. *checksums* are of its disks, in their order."""

    target_id: str
    downtime_s: float | None
    bytes: int
    checksums: tuple[str, ...]
    lost: str = ""
    health: str = ""


@dataclass
class CutOver(Readiness):
    """The cut-over of one server. `prepare` and the steps are called by `run`."""

    # ---- the whole

    def run(self) -> Arrived:
        """
        Do all steps; return where the server is now.

        Raises:
            CutOverFailed: It is not there. The message says what was undone.
        """
        with ExitStack() as stack:
            self.prepare(stack)
            for step in STEPS:
                self.on_step(step.name)
                try:
                    if self.stop.is_set() and step.name != "mark":
                        raise Interrupted(f"about to {step.name}")
                    getattr(self, f"do_{step.name}")()
                    self.after_step(step.name)
                except ENDS as error:  # whatever it is, the server must not stay down
                    cause = self.meeting.ended(self.item.label, error)
                    state = undo(self, self._reached(step.name))
                    self.downtime_s = self._downtime()
                    if not isinstance(cause, Exception):
                        self.log(state)
                        raise
                    raise CutOverFailed(self.item.label, step.name, said(cause), state) from cause
        assert self.copy is not None
        order = [v["id"] for v in self.row["attached"]]
        sums = tuple(self.checksums[key] for key in ["root", *order] if self.checksums.get(key))
        return Arrived(self.copy["id"], self.downtime_s, self.bytes, sums, self.lost, self.health)

    def _reached(self, step: str) -> str:
        """Return how far it had come when *step* failed; an earlier run may have come further."""
        is_early = NAMES.index(step) < NAMES.index("check")
        return "check" if self.is_resumed and self.journal and is_early else step

    def _downtime(self) -> float | None:
        """Return for how long it has been down, if it ran before."""
        if self.journal.get(WAS) != "ACTIVE" or self.stopped_at is None:
            return None
        return round(self.down_for(), 3)

    # ---- the steps, in their order

    def do_bulk(self) -> None:
        """Discard old copies, and copy ahead, while the server runs; meanwhile it is ours too."""
        if self.is_resumed or self.copy:
            return
        if self.row["attached"]:
            self.require_unclaimed(servers.read_server(self.source, self.id))
            discard_old(self)
        if not self.on_ceph:
            return
        self.require_unclaimed(servers.read_server(self.source, self.id))
        servers.write_metadata(self.source, self.id, {claims.RUN: claims.own()})
        self.is_ours = True
        copy_ahead(self)
        # That may have taken hours.
        self.live = servers.read_server(self.source, self.id)
        self.check_drift()

    def do_remember(self) -> None:
        """Write the journal, or read the one that an interrupted run left."""
        latest = servers.read_server(self.source, self.id)
        self._require_same_hands(latest)
        # The others of its group may have copied ahead for hours.
        self.live = latest
        self.check_drift()
        if self.is_resumed:
            self.claim()
            self.log("An interrupted cut-over is carried on.")
            return
        self.journal = {
            WAS: self.live["status"],
            claims.RUN: claims.own(),
            LOCKED: "yes" if self.live.get("locked") else "no",
            STATE: f"{SINCE}{int(time.time())}",
            **self.grouped,
            **{f"{AILING}{name}": "yes" for name in self.ailing},
        }
        for port in self.every_port():
            if not port["is_admin_state_up"]:
                self.journal[f"{PORT}{port['id']}"] = "down"
            for fip in self.floating_at_source(port["id"]):
                value = f"{port['id']} {fip['fixed_ip_address'] or ''}"
                self.journal[f"{FLOATING}{fip['id']}"] = value.strip()
        for fip_id, those in self.forwarded_at_source().items():
            for one in those:
                self.journal |= noted(fip_id, one)
        servers.write_metadata(self.source, self.id, self.journal)

    def _require_same_hands(self, latest: servers.Server) -> None:
        """Raise if another run has been at the server since this one read it."""
        now, before = latest.get("metadata") or {}, self.live.get("metadata") or {}
        if any(now.get(key) != before.get(key) for key in (WAS, MIGRATED_TO, claims.RUN)):
            self.is_ours = self.is_resumed = False
            self.require_unclaimed(latest)
            raise ServerClaimed(self.item.label, "A run that has just ended was at it.")

    def do_lock(self) -> None:
        """Lock the source server."""
        if not self.live.get("locked"):
            servers.act(self.source, self.id, "lock", {"locked_reason": "pumphouse"}, retry=True)
        self._require_as_noted(servers.read_server(self.source, self.id))

    def _require_as_noted(self, latest: servers.Server) -> None:
        """Raise if its tenant was at it before it was locked: the journal is older than that."""
        known, now = ({v["id"] for v in one[ATTACHED]} for one in (self.live, latest))
        self.live = latest
        if self.is_resumed and now == known:
            return
        if now != known or latest["status"] != self.journal[WAS]:
            if not self.is_resumed:
                # Nothing was done to it yet: as it is now is how it stays.
                self.journal[WAS] = latest["status"]
            what = f"server {self.item.label} to stay as it was until it was locked"
            raise WaitFailed(what, "Its tenant was at it; run again.")

    def do_stop(self) -> None:
        """Stop the source server. The downtime starts."""
        is_undone = self.journal.get(STATE, "").endswith(UNDOING)
        is_old = self.is_resumed and (is_undone or self.live["status"] == "ACTIVE")
        if is_old:
            self._renew()
        self.after_step(RENEWED)
        if is_old or self.group:
            # To copy ahead anew may have taken hours: for it, or for another one of its group.
            self.live = servers.read_server(self.source, self.id)
            self.check_drift()
        if is_old:
            self.journal[STATE] = f"{SINCE}{int(time.time())}"
            servers.write_metadata(self.source, self.id, {STATE: self.journal[STATE]})
        self.stopped_at = time.monotonic()
        servers.set_power(self.source, self.live, False, self.timeouts.server_stop_s, self.stop)
        self.live["status"] = "SHUTOFF"

    def _renew(self) -> None:
        """Copy ahead anew: it may have run since an earlier run copied, so those bytes are old."""
        delete_copies(self)
        if kept := shared_copies(self):
            raise Conflict("servers", self.item.label, [
                f"it ran since an earlier run copied volume {', '.join(kept)}, which "
                "others use at the target already"
            ])  # fmt: skip
        copy_ahead(self)

    def do_isolate(self) -> None:
        """Put the source ports down; take the floating IPs and port forwardings off."""
        for fip_id, _ in self.floating():
            ports.bind(self.source, fip_id, None)
        for fip_id, those in self.forwarded().items():
            forwardings.take_off(self.source, fip_id, those, self.same_ports)
        ports.set_ports(self.source, self.source_ports(), False)

    def do_move(self) -> None:
        """Copy the disks, unless the target server is there already."""
        if self.copy and self.copy["status"] == "ERROR":
            undo_boot(self)
        if self.copy is None:
            copy_disks(self)

    def do_boot(self) -> None:
        """Boot the target server as its owner and wait for it; stop it if it was stopped."""
        # Cinder gives a volume to one server at a time.
        with self.meeting.turn if bonds.shared(self.row) else nullcontext():
            self._boot()

    def _boot(self) -> None:
        assert self.owner is not None
        if self.copy is None:
            self.copy = boot(self, self.owner)
        prove_copies(self)
        is_on = self.journal[WAS] == "ACTIVE"
        if is_on:
            # Its guest asks for an address as soon as it is up, and some ask only once.
            self._open_ports()
        # Polled as its owner would: the same answer, and no rights in the way.
        if self.copy["status"] not in checks.MOVABLE:
            self.copy = servers.wait_for(
                self.target, self.copy, "ACTIVE", self.timeouts.server_boot_s, self.stop
            )
        servers.set_power(self.target, self.copy, is_on, self.timeouts.server_boot_s, self.stop)

    def _open_ports(self) -> None:
        """Put those of the target's ports up whose source ports were up."""
        ports.set_ports(self.target, [self.ids["ports"][p] for p in self.source_ports()], True)

    def do_connect(self) -> None:
        """Put the target's ports up; bind the floating IPs and forward ports there."""
        self._open_ports()
        ports.name(self.target, self.names())
        # First: to a port that has a floating IP, Neutron forwards nothing.
        for fip_id, those in self.forwarded().items():
            fip = self.ids["floating_ips"][fip_id]
            forwardings.put(self.target, fip, those, self.target_ports)
        for fip_id, (port_id, *address) in self.floating():
            fip = self.ids["floating_ips"][fip_id]
            port = self.ids["ports"][port_id]
            ports.bind(self.target, fip, port, *address)

    def do_verify(self) -> None:
        """Compare the target server with its source."""
        verify(self)

    def do_check(self) -> None:
        """Ask the copy what its source was asked before. The downtime ends."""
        assert self.copy is not None
        if wanted := self.wanted_checks():
            there = [self.ids["ports"][port["id"]] for port in self.row["ports"]]
            copy = health.subject(self.target, self.item, self.copy["id"], there)
            health.demand(wanted, copy, self.stop)
        ailing = [key.removeprefix(AILING) for key in self.journal if key.startswith(AILING)]
        self.health = summary([check.name for check in wanted], ailing)
        self.downtime_s = self._downtime()

    def do_mark(self) -> None:
        """Note at the source where the server went."""
        assert self.copy is not None
        # Before the note: a run that is killed between the two comes back and does it again.
        self._clean_up()
        let_go(self)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        note = {MIGRATED_TO: self.copy["id"], MIGRATED_AT: when, STATE: MIGRATED}
        servers.write_metadata(self.source, self.id, note)

    def _clean_up(self) -> None:
        """Delete what was only needed on the way. A failure is told; the move is done."""
        deletions = [partial(servers.delete_snapshots, self.source, self.id)]
        for volume in self.on_ceph:
            carrier, mover = self.carrier(volume), self.mover_of(volume)
            deletions.append(partial(volume_movers.tidy, carrier, volume, mover))
        for delete in deletions:
            try:
                delete()
            except PumphouseError as error:
                self.log(f"What was only needed on the way is left; delete it by hand: {error}")
