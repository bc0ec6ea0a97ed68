"""The tasks that empty a host: read, keep servers off, move one, agree that it is empty."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace

from prefect import get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.concurrency.sync import concurrency

from pumphouse.blocks.site import Site
from pumphouse.errors import Refused
from pumphouse.estate import Estate
from pumphouse.evacuation import Asked, Move
from pumphouse.ledger import Entry
from pumphouse.limits import moves_limit
from pumphouse.tasks import maintenance
from pumphouse.tasks.bmc import open_bmc
from pumphouse.tasks.compute_services import disable, read_service
from pumphouse.tasks.evacuating import Batch, move_one


@dataclass
class Work:
    """What the tasks of one run share. Not pickled: they run in threads."""

    pair: Site
    site: str
    batch: Batch
    here: threading.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.here = threading.Semaphore(self.batch.asked.options.parallel)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold the slot of one server: of this run, and in a deployment of the whole site."""
        is_shared = bool(runtime.deployment.id)
        everywhere = concurrency(moves_limit(self.site), strict=True) if is_shared else None
        with self.here, everywhere or nullcontext():
            yield


@task(task_run_name="read the source", cache_policy=NO_CACHE)
def read_source(pair: Site, is_chosen_from: bool) -> Estate:
    """Read what decides how a host is emptied. Never from a cache: it rests on what is now."""
    return maintenance.read_source(pair, is_chosen_from)


def is_fenced(site: str, asked: Asked) -> bool:
    """
    Tell whether a dead host is powered off: its BMC's word, else the operator's.

    Raises:
        Refused: The operator says so, and the BMC says that it is on.
    """
    bmc = Site.bmc(site, asked.host)
    if bmc is None:
        return asked.is_fenced
    with open_bmc(bmc) as session:
        is_off = session.power().value == "off"
    if asked.is_fenced and not is_off:
        reason = "Its BMC says that it is on, so its servers may be running; power it off."
        raise Refused(f"Emptying host {asked.host}", [reason])
    return is_off


@task(task_run_name="keep servers off {host}", cache_policy=NO_CACHE)
def keep_servers_off(pair: Site, host: str, is_dead: bool) -> str:
    """Disable the compute service. A second time the note of how it was before stays."""
    with maintenance.open_source(pair) as api:
        mark = disable(api, read_service(api, host), force_down=is_dead)
    get_run_logger().info("Host %s is disabled: %s", host, mark.text)
    return mark.text


@task(task_run_name="move {move.name} ({move.way})", cache_policy=NO_CACHE)
def move_server(work: Work, move: Move) -> Entry:
    """
    Move one server off its host. A second run finds it moved, or finishes what was begun.

    Raises:
        MoveFailed: It is where it was, or the message says what else.
    """
    batch = replace(work.batch, log=get_run_logger().info)
    with work.slot():
        done = move_one(work.pair, batch, move)
    if error := work.batch.errors.get(move.server_id):
        raise error
    return done


@task(task_run_name="check that {asked.host} is empty", cache_policy=NO_CACHE)
def agree_that_it_is_empty(
    pair: Site, asked: Asked, entries: Sequence[Entry], is_dead: bool, stop: threading.Event
) -> None:
    """Return when Nova, Placement and the hypervisor say so. Only reads."""
    maintenance.require_empty(pair, asked, entries, is_dead, stop)
