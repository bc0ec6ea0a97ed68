"""Turn a host of the source into a compute node of the target."""

import threading
from contextlib import nullcontext
from time import monotonic
from typing import Any

from prefect import flow, get_run_logger
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import BaseModel, ConfigDict

from pumphouse.blocks.site import load_site
from pumphouse.errors import PumphouseError, Refused, UpgradeRejected
from pumphouse.flows.host_hooks import hook_saying
from pumphouse.flows.host_steps import Walk, ask
from pumphouse.guards import Checked, objections
from pumphouse.tasks import host_facts
from pumphouse.tasks.slots import only_run
from pumphouse.tasks.upgrade_board import Board
from pumphouse.tasks.upgrade_steps import look
from pumphouse.tasks.upgrading import Work
from pumphouse.upgrade import PXE, RELEASE, Step, first_to_do, steps, way_back, way_on, where

# One thread: the flow's own is left free to be told that the run is cancelled.
RUNNER: Any = ThreadPoolTaskRunner(max_workers=1)


class Upgraded(BaseModel):
    """What the upgrade of a host did."""

    model_config = ConfigDict(frozen=True)

    host: str
    site: str
    dry_run: bool
    state: str
    found: tuple[str, ...]
    done: tuple[str, ...]
    steps_s: dict[str, float]
    seconds: float


def _say(site: str, host: str) -> str:
    return where_is(Work(load_site(site), site, host), None)


SAY_WHERE = hook_saying(_say, way_on)


@flow(
    name="upgrade-host",
    flow_run_name="upgrade {host}",
    task_runner=RUNNER,
    persist_result=True,
    on_cancellation=[SAY_WHERE],
    on_crashed=[SAY_WHERE],
)
def upgrade_host(
    host: str, approve: bool = False, dry_run: bool = False, site: str = "default"
) -> Upgraded:
    """
    Turn a host of the source into a compute node of the target.

    It is emptied, booted from the network, registered in Fuel, given its role, disks and NICs
    like a model node, provisioned, deployed, probed, enabled, and removed from the source.
    What is done already is found: to go on after a failure, run the same again.

    Args:
        host: Its name, as the source's Nova has it.

        approve: Suspend the run for an approval before the host's disks are given up, also
            where the site does not ask for one.

        dry_run: Do all the checks, and change nothing.

        site: Name of the saved Pumphouse Site block.

    Raises:
        ConfigError: The host or Fuel is not configured.
        Refused: Something stands in the way. Nothing was changed.
        UpgradeFailed: A step failed; the message says in which state the host is.
    """
    began = monotonic()
    pair = load_site(site)
    stop = threading.Event()
    logger = get_run_logger()
    work = Work(pair, site, host, stop, lambda text: logger.info("%s: %s", host, text))
    with nullcontext() if dry_run else only_run(site, host):
        checked = look(work)
        board = Board(host, steps(checked.by_fuel))
        work = Work(pair, site, host, stop, work.log, board.show)
        run = _Run(work, checked, board, approve or pair.upgrade.approve)
        try:
            run.check(is_emptied=False)
            done = [] if dry_run else run.carry_out()
        finally:
            board.publish(run.words)
    result = Upgraded(
        host=host,
        site=site,
        dry_run=dry_run,
        state=run.words,
        found=tuple(s.name for s in run.found),
        done=tuple(done),
        steps_s=board.seconds(),
        seconds=round(monotonic() - began, 1),
    )
    logger.info("%s: %s", host, result.state)
    return result


class _Run(Walk):
    """One run through the steps."""

    def __init__(self, work: Work, checked: Checked, board: Board, asks: bool) -> None:
        super().__init__(work, board, checked.facts)
        self.checked = checked
        self.asks = asks
        self.words = where(checked.facts, checked.by_fuel)

    def check(self, is_emptied: bool) -> None:
        """Raise Refused with every objection at once."""
        if first_to_do(self.checked.facts, self.checked.by_fuel) is None:
            return
        if problems := objections(self.checked, is_emptied):
            raise Refused(f"The upgrade of host {self.work.host}", problems)

    def where(self, step: Step | None) -> str:
        """Say where the host is."""
        return where_is(self.work, step)

    def before(self, step: Step) -> None:
        """Before the reset."""
        if step in (PXE, RELEASE):
            self._before_reset(step)

    def _before_reset(self, step: Step) -> None:
        """Ask everything once more, now that the host is empty, and then an operator."""
        try:
            self.checked = look(self.work)
            self.check(is_emptied=True)
        except PumphouseError as error:
            raise self.failed(step, error) from error
        if self.asks:
            self._ask(step)

    def _ask(self, step: Step) -> None:
        host, by_fuel = self.work.host, self.checked.by_fuel
        what, question = f"The upgrade of host {host}", _question(self.work, self.checked)

        def rejected(reason: str) -> UpgradeRejected:
            return UpgradeRejected(host, "approval", reason, _state_at(self.work, step, by_fuel))

        ask(self.work, what, way_on(host), question, rejected)


def _question(work: Work, checked: Checked) -> str:
    facts, environment = checked.facts, checked.environment
    power = f"It is powered {checked.power}. " if checked.power else ""
    name = environment.label if environment else work.options.environment
    return (
        f"**May host {work.host} be given up to the target?** It is empty in the source. {power}"
        f"Next it is restarted from the network, and Fuel overwrites its disks in {name}.\n\n"
        f"MACs: {', '.join(sorted(checked.settings.all_macs))}. "
        f"Fuel knows it as: {facts.node.label if facts.node else 'nothing yet'}. "
        f"{checked.settings.notes}"
    )


def _state_at(work: Work, step: Step, by_fuel: bool) -> str:
    back = way_back(step, work.host, by_fuel)
    return f"{step.state_now(by_fuel)} Forward: {way_on(work.host)}. Back: {back}."


def where_is(work: Work, step: Step | None) -> str:
    """Say where the host is, as far as that can be found out now."""
    by_fuel = bool(work.options.source_environment)
    try:
        return where(host_facts.look(work).facts, by_fuel)
    except PumphouseError as error:
        known = step.state_now(by_fuel) if step else "Where the host is could not be read."
        return f"{known} ({error}) Forward: {way_on(work.host)}."
