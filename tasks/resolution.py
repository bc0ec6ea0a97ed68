"""The address of a BMC, from its name, within a limit: the system's resolver has none."""

import socket
import threading

from pumphouse.bmc import BmcAccess
from pumphouse.errors import BmcUnreachable

LOGIN = "log in"


def resolved(access: BmcAccess, timeout_s: float) -> tuple[int, str]:
    """
    Return address family and IP address of the BMC, IPv4 first where it has both.

    Raises:
        BmcUnreachable: The name is not known, or the resolver does not answer in time.
    """
    found: list[tuple[int, str]] = []
    failed: list[OSError] = []

    def resolve() -> None:
        try:
            answers = socket.getaddrinfo(access.address, None, 0, socket.SOCK_DGRAM)
            found.extend((family, str(at[0])) for family, _, _, _, at in answers)
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(max(0.0, timeout_s))
    if not found:
        why = failed[0].strerror if failed else f"no answer in {timeout_s:.0f} s"
        reason = f"The name {access.address} cannot be resolved: {why}. Nothing was changed."
        raise BmcUnreachable(access.endpoint, LOGIN, reason)
    return min(found, key=lambda one: one[0] != socket.AF_INET)
