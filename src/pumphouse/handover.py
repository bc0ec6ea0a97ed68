"""
The hand-over of one host to Fuel's admin network as data, for the target's first nodes.

Pure. The steps are of the same kind as those of an upgrade, and some are the same: but nothing
of the target is needed here, since there may be no environment and no model yet.
"""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from pumphouse import guards, upgrade
from pumphouse.bmc import Power
from pumphouse.guards import Checked
from pumphouse.upgrade import EVACUATE, LEAVE, REGISTER, RELEASE, RETURN, RUNS_IN_SOURCE, Step

AT_WORK = frozenset({"provisioning", "provisioned", "deploying", "removing"})
"""States of a node in which Fuel must not be disturbed, whatever environment it is in."""

# Set once more before the host is switched on: for one that is off, the first time is over.
PXE = upgrade.PXE.model_copy(
    update={"is_done": lambda f: f.power is Power.OFF or upgrade.PXE.is_done(f)}
)
OFF = Step(
    name="power-off",
    doc="Shut it down, and switch it off if it does not.",
    is_done=lambda f: f.power is Power.OFF or f.was_reset or f.is_registered,
    timeout="power",
    retries="power",
    state=f"{RUNS_IN_SOURCE}, empty; its next start is from the network.",
    back=LEAVE,
)
PORT = Step(
    name="port",
    doc="Move its switch port to the VLAN of Fuel's admin network.",
    is_done=lambda f: f.has_vlan or f.was_reset or f.is_registered,
    timeout="power",
    retries="power",
    state="It is switched off; its disks still hold the source's system. Its switch port may be "
    "in either VLAN.",
    back=RETURN,
)
ON = Step(
    name="power-on",
    doc="Switch it on: it boots from the network.",
    is_done=lambda f: f.was_reset or f.is_registered,
    timeout="power",
    retries="power",
    state="It is switched off, in the VLAN of Fuel's admin network; its disks still hold the "
    "source's system.",
    back=RETURN,
)


class Found(BaseModel):
    """
    What was found out about a host that is to be handed over.

    Attributes:
        has_fuel: Whether a Fuel master is configured, in which it shall register.

        move: What is to be done with its switch port, one sentence.

        port: What forbids that.
    """

    model_config = ConfigDict(frozen=True)

    checked: Checked
    has_fuel: bool
    move: str = ""
    port: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """Its name."""
        return self.checked.facts.host

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in their order; a host that Fuel manages is on its network already."""
        if self.checked.by_fuel:
            return (EVACUATE, RELEASE, REGISTER)
        return (EVACUATE, PXE, OFF, PORT, ON, *((REGISTER,) if self.has_fuel else ()))

    @property
    def first_to_do(self) -> Step | None:
        """The first step that is not done; None when all are."""
        return next((step for step in self.steps if not step.is_done(self.checked.facts)), None)

    def objections(self, is_emptied: bool) -> tuple[str, ...]:
        """
        Return a sentence for each thing that forbids to go on; none when nothing is left to do.

        is_emptied: Whether it must be empty by now.
        """
        if self.first_to_do is None:
            return ()
        found = (*guards.objections(self.checked, is_emptied), *self._fuel_at_work())
        facts = self.checked.facts
        is_past_port = facts.was_reset or facts.is_registered or self.checked.by_fuel
        return found if is_past_port else (*found, *self.port)

    def _fuel_at_work(self) -> Iterator[str]:
        node = self.checked.facts.node
        if node and node.status in AT_WORK and node.cluster_id != self._source_environment:
            yield f"Fuel is at work on {node.label}, or was: it is {node.status}. Let it be."

    @property
    def _source_environment(self) -> int | None:
        return self.checked.source_environment_id

    def back(self, step: Step) -> str:
        """Return the command that brings it back to the source, or why there is none."""
        if step is REGISTER and self.checked.by_fuel:
            return "none: Fuel wiped its disks; install the source's system anew"
        return step.back.format(host=self.host)

    def where(self) -> str:
        """Say in which state the host is, and what to do next."""
        if step := self.first_to_do:
            return self.at(step)
        if node := self.checked.facts.node:
            state = f"It waits in Fuel's bootstrap as {node.label}."
            advice = (
                "Next, in Fuel: create the target's environment if there is none, give the node "
                "its role there (a first one is a controller), and deploy."
            )
            return f"{state} {advice} Back, until then: {self.back(REGISTER)}."
        macs = ", ".join(sorted(self.checked.settings.all_macs))
        return (
            "It was switched on and boots from the network; no Fuel is configured, so nobody was "
            f"asked whether it arrived. Next: find it there by its MACs ({macs}). Back, until its "
            f"disks are written: {RETURN.format(host=self.host)}."
        )

    def at(self, step: Step) -> str:
        """Say in which state it is while *step* is not done, and both ways."""
        state = step.state_now(self.checked.by_fuel)
        return f"{state} Forward: {way_on(self.host)}. Back: {self.back(step)}."


def way_on(host: str) -> str:
    """Return the command that carries on, wherever the host is."""
    return f"pumphouse release-host {host}"
