"""What flows about one host share: doing its steps in order, and asking for an approval."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

from prefect import get_run_logger, runtime
from prefect.flow_runs import suspend_flow_run
from prefect.futures import PrefectFuture
from prefect.input import RunInput
from pydantic import Field

from pumphouse.errors import (
    EvacuationFailed,
    EvacuationIncomplete,
    PumphouseError,
    Refused,
    UpgradeFailed,
)
from pumphouse.flows.evacuate import evacuate
from pumphouse.flows.host_hooks import GRACE_S
from pumphouse.tasks.upgrade_board import DONE, FAILED, FOUND, RUNS, Board
from pumphouse.tasks.upgrade_steps import with_retries
from pumphouse.tasks.upgrading import Work
from pumphouse.upgrade import EVACUATE, Step
from pumphouse.upgrade_facts import Facts


class Approval(RunInput):
    """Whether the host may be given up. Nothing goes on without a decision."""

    decision: Literal["approve", "reject"] = Field(description="Required.")
    who: str = Field(min_length=1, description="Your name: Prefect does not know who you are.")
    comment: str = Field(default="", description="Kept with the run.")


class Walk(ABC):
    """
    One run through the steps of a host.

    Attributes:
        words: Where the host is, as last known.

        failure: The class of error that says where a step failed.
    """

    failure: type[UpgradeFailed] = UpgradeFailed

    def __init__(self, work: Work, board: Board, facts: Facts) -> None:
        self.work = work
        self.board = board
        self.words = ""
        self.found = [step for step in board.steps if step.is_done(facts)]
        for step in self.found:
            board.set(step, FOUND)

    @abstractmethod
    def before(self, step: Step) -> None:
        """Ask once more, right before *step*, what can only then be known; raise an error."""

    @abstractmethod
    def where(self, step: Step | None) -> str:
        """Say where the host is now, as far as that can be found out; *step* is under way."""

    def carry_out(self) -> list[str]:
        """Do what is not done; return the names of the steps that were done."""
        done = []
        for step in self.board.steps:
            if step in self.found:
                continue
            self.before(step)
            self._do(step)
            done.append(step.name)
        self.words = self.where(None)
        return done

    def failed(self, step: Step, error: PumphouseError) -> UpgradeFailed:
        """Return what to raise for *error*, and remember where the host is."""
        self.words = self.where(step)
        return self.failure(self.work.host, step.name, str(error), self.words)

    def _do(self, step: Step) -> None:
        self.board.set(step, RUNS)
        future: PrefectFuture[None] | None = None
        try:
            if step is EVACUATE:
                self._evacuate()
            else:
                future = with_retries(self.work, step).submit(self.work, step)
                future.result()
        except PumphouseError as error:
            self.board.set(step, FAILED)
            raise self.failed(step, error) from error
        except BaseException:
            self._stop(step, future)
            raise
        self.board.set(step, DONE)

    def _evacuate(self) -> None:
        """Empty the host, again where it broke off; what a check forbids is not tried again."""
        work, tries = self.work, self.work.options.retries.evacuate
        while True:
            try:
                evacuate(host=work.host, site=work.site)
                return
            except (EvacuationFailed, EvacuationIncomplete) as error:
                if not tries or work.stop.wait(work.options.retry_pause_s):
                    raise
                tries -= 1
                work.log(f"{error} It is tried again.")

    def _stop(self, step: Step, future: PrefectFuture[None] | None) -> None:
        """Bring the step of a cancelled run to a safe end, and say where the host is."""
        # A thread gets no exception: it looks at this.
        self.work.stop.set()
        if future is not None:
            future.wait(timeout=GRACE_S)
        self.board.set(step, FAILED)
        state = step.state_now(bool(self.work.options.source_environment))
        self.words = f"Stopped at step {step.name}. {state}"
        get_run_logger().warning("%s: %s", self.work.host, self.words)


def ask(
    work: Work, what: str, command: str, question: str, rejected: Callable[[str], UpgradeFailed]
) -> None:
    """
    Suspend the run until somebody decides.

    Args:
        what: That is asked about, for example ``The upgrade of host cmp1``.

        command: That runs it where it can wait.

        rejected: Makes the error to raise from the reason.

    Raises:
        Refused: The run was not started from a deployment, so nothing could resume it.
        UpgradeFailed: Somebody said no.
    """
    if not runtime.deployment.id:
        reason = "An approval is asked for, and only a deployment's run can wait for one."
        raise Refused(what, [reason, f"Run {command} --deployment."])
    answer = suspend_flow_run(
        wait_for_input=Approval.with_initial_data(description=question),
        timeout=int(work.timeouts.approval_s),
    )
    if answer.decision == "approve":
        work.log(f"{answer.who} approved it. {answer.comment}".strip())
        return
    raise rejected(f"{answer.who} rejected it. {answer.comment}".strip())
