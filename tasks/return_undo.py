"""Taking a return back: every step's undo, newest first. The copy runs on as before."""

from collections.abc import Callable, Collection, Mapping
from functools import partial

from pumphouse.checks import RETURNING
from pumphouse.errors import RequestFailed
from pumphouse.steps import COMMITTED, RETURN
from pumphouse.tasks import forwardings, ports, servers
from pumphouse.tasks.api import Api
from pumphouse.tasks.crossing import Crossing
from pumphouse.tasks.managed import bring_there
from pumphouse.tasks.rollback import (
    NOT_ALL,
    bind,
    each,
    forward,
    forwarded,
    set_port,
    undone,
)

GONE = "GONE"
"""What the journal says of a copy that was gone before."""


def undo(crossing: Crossing, failed: str) -> str:
    """Take back all steps up to *failed*; return what became of it, as sentences."""
    if failed in COMMITTED:
        return "It runs at the source. Run the same rollback again to finish."
    if not crossing.is_ours:
        return "Nothing was touched."
    names = [step.name for step in RETURN]
    begun = reversed(names[: names.index(failed) + 1])
    problems = undone(crossing, begun, UNDO, journal="note")
    if not problems:
        was = crossing.journal.get(RETURNING, GONE).split()[0]
        return f"Everything was undone: the copy is {was} as before."
    return f"{NOT_ALL}{' | '.join(problems)} Repair that and run the rollback again."


def _undo_start(crossing: Crossing) -> None:
    """Stop the source server."""
    live = servers.settle(crossing.source, crossing.id, crossing.timeouts.server_stop_s)
    servers.set_power(crossing.source, live, False, crossing.timeouts.server_stop_s)


def _undo_restore(crossing: Crossing) -> None:
    """Take the floating IPs off at the source and put its ports down."""
    api, known = crossing.source, crossing.same_ports
    each(
        *(partial(_let_go, api, fip_id, known) for fip_id, _ in crossing.floating()),
        *(
            partial(forwardings.take_off, api, fip_id, [one], known)
            for fip_id, one in forwarded(crossing)
        ),
        *(partial(set_port, api, port_id, False) for port_id in crossing.source_ports()),
    )


def _let_go(api: Api, fip_id: str, here: Collection[str]) -> None:
    """Take a floating IP off a port of *here*."""
    if bound_to(api, fip_id) in here:
        ports.bind(api, fip_id, None)


def _undo_fetch(crossing: Crossing) -> None:
    """Let the target have its volumes again."""
    for volume in crossing.managed:
        bring_there(crossing.carrier(volume), volume)


def _undo_release(crossing: Crossing) -> None:
    """Put the target's ports up and the floating IPs back."""
    if crossing.copy is None:
        return
    api, known = crossing.target, crossing.target_ports
    there = crossing.ids["floating_ips"]
    each(
        *(partial(set_port, api, known[p], True) for p in crossing.source_ports() if p in known),
        *(
            partial(_unless_bound, api, there[f], partial(forward, api, there[f], one, port))
            for f, one in forwarded(crossing)
            if f in there and (port := known.get(one.port_id))
        ),
        *(
            partial(_unless_bound, api, there[f], partial(bind, api, there[f], known[p], *address))
            for f, (p, *address) in crossing.floating()
            if f in there and p in known
        ),
    )


def _unless_bound(api: Api, fip_id: str, do: Callable[[], None]) -> None:
    """Leave a floating IP alone that was bound to another port meanwhile."""
    if not bound_to(api, fip_id):
        do()


def _undo_stop(crossing: Crossing) -> None:
    """Start the copy, if it ran."""
    if crossing.copy and crossing.journal.get(RETURNING, "").startswith("ACTIVE"):
        timeouts, copy_id = crossing.timeouts, crossing.copy["id"]
        live = servers.settle(crossing.target, copy_id, timeouts.server_stop_s)
        servers.set_power(crossing.target, live, True, timeouts.server_boot_s)


def _undo_hold(crossing: Crossing) -> None:
    """Unlock the copy, unless somebody else had locked it."""
    if crossing.copy and "locked" not in crossing.journal.get(RETURNING, "").split():
        servers.act(crossing.target, crossing.copy["id"], "unlock", retry=True)


def _undo_note(crossing: Crossing) -> None:
    """Remove the note: last, since a killed undo is carried on from it."""
    servers.remove_metadata(crossing.source, crossing.id, [RETURNING])


UNDO: Mapping[str, Callable[[Crossing], None]] = {
    "start": _undo_start,
    "restore": _undo_restore,
    "fetch": _undo_fetch,
    "release": _undo_release,
    "stop": _undo_stop,
    "hold": _undo_hold,
    "note": _undo_note,
}
"""What takes each step of a return back, by its name; those that are not here are not undone."""


def target_ports(crossing: Crossing) -> list[str]:
    """Return the target's ids of its ports, those that are still there."""
    wanted = [crossing.ids["ports"].get(port) for port in crossing.source_ports()]
    return [port for port in wanted if port and ports.is_there(crossing.target, "ports", port)]


def bound_to(api: Api, fip_id: str) -> str | None:
    """Return the port that a floating IP is bound to; None for nothing, or when it is gone."""
    try:
        found = ports.read_floating_ip(api, fip_id)["port_id"]
    except RequestFailed as failed:
        if failed.status != 404:
            raise
        return None
    return str(found) if found else None


def is_used(api: Api, fip_id: str) -> bool:
    """Tell whether a floating IP leads anywhere."""
    return bool(bound_to(api, fip_id) or forwardings.listed(api, fip_id))
