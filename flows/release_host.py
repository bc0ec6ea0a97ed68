"""Hand a host of the source over to Fuel's admin network, for the target's first nodes."""

import threading
from contextlib import nullcontext
from time import monotonic
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import BaseModel, ConfigDict

from pumphouse.blocks.site import load_site
from pumphouse.errors import PumphouseError, Refused, ReleaseFailed, ReleaseRejected
from pumphouse.flows.host_hooks import hook_saying
from pumphouse.flows.host_steps import Walk, ask
from pumphouse.handover import OFF, PXE, Found, way_on
from pumphouse.tasks import release_facts
from pumphouse.tasks.slots import only_run
from pumphouse.tasks.upgrade_board import Board
from pumphouse.tasks.upgrading import Work
from pumphouse.upgrade import RELEASE, Step

# One thread: the flow's own is left free to be told that the run is cancelled.
RUNNER: Any = ThreadPoolTaskRunner(max_workers=1)


class Released(BaseModel):
    """What the release of a host did."""

    model_config = ConfigDict(frozen=True)

    host: str
    site: str
    dry_run: bool
    state: str
    move: str
    found: tuple[str, ...]
    done: tuple[str, ...]
    steps_s: dict[str, float]
    seconds: float


def _say(site: str, host: str) -> str:
    return where_is(Work(load_site(site), site, host), None)


SAY_WHERE = hook_saying(_say, way_on)


@flow(
    name="release-host",
    flow_run_name="release {host}",
    task_runner=RUNNER,
    persist_result=True,
    on_cancellation=[SAY_WHERE],
    on_crashed=[SAY_WHERE],
)
def release_host(
    host: str, approve: bool = False, dry_run: bool = False, site: str = "default"
) -> Released:
    """
    Hand a host of the source over to Fuel's admin network, for the target's first nodes.

    It is emptied, told to boot from the network, and switched off; its switch port is moved to
    the admin network's VLAN, and it is switched on, until it is registered in Fuel. Its disks
    are not touched. Neither an environment nor a model node is needed. What is done already is
    found: to go on after a failure, run the same again.

    Args:
        host: Its name, as the source's Nova has it.

        approve: Suspend the run for an approval before the host is given up, also where the
            site does not ask for one.

        dry_run: Do all the checks, and change nothing.

        site: Name of the saved Pumphouse Site block.

    Raises:
        ConfigError: The host is not configured.
        Refused: Something stands in the way. Nothing was changed.
        ReleaseFailed: A step failed; the message says in which state the host is.
    """
    began = monotonic()
    pair = load_site(site)
    stop = threading.Event()
    logger = get_run_logger()
    work = Work(pair, site, host, stop, lambda text: logger.info("%s: %s", host, text))
    with nullcontext() if dry_run else only_run(site, host):
        seen = look(work)
        board = Board(host, seen.steps, "release")
        work = Work(pair, site, host, stop, work.log, board.show)
        run = _Run(work, board, seen, approve or pair.release.approve)
        try:
            run.check(is_emptied=False)
            done = [] if dry_run else run.carry_out()
        finally:
            board.publish(run.words)
    result = Released(
        host=host,
        site=site,
        dry_run=dry_run,
        state=run.words,
        move=seen.move,
        found=tuple(step.name for step in run.found),
        done=tuple(done),
        steps_s=board.seconds(),
        seconds=round(monotonic() - began, 1),
    )
    logger.info("%s: %s", host, result.state)
    return result


@task(task_run_name="look", cache_policy=NO_CACHE, persist_result=False)
def look(work: Work) -> Found:
    """Find out where the host is and what stands in the way. Only reads."""
    return release_facts.look(work)


class _Run(Walk):
    """One run through the steps."""

    failure = ReleaseFailed

    def __init__(self, work: Work, board: Board, seen: Found, asks: bool) -> None:
        super().__init__(work, board, seen.checked.facts)
        self.seen = seen
        self.asks = asks
        self.words = seen.where()

    def check(self, is_emptied: bool) -> None:
        """Raise Refused with every objection at once."""
        if problems := self.seen.objections(is_emptied):
            raise Refused(f"The release of host {self.work.host}", problems)

    def where(self, step: Step | None) -> str:
        """Say where the host is."""
        return where_is(self.work, step)

    def before(self, step: Step) -> None:
        """Ask all once more, now that the host is empty, and then an operator."""
        if step not in (PXE, RELEASE, OFF):
            return
        try:
            self.seen = look(self.work)
            self.check(is_emptied=True)
        except PumphouseError as error:
            raise self.failed(step, error) from error
        if self.asks:
            self._ask(step)
            self.asks = False

    def _ask(self, step: Step) -> None:
        host, seen = self.work.host, self.seen

        def rejected(reason: str) -> ReleaseRejected:
            return ReleaseRejected(host, "approval", reason, seen.at(step))

        ask(self.work, f"The release of host {host}", way_on(host), _question(seen), rejected)


def _question(seen: Found) -> str:
    macs = ", ".join(sorted(seen.checked.settings.all_macs))
    fuel = "Fuel wipes it and restarts it. " if seen.checked.by_fuel else ""
    power = "" if fuel else "Next it is switched off, and started from the network. "
    return (
        f"**May host {seen.host} leave the source, for Fuel's admin network?** It is empty. "
        f"{fuel}{power}{seen.move}\n\nMACs: {macs}. {seen.checked.settings.notes}"
    )


def where_is(work: Work, step: Step | None) -> str:
    """Say where the host is, as far as that can be found out now."""
    try:
        return release_facts.look(work).where()
    except PumphouseError as error:
        known = step.state if step else "Where the host is could not be read."
        return f"{known} ({error}) Forward: {way_on(work.host)}."
