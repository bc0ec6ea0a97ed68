"""
Return a migrated server to the source: the steps of `pumphouse.steps.RETURN`, with their undo.

What the cut-over wrote into the source server's metadata says how it was. Until its health
checks have passed everything is taken back when something fails, and the copy runs on as before;
afterwards the return only goes forward. A run that was killed is carried on by the next one; one
that lives keeps the server to itself.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pumphouse.checks import RETURNED, RETURNING, STATE, WAS
from pumphouse.comparison import MIGRATED_TO
from pumphouse.errors import (
    Interrupted,
    PumphouseError,
    RequestFailed,
    ReturnFailed,
    ServerClaimed,
)
from pumphouse.fingerprints import OWN
from pumphouse.health import summary
from pumphouse.steps import COMMITTED, RETURN
from pumphouse.tasks import claims, health, ports, servers
from pumphouse.tasks.api import Api
from pumphouse.tasks.crossing import AILING, LOCKED, SINCE, Crossing
from pumphouse.tasks.crossing_disks import delete_copies
from pumphouse.tasks.managed import bring_home, bring_there
from pumphouse.tasks.rollback import said
from pumphouse.tasks.waiting import NEVER

GONE = "GONE"
BACK = "back"
"""What the journal says of a server that only has to be forgotten."""


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
        is_back = self.journal.get(RETURNING) == BACK
        for step in RETURN[-1:] if is_back else RETURN:
            self.on_step(step.name)
            try:
                if self.stop.is_set():
                    raise Interrupted(f"about to {step.name}")
                getattr(self, f"do_{step.name}")()
            except Exception as error:  # whatever it is, one of the two must run
                state = self._undo(step.name)
                raise ReturnFailed(self.item.label, step.name, said(error), state) from error
        return Returned(self.downtime_s, self.health)

    def prepare(self) -> None:
        """Look at both servers as they are now; what fails here touches nothing."""
        try:
            timeout_s = self.timeouts.server_stop_s
            self.live = servers.settle(self.source, self.id, timeout_s, self.stop)
            metadata = self.live.get("metadata") or {}
            self._require_unclaimed(metadata)
            self.journal = {k: v for k, v in metadata.items() if k.startswith(OWN)}
            self.is_resumed = RETURNING in self.journal
            self.copy = self._find_copy()
        except PumphouseError as error:
            state = "Nothing was touched; the copy is as it was."
            raise ReturnFailed(self.item.label, "prepare", str(error), state) from error

    def _require_unclaimed(self, metadata: Mapping[str, str]) -> None:
        """Whose cut-over has arrived is done with it, even if that run still moves others."""
        is_over = not metadata.get(STATE, "").startswith(SINCE) and RETURNING not in metadata
        if not is_over and (who := claims.rival(metadata.get(claims.RUN, ""))):
            raise ServerClaimed(self.item.label, who)

    def _find_copy(self) -> servers.Server | None:
        known = self.journal.get(MIGRATED_TO)
        if known is None:
            return servers.find_copy(self.target, self.row)
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
        if self.is_resumed:
            self.log("A return that was cut short is carried on.")
        elif RETURNING in latest:
            raise ServerClaimed(self.item.label, "A run that has just ended left it half-way.")
        else:
            words = [self.copy["status"] if self.copy else GONE]
            words += ["locked"] if self.copy and self.copy.get("locked") else []
            self.journal[RETURNING] = " ".join(words)
        self.journal[claims.RUN] = claims.own()
        self.is_ours = True
        note = {key: self.journal[key] for key in (RETURNING, claims.RUN)}
        servers.write_metadata(self.source, self.id, note)

    def do_hold(self) -> None:
        """Lock the copy: its tenant must not start it any more."""
        if self.copy and not self.copy.get("locked"):
            reason = {"locked_reason": "pumphouse"}
            servers.act(self.target, self.copy["id"], "lock", reason, retry=True)

    def do_stop(self) -> None:
        """Stop the copy. The downtime starts."""
        self.stopped_at = time.monotonic()
        if self.copy and self.copy["status"] not in ("SHUTOFF", "ERROR"):
            timeout_s = self.timeouts.server_stop_s
            servers.set_power(self.target, self.copy, False, timeout_s, self.stop)

    def do_release(self) -> None:
        """Take what is ours off at the target; a floating IP that went elsewhere stays there."""
        ours = set(self._target_ports())
        for fip_id, _ in self.floating():
            there = self.ids["floating_ips"].get(fip_id)
            if there and _bound_to(self.target, there) in ours:
                ports.bind(self.target, there, None)
        ports.set_ports(self.target, ours, False)

    def do_fetch(self) -> None:
        """Take the volumes that are no copies from the copy: there is one set of their bytes."""
        for volume in self.managed:
            bring_home(self.carrier(volume), volume)

    def do_restore(self) -> None:
        """Put the source ports up and the floating IPs back, unless they are used elsewhere."""
        ports.set_ports(self.source, self.source_ports(), True)
        for fip_id, (port_id, *address) in self.floating():
            there = self.ids["floating_ips"].get(fip_id)
            if there and _bound_to(self.target, there):
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
        """Unlock the source server, unless somebody else had locked it."""
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

    # ---- the way back to the copy

    def _undo(self, failed: str) -> str:
        """Take back all steps up to *failed*; return what became of it, as sentences."""
        if failed in COMMITTED:
            return "It runs at the source. Run the same rollback again to finish."
        if not self.is_ours:
            return "Nothing was touched."
        self.stop = NEVER
        undo = self._undos()
        names = [step.name for step in RETURN]
        problems: list[str] = []
        for name in reversed(names[: names.index(failed) + 1]):
            if name not in undo or (name == "note" and problems):
                continue
            try:
                undo[name]()
            except Exception as error:  # noqa: BLE001 - the rest must be taken back all the same
                problems.append(f"{name}: {said(error)}")
        if not problems:
            was = self.journal.get(RETURNING, GONE).split()[0]
            return f"Everything was undone: the copy is {was} as before."
        told = " | ".join(problems)
        return f"NOT everything could be undone: {told} Repair that and run the rollback again."

    def _undos(self) -> dict[str, Callable[[], None]]:
        return {
            "start": self._undo_start,
            "restore": self._undo_restore,
            "fetch": self._undo_fetch,
            "release": self._undo_release,
            "stop": self._undo_stop,
            "hold": self._undo_hold,
            "note": lambda: servers.remove_metadata(self.source, self.id, [RETURNING]),
        }

    def _undo_start(self) -> None:
        live = servers.settle(self.source, self.id, self.timeouts.server_stop_s)
        servers.set_power(self.source, live, False, self.timeouts.server_stop_s)

    def _undo_restore(self) -> None:
        here = {port["id"] for port in self.row["ports"]}
        for fip_id, _ in self.floating():
            if _bound_to(self.source, fip_id) in here:
                ports.bind(self.source, fip_id, None)
        ports.set_ports(self.source, self.source_ports(), False)

    def _undo_fetch(self) -> None:
        for volume in self.managed:
            bring_there(self.carrier(volume), volume)

    def _undo_release(self) -> None:
        if self.copy is None:
            return
        ports.set_ports(self.target, self._target_ports(), True)
        for fip_id, (port_id, *address) in self.floating():
            there = self.ids["floating_ips"].get(fip_id)
            if there and not _bound_to(self.target, there):
                ports.bind(self.target, there, self.ids["ports"][port_id], *address)

    def _undo_stop(self) -> None:
        if self.copy and self.journal.get(RETURNING, "").startswith("ACTIVE"):
            live = servers.settle(self.target, self.copy["id"], self.timeouts.server_stop_s)
            servers.set_power(self.target, live, True, self.timeouts.server_boot_s)

    def _undo_hold(self) -> None:
        if self.copy and "locked" not in self.journal.get(RETURNING, "").split():
            servers.act(self.target, self.copy["id"], "unlock", retry=True)

    def _target_ports(self) -> list[str]:
        """Return the target's ids of its ports, those that are still there."""
        wanted = [self.ids["ports"].get(port) for port in self.source_ports()]
        return [port for port in wanted if port and _is_there(self.target, port)]


def _bound_to(api: Api, fip_id: str) -> str | None:
    """Return the port that a floating IP is bound to; None for nothing, or when it is gone."""
    try:
        found = api.get("network", f"/floatingips/{fip_id}")["floatingip"]["port_id"]
    except RequestFailed as failed:
        if failed.status != 404:
            raise
        return None
    return str(found) if found else None


def _is_there(api: Api, port_id: str) -> bool:
    try:
        ports.read_port(api, port_id)
    except RequestFailed as failed:
        if failed.status != 404:
            raise
        return False
    return True


def drop_copy(crossing: Return) -> None:
    """Delete the copy that an earlier rollback left, with its disks. Safe to repeat."""
    crossing.prepare()
    if MIGRATED_TO in crossing.journal:
        state = "Nothing was touched."
        raise ReturnFailed(crossing.item.label, "look", "It was migrated again.", state)
    delete_copies(crossing)
