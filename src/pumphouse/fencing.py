"""
Whether a host counts as powered off, from what its BMC says and what an operator vouches for.

Pure. Two copies of a server destroy its disks, so the BMC's word goes before a person's, and no
word at all is never taken for a yes.
"""

from pydantic import BaseModel, ConfigDict

from pumphouse.bmc import Power
from pumphouse.leaving import Asked


class Seen(BaseModel):
    """
    What was found out about the power of a host.

    Attributes:
        bmc: Where its BMC is; empty when the site knows none.

        power: What that says; None when it says nothing.

        trouble: Why it says nothing.
    """

    model_config = ConfigDict(frozen=True)

    bmc: str = ""
    power: Power | None = None
    trouble: str = ""


def is_fenced(asked: Asked, seen: Seen) -> bool:
    """Tell whether the host is powered off already."""
    if seen.power is not None:
        return seen.power is Power.OFF
    return asked.is_fenced


def problems(asked: Asked, seen: Seen) -> list[str]:
    """Return what stands in the way of fencing the host, or contradicts that it is fenced."""
    host = asked.host
    if asked.fence and not seen.bmc:
        return [
            f"Host {host} has no BMC here, so it cannot be powered off. Give hosts.{host}.bmc and "
            "register the site again, or power the host off yourself and say so (--fenced)."
        ]
    if asked.fence and seen.power is None:
        return [
            f"The power of host {host} cannot be read, so nobody could tell that it is off: "
            f"{seen.trouble} Repair that, or pull its plug and say so (--fenced)."
        ]
    if asked.is_fenced and seen.power is Power.ON:
        return [
            f"Its BMC {seen.bmc} says that it is on, so its servers may be running; let that "
            "power it off (--fence)."
        ]
    if seen.trouble and not asked.is_fenced:
        return [f"Its BMC could not be asked whether it is off: {seen.trouble}"]
    return []
