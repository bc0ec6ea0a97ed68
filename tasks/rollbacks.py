"""The tasks of a rollback: read what Nova did with copies, return servers, delete old copies."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from pumphouse.blocks.site import Site
from pumphouse.bodies import Ids
from pumphouse.errors import RequestFailed
from pumphouse.ledger import Entry
from pumphouse.models import Role
from pumphouse.plan import Item
from pumphouse.returning import What
from pumphouse.tasks import claims
from pumphouse.tasks.api import Api
from pumphouse.tasks.carrying import Carrier
from pumphouse.tasks.cutover import CutOver
from pumphouse.tasks.managed import give_back, require_returnable
from pumphouse.tasks.meeting import Meeting
from pumphouse.tasks.moving import Clock, Work
from pumphouse.tasks.owners import owner
from pumphouse.tasks.returning import Return, drop_copy
from pumphouse.tasks.taking_back import take_back

History = dict[str, list[dict[str, Any]]]


@task(task_run_name="read what was done with the copies")
def read_history(pair: Site, copies: Mapping[str, str]) -> History:
    """
    Return, by source id, what Nova did with each copy, newest first; of one that is gone, nothing.

    copies: By source id, the copy's. A call each (``os-instance-actions``): there is no list.
    """
    found: History = {}
    with Api(pair.target, "target") as target:
        for source_id, copy_id in copies.items():
            try:
                path = f"/servers/{copy_id}/os-instance-actions"
                found[source_id] = target.get("compute", path)["instanceActions"]
            except RequestFailed as failed:
                if failed.status != 404:
                    raise
                found[source_id] = []
    return found


@task(task_run_name="return {item.name}", cache_policy=NO_CACHE)
def return_server(work: Work, item: Item, ids: Ids, what: What, deletes_copy: bool) -> Entry:
    """
    Return one server, take back a cut-over that was cut short, or delete an old copy.

    What a killed run left is found in the journal.

    Raises:
        ReturnFailed: The copy runs as before, or the message says what does not.
        CutOverFailed: Not everything of a cut-over could be taken back.
    """
    logger = get_run_logger()
    group = work.meeting
    with ExitStack() as stack:
        # A group has its slot as a whole.
        stack.enter_context(group.seat(item.label) if group else work.slots.cutover())
        clock = Clock()
        source, target = work.open(stack, Role.SOURCE), work.open(stack, Role.TARGET)
        crossing: dict[str, Any] = {
            "source": source,
            "target": target,
            "sign_in": lambda user, project: owner(work.pair.target, target, user, project),
            "item": item,
            "ids": ids,
            "timeouts": work.pair.timeouts,
            "migrate": work.pair.migrate,
            "log": logger.info,
            "stop": work.stop,
            "on_step": lambda name: logger.info("%s: %s", item.label, name),
            "checks": work.checks.get(item.source_id, ()),
            "after_step": lambda name: group.meet(item.label, name) if group else None,
            "meeting": group or Meeting(),
        }
        if what is What.TAKE_BACK:
            run = claims.run_of(item.row["metadata"])
            words: dict[str, Any] = {"message": take_back(CutOver(**crossing), run)}
        elif what is What.DELETE_COPY:
            drop_copy(Return(**crossing, deletes_copy=deletes_copy))
            words = {"message": "Its old copy was deleted."}
        else:
            back = Return(**crossing, deletes_copy=deletes_copy).run()
            words = {"downtime_s": back.downtime_s, "health": back.health}
            words["message"] = "It is at the source as before."
    done = clock.entry(item, item.target_id or "", (source, target), **words)
    return done.model_copy(update={"action": what.value, "predicted_s": None})


@task(task_run_name="return volume {item.name}", cache_policy=NO_CACHE)
def return_volume(work: Work, item: Item, ids: Ids, what: What, deletes_copy: bool) -> Entry:
    """
    Return a volume of no server that was handed over, and not copied. Done, it does nothing.

    Raises:
        CephFailed, Conflict, RequestFailed, WaitFailed: It is at the target, or neither's.
    """
    clock = Clock()
    with ExitStack() as stack:
        source, target = work.open(stack, Role.SOURCE), work.open(stack, Role.TARGET)
        timeout_s = work.pair.timeouts.volume_s
        way = Carrier(source, target, None, work.pair.migrate, timeout_s, work.stop)
        require_returnable(way, item.row)
        give_back(way, item.row)
    done = clock.entry(item, "", (source, target), message="It is at the source as it is now.")
    return done.model_copy(update={"action": what.value, "predicted_s": None})
