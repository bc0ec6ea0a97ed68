"""The tasks that empty a host: read, keep servers off, move one, agree that it is empty."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace

from prefect import get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE

from pumphouse.blocks.site import Site
from pumphouse.errors import FencingFailed
from pumphouse.estate import Estate
from pumphouse.evacuation import Asked, Move
from pumphouse.fencing import Seen
from pumphouse.ledger import Entry
from pumphouse.limits import moves_limit
from pumphouse.tasks import fencing, maintenance
from pumphouse.tasks.compute_services import disable, read_service
from pumphouse.tasks.evacuating import Batch, move_one
from pumphouse.tasks.slots import held


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
        with self.here, held(moves_limit(self.site)) if is_shared else nullcontext():
            yield


@task(task_run_name="read the source", cache_policy=NO_CACHE)
def read_source(pair: Site, is_chosen_from: bool) -> Estate:
    """Read what decides how a host is emptied. Never from a cache: it rests on what is now."""
    return maintenance.read_source(pair, is_chosen_from)


@task(task_run_name="ask the BMC of {host}", cache_policy=NO_CACHE)
def look_at_power(site: str, host: str, off_for_s: float) -> Seen:
    """Return what the host's BMC says of its power, off only if it stays so. Only reads."""
    seen = fencing.look_at_power(Site.bmc(site, host), off_for_s)
    get_run_logger().info("Host %s: %s", host, seen.trouble or seen.power or "it has no BMC here")
    return seen


@task(task_run_name="fence {host}", cache_policy=NO_CACHE)
def fence(pair: Site, site: str, host: str, stop: threading.Event) -> None:
    """Power the host off and force it down in Nova. A second time both are found done."""
    bmc = Site.bmc(site, host)
    if bmc is None:
        raise FencingFailed(host, "The block of its BMC is gone.")
    log = get_run_logger()
    log.info("Host %s is disabled: %s", host, fencing.fence(pair, host, bmc, log.info, stop))


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
