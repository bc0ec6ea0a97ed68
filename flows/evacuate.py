"""Empty a host of the source: some servers go to the target, the rest to its other hosts."""

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from time import monotonic
from typing import Any

from prefect import flow, get_run_logger, runtime
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import BaseModel, ConfigDict

from pumphouse import fencing
from pumphouse.blocks.site import Site, load_site
from pumphouse.errors import (
    ConfigError,
    EvacuationFailed,
    EvacuationIncomplete,
    MigrationIncomplete,
    PumphouseError,
    Refused,
)
from pumphouse.estate import Estate
from pumphouse.evacuation import Asked, Evacuation, Way
from pumphouse.flows.host_hooks import result_of
from pumphouse.flows.migrate import migrate
from pumphouse.flows.occupied import SAY_WHERE, where_if_known
from pumphouse.flows.take_back import take_back_the_rest
from pumphouse.ledger import Entry, Status
from pumphouse.models import StrategyChoice
from pumphouse.target_choice import chosen_for_target
from pumphouse.tasks import maintenance, storage
from pumphouse.tasks.emptying import (
    Work,
    agree_that_it_is_empty,
    fence,
    keep_servers_off,
    look_at_power,
    move_server,
    read_source,
)
from pumphouse.tasks.evacuating import Batch, entry_of
from pumphouse.tasks.evacuation_report import publish_intended, publish_moves
from pumphouse.tasks.slots import only_run
from pumphouse.tasks.storage import Folder

RUNNER: Any = ThreadPoolTaskRunner(max_workers=64)


class Emptied(BaseModel):
    """What emptying a host did, or in a dry run would do."""

    model_config = ConfigDict(frozen=True)

    site: str
    host: str
    dry_run: bool
    service: str
    servers: list[dict[str, str]]
    moved: int
    seconds: float
    location: str


@flow(
    name="evacuate",
    flow_run_name="evacuate {host}",
    task_runner=RUNNER,
    # Servers that were on their way to the target first: they may be down.
    on_cancellation=[take_back_the_rest, SAY_WHERE],
    on_crashed=[take_back_the_rest, SAY_WHERE],
)
def evacuate(
    host: str,
    # An empty list, and not None, makes a plain list in the form of Prefect's UI.
    to_target: list[str] = [],  # noqa: B006
    strategy: StrategyChoice = StrategyChoice.CONFIGURED,
    to_host: str = "",
    fence: bool = False,
    fenced: bool = False,
    dry_run: bool = False,
    site: str = "default",
) -> Emptied:
    """
    Empty a host of the source: keep new servers off it, and move those that are there.

    All is checked before anything is touched. The host stays disabled afterwards; maintenance
    with the action leave takes it back. Run it again to go on after a failure.

    Args:
        host: Nova's name of the host.

        to_target: Which of its servers go to the target first, as everywhere: everything,
            a server's name, project:NAME, tag:NAME, servers[vcpus <= 2] and so on. The others
            stay in the source.

        strategy: How servers go to other hosts of the source. configured: as the site says.
            auto: live, and cold what does not move live. evacuate: only off a dead host, or,
            with fence, off one that is powered off though it lives.

        to_host: The host that all go to. Empty lets Nova choose for each, as it should.

        fence: The host is dead: its BMC powers it off, and when that says so, Nova is told that
            it is down, and its servers are started elsewhere. Leaving maintenance powers it on.

        fenced: The host is dead and you vouch that it is powered off, so that its servers may be
            started elsewhere. A host whose BMC is configured is asked itself.

        dry_run: Do all the checks, and change nothing.

        site: Name of the saved Pumphouse Site block: the pair of clouds, limits and storage.

    Raises:
        ConfigError: The host or a server does not exist.
        FencingFailed: The host may still be on; its servers were left alone.
        Refused: Something stands in the way. Nothing was touched.
        EvacuationIncomplete: Servers are still there; the others moved.
        EvacuationFailed: Something else failed; the message says how the host is.
    """
    pair = load_site(site)
    if fence and fenced:
        problem = "fence powers the host off, and fenced says that it is off: give one of them."
        raise ConfigError("fence", [problem])
    chosen = {"strategy": strategy.over(pair.maintenance.strategy)}
    options = pair.maintenance.model_copy(update=chosen)
    asked = Asked(host=host, options=options, to_host=to_host, is_fenced=fenced, fence=fence)
    is_known = host in pair.hosts and bool(runtime.deployment.id)
    with only_run(site, host) if is_known else nullcontext():
        return _evacuate(pair, site, asked, to_target, dry_run)


def _evacuate(
    pair: Site, site: str, asked: Asked, to_target: Sequence[str], dry_run: bool
) -> Emptied:
    began, host = monotonic(), asked.host
    run = f"{storage.utc_now():%Y%m%dT%H%M%SZ}-{str(runtime.flow_run.id)[:8]}"
    folder = Folder(pair.storage.url) / "runs" / run
    estate = read_source(pair, bool(to_target))
    ids = chosen_for_target(estate, host, to_target)
    asked = asked.model_copy(update={"to_target": ids})
    asked, intended = _intend(pair, site, asked, estate)
    publish_intended(site, intended)
    problems = [*intended.problems, *_obstacles_to_target(site, ids)]
    if problems:
        raise Refused(f"Emptying host {host}", problems)
    if dry_run:
        return _result(pair, site, asked, _planned(intended), 0, began, folder, True)
    stop = threading.Event()
    try:
        if asked.fence:
            fence(pair, site, host, stop)
        keep_servers_off(pair, host, intended.is_dead)
        entries, error = _empty(pair, site, asked, intended, stop)
    except BaseException:
        # Threads get no exception: they look at this, and end.
        stop.set()
        raise
    outcome = str(error) if error else f"It is empty: {maintenance.service_words(pair, host)}."
    publish_moves(site, folder, host, entries, outcome)
    if error:
        raise error
    done = sum(e.status is Status.DONE for e in entries)
    return _result(pair, site, asked, _shown(entries), done, began, folder, False)


def _empty(
    pair: Site, site: str, asked: Asked, intended: Evacuation, stop: threading.Event
) -> tuple[list[Entry], EvacuationIncomplete | None]:
    """Move everything off a host that is disabled; return what was done, and what is left."""
    try:
        left = _send_to_target(pair, site, asked, intended)
        entries = left + _move(pair, site, asked, intended, stop, {e.source_id for e in left})
        return entries, _check(pair, asked, entries, intended.is_dead, stop)
    except PumphouseError as error:
        # Whatever it says, the host is disabled by now.
        state = where_if_known(pair, asked.host)
        raise EvacuationFailed(asked.host, "evacuate", str(error), state) from error


def _intend(pair: Site, site: str, asked: Asked, estate: Estate) -> tuple[Asked, Evacuation]:
    """Return how each server leaves; the BMC of a dead host is asked whether it is off."""
    intended = maintenance.look(pair, asked, estate)
    if not (intended.is_dead or asked.fence):
        return asked, intended
    # Fencing itself looks whether the host stays off.
    seen = look_at_power(site, asked.host, 0 if asked.fence else asked.options.off_for_s)
    contradictions = fencing.problems(asked, seen)
    asked = asked.model_copy(update={"is_fenced": fencing.is_fenced(asked, seen)})
    intended = maintenance.look(pair, asked, estate)
    problems = (*intended.problems, *contradictions)
    return asked, intended.model_copy(update={"problems": problems})


def _obstacles_to_target(site: str, ids: Sequence[str]) -> list[str]:
    """Return what stands in the way of the servers that go to the target."""
    if not ids:
        return []
    try:
        migrate(servers=list(ids), dry_run=True, site=site)
    except Refused as refused:
        return refused.reasons
    return []


def _send_to_target(pair: Site, site: str, asked: Asked, intended: Evacuation) -> list[Entry]:
    """Migrate what goes to the target; return an entry for each server that did not arrive."""
    if not asked.to_target:
        return []
    try:
        migrate(servers=list(asked.to_target), site=site)
    except MigrationIncomplete as incomplete:
        get_run_logger().error("%s", incomplete)
    arrived = maintenance.at_target(pair, asked.to_target)
    why = "It did not get to the target, and runs here as before; the migration says why."
    return [
        entry_of(move, asked, Status.FAILED, message=why)
        for move in intended.moves
        if move.way is Way.TARGET and move.server_id not in arrived
    ]


def _move(
    pair: Site,
    site: str,
    asked: Asked,
    intended: Evacuation,
    stop: threading.Event,
    left: set[str],
) -> list[Entry]:
    """Move the servers side by side, one task each; return an entry for each."""
    batch = Batch(asked, stop)
    work = Work(pair, site, batch)
    moves = [move for move in intended.moves if move.server_id not in left]
    futures = [(move, move_server.submit(work, move)) for move in moves]
    entries = []
    for move, future in futures:
        result = result_of(future, stop, [each for _, each in futures])
        failed = batch.entries.get(move.server_id)
        if isinstance(result, Entry):
            entries.append(result)
        else:
            entries.append(failed or entry_of(move, asked, Status.FAILED, message=str(result)))
    return entries


def _check(
    pair: Site, asked: Asked, entries: Sequence[Entry], is_dead: bool, stop: threading.Event
) -> EvacuationIncomplete | None:
    """Return why the host is not empty; None when all agree that it is."""
    try:
        agree_that_it_is_empty(pair, asked, entries, is_dead, stop)
    except EvacuationIncomplete as error:
        return error
    return None


def _planned(intended: Evacuation) -> list[dict[str, str]]:
    return [
        {"server": m.name, "state": m.status, "how": m.way.value, "why": m.reason}
        for m in intended.moves
    ]


def _shown(entries: Sequence[Entry]) -> list[dict[str, str]]:
    return [
        {"server": e.name, "state": e.status.value, "how": e.action, "why": e.message}
        for e in entries
    ]


def _result(
    pair: Site,
    site: str,
    asked: Asked,
    servers: list[dict[str, str]],
    moved: int,
    began: float,
    folder: Folder,
    dry_run: bool,
) -> Emptied:
    return Emptied(
        site=site,
        host=asked.host,
        dry_run=dry_run,
        service=maintenance.service_words(pair, asked.host),
        servers=servers,
        moved=moved,
        seconds=round(monotonic() - began, 3),
        location=folder.location,
    )
