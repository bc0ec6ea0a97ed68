"""
Who moves a server there or back: a note in the journal, so that two runs never do at once.

Nova has no lock for this, and its metadata no compare-and-swap: the journal is read once more
right before it is written, which leaves milliseconds in which two runs could both begin.
"""

import os
import socket
from collections.abc import Mapping
from uuid import UUID

import httpx
import psutil
from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from pumphouse import checks
from pumphouse.checks import RETURNING
from pumphouse.images import UNFINISHED

CLOCK_S = 2
"""How far two readings of when a process began may be apart."""

RUN = "pumphouse:run"
"""Metadata key of a source server that is cut over or returned: the run and its process."""


FINALIZING = "pumphouse:finalizing"
"""Metadata key of a source server that is being deleted: the same, while that goes on."""


RIGHTS = "pumphouse:rights"
"""What begins the tag of a project in which the administrator has a role for a time."""

KINDS = {
    RUN: ("moves", f"metadata key {RUN} of the source server"),
    FINALIZING: ("deletes", f"metadata key {FINALIZING} of the source server"),
    RIGHTS: ("needs", "tag of the project that names it"),
    UNFINISHED: ("copies", f"property {UNFINISHED} of the copy"),
}
"""By where a note is: what its run does, and what to delete when that is no longer so."""


def own() -> str:
    """Return the note of this process: ``run host pid started``."""
    me = psutil.Process()
    return f"{run_id()} {socket.gethostname()} {me.pid} {me.create_time():.0f}"


def run_id() -> str:
    """Return the id of the flow run that this process carries out, not of one called by it."""
    # Set by the worker that starts the process; the hooks of exactly that run are called.
    given = os.environ.get("PREFECT__FLOW_RUN_ID")
    return str(given or runtime.flow_run.root_flow_run_id or "none")


def is_half_way(metadata: Mapping[str, str], run: str) -> bool:
    """Return whether *run* was moving the server with this *metadata*, and has not ended."""
    if run_of(metadata) != run:
        return False
    return checks.is_half_way(metadata) or RETURNING in metadata


def run_of(metadata: Mapping[str, str]) -> str:
    """Return the run that noted itself on a server; empty when none did, or its note is gone."""
    return metadata.get(RUN, "").partition(" ")[0]


def rival(note: str, key: str = RUN) -> str:
    """
    Return who else is at what has the *note* now, as a sentence; empty when nobody is.

    key: Which of `KINDS` *note* is.
    """
    if not note:
        return ""
    run, host, pid, started = note.split()
    does, place = KINDS[key]
    if host == socket.gethostname():
        is_at_it = int(pid) != os.getpid() and _lives(int(pid), float(started))
        return f"Run {run} {does} it, process {pid} of this machine." if is_at_it else ""
    return _elsewhere(run, host, does, place)


def _lives(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        # A dead process that nobody has collected, as in many containers, still has its number.
        is_dead = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return not is_dead and abs(float(process.create_time()) - started) < CLOCK_S
    except psutil.NoSuchProcess:
        return False


def _elsewhere(run: str, host: str, does: str, place: str) -> str:
    """Ask Prefect about a run of another machine. Who cannot be asked about is taken to live."""
    way_out = f"Prefect's server cannot be asked about it. When it has ended, delete the {place}."
    try:
        with get_client(sync_client=True) as client:
            found = client.read_flow_run(UUID(run))
    except (ValueError, ObjectNotFound, httpx.HTTPError):
        return f"Run {run} on {host} {does} it, or did: {way_out}"
    if found.state is None or found.state.is_final():
        return ""
    return f"Run {found.name} ({run}) on {host} {does} it and is {found.state.name}."
