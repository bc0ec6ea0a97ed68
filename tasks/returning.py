"""
Return a migrated server to the source: the steps of `pumphouse.steps.RETURN`, with their undo.

What the cut-over wrote into the source server's metadata says how it was. Until its health
checks have passed everything is taken back when something fails, and the copy runs on as before;
afterwards the return only goes forward. A run that was killed is carried on by the next one; one
that lives keeps the server to itself.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from pumphouse.checks import RETURNED, RETURNING, SINCE, STATE, WAS
from pumphouse.comparison import MIGRATED_TO
from pumphouse.errors import (
    Interrupted,
    MovedMeanwhile,
    PumphouseError,
    RequestFailed,
    ReturnFailed,
    ServerClaimed,
    WaitFailed,
)
from pumphouse.fingerprints import OWN
from pumphouse.health import summary
from pumphouse.returning import BACK, CHECKED, is_committed
from pumphouse.steps import COMMITTED, RETURN, Step
from pumphouse.tasks import claims, forwardings, health, ports, return_undo, servers
from pumphouse.tasks.crossing import AILING, LOCKED, Crossing
from pumphouse.tasks.crossing_disks import delete_copies
from pumphouse.tasks.managed import bring_home, require_returnable
from pumphouse.tasks.rollback import ENDS, said

NAMES = tuple(step.name for step in RETURN)


@dataclass(frozen=True)
class Returned:
    """A server that is back. *health* says what became of its checks."""

    downtime_s: float | None
    health: str


@dataclass
class Return(Crossing):
    """The return of one server. *deletes_copy*: else the copy is left, stopped and marked."""

    deletes_copy: bool = False

    def run(self) -> Returned:
        """
        Do all steps; return how long it was down.

        Raises:
            ReturnFailed: It is not done. The message says what was undone.
        """
        self.prepare()
        for step in self._todo():
            self.on_step(step.name)
            try:
                if self.stop.is_set():
                    raise Interrupted(f"about to {step.name}")
                getattr(self, f"do_{step.name}")()
                self.after_step(step.name)
            except ENDS as error:  # whatever it is, one of the two must run
                cause = self.meeting.ended(self.item.label, error)
                state = return_undo.undo(self, self._reached(step.name))
                if not isinstance(cause, Exception):
                    self.log(state)
                    raise
                raise ReturnFailed(self.item.label, step.name, said(cause), state) from cause
        return Returned(self.downtime_s, self.health)

    @property
    def is_committed(self) -> bool:
        """Whether an earlier run came so far that it works at the source."""
        return is_committed(self.journal)

    def _reached(self, step: str) -> str:
        """Return how far it had come when *step* failed; an earlier run may have come further."""
        is_early = NAMES.index(step) < NAMES.index("check")
        return "check" if self.is_resumed and is_early else step

    def _todo(self) -> list[Step]:
        if self.journal.get(RETURNING) == BACK:
            return [RETURN[-1]]
        return [step for step in RETURN if not self.is_committed or step.name in COMMITTED]

    def prepare(self, is_away: bool = True) -> None:
        """
        Look at both servers as they are now; what fails here touches nothing.

        is_away: It has to be at the target still, or on its way back.
        """
        try:
            timeout_s = self.timeouts.server_stop_s
            self.live = servers.settle(self.source, self.id, timeout_s, self.stop)
            metadata = self.live.get("metadata") or {}
            self._require_unclaimed(metadata)
            if is_away:
                self._require_away(metadata)
            self.journal = {k: v for k, v in metadata.items() if k.startswith(OWN)}
            self.is_resumed = RETURNING in self.journal
            self.copy = self._find_copy()
            if is_away and not self.is_resumed:
                # One that is under way is ended: its volumes may be home already.
                for volume in self.managed:
                    require_returnable(self.carrier(volume), volume)
            self.after_step("prepare")
        except PumphouseError as error:
            state = "Nothing was touched; the copy is as it was."
            known = (self.live or self.row).get("metadata") or {}
            if RETURNING in known and not isinstance(error, ServerClaimed):
                state = "Nothing was touched; it is half-way back: run the rollback again."
            raise ReturnFailed(self.item.label, "prepare", str(error), state) from error

    def _require_unclaimed(self, metadata: Mapping[str, str]) -> None:
        """Whose cut-over has arrived is done with it, even if that run still moves others."""
        note = metadata.get(claims.FINALIZING)
        if note and (who := claims.rival(note, claims.FINALIZING)):
            raise ServerClaimed(self.item.label, who)
        is_over = not metadata.get(STATE, "").startswith(SINCE) and RETURNING not in metadata
        if not is_over and (who := claims.rival(metadata.get(claims.RUN, ""))):
            raise ServerClaimed(self.item.label, who)

    def _require_away(self, metadata: Mapping[str, str]) -> None:
        """To return it once more would stop it, if anything failed."""
        if MIGRATED_TO not in metadata and RETURNING not in metadata:
            raise MovedMeanwhile(self.item.label, "the source")

    def _find_copy(self) -> servers.Server | None:
        known = self.journal.get(MIGRATED_TO)
        if known is None:
            return servers.find_copy(self.target, self.sought)
        try:
            timeout_s = self.timeouts.server_stop_s
            return servers.settle(self.target, known, timeout_s, self.stop)
        except RequestFailed as failed:
            if failed.status != 404:
                raise
            return None

    # ---- the steps, in their order

    def do_note(self) -> None:
        """Write who returns it, and how the copy is unless an interrupted run did."""
        latest = servers.read_server(self.source, self.id).get("metadata") or {}
        self._require_unclaimed(latest)
        self._require_away(latest)
        if latest.get(RETURNING) != self.journal.get(RETURNING):
            raise ServerClaimed(self.item.label, "A run that has just ended was at it.")
        if self.is_resumed:
            self.log("A return that was cut short is carried on.")
        else:
            words = [self.copy["status"] if self.copy else return_undo.GONE]
            words += ["locked"] if self.copy and self.copy.get("locked") else []
            self.journal[RETURNING] = " ".join(words)
        self.journal[claims.RUN] = claims.own()
        self.is_ours = True
        self._write_note()

    def _write_note(self) -> None:
        note = {key: self.journal[key] for key in (RETURNING, claims.RUN)}
        servers.write_metadata(self.source, self.id, note)

    def do_hold(self) -> None:
        """Lock the copy: its tenant must not start it any more."""
        if self.copy and not self.copy.get("locked"):
            reason = {"locked_reason": "pumphouse"}
            servers.act(self.target, self.copy["id"], "lock", reason, retry=True)
        if self.copy:
            self._require_as_noted(servers.read_server(self.target, self.copy["id"]))

    def _require_as_noted(self, latest: servers.Server) -> None:
        """Raise if its tenant started or stopped the copy before it was locked."""
        assert self.copy is not None
        before, self.copy = self.copy, latest
        if latest["status"] != before["status"] and not self.is_resumed:
            # Nothing was done to it yet: as it is now is how it stays.
            self.journal[RETURNING] = latest["status"]
            what = f"the copy {latest['id']} to stay as it was until it was locked"
            raise WaitFailed(what, "Its tenant was at it; run again.")

    def do_stop(self) -> None:
        """Stop the copy. The downtime starts."""
        self.stopped_at = time.monotonic()
        if self.copy and self.copy["status"] not in ("SHUTOFF", "ERROR"):
            timeout_s = self.timeouts.server_stop_s
            servers.set_power(self.target, self.copy, False, timeout_s, self.stop)

    def do_release(self) -> None:
        """Take what is ours off at the target; a floating IP that went elsewhere stays there."""
        ours = set(return_undo.target_ports(self))
        for fip_id, _ in self.floating():
            there = self.ids["floating_ips"].get(fip_id)
            if there and return_undo.bound_to(self.target, there) in ours:
                ports.bind(self.target, there, None)
        for fip_id, those in self.forwarded().items():
            if there := self.ids["floating_ips"].get(fip_id):
                forwardings.take_off(self.target, there, those, self.target_ports)
        ports.set_ports(self.target, ours, False)

    def do_fetch(self) -> None:
        """Take the volumes that are no copies from the copy: there is one set of their bytes."""
        for volume in self.managed:
            bring_home(self.carrier(volume), volume)

    def do_restore(self) -> None:
        """Put the source ports up and the floating IPs back, unless they are used elsewhere."""
        ports.set_ports(self.source, self.source_ports(), True)
        for fip_id, those in self.forwarded().items():
            there = self.ids["floating_ips"].get(fip_id)
            if there and return_undo.is_used(self.target, there):
                self.log(f"Floating IP {fip_id} is used by another port of the target.")
                continue
            forwardings.put(self.source, fip_id, those, self.same_ports)
        for fip_id, (port_id, *address) in self.floating():
            there = self.ids["floating_ips"].get(fip_id)
            if there and return_undo.bound_to(self.target, there):
                self.log(f"Floating IP {fip_id} is used by another port of the target.")
                continue
            ports.bind(self.source, fip_id, port_id, *address)

    def do_start(self) -> None:
        """Start the source server, if it ran before."""
        if self.journal.get(WAS) == "ACTIVE":
            timeout_s = self.timeouts.server_boot_s
            servers.set_power(self.source, self.live, True, timeout_s, self.stop)

    def do_check(self) -> None:
        """Ask the source server what it was asked before its move. The downtime ends."""
        if wanted := self.wanted_checks():
            here = [port["id"] for port in self.row["ports"]]
            subject = health.subject(self.source, self.item, self.id, here)
            health.demand(wanted, subject, self.stop)
        ailing = [key.removeprefix(AILING) for key in self.journal if key.startswith(AILING)]
        self.health = summary([check.name for check in wanted], ailing)
        if self.journal.get(WAS) == "ACTIVE" and self.stopped_at is not None:
            self.downtime_s = round(time.monotonic() - self.stopped_at, 3)

    def do_unlock(self) -> None:
        """Note that nothing is taken back any more; unlock it, unless somebody had locked it."""
        if not self.is_committed:
            self.journal[RETURNING] += f" {CHECKED}"
        self.journal[claims.RUN] = claims.own()
        self._write_note()
        if self.journal.get(LOCKED) == "no":
            servers.act(self.source, self.id, "unlock", retry=True)

    def do_leave(self) -> None:
        """Delete the copy with its disks, or mark it: it is no server's place any more."""
        if self.deletes_copy:
            delete_copies(self)
        elif self.copy:
            when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            servers.write_metadata(self.target, self.copy["id"], {RETURNED: when})

    def do_forget(self) -> None:
        """Remove the journal; whose it is and what a next run goes by, last."""
        servers.write_metadata(self.source, self.id, {RETURNING: BACK})
        last = (claims.RUN, RETURNING)
        keys = [key for key in self.journal if key not in last]
        servers.remove_metadata(self.source, self.id, [*keys, *last])


def drop_copy(crossing: Return) -> None:
    """Delete the copy that an earlier rollback left, with its disks. Safe to repeat."""
    crossing.prepare(is_away=False)
    if MIGRATED_TO in crossing.journal:
        state = "Nothing was touched."
        raise ReturnFailed(crossing.item.label, "look", "It was migrated again.", state)
    delete_copies(crossing)
