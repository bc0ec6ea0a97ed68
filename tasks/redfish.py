"""
What a BMC can do, over Redfish, with sushy.

sushy knows the ways in which BMCs differ from the standard (settings resources, ETags, sessions
or none). What is added: every operation ends in time, and fails with our errors.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import sushy
from sushy.auth import SessionOrBasicAuth
from sushy.connector import Connector
from sushy.exceptions import (
    AccessError,
    ConnectionError,
    ResourceNotFoundError,
    SushyError,
    UnknownDefaultError,
)

from pumphouse.bmc import USUAL_PORTS, BmcAccess, BootDevice, Device, Power, Switch
from pumphouse.errors import BmcError, BmcFailed, BmcRefused, BmcUnreachable
from pumphouse.tasks.logins import LOGIN, resolved

_RESETS = {
    Switch.ON: sushy.ResetType.ON,
    Switch.OFF: sushy.ResetType.FORCE_OFF,
    Switch.RESET: sushy.ResetType.FORCE_RESTART,
    Switch.SHUTDOWN: sushy.ResetType.GRACEFUL_SHUTDOWN,
}
_SOURCES = {
    Device.PXE: sushy.BootSource.PXE,
    Device.DISK: sushy.BootSource.HDD,
    Device.CDROM: sushy.BootSource.CD,
    Device.SETUP: sushy.BootSource.BIOS_SETUP,
}
_DEVICES = {source: device for device, source in _SOURCES.items()}
# What sushy writes for a CD on Supermicro's machines.
_DEVICES[sushy.BootSource.USB_CD] = Device.CDROM
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"


class RedfishMachine:
    """A machine behind a BMC that speaks Redfish."""

    def __init__(self, access: BmcAccess) -> None:
        self._access = access
        self._auth = SessionOrBasicAuth(access.user, access.password.get_secret_value())
        self._connector = _Bounded(access)
        self._system: Any = None

    def close(self) -> None:
        """Delete the session at the BMC, as far as it answers, and close the connection."""
        if self._auth.can_refresh_session():
            self._connector.end_in(self._access.timeout_s)
            with suppress(SushyError):
                self._auth.close()
        self._connector.close()

    def power(self) -> Power:
        """Return the power state; a machine on its way to being off or on is still on."""
        doing = "read the power state"
        state = self._read(doing).power_state
        if state is None:
            raise BmcFailed(self._access.endpoint, doing, "It does not tell.")
        return Power.OFF if state is sushy.PowerState.OFF else Power.ON

    def switch(self, what: Switch) -> None:
        """Order *what*, without waiting for it."""
        with self._operation(f"order {what}"):
            self._opened().reset_system(_RESETS[what])

    def boot(self) -> BootDevice:
        """Return the boot override, ``default`` when there is none."""
        boot = self._read("read the boot device").boot
        none = (sushy.BootSource.NONE, None)
        if boot is None or boot.target in none or boot.enabled is _disabled():
            return BootDevice(device=Device.DEFAULT)
        return BootDevice(
            device=_DEVICES.get(boot.target, Device.OTHER),
            persistent=boot.enabled is sushy.BootSourceOverrideEnabled.CONTINUOUS,
            uefi=boot.mode is sushy.BootSourceOverrideMode.UEFI,
        )

    def set_boot(self, wanted: BootDevice) -> None:
        """Set the boot override; the boot mode is named only where it has to change."""
        doing = f"set the boot device to {wanted}"
        system = self._read(doing)
        with self._operation(doing):
            if wanted.device is Device.DEFAULT:
                system.set_system_boot_options(enabled=_disabled())
                return
            system.set_system_boot_options(
                _SOURCES[wanted.device],
                enabled=sushy.BootSourceOverrideEnabled.CONTINUOUS
                if wanted.persistent
                else sushy.BootSourceOverrideEnabled.ONCE,
                mode=_changed_mode(system, wanted),
            )

    def shows(self, wanted: BootDevice) -> bool:
        """Tell whether the BMC shows what was set; one that tells no boot mode is believed."""
        seen = self.boot()
        if self._system.boot is not None and self._system.boot.mode is None:
            seen = seen.model_copy(update={"uefi": wanted.uefi})
        return seen == wanted

    def _read(self, doing: str) -> Any:
        with self._operation(doing):
            fresh = self._system is None
            system = self._opened()
            if not fresh:
                system.refresh(force=True)
            return system

    def _opened(self) -> Any:
        if self._system is None:
            access = self._access
            resolved(access, access.timeout_s)
            root = sushy.Sushy(
                _url(access), auth=self._auth, connector=self._connector, language="en"
            )
            self._system = root.get_system(_path(access.system))
        return self._system

    @contextmanager
    def _operation(self, doing: str) -> Iterator[None]:
        """Run one operation within ``timeout_s``, with our errors for sushy's."""
        self._connector.end_in(self._access.timeout_s)
        try:
            yield
        except SushyError as error:
            raise _translated(self._access, doing, error) from None
        except OSError:
            # requests looks for it only now, and says so with a bare OSError.
            reason = f"The CA file {self._access.ca_file} cannot be used. Nothing was changed."
            raise BmcRefused(self._access.endpoint, LOGIN, reason) from None


class _Bounded(Connector):  # type: ignore[misc]
    """sushy's connector, with a limit for all requests of one operation together."""

    def __init__(self, access: BmcAccess) -> None:
        verify = access.verify_tls and (access.ca_file or True)
        # One retry, and only for what a server says: sushy's own are three, at any price.
        super().__init__(
            _url(access), verify=verify, server_side_retries=1, server_side_retries_delay=1
        )
        self._end = 0.0

    def end_in(self, timeout_s: float) -> None:
        """Let all requests from now on end within *timeout_s*."""
        self._end = time.monotonic() + timeout_s

    def _op(self, method: str, path: str = "", **options: Any) -> Any:
        left = self._end - time.monotonic()
        if left <= 0:
            raise ConnectionError(url=path, error="the time is over")
        return super()._op(method, path, **{**options, "timeout": left})


def _disabled() -> Any:
    return sushy.BootSourceOverrideEnabled.DISABLED


def _changed_mode(system: Any, wanted: BootDevice) -> Any:
    """Return the boot mode to set, or nothing: some BMCs refuse a mode, even the one they have."""
    mode = sushy.BootSourceOverrideMode
    new = mode.UEFI if wanted.uefi else mode.LEGACY
    known = system.boot is not None and system.boot.mode is not None
    return new if known and system.boot.mode is not new else None


def _url(access: BmcAccess) -> str:
    address = f"[{access.address}]" if ":" in access.address else access.address
    return f"https://{address}:{access.port or USUAL_PORTS['redfish']}"


def _path(system: str) -> str | None:
    if not system:
        return None
    return system if system.startswith("/") else f"/redfish/v1/Systems/{system}"


def _translated(access: BmcAccess, doing: str, error: SushyError) -> BmcError:
    """Return our error for one of sushy's."""
    words = " ".join(str(error).split())
    if isinstance(error, AccessError):
        reason = "It does not accept the user and password, or the user may not do this."
        return BmcRefused(access.endpoint, doing, f"{reason} Nothing was changed.")
    if isinstance(error, ConnectionError) and _UNTRUSTED in words:
        reason = "Its certificate is not signed by an authority that is trusted here, or is "
        reason += "not for this address: give ca_file. Nothing was changed."
        return BmcRefused(access.endpoint, LOGIN, reason)
    if isinstance(error, ConnectionError):
        reason = f"It does not answer over HTTPS ({_cause(words)})."
        return BmcUnreachable(access.endpoint, doing, reason)
    if isinstance(error, UnknownDefaultError):
        reason = "It has several systems or none: give system. Nothing was changed."
        return BmcRefused(access.endpoint, doing, reason)
    if isinstance(error, ResourceNotFoundError) and access.system:
        reason = f"It has no system {access.system}. Nothing was changed."
        return BmcRefused(access.endpoint, doing, reason)
    return BmcFailed(access.endpoint, doing, f"It answered: {words}.")


def _cause(words: str) -> str:
    """Return the end of a chain of errors, where the reason is."""
    return words.rpartition("Error: ")[2].rpartition(": ")[2].strip("()'\" ")[:120]
