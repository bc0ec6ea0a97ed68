"""
Power and boot device of one host, by its BMC, each effect verified by reading it back.

`open_bmc` is the only way in. A session belongs to one thread; many may be open at once.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from pumphouse.bmc import BmcAccess, BootDevice, Device, Power, Switch
from pumphouse.errors import BmcFailed, BmcUnreachable, WaitFailed
from pumphouse.tasks.chassis import IpmiMachine
from pumphouse.tasks.redfish import RedfishMachine
from pumphouse.tasks.waiting import NEVER, poll


class Machine(Protocol):
    """What both protocols offer: orders that are given, and states that are read."""

    def close(self) -> None:
        """Close the session, whatever state it is in."""

    def power(self) -> Power:
        """Return the power state."""

    def switch(self, what: Switch) -> None:
        """Order *what*, without waiting for it."""

    def boot(self) -> BootDevice:
        """Return the boot override, ``default`` when there is none."""

    def set_boot(self, wanted: BootDevice) -> None:
        """Set the boot override."""

    def shows(self, wanted: BootDevice) -> bool:
        """Tell whether the BMC shows what was set, as far as it shows it."""


@contextmanager
def open_bmc(access: BmcAccess, stop: threading.Event = NEVER) -> Iterator["BmcSession"]:
    """
    Yield a session with the BMC of *access*; close it at the BMC whatever happens.

    The login comes with the first call, and again whenever the session was lost.

    Args:
        stop: Ends waiting with Interrupted when it is set.
    """
    machine: Machine = IpmiMachine(access) if access.protocol == "ipmi" else RedfishMachine(access)
    try:
        yield BmcSession(access, machine, stop)
    finally:
        machine.close()


class BmcSession:
    """
    One host's power and boot device.

    Every call ends within ``timeout_s`` of the access and one that changes the power within
    ``power_timeout_s`` more for each change. All of them can raise:

    - BmcUnreachable: no answer. A change may have happened.
    - BmcRefused: no login, or no right to this. Nothing was changed.
    - BmcFailed: the BMC said no, or the machine is not as it was asked to be.
    """

    def __init__(self, access: BmcAccess, machine: Machine, stop: threading.Event) -> None:
        self._access = access
        self._machine = machine
        self._stop = stop

    def power(self) -> Power:
        """Return whether the machine is on or off."""
        return self._machine.power()

    def boot_device(self) -> BootDevice:
        """Return the boot override as the BMC tells it; ``default`` when there is none."""
        return self._machine.boot()

    def set_boot(
        self, device: Device | str, persistent: bool = False, uefi: bool = False
    ) -> BootDevice:
        """
        Let the machine boot from *device* at the next start, or at every one; return that.

        ``default`` takes the override away. Verified by reading back; a BMC may show the
        device only after a while.
        """
        default = device == Device.DEFAULT
        wanted = BootDevice(
            device=Device(device),
            persistent=persistent and not default,
            uefi=uefi and not default,
        )
        self._machine.set_boot(wanted)
        try:
            self._wait(f"boot device {wanted}", self._showing(wanted), self._access.timeout_s)
        except WaitFailed:
            seen = self._machine.boot()
            reason = f"It took that, and still says {seen} after {self._access.timeout_s:g} s."
            raise self._failed(f"set the boot device to {wanted}", reason) from None
        return wanted

    def power_on(self) -> None:
        """Switch the machine on, and return when it is."""
        self._become(Power.ON, Switch.ON)

    def power_off(self) -> None:
        """Switch the machine off, hard, and return when it is."""
        self._become(Power.OFF, Switch.OFF)

    def stays_off(self, seconds: float) -> bool:
        """
        Tell whether the machine is off, and is so for *seconds* on end.

        While a restart is under way a BMC may say off, and take no order, before it says on.
        """
        try:
            self._wait("power on", lambda: self.power() is Power.ON, seconds)
        except WaitFailed:
            return True
        return False

    def shutdown(self, timeout_s: float | None = None) -> None:
        """
        Ask the machine's system to shut down, and return when the machine is off.

        Args:
            timeout_s: Longest wait; ``power_timeout_s`` of the access when not given. A
                system may ignore the request: then BmcFailed, and it stays on.
        """
        self._become(Power.OFF, Switch.SHUTDOWN, timeout_s)

    def reset(self) -> None:
        """
        Start the machine anew, from whatever state it is in, and return when it is on.

        Where the BMC refuses a reset, and where the machine is not on afterwards, it is
        switched off and on.
        """
        if self.power() is Power.OFF:
            self.power_on()
            return
        try:
            self._machine.switch(Switch.RESET)
            self._wait_power(Power.ON, Switch.RESET, self._access.power_timeout_s)
        except BmcFailed:
            self.power_off()
            self.power_on()

    def _become(self, wanted: Power, how: Switch, timeout_s: float | None = None) -> None:
        if self.power() is not wanted:
            self._machine.switch(how)
            self._wait_power(wanted, how, timeout_s or self._access.power_timeout_s)

    def _wait_power(self, wanted: Power, how: Switch, timeout_s: float) -> None:
        lost: list[BmcUnreachable] = []

        def read() -> Power | None:
            # A BMC on the host's own port loses the link while the host starts.
            try:
                power = self.power()
            except BmcUnreachable as error:
                lost[:] = [error]
                return None
            lost.clear()
            return power

        try:
            self._wait(f"power {wanted}", lambda: read() is wanted, timeout_s)
        except WaitFailed:
            if lost:
                raise lost[0] from None
            other = Power.OFF if wanted is Power.ON else Power.ON
            reason = f"It took that, and the machine is still {other} after {timeout_s:g} s."
            raise self._failed(str(how), reason) from None

    def _wait(self, what: str, done: Callable[[], bool], timeout_s: float) -> None:
        poll(what, done, bool, timeout_s, self._stop)

    def _showing(self, wanted: BootDevice) -> Callable[[], bool]:
        return lambda: self._machine.shows(wanted)

    def _failed(self, doing: str, reason: str) -> BmcFailed:
        return BmcFailed(self._access.endpoint, doing, reason)
