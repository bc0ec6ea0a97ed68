"""What the steps of a host's upgrade share: whose turn it is, and the ways to the three APIs."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pumphouse.blocks.bmc import Bmc
from pumphouse.blocks.site import Site
from pumphouse.errors import ConfigError
from pumphouse.fuel import Task
from pumphouse.hosts import HostSettings
from pumphouse.models import Role
from pumphouse.tasks.api import Api
from pumphouse.tasks.fuel import FuelClient
from pumphouse.tasks.waiting import NEVER
from pumphouse.upgrade_options import StepTimeouts, UpgradeOptions


def _silent(text: str) -> None:
    """Say nothing."""


def _unseen(what: str, percent: int) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Work:
    """
    One host that is upgraded, and how it is told. Not pickled: steps run in threads.

    Attributes:
        stop: Ends every wait with Interrupted when it is set.

        log: Is told what happens, in one sentence each.

        progress: Is told a step's name and how many percent of it are done.
    """

    pair: Site
    site: str
    host: str
    stop: threading.Event = field(default=NEVER)
    log: Callable[[str], None] = _silent
    progress: Callable[[str, int], None] = _unseen

    @property
    def options(self) -> UpgradeOptions:
        """The site's choices about upgrades."""
        return self.pair.upgrade

    @property
    def timeouts(self) -> StepTimeouts:
        """The longest time of each step."""
        return self.pair.upgrade.timeouts

    @property
    def settings(self) -> HostSettings:
        """What is known of the host; raises ConfigError when nothing is."""
        return self.pair.host(self.host)

    @property
    def has_fuel(self) -> bool:
        """Whether the site has a Fuel master."""
        return bool(self.pair.fuel and self.pair.fuel.url)

    @property
    def macs(self) -> Sequence[str]:
        """All MACs by which Fuel knows the host."""
        return sorted(self.settings.all_macs)

    def fuel(self) -> FuelClient:
        """Return the Fuel master, to be used in ``with``."""
        return FuelClient(self.pair.master())

    def cloud(self, role: Role) -> Api:
        """Return the API of a cloud, to be used in ``with``."""
        return Api(self.pair.cloud(role), role.value)

    def bmc(self) -> Bmc:
        """
        Return the host's BMC.

        Raises:
            ConfigError: It has none.
        """
        found = self.pair.bmc(self.site, self.host)
        if found is None:
            problem = f"Host {self.host} has none; give hosts.{self.host}.bmc and register again."
            raise ConfigError("bmc", [problem])
        return found

    def watch(self, step: str) -> Callable[[Task], None]:
        """Return what is told of each change of a job of Fuel that *step* waits for."""

        def changed(job: Task) -> None:
            self.log(f"Fuel's {job.label} is {job.status}, {job.progress or 0} %.")
            self.progress(step, job.progress or 0)

        return changed
