"""What is done with a server that a killed run left half-way: it is taken back, or ended."""

from pumphouse.bonds import bonds
from pumphouse.checks import RETURNING, STATE
from pumphouse.comparison import MIGRATED_TO
from pumphouse.errors import CutOverFailed, ReturnFailed
from pumphouse.returning import is_committed
from pumphouse.tasks import claims, return_undo, servers
from pumphouse.tasks.crossing import GROUP, MIGRATED
from pumphouse.tasks.cutover import CutOver
from pumphouse.tasks.returning import Return
from pumphouse.tasks.rollback import NOT_ALL, undo

SEEN_TO = "Another run has seen to it since; nothing was touched."


def take_back(cutover: CutOver, run: str) -> str:
    """
    Undo what the killed *run* left half-way; return what became of it, as sentences.

    Of a group that was verified as a whole, and of which one is noted as moved, all are.

    Raises:
        ServerClaimed: Another run is at it.
        CutOverFailed: Not everything could be undone.
    """
    cutover.live = servers.settle(cutover.source, cutover.id, cutover.timeouts.server_stop_s)
    if not claims.is_half_way(cutover.live["metadata"], run):
        return SEEN_TO
    cutover.require_unclaimed(cutover.live)
    cutover.claim()
    if _is_expected(cutover) and (copy := servers.find_copy(cutover.target, cutover.sought)):
        cutover.copy = copy
        cutover.do_mark()
        return "It was verified with its group, which has arrived; so has it."
    state = undo(cutover, "check")
    if state.startswith(NOT_ALL):
        reason = "The run that moved it was killed."
        raise CutOverFailed(cutover.item.label, "check", reason, state)
    return state


def take_back_return(way: Return, run: str) -> str:
    """
    Undo a return that the killed *run* left half-way, or end one that had passed its checks.

    Raises:
        ReturnFailed: Another run is at it, or not everything could be done.
    """
    way.prepare(is_away=False)
    if not claims.is_half_way(way.journal, run):
        return SEEN_TO
    if way.is_committed or _is_back(way):
        way.run()
        return "It was at the source already; its return is finished."
    # As if it had failed at its last check: what was not begun is found as it should be.
    way.is_ours = True
    state = return_undo.undo(way, "check")
    if state.startswith(NOT_ALL):
        reason = "The run that returned it was killed."
        raise ReturnFailed(way.item.label, "check", reason, state)
    return state


def _is_back(way: Return) -> bool:
    """Tell whether one that it shares something with is back: then all had passed there."""
    others = {id_ for bond in bonds([way.row]) for id_ in bond.servers} - {way.id}
    known = [servers.read_server(way.source, id_)["metadata"] for id_ in sorted(others)]
    return any(is_committed(m) or not (RETURNING in m or MIGRATED_TO in m) for m in known)


def _is_expected(cutover: CutOver) -> bool:
    """Tell whether one of its group is noted as moved: then all of it were verified before."""
    group = cutover.journal.get(GROUP)
    if not group:
        return False
    params = {"all_tenants": 1}
    every = cutover.source.list("compute", "/servers/detail", "servers", params=params)
    found = [raw["metadata"] for raw in every]
    return any(m.get(GROUP) == group and m.get(STATE) == MIGRATED for m in found)
