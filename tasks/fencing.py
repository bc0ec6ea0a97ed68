"""Fence a host: power it off by its BMC, tell Nova that it is down, and take both back."""

import threading
from collections.abc import Callable

from pumphouse import service_marks
from pumphouse.blocks.site import Site
from pumphouse.bmc import BmcAccess, Power
from pumphouse.errors import BmcError, ConfigError, FencingFailed
from pumphouse.fencing import Seen
from pumphouse.tasks import maintenance
from pumphouse.tasks.api import Api
from pumphouse.tasks.bmc import BmcSession, open_bmc
from pumphouse.tasks.compute_services import disable, read_service, restore
from pumphouse.tasks.waiting import NEVER

Log = Callable[[str], None]


ATTEMPTS = 2
"""How often a host is switched off: one that a restart was under way of comes on once more."""


def look_at_power(bmc: BmcAccess | None, off_for_s: float = 0) -> Seen:
    """
    Return what a host's BMC says of its power. Only reads.

    off_for_s: How long it has to say off to be believed.
    """
    if bmc is None:
        return Seen()
    try:
        with open_bmc(bmc) as session:
            power = Power.OFF if session.stays_off(off_for_s) else Power.ON
            return Seen(bmc=bmc.endpoint, power=power)
    except BmcError as error:
        return Seen(bmc=bmc.endpoint, trouble=str(error))


def fence(pair: Site, host: str, bmc: BmcAccess, log: Log, stop: threading.Event = NEVER) -> str:
    """
    Power a host off, believe it when its BMC says so, and then force it down; return our note.

    The note comes first, so that *leave* knows what to take back after a kill at any point. Safe
    to repeat: what is off stays off, and what Nova was told is not told again.

    Raises:
        Refused: Somebody else's reason is too long to be kept. Nothing was changed.
        FencingFailed: It may still run. It is disabled, and no server was touched.
        Interrupted: *stop* was set.
    """
    with maintenance.open_source(pair) as api:
        try:
            with open_bmc(bmc, stop) as session:
                is_off = any(_switch_off(pair, api, host, session, log) for _ in range(ATTEMPTS))
        except BmcError as error:
            raise FencingFailed(host, str(error)) from error
        if not is_off:
            raise FencingFailed(host, f"BMC {bmc.endpoint} says that it comes on again by itself.")
        log(f"Host {host} is off, says its BMC {bmc.endpoint}.")
        return disable(api, read_service(api, host), force_down=True).text


def _switch_off(pair: Site, api: Api, host: str, session: BmcSession, log: Log) -> bool:
    """Switch a host off, and tell whether it stays so."""
    was_on = session.power() is Power.ON
    disable(api, read_service(api, host), power_off=was_on)
    session.power_off()
    if session.stays_off(pair.maintenance.off_for_s):
        return True
    log(f"Host {host} came on again: a restart was under way.")
    return False


def leave(pair: Site, host: str, bmc: BmcAccess | None, log: Log) -> str:
    """
    Take a host out of maintenance: power it on if we powered it off, and restore its service.

    Return what was done. Safe to repeat.

    Raises:
        ConfigError: There is no such host; or we powered it off, and have no BMC of it now.
        BmcError: It could not be powered on. Its service is still disabled.
        WaitFailed: It is on, and Nova does not hear from it. Its service is still disabled.
    """
    with maintenance.open_source(pair) as api:
        service = read_service(api, host)
        mark = service_marks.parse(service.get("disabled_reason"))
        if mark is None or not mark.is_powered_off:
            return restore(api, service)
        if bmc is None:
            problem = f"{host!r} was powered off by us, and has no BMC here to power it on by."
            raise ConfigError("host", [f"{problem} Its service is still disabled."])
        with open_bmc(bmc) as session:
            session.power_on()
        log(f"Host {host} is on, says its BMC {bmc.endpoint}. Its nova-compute is waited for.")
        said = restore(api, service, pair.maintenance.start_timeout_s)
    return f"Host {host} was powered on. {said}"
