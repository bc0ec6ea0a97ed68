"""The steps of a host's upgrade as Prefect tasks, each with its retries and its time-out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from prefect import runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import Task

from pumphouse.errors import (
    BmcRefused,
    ConfigError,
    FuelNodeUnclear,
    Interrupted,
    MissingRights,
    PumphouseError,
    Refused,
    SwitchRefused,
    WaitFailed,
)
from pumphouse.guards import Checked
from pumphouse.tasks import (
    host_assignment,
    host_facts,
    host_install,
    host_joining,
    host_power,
    host_probes,
    release_steps,
)
from pumphouse.tasks.deadlines import Deadline
from pumphouse.tasks.upgrading import Work
from pumphouse.upgrade import Step

ACTIONS: Mapping[str, Callable[[Work], None]] = {
    "pxe": host_power.set_pxe,
    "reset": host_power.reset,
    "release": host_power.release,
    "power-off": release_steps.power_off,
    "port": release_steps.move_port,
    "power-on": release_steps.power_on,
    "assign": host_assignment.assign,
    "disks": host_assignment.set_disks,
    "nics": host_assignment.set_nics,
    "provision": host_install.provision,
    "deploy": host_install.deploy,
    "compute": host_joining.await_compute,
    "probe": host_probes.probe,
    "enable": host_joining.enable,
    "retire": host_joining.retire,
}
"""What each step does. Registration depends on which attempt it is, and to evacuate is a flow."""

BOUNDED = frozenset({"pxe", "reset", "power-off", "power-on", "assign", "disks", "nics", "enable"})
"""Steps whose calls each have a time-out, and that get one for all of them together."""

HOPELESS = (
    BmcRefused, ConfigError, FuelNodeUnclear, Interrupted, MissingRights, Refused,
    SwitchRefused,
)  # fmt: skip
"""Errors that come again however often a step is tried."""


def _may_heal(task: Task[..., Any], run: object, state: Any) -> bool:
    """Tell if trying again may help: what a check or an operator said no to stays no."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, HOPELESS)


@task(
    name="look",
    task_run_name="look",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=_may_heal,
)
def look(work: Work) -> Checked:
    """Find out where the host is and what stands in the way. Only reads."""
    return host_facts.look(work)


@task(
    name="upgrade-step",
    task_run_name="{step.name}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retry_condition_fn=_may_heal,
)
def do_step(work: Work, step: Step) -> None:
    """
    Do one step. Safe to repeat: each finds what is done, in the clouds, Fuel or the BMC.

    Raises:
        PumphouseError: What happened, as the step's own function words it.
    """
    if step.name == "register":
        host_power.register(work, _attempt())
        return
    if step.name not in BOUNDED:
        ACTIONS[step.name](work)
        return
    seconds = getattr(work.timeouts, f"{step.timeout}_s")
    deadline = Deadline(work.stop, seconds)
    try:
        ACTIONS[step.name](replace(work, stop=deadline))
    except Interrupted as error:
        if not deadline.is_over:
            raise
        raise WaitFailed(f"step {step.name}", f"It took longer than {seconds:g} s.") from error


def _attempt() -> int:
    return int(runtime.task_run.run_count or 1)


def with_retries(work: Work, step: Step) -> Task[[Work, Step], None]:
    """Return the task of *step* with the retries of the configuration."""
    retries = getattr(work.options.retries, step.retries)
    return do_step.with_options(retries=retries, retry_delay_seconds=work.options.retry_pause_s)


def reason_of(error: BaseException) -> str:
    """Return what an operator reads about *error*."""
    if isinstance(error, PumphouseError):
        return str(error)
    return f"{type(error).__name__}: {error}"
