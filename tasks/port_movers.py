"""
Who moves a switch port to another VLAN: an operator, netmiko, or a mover of another package.

A package offers its own by the entry point group `GROUP`: a callable that takes the switch's
name and `SwitchAccess` and returns a `PortMover`; ``switches.NAME.mover`` names it.
"""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Protocol

from pumphouse.errors import ConfigError
from pumphouse.switches import NETMIKO, SwitchAccess
from pumphouse.tasks.netmiko_mover import NetmikoMover

GROUP = "pumphouse.port_movers"


class PortMover(Protocol):
    """
    Moves ports of one switch. Both calls end in bounded time, and raise a `SwitchError`.

    What is asked for may be done already, by an earlier run that was killed.
    """

    def vlan(self, port: str) -> int | None:
        """
        Return the number of the VLAN in which *port* is, untagged; None when that is unknown.

        Changes nothing. Raises SwitchFailed when there is no such port.
        """

    def move(self, port: str, vlan: int) -> str:
        """
        Put *port* into *vlan*, untagged, and verify that; return what was done, one sentence.

        An error says what of it was changed.
        """


def mover_of(name: str, access: SwitchAccess) -> PortMover:
    """
    Return what moves ports of the switch called *name*. Opens nothing.

    Raises:
        ConfigError: Nobody offers its mover, or netmiko is not installed.
    """
    if access.mover == NETMIKO:
        return NetmikoMover(name, access)
    offered = {found.name: found for found in entry_points(group=GROUP)}
    if access.mover not in offered:
        known = ", ".join(sorted([NETMIKO, *offered]))
        problem = f"No installed package offers {access.mover!r}; known here: {known}."
        raise ConfigError(f"switches.{name}.mover", [problem])
    make: Callable[[str, SwitchAccess], PortMover] = offered[access.mover].load()
    return make(name, access)
