"""What a BMC can do, in IPMI's chassis commands (chapter 28 of IPMI 2.0)."""

from contextlib import suppress

from pumphouse.bmc import BmcAccess, BootDevice, Device, Power, Switch
from pumphouse.errors import BmcFailed
from pumphouse.tasks.ipmi import IpmiSession

_CHASSIS = 0x00
_STATUS, _CONTROL, _SET_BOOT, _GET_BOOT = 0x01, 0x02, 0x08, 0x09
_CONTROLS = {Switch.OFF: 0, Switch.ON: 1, Switch.RESET: 3, Switch.SHUTDOWN: 5}
_DEVICES = {Device.DEFAULT: 0, Device.PXE: 1, Device.DISK: 2, Device.CDROM: 5, Device.SETUP: 6}
_NAMES = {number: device for device, number in _DEVICES.items()}

_BOOT_FLAGS, _VALID_BIT_CLEARING = 5, 3
_KEEP_WITHOUT_CONTROL = 0x08
_INVALID = 0x80
_VALID, _PERSISTENT, _UEFI = 0x80, 0x40, 0x20


class IpmiMachine:
    """A machine behind a BMC that speaks IPMI."""

    def __init__(self, access: BmcAccess) -> None:
        self._session = IpmiSession(access)

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    def power(self) -> Power:
        """Return the power state."""
        status = self._session.command("read the power state", _CHASSIS, _STATUS)
        return Power.ON if status[0] & 1 else Power.OFF

    def switch(self, what: Switch) -> None:
        """Order *what*, without waiting for it. A reset is never sent twice."""
        again = what is not Switch.RESET
        control = [_CONTROLS[what]]
        self._session.command(f"order {what}", _CHASSIS, _CONTROL, control, again=again)

    def boot(self) -> BootDevice:
        """Return the boot override, ``default`` when there is none."""
        valid, flags, device = self._flags()
        if not valid or not flags & _VALID:
            return BootDevice(device=Device.DEFAULT)
        return _device(flags, device)

    def set_boot(self, wanted: BootDevice) -> None:
        """Set the boot override."""
        doing = f"set the boot device to {wanted}"
        # Otherwise a BMC may drop the override when no power command follows within 60 s.
        # Some know no such setting; then the reading back will tell.
        keep = [_VALID_BIT_CLEARING, _KEEP_WITHOUT_CONTROL]
        with suppress(BmcFailed):
            self._session.command(doing, _CHASSIS, _SET_BOOT, keep)
        flags = 0
        if wanted.device is not Device.DEFAULT:
            flags = _VALID | _PERSISTENT * wanted.persistent | _UEFI * wanted.uefi
        data = [_BOOT_FLAGS, flags, _DEVICES[wanted.device] << 2, 0, 0, 0]
        self._session.command(doing, _CHASSIS, _SET_BOOT, data)

    def shows(self, wanted: BootDevice) -> bool:
        """Tell whether the BMC shows what was set, as far as it shows it."""
        valid, flags, device = self._flags()
        if wanted.device is not Device.DEFAULT and valid and not flags and device:
            # OpenIPMI's simulator, and BMCs made from it, keep the device but no flag.
            return _NAMES.get(device) is wanted.device
        return self.boot() == wanted

    def _flags(self) -> tuple[bool, int, int]:
        """Return whether the parameter is valid, the flags, and the device's number."""
        data = [_BOOT_FLAGS, 0, 0]
        answer = self._session.command("read the boot device", _CHASSIS, _GET_BOOT, data)
        return not answer[1] & _INVALID, answer[2], answer[3] >> 2 & 0x0F


def _device(flags: int, number: int) -> BootDevice:
    device = _NAMES.get(number, Device.OTHER)
    if device is Device.DEFAULT:
        return BootDevice(device=device)
    return BootDevice(
        device=device, persistent=bool(flags & _PERSISTENT), uefi=bool(flags & _UEFI)
    )
