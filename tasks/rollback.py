"""Taking a cut-over back: every step's undo, newest first."""

import traceback
from asyncio import CancelledError
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pumphouse.checks import MIGRATED_AT, STATE, WAS
from pumphouse.comparison import MIGRATED_TO
from pumphouse.errors import PumphouseError
from pumphouse.forwardings import Forwarding
from pumphouse.steps import undo_order
from pumphouse.tasks import claims, forwardings, health, ports, servers, volume_movers
from pumphouse.tasks.api import Api
from pumphouse.tasks.crossing import LOCKED, UNDOING, Crossing
from pumphouse.tasks.crossing_disks import delete_copies, delete_copy
from pumphouse.tasks.waiting import NEVER

NOT_ALL = "NOT everything could be undone: "

FRAMES = 3
"""Where an error that nobody foresaw came from is told by that many calls, innermost first."""

ENDS = (Exception, CancelledError, KeyboardInterrupt)
"""What may end a step: an error, or Prefect or Ctrl-C that stop the thread which does it."""


def undo(crossing: Crossing, failed: str) -> str:
    """Take back all steps up to *failed*; return what became of it, as sentences."""
    if crossing.is_resumed and not crossing.journal:
        return crossing.untouched
    if failed == "remember" and not crossing.journal and not crossing.is_ours:
        return "Nothing was touched."
    problems = undone(crossing, undo_order(failed), UNDO, journal="remember")
    if not problems:
        state = crossing.journal.get(WAS, crossing.live["status"])
        words = f"Everything was undone: the source server is {state} as before."
        return words + (_checked(crossing) if "stop" in undo_order(failed) else "")
    return (
        NOT_ALL
        + " | ".join(problems)
        + " Repair that and run again: it goes on from the source server's metadata."
    )


def undone(
    crossing: Crossing,
    names: Iterable[str],
    ways: Mapping[str, Callable[[Any], None]],
    journal: str,
) -> list[str]:
    """
    Take steps back, each if it can be; return what could not be, as sentences.

    journal: The step that wrote what is carried on from. It stays if anything is left undone.
    """
    crossing.stop = NEVER
    problems: list[str] = []
    for name in names:
        if name not in ways or (name == journal and problems):
            continue
        try:
            ways[name](crossing)
        except Exception as error:  # noqa: BLE001 - the rest must be taken back all the same
            problems.append(f"{name}: {said(error)}")
    return problems


def _checked(crossing: Crossing) -> str:
    """Return what the health checks say of the source server that runs again."""
    wanted = crossing.wanted_checks()
    if not wanted:
        return ""
    try:
        here = [port["id"] for port in crossing.row["ports"]]
        subject = health.subject(crossing.source, crossing.item, crossing.id, here)
        failed = health.ailments(wanted, subject)
    except PumphouseError as error:
        return f" Its health checks could not be run: {error}"
    if not failed:
        return " It passes its health checks."
    return " BUT IT FAILS CHECKS: " + " ".join(health.told(failed))


def _undo_mark(crossing: Crossing) -> None:
    """Take the note back."""
    servers.remove_metadata(crossing.source, crossing.id, [MIGRATED_TO, MIGRATED_AT])


def _undo_connect(crossing: Crossing) -> None:
    """Take floating IPs and port forwardings off at the target and put its ports down."""
    api, there = crossing.target, crossing.ids["floating_ips"]
    known = crossing.target_ports
    each(
        *(partial(bind, api, there[f], None) for f, _ in crossing.floating() if f in there),
        *(
            partial(forwardings.take_off, api, there[f], [one], known)
            for f, one in forwarded(crossing)
            if f in there
        ),
        *_closings(crossing),
    )


def undo_boot(crossing: Crossing) -> None:
    """Put the target's ports down, and delete the target server."""
    each(*_closings(crossing), partial(delete_copy, crossing))


def _closings(crossing: Crossing) -> list[Callable[[], None]]:
    api, known = crossing.target, crossing.target_ports
    return [partial(set_port, api, known[p], False) for p in crossing.source_ports() if p in known]


def _undo_isolate(crossing: Crossing) -> None:
    """Put the source ports up again, the floating IPs and port forwardings back."""
    api = crossing.source
    each(
        *(partial(set_port, api, port_id, True) for port_id in crossing.source_ports()),
        *(partial(forward, api, fip_id, one, one.port_id) for fip_id, one in forwarded(crossing)),
        *(partial(bind, api, fip_id, *bound) for fip_id, bound in crossing.floating()),
    )


def _undo_stop(crossing: Crossing) -> None:
    """Note that what was copied of it grows old, and start the source server, if it ran before."""
    state = crossing.journal.get(STATE, "").removesuffix(UNDOING) + UNDOING
    crossing.journal[STATE] = state
    try:
        servers.write_metadata(crossing.source, crossing.id, {STATE: state})
    finally:  # a server without that note is better than one that stays down
        if crossing.journal.get(WAS) == "ACTIVE":
            live = servers.settle(crossing.source, crossing.id, crossing.timeouts.server_stop_s)
            servers.set_power(crossing.source, live, True, crossing.timeouts.server_boot_s)


def _undo_lock(crossing: Crossing) -> None:
    """Unlock the source server, unless somebody else had locked it."""
    if crossing.journal.get(LOCKED) != "yes":
        servers.act(crossing.source, crossing.id, "unlock", retry=True)


def _undo_remember(crossing: Crossing) -> None:
    """Remove the journal: last, since a killed undo is carried on from it; its head at the end."""
    keys = sorted(crossing.journal, key=lambda key: key == WAS)
    servers.remove_metadata(crossing.source, crossing.id, keys)


def _undo_bulk(crossing: Crossing) -> None:
    """Take back what was made ahead. What another run is at, is not ours to take back."""
    if not crossing.is_ours or not crossing.on_ceph:
        return
    for volume in crossing.on_ceph:
        volume_movers.discard(crossing.carrier(volume), volume, crossing.mover_of(volume))
    servers.remove_metadata(crossing.source, crossing.id, [claims.RUN])


UNDO: Mapping[str, Callable[[Crossing], None]] = {
    "mark": _undo_mark,
    "connect": _undo_connect,
    "boot": undo_boot,
    "move": delete_copies,
    "isolate": _undo_isolate,
    "stop": _undo_stop,
    "lock": _undo_lock,
    "remember": _undo_remember,
    "bulk": _undo_bulk,
}
"""What takes each step back, by its name; verify changes nothing."""


# ---- ports and floating IPs, each by itself: their tenant may delete them meanwhile


def each(*doings: Callable[[], None]) -> None:
    """
    Do all, whatever becomes of the others.

    Raises:
        ExceptionGroup: What went wrong.
    """
    errors: list[Exception] = []
    for do in doings:
        try:
            do()
        except Exception as error:  # noqa: BLE001 - the rest must be taken back all the same
            errors.append(error)
    if errors:
        raise ExceptionGroup("in an undo", errors)


def forwarded(crossing: Crossing) -> list[tuple[str, Forwarding]]:
    """Return each port forwarding of the journal with its floating IP."""
    return [(fip_id, one) for fip_id, those in crossing.forwarded().items() for one in those]


def set_port(api: Api, port_id: str, is_up: bool) -> None:
    """Put a port up or down; one that is gone needs nothing."""
    if ports.is_there(api, "ports", port_id):
        ports.set_ports(api, [port_id], is_up)


def bind(api: Api, fip_id: str, port_id: str | None, address: str | None = None) -> None:
    """Bind a floating IP, or take it off; if it or its port is gone, there is nothing to do."""
    # Looked for, since Neutron answers 404 also when no router leads from one to the other.
    if _are_there(api, fip_id, port_id):
        ports.bind(api, fip_id, port_id, address)


def forward(api: Api, fip_id: str, one: Forwarding, port_id: str) -> None:
    """Make a port forwarding that leads to *port_id*, as `bind` binds."""
    if _are_there(api, fip_id, port_id):
        forwardings.put(api, fip_id, [one], {one.port_id: port_id})


def _are_there(api: Api, fip_id: str, port_id: str | None) -> bool:
    return ports.is_there(api, "floatingips", fip_id) and (
        port_id is None or ports.is_there(api, "ports", port_id)
    )


def said(error: Exception) -> str:
    """Return an error's words; of one that we did not foresee also its type and where it was."""
    if isinstance(error, ExceptionGroup):
        return " | ".join(map(said, error.exceptions))
    if isinstance(error, PumphouseError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    where = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))
    return f"{type(error).__name__}: {error}." + (f" (at {where})" if where else "")
