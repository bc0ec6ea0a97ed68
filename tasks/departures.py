"""One server that leaves its host: what Nova says of it, and what became of a request."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pumphouse import verdicts
from pumphouse.errors import MoveFailed, RequestFailed, WaitFailed
from pumphouse.evacuation import Asked, Move, Way
from pumphouse.tasks.api import REQUEST_ID, Api
from pumphouse.tasks.compute_services import at_most
from pumphouse.tasks.waiting import NEVER, poll
from pumphouse.verdicts import HOST, TASK, TYPES, Verdict

Raw = dict[str, Any]
Judge = Callable[[Raw, verdicts.Raw | None, list[Raw], str], Verdict]

ACTIONS = "2.68"
"""Compute microversion of the moves: Nova chooses or checks the host, and nothing is forced
past its scheduler; from 2.95 on an evacuated server would stay stopped."""

RECORDS = "2.80"
"""Of migration records, newest first."""

UNSERVED = "service is unavailable"
"""What Nova answers (409 or 503) when it takes the host's compute service as down."""

STALE = (
    "If the service is up, Nova still has the record of a deleted service of this host and takes "
    "it for that: purge such records (nova-manage db archive_deleted_rows) on the source's "
    "controller."
)
"""Nova's join of servers with services counts deleted records, and believes the first."""

EVENTS = "2.84"
"""Of a server's actions, with the reason of what failed."""


@dataclass
class Departure:
    """
    One server that leaves the host of *asked*.

    Attributes:
        log: Is told each step, in one sentence.
    """

    api: Api
    asked: Asked
    move: Move
    log: Callable[[str], None]
    stop: threading.Event = NEVER
    _request: str = field(default="", init=False)

    @property
    def path(self) -> str:
        """The server's path."""
        return f"/servers/{self.move.server_id}"

    def read(self) -> Raw:
        """Return the server as Nova has it now."""
        version = at_most(self.api, ACTIONS)
        server: Raw = self.api.get("compute", self.path, None, version)["server"]
        return server

    def records(self) -> list[Raw]:
        """Return the server's migration records."""
        params = {"instance_uuid": self.move.server_id}
        version = at_most(self.api, RECORDS)
        records: list[Raw] = self.api.get("compute", "/os-migrations", params, version)[
            "migrations"
        ]
        return records

    def events(self) -> list[Raw]:
        """Return what happened in the action that our last request began."""
        if not self._request:
            return []
        path = f"{self.path}/os-instance-actions/{self._request}"
        try:
            answer = self.api.get("compute", path, None, at_most(self.api, EVENTS))
        except RequestFailed as failed:
            if failed.status != 404:
                raise
            return []
        events: list[Raw] = answer["instanceAction"].get("events") or []
        return events

    def is_away(self, server: Raw) -> bool:
        """Tell whether it is elsewhere and Nova is done with it."""
        return server[HOST] != self.asked.host and not server[TASK]

    def wanted_host(self) -> str | None:
        """Return the host that was asked for; None lets Nova choose."""
        return self.asked.to_host or None

    def begin(self, action: str, body: Any) -> None:
        """Ask Nova for an *action* on the server. Errors as `Api.call`."""
        version = at_most(self.api, ACTIONS)
        answer = self.api.call(
            "POST", "compute", f"{self.path}/action", json={action: body}, microversion=version
        )
        self._request = answer.headers.get(REQUEST_ID, "")

    def begin_when_served(
        self, action: str, body: Any, stop: threading.Event | None = None
    ) -> None:
        """
        Ask for an *action*, again while Nova takes the host's compute service as down.

        Raises:
            WaitFailed: It still does after `service_timeout_s`.
            RequestFailed, Interrupted: As `Api.call` and `poll`.
        """
        refused: list[RequestFailed] = []

        def is_taken() -> bool:
            try:
                self.begin(action, body)
            except RequestFailed as failed:
                if failed.status not in (409, 503) or UNSERVED not in failed.reason.lower():
                    raise
                if not refused:
                    self.log(f"Server {self.move.label}: {failed} It is asked for again.")
                refused.append(failed)
                return False
            return True

        what = f"the compute service of {self.asked.host} to be available for {action}"
        timeout_s = self.asked.options.service_timeout_s
        try:
            poll(what, is_taken, bool, timeout_s, stop or self.stop)
        except WaitFailed as error:
            raise WaitFailed(error.what, f"{error.reason} {refused[-1]} {STALE}") from error

    def watch(
        self,
        way: Way,
        judge: Judge,
        known: list[int],
        timeout_s: float,
        stop: threading.Event | None = None,
    ) -> str:
        """
        Return the new host as soon as *judge* says that it has moved.

        known: Ids of the records of earlier moves.

        Raises:
            MoveFailed: Nova gave up.
            WaitFailed, Interrupted: As `poll`.
        """
        host = self.asked.host

        def look() -> tuple[Verdict, Raw]:
            record = verdicts.newest(self.records(), TYPES[way.value], host, known)
            server = self.read()
            return judge(server, record, self.events() if record is None else [], host), server

        def is_over(seen: tuple[Verdict, Raw]) -> bool:
            if seen[0] is Verdict.FAILED:
                why = verdicts.failure(self.events()) or "Nova gave up and says no more."
                raise self.failed(way, why)
            return seen[0] is Verdict.DONE

        what = f"server {self.move.label} to leave {host} ({way.value})"
        return str(poll(what, look, is_over, timeout_s, stop or self.stop)[1][HOST])

    def failed(self, way: Way, reason: str) -> MoveFailed:
        """Return the error that says why it did not move, and how it is now."""
        try:
            now = self.read()
            task = f", task {now[TASK]}" if now[TASK] else ""
            state = f"It is {now['status']} on {now[HOST]}{task}."
        except RequestFailed:
            state = "Its state could not be read."
        return MoveFailed(self.move.label, way.value, reason, state)
