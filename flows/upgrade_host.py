"""Turn a host of the source into a compute node of the target."""

import threading
from contextlib import nullcontext
from time import monotonic
from typing import Any, Literal, cast

from prefect import flow, get_run_logger, runtime
from prefect.flow_runs import suspend_flow_run
from prefect.futures import PrefectFuture
from prefect.input import RunInput
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import BaseModel, ConfigDict, Field

from pumphouse.blocks.site import Site
from pumphouse.errors import PumphouseError, Refused, UpgradeFailed, UpgradeRejected
from pumphouse.flows.evacuate import evacuate
from pumphouse.guards import Checked, objections
from pumphouse.tasks import host_facts
from pumphouse.tasks.slots import only_run
from pumphouse.tasks.upgrade_board import DONE, FAILED, FOUND, RUNS, Board
from pumphouse.tasks.upgrade_steps import look, reason_of, with_retries
from pumphouse.tasks.upgrading import Work
from pumphouse.upgrade import (
    EVACUATE,
    PXE,
    RELEASE,
    Step,
    first_to_do,
    steps,
    way_back,
    way_on,
    where,
)

# One thread: the flow's own is left free to be told that the run is cancelled.
RUNNER: Any = ThreadPoolTaskRunner(max_workers=1)

GRACE_S = 20.0
"""A cancelled run's step has this long to come to a safe end; Prefect kills it after 30 s."""


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


class Approval(RunInput):
    """Whether the host's disks may be given up. Nothing goes on without a decision."""

    decision: Literal["approve", "reject"] = Field(description="Required.")
    who: str = Field(min_length=1, description="Your name: Prefect does not know who you are.")
    comment: str = Field(default="", description="Kept with the run.")


def _say_where(flow: Any, flow_run: Any, state: Any) -> None:
    """Say in which state a cancelled or crashed run's host is, wherever the hook runs."""
    host, site = flow_run.parameters["host"], flow_run.parameters.get("site", "default")
    logger = get_run_logger() if runtime.flow_run.id else _hook_logger(flow_run, flow)
    try:
        work = Work(cast(Site, Site.load(site)), site, host)
        logger.warning("Host %s: %s", host, _where(work, None))
    except Exception as error:  # noqa: BLE001 - a hook has nobody to raise to
        text = "Host %s was left as it was. Carry on with: %s (%s)"
        logger.warning(text, host, way_on(host), reason_of(error))


def _hook_logger(flow_run: Any, flow: Any) -> Any:
    from prefect.logging.loggers import flow_run_logger

    return flow_run_logger(flow_run, flow)


@flow(
    name="upgrade-host",
    flow_run_name="upgrade {host}",
    task_runner=RUNNER,
    persist_result=True,
    on_cancellation=[_say_where],
    on_crashed=[_say_where],
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
    pair = cast(Site, Site.load(site))
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


class _Run:
    """One run through the steps."""

    def __init__(self, work: Work, checked: Checked, board: Board, asks: bool) -> None:
        self.work = work
        self.checked = checked
        self.board = board
        self.asks = asks
        self.steps = steps(checked.by_fuel)
        self.found = [step for step in self.steps if step.is_done(checked.facts)]
        for step in self.found:
            board.set(step, FOUND)
        self.words = where(checked.facts, checked.by_fuel)

    def check(self, is_emptied: bool) -> None:
        """Raise Refused with every objection at once."""
        if first_to_do(self.checked.facts, self.checked.by_fuel) is None:
            return
        if problems := objections(self.checked, is_emptied):
            raise Refused(f"The upgrade of host {self.work.host}", problems)

    def carry_out(self) -> list[str]:
        """Do what is not done; return the names of the steps that were done."""
        done = []
        for step in self.steps:
            if step in self.found:
                continue
            if step in (PXE, RELEASE):
                self._before_reset(step)
            self._do(step)
            done.append(step.name)
        self.words = where(look(self.work).facts, self.checked.by_fuel)
        return done

    def _before_reset(self, step: Step) -> None:
        """Ask everything once more, now that the host is empty, and then an operator."""
        try:
            self.checked = look(self.work)
            self.check(is_emptied=True)
        except PumphouseError as error:
            raise self._failed(step, error) from error
        if self.asks:
            _ask(self.work, step, self.checked)

    def _do(self, step: Step) -> None:
        self.board.set(step, RUNS)
        future: PrefectFuture[None] | None = None
        try:
            if step is EVACUATE:
                evacuate(host=self.work.host, site=self.work.site)
            else:
                future = with_retries(self.work, step).submit(self.work, step)
                future.result()
        except PumphouseError as error:
            self.board.set(step, FAILED)
            raise self._failed(step, error) from error
        except BaseException:
            self._stop(step, future)
            raise
        self.board.set(step, DONE)

    def _failed(self, step: Step, error: PumphouseError) -> UpgradeFailed:
        self.words = _where(self.work, step)
        return UpgradeFailed(self.work.host, step.name, str(error), self.words)

    def _stop(self, step: Step, future: PrefectFuture[None] | None) -> None:
        """Bring the step of a cancelled run to a safe end, and say where the host is."""
        # A thread gets no exception: it looks at this.
        self.work.stop.set()
        if future is not None:
            future.wait(timeout=GRACE_S)
        self.board.set(step, FAILED)
        self.words = f"Stopped at step {step.name}. {step.state}"
        get_run_logger().warning("%s: %s", self.work.host, self.words)


def _ask(work: Work, step: Step, checked: Checked) -> None:
    """
    Suspend the run until somebody decides.

    Raises:
        Refused: The run was not started from a deployment, so nothing could resume it.
        UpgradeRejected: Somebody said no.
    """
    if not runtime.deployment.id:
        reason = "An approval is asked for, and only a deployment's run can wait for one."
        help_ = f"Run pumphouse upgrade-host {work.host} --deployment."
        raise Refused(f"The upgrade of host {work.host}", [reason, help_])
    answer = suspend_flow_run(
        wait_for_input=Approval.with_initial_data(description=_question(work, checked)),
        timeout=int(work.timeouts.approval_s),
    )
    if answer.decision == "approve":
        work.log(f"{answer.who} approved it. {answer.comment}".strip())
        return
    reason = f"{answer.who} rejected it. {answer.comment}".strip()
    raise UpgradeRejected(work.host, "approval", reason, _state_at(work, step, checked.by_fuel))


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
    return f"{step.state} Forward: {way_on(work.host)}. Back: {back}."


def _where(work: Work, step: Step | None) -> str:
    """Say where the host is, as far as that can be found out now."""
    by_fuel = bool(work.options.source_environment)
    try:
        return where(host_facts.look(work).facts, by_fuel)
    except PumphouseError as error:
        known = step.state if step else "Where the host is could not be read."
        return f"{known} ({error}) Forward: {way_on(work.host)}."
