"""The switch port of a host: who moves it, whether it is moved already, and moving it."""

from dataclasses import dataclass

from pumphouse.hosts import HostSettings
from pumphouse.switches import SwitchPort
from pumphouse.tasks.port_movers import PortMover, mover_of
from pumphouse.tasks.upgrading import Work


class ByHand:
    """Moves nothing: says to an operator what to move, and why nobody else does."""

    def __init__(self, host: str, settings: HostSettings) -> None:
        self._host = host
        self._settings = settings

    def vlan(self, port: str) -> int | None:
        """Return None: nobody can be asked."""
        return None

    def move(self, port: str, vlan: int) -> str:
        """Return what an operator has to do."""
        place = self._settings.switch_port
        if place:
            why = f"switches.{place.switch} is not configured"
            return f"Move {place} to VLAN {vlan}, untagged, by hand: {why}."
        of = f"with MAC {self._settings.boot_mac} " if self._settings.boot_mac else ""
        why = f"hosts.{self._host}.switch_port is not configured"
        return (
            f"Move the port of host {self._host}'s boot NIC {of}to VLAN {vlan}, untagged, by "
            f"hand: {why}."
        )


@dataclass(frozen=True)
class HostPort:
    """
    A host's port, and who moves it.

    Attributes:
        place: None when it is not configured.
    """

    place: SwitchPort | None
    mover: PortMover

    @property
    def is_by_hand(self) -> bool:
        """Whether an operator has to move it."""
        return isinstance(self.mover, ByHand)

    @property
    def name(self) -> str:
        """The port, as the switch calls it."""
        return self.place.port if self.place else ""

    def vlan(self) -> int | None:
        """Return the VLAN in which it is; None when that is unknown. A `SwitchError` says why."""
        return self.mover.vlan(self.name)

    def move(self, vlan: int) -> str:
        """Put it into *vlan*; return what was done, or what an operator has to do."""
        return self.mover.move(self.name, vlan)

    def intention(self, vlan: int) -> str:
        """Say what a move would do."""
        if self.is_by_hand:
            return self.move(vlan)
        return f"Its {self.place} is moved to VLAN {vlan}, untagged."


def port_of(work: Work) -> HostPort:
    """
    Return the host's port. Opens nothing.

    Raises:
        ConfigError: The mover of its switch is not installed.
    """
    place = work.settings.switch_port
    access = work.pair.switch(work.site, place.switch) if place else None
    if place is None or access is None:
        return HostPort(place, ByHand(work.host, work.settings))
    return HostPort(place, mover_of(place.switch, access))


def move_back(work: Work) -> None:
    """Put the port back into the source's VLAN, or say that somebody has to; twice is once."""
    options = work.pair.release
    if options.vlan is None:
        return
    if options.return_vlan is None:
        work.log("If its switch port was moved, move it back: release.return_vlan is not given.")
        return
    work.log(port_of(work).move(options.return_vlan))
