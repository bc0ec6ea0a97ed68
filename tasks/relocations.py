"""Move one server off its host, and believe it only when Nova's records and the server agree."""

from contextlib import suppress

from pumphouse import verdicts
from pumphouse.errors import Interrupted, MoveFailed, RequestFailed, WaitFailed
from pumphouse.evacuation import Way
from pumphouse.leaving import LEAVING
from pumphouse.tasks.compute_services import at_most
from pumphouse.tasks.departures import ACTIONS, Departure, Raw
from pumphouse.tasks.waiting import NEVER, poll
from pumphouse.verdicts import ATTACHED, HOST, TASK, TYPES

ABORT_S = 60.0
"""How long an aborted live migration may take to be rolled back."""

STARTING = ("accepted", "queued", "preparing")
"""States of a live migration in which Nova refuses to end it, and may have just left."""

SETTLED = ("ACTIVE", "SHUTOFF")


class Relocation(Departure):
    """The ways off a host. What an earlier run began is found and finished."""

    def run(self) -> tuple[Way, str]:
        """
        Move the server, and return how that was done and where it is now.

        Raises:
            MoveFailed: It is where it was, or the message says what else.
            Interrupted: The run was told to stop; a live migration was called off.
        """
        way = self.move.way if self.move.way is not Way.TARGET else Way.COLD
        try:
            return way, self._leave(way)
        except MoveFailed as failed:
            if not self.move.fallback or self.move.way is Way.TARGET:
                raise
            self.log(f"{failed} It is tried {self.move.fallback.value}.")
            server = self.read()
            if server["status"] != "ACTIVE" or server[HOST] != self.asked.host:
                raise
        return self.move.fallback, self._leave(self.move.fallback)

    def _leave(self, way: Way) -> str:
        ways = {
            Way.LIVE: self.live,
            Way.COLD: self.cold,
            Way.EVACUATE: self.evacuate,
            Way.OFFLOAD: self.offload,
        }
        try:
            return ways[way]()
        except (RequestFailed, WaitFailed) as error:
            raise self.failed(way, str(error)) from error

    # ---- live

    def live(self) -> str:
        """Migrate it live and return its new host."""
        options, server = self.asked.options, self.read()
        if self.is_away(server):
            return str(server[HOST])
        known: list[int] = []
        if server[TASK] != "migrating":
            known = [record["id"] for record in self.records()]
            block = {"yes": True, "no": False}.get(options.block_migration, "auto")
            self.begin("os-migrateLive", {"host": self.wanted_host(), "block_migration": block})
        try:
            return self.watch(Way.LIVE, verdicts.judge_live, known, options.live_timeout_s)
        except (WaitFailed, Interrupted) as error:
            is_late = isinstance(error, WaitFailed)
            return self._end_live(known, is_late and options.live_timeout_action == "force", error)

    def _end_live(self, known: list[int], by_force: bool, cause: Exception) -> str:
        """Bring a live migration to an end that takes too long, or that must not go on."""
        record = verdicts.newest(self.records(), TYPES["live"], self.asked.host, known)
        if record is None:
            raise self.failed(Way.LIVE, str(cause)) from cause
        what = "forced to complete" if by_force else "aborted"
        self.log(f"Server {self.move.label}: {cause} It is {what}.")
        with suppress(WaitFailed):
            poll(
                f"the live migration of server {self.move.label} to begin, to be {what}",
                lambda: self._order_end(record["id"], by_force, known),
                bool,
                ABORT_S,
            )
        timeout_s = self.asked.options.live_timeout_s if by_force else ABORT_S
        # Whatever the run was told: how it ends must be known.
        try:
            return self.watch(Way.LIVE, verdicts.judge_live, known, timeout_s, NEVER)
        except MoveFailed as failed:
            if isinstance(cause, Interrupted):
                raise cause from failed
            raise self.failed(Way.LIVE, f"{cause} So it was called off.") from failed

    def _order_end(self, migration: int, by_force: bool, known: list[int]) -> bool:
        """Tell Nova to end a live migration; return False if that has to be said again."""
        path, version = f"{self.path}/migrations/{migration}", at_most(self.api, ACTIONS)
        try:
            if by_force:
                body = {"force_complete": None}
                self.api.call("POST", "compute", f"{path}/action", json=body, microversion=version)
            else:
                self.api.call("DELETE", "compute", path, microversion=version)
        except RequestFailed as refused:
            record = verdicts.newest(self.records(), TYPES["live"], self.asked.host, known)
            if refused.status == 400 and record and record["status"] in STARTING:
                return False
            # It may have ended between the two calls.
            self.log(str(refused))
        return True

    # ---- cold

    def cold(self) -> str:
        """Migrate it cold, look at it, confirm, and return its new host; revert what is wrong."""
        server = self.read()
        if server["status"] != "VERIFY_RESIZE" and self.is_away(server):
            self._forget()
            return str(server[HOST])
        known: list[int] = []
        if not server[TASK] and server["status"] != "VERIFY_RESIZE":
            known = [record["id"] for record in self.records()]
            self._note()
            try:
                host = self.wanted_host()
                self.begin_when_served("migrate", {"host": host} if host else None)
            except (RequestFailed, WaitFailed, Interrupted):
                self._forget()
                raise
        try:
            timeout_s = self.asked.options.cold_timeout_s
            self.watch(Way.COLD, verdicts.judge_cold, known, timeout_s)
        except MoveFailed:
            self._forget()
            raise
        moved = self.read()
        if moved["status"] == "VERIFY_RESIZE":
            if problems := _differences(server, moved):
                self._revert(problems)
            self._confirm()
        self._forget()
        return str(self.read()[HOST])

    def _confirm(self) -> None:
        try:
            self.begin_when_served("confirmResize", None, NEVER)
        except RequestFailed as refused:
            # Somebody else, or Nova itself, was faster.
            if refused.status not in (400, 409):
                raise
        self._settle("to be confirmed")

    def _revert(self, problems: str) -> None:
        self.begin("revertResize", None)
        self._settle("to be reverted")
        self._forget()
        raise self.failed(Way.COLD, f"It arrived changed ({problems}), and was taken back.")

    def _settle(self, what: str) -> None:
        poll(
            f"server {self.move.label} {what}",
            self.read,
            lambda server: server["status"] in SETTLED and not server[TASK],
            self.asked.options.cold_timeout_s,
        )

    def _note(self) -> None:
        body = {"metadata": {LEAVING: self.asked.host}}
        self.api.call("POST", "compute", f"{self.path}/metadata", json=body, retry=True)

    def _forget(self) -> None:
        try:
            self.api.call("DELETE", "compute", f"{self.path}/metadata/{LEAVING}")
        except RequestFailed as failed:
            if failed.status not in (404, 409):
                raise

    # ---- the others

    def evacuate(self) -> str:
        """Start it on another host from its disks, and return that host."""
        server = self.read()
        if self.is_away(server):
            return str(server[HOST])
        known: list[int] = []
        if not server[TASK]:
            known = [record["id"] for record in self.records()]
            self.begin("evacuate", {"host": self.wanted_host()} if self.wanted_host() else {})
        timeout_s = self.asked.options.evacuate_timeout_s
        return self.watch(Way.EVACUATE, verdicts.judge_evacuation, known, timeout_s)

    def offload(self) -> str:
        """Give up what a shelved server still has on the host; it gets a new one later."""
        if self.read()["status"] != "SHELVED_OFFLOADED":
            self.begin("shelveOffload", None)
            poll(
                f"server {self.move.label} to be offloaded",
                self.read,
                lambda server: server["status"] == "SHELVED_OFFLOADED" and not server[TASK],
                self.asked.options.cold_timeout_s,
                self.stop,
            )
        return ""


def _differences(before: Raw, after: Raw) -> str:
    """Return how a server that was moved cold differs from what it was; nothing if it does not."""
    if before["status"] not in SETTLED:
        return ""
    power = "OS-EXT-STS:power_state"
    changed = []
    if before[power] != after[power]:
        changed.append(f"power state {after[power]} instead of {before[power]}")
    ids = [sorted(volume["id"] for volume in of.get(ATTACHED, ())) for of in (before, after)]
    if ids[0] != ids[1]:
        changed.append("other volumes")
    if sorted(before.get("addresses") or {}) != sorted(after.get("addresses") or {}):
        changed.append("other networks")
    return ", ".join(changed)
