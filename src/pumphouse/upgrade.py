"""
The upgrade of one host as data: named steps, how each is recognized as done, and the way back.

Pure. The same list drives the flow, its progress, its error texts and the guide: a step that
`is_done` is not repeated, so a run that was killed anywhere is carried on by the next one.
"""

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict

from pumphouse.upgrade_facts import Facts


class Step(BaseModel):
    """
    One step.

    Attributes:
        name: As tasks, artifacts, time-outs and errors have it.

        doc: What it does, one sentence.

        is_done: Whether there is nothing left to do for it.

        timeout, retries: Field of `StepTimeouts` (without ``_s``) and `StepRetries`; the
            time-outs of evacuate are those of its servers, under maintenance.

        state: In which state the host is while this step is not done.

        erased: The same where Fuel released it, which erases its disks; empty: no difference.

        back: What brings it back to the source from there; the way on is always the same.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    doc: str
    is_done: Callable[[Facts], bool]
    timeout: str
    retries: str
    state: str
    erased: str = ""
    back: str

    def state_now(self, by_fuel: bool) -> str:
        """Return in which state the host is; *by_fuel* when Fuel released it."""
        return (by_fuel and self.erased) or self.state


LEAVE = "pumphouse maintenance leave {host}"
RETURN = "pumphouse hosts return {host}"
NO_WAY = "none: its disks are overwritten; install the source's system anew"
RUNS_IN_SOURCE = "It runs the source's system and is disabled there"
IN_BOOTSTRAP = "It runs Fuel's bootstrap; its disks still hold the source's system"
ERASED = "It runs Fuel's bootstrap; Fuel erased its disks"
HAS_ROLE = "It has a role in the target's environment."

EVACUATE = Step(
    name="evacuate",
    doc="Disable the host in the source and move every server off it.",
    is_done=lambda f: (
        (f.is_empty and not f.takes_servers) or not f.in_source or f.was_reset or f.is_registered
    ),
    timeout="",
    retries="evacuate",
    state="It runs the source's system; servers may be on it.",
    back=LEAVE,
)
PXE = Step(
    name="pxe",
    doc="Tell its BMC to boot the next time from the network.",
    is_done=lambda f: f.was_reset or f.is_registered,
    timeout="power",
    retries="power",
    state=f"{RUNS_IN_SOURCE}, empty; its next start may be from the network.",
    back=LEAVE,
)
RESET = Step(
    name="reset",
    doc="Reset it.",
    is_done=lambda f: f.was_reset or f.is_registered,
    timeout="power",
    retries="power",
    state=f"{RUNS_IN_SOURCE}, empty; its next start is from the network.",
    back=LEAVE,
)
RELEASE = Step(
    name="release",
    doc="Take it out of the source's environment in Fuel, which wipes and restarts it.",
    is_done=lambda f: f.was_reset or f.is_registered,
    timeout="release",
    retries="release",
    state=f"{RUNS_IN_SOURCE}, empty, or Fuel is wiping it.",
    back=LEAVE + ", unless Fuel is removing it already",
)
REGISTER = Step(
    name="register",
    doc="Wait until it registers in Fuel with all of its MACs.",
    is_done=lambda f: f.is_registered,
    timeout="registration",
    retries="registration",
    state="It was reset and boots from the network, or tries to; its disks still hold the "
    "source's system.",
    erased="Fuel erased its disks; it boots from the network, or tries to.",
    back=RETURN,
)
ASSIGN = Step(
    name="assign",
    doc="Give it its roles in the target's environment.",
    is_done=lambda f: f.in_target and f.node is not None and f.roles <= f.node.all_roles,
    timeout="assign",
    retries="assign",
    state=f"{IN_BOOTSTRAP}.",
    erased=f"{ERASED}.",
    back=RETURN,
)
DISKS = Step(
    name="disks",
    doc="Give its disks the layout of the model node, fitted to their sizes.",
    is_done=lambda f: f.is_laid_out or (f.in_target and f.has_disks),
    timeout="assign",
    retries="assign",
    state=f"{IN_BOOTSTRAP}. {HAS_ROLE}",
    erased=f"{ERASED}. {HAS_ROLE}",
    back=RETURN,
)
NICS = Step(
    name="nics",
    doc="Put the networks on its NICs as on the model node's.",
    is_done=lambda f: f.is_laid_out or (f.in_target and f.has_nics),
    timeout="assign",
    retries="assign",
    state=f"{IN_BOOTSTRAP}. {HAS_ROLE}",
    erased=f"{ERASED}. {HAS_ROLE}",
    back=RETURN,
)
PROVISION = Step(
    name="provision",
    doc="Let Fuel write the new system to its disks: from here on there is no way back.",
    is_done=lambda f: f.is_provisioned,
    timeout="provision",
    retries="provision",
    state="Fuel writes the new system to its disks, or failed to.",
    back=NO_WAY,
)
DEPLOY = Step(
    name="deploy",
    doc="Let Fuel deploy its roles, until the task and the node both say that it is ready.",
    is_done=lambda f: f.is_ready,
    timeout="deploy",
    retries="deploy",
    state="It runs the new system; its roles are not, or not wholly, deployed.",
    back=NO_WAY,
)
COMPUTE = Step(
    name="compute",
    doc="Wait until its compute service is up in the target, and keep tenants' servers off it.",
    is_done=lambda f: f.compute == "up",
    timeout="compute",
    retries="compute",
    state="Fuel says ready, but the target has no compute service of it that is up.",
    back=NO_WAY,
)
PROBE = Step(
    name="probe",
    doc="Boot a server on it and delete that again.",
    is_done=lambda f: f.is_verified,
    timeout="probe",
    retries="probe",
    state="It is up in the target and takes no tenants' servers yet.",
    back=NO_WAY,
)
ENABLE = Step(
    name="enable",
    doc="Add it to its aggregates and let tenants' servers come.",
    is_done=lambda f: f.is_enabled and f.is_verified,
    timeout="assign",
    retries="assign",
    state="It works in the target and takes no tenants' servers yet.",
    back=NO_WAY,
)
RETIRE = Step(
    name="retire",
    doc="Remove its old compute service, provider and agents from the source.",
    is_done=lambda f: not f.in_source,
    timeout="retire",
    retries="retire",
    state="It works in the target; the source still lists it as a host that is down.",
    back=NO_WAY,
)

_BEFORE = (EVACUATE,)
_BY_BMC = (PXE, RESET)
_BY_FUEL = (RELEASE,)
_AFTER = (
    REGISTER, ASSIGN, DISKS, NICS, PROVISION, DEPLOY, COMPUTE, PROBE, ENABLE, RETIRE,
)  # fmt: skip


def steps(by_fuel: bool) -> tuple[Step, ...]:
    """Return the steps in their order; *by_fuel* when Fuel manages the source too."""
    return (*_BEFORE, *(_BY_FUEL if by_fuel else _BY_BMC), *_AFTER)


def first_to_do(facts: Facts, by_fuel: bool) -> Step | None:
    """Return the first step that is not done; None when all are."""
    return next((step for step in steps(by_fuel) if not step.is_done(facts)), None)


def way_on(host: str) -> str:
    """Return the command that carries on, wherever the host is."""
    return f"pumphouse upgrade-host {host}"


def way_back(step: Step, host: str, by_fuel: bool) -> str:
    """Return the command that brings the host back to the source, or why there is none."""
    # Fuel wipes what it removes from an environment; a reset leaves the disks alone.
    is_wiped = by_fuel and step in _AFTER
    return (NO_WAY if is_wiped else step.back).format(host=host)


def where(facts: Facts, by_fuel: bool) -> str:
    """Say in which state the host is, and which commands bring it forward and back."""
    step = first_to_do(facts, by_fuel)
    if step is None:
        return "It is a compute node of the target; nothing is left to do."
    back = way_back(step, facts.host, by_fuel)
    return f"{step.state_now(by_fuel)} Forward: {way_on(facts.host)}. Back: {back}."
