"""
What must hold before a host's disks are given up: every objection at once.

Pure. A reset cannot be taken back once Fuel writes the disks, so whatever can be known
beforehand is asked beforehand, before the host is emptied and again just before its reset.
"""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from pumphouse.bmc import Power
from pumphouse.fuel import Cluster
from pumphouse.hosts import HostSettings
from pumphouse.upgrade_facts import Facts
from pumphouse.upgrade_options import UpgradeOptions


class Checked(BaseModel):
    """
    What was found out about a host that is to be upgraded.

    Attributes:
        unclear: Why it is not certain which of Fuel's nodes it is.

        has_bmc: Whether the configuration says how to reach its BMC.

        power: What the BMC says; None when it does not answer, then `bmc` says why.

        environment: The target's; None when Fuel has none of that name, then `fuel` says why.

        source_environment_id: Of the source's environment in Fuel; None without one.

        model: What keeps a model node from being chosen.

        target: What the target lacks: compute API, the probe's image, flavor or network,
            aggregates.

        not_empty: What says that servers are on it.

        others: Names of the source's other hosts that are enabled and up.

        servers_elsewhere: How many servers the source's other hosts have.
    """

    model_config = ConfigDict(frozen=True)

    settings: HostSettings
    options: UpgradeOptions
    facts: Facts
    unclear: str = ""
    has_bmc: bool = False
    power: Power | None = None
    bmc: str = ""
    environment: Cluster | None = None
    fuel: str = ""
    source_environment_id: int | None = None
    model: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    not_empty: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    servers_elsewhere: int = 0

    @property
    def by_fuel(self) -> bool:
        """Whether Fuel releases it, and not its BMC."""
        return bool(self.options.source_environment)


def objections(checked: Checked, is_emptied: bool) -> tuple[str, ...]:
    """
    Return a sentence for each thing that forbids to reset the host; none when all is well.

    A host that is past its reset is not asked what only matters before it.

    is_emptied: Whether it must be empty by now; before it is emptied that is no objection.
    """
    found = [*_fuel(checked), *checked.target, *checked.model]
    facts = checked.facts
    if not (facts.was_reset or facts.is_registered):
        found += _before_reset(checked)
        found += _source(checked)
        if is_emptied:
            found += checked.not_empty
    return tuple(dict.fromkeys(found))


def _before_reset(checked: Checked) -> Iterator[str]:
    host, settings = checked.facts.host, checked.settings
    if not settings.all_macs:
        yield (
            f"No MAC of host {host} is known, so Fuel's node could not be told apart; give "
            f"hosts.{host}.macs."
        )
    if checked.by_fuel:
        return
    if settings.all_macs and not settings.boot_mac:
        yield (
            f"It is not known which NIC of host {host} boots from the network; give "
            f"hosts.{host}.boot_mac."
        )
    if not checked.has_bmc:
        yield f"Host {host} has no BMC in the configuration; give hosts.{host}.bmc."
    elif checked.power is None:
        yield checked.bmc or f"The BMC of host {host} does not answer."


def _source(checked: Checked) -> Iterator[str]:
    if checked.servers_elsewhere and not checked.others:
        yield (
            f"Host {checked.facts.host} is the source's last one that is enabled and up, and "
            f"{checked.servers_elsewhere} server(s) are left on others; migrate those first."
        )


def _fuel(checked: Checked) -> Iterator[str]:
    if checked.fuel:
        yield checked.fuel
    environment = checked.environment
    if environment and environment.is_locked:
        yield f"Fuel's {environment.label} is locked; unlock it in Fuel."
    if environment and environment.status in ("remove", "new"):
        yield (
            f"Fuel's {environment.label} is {environment.status}: it has to be deployed, with "
            "its controllers, before hosts can join it."
        )
    if checked.unclear:
        yield checked.unclear
    node = checked.facts.node
    if node is None:
        if checked.by_fuel and not checked.facts.was_reset:
            yield (
                f"Fuel has no node with the MACs of host {checked.facts.host}, so it cannot "
                f"release it from environment {checked.options.source_environment}."
            )
        return
    if node.pending_deletion:
        yield (
            f"Fuel's {node.label} is marked for deletion: the next deployment of anyone would "
            "wipe it; take the mark away in Fuel."
        )
    home = {None, checked.facts.environment_id}
    if checked.by_fuel:
        home.add(checked.source_environment_id)
    if node.cluster_id not in home:
        yield (
            f"Fuel's {node.label} belongs to environment {node.cluster_id}. Take it out there, "
            "or, if that is the source's, name it in upgrade.source_environment."
        )
