"""What keeps us from logging in at a BMC: names that do not resolve, and what pyghmi says."""

import socket
import threading

from pumphouse.bmc import BmcAccess
from pumphouse.errors import BmcError, BmcRefused, BmcUnreachable

LOGIN = "log in"
SILENCE = ("None", "timeout", "Session no longer connected")
"""pyghmi's words for no answer."""

_REFUSALS = (
    ("Incorrect password", "It does not accept the password."),
    ("Unauthorized name", "It has no user {user}, or not with the privilege {privilege}."),
    ("Unauthorized role", "User {user} may not have the privilege {privilege}."),
    ("Invalid role", "User {user} may not have the privilege {privilege}."),
    ("privelege", "User {user} may not have the privilege {privilege}."),
    ("Invalid username length", "It does not accept the length of the user's name."),
    ("Illegal or unrecognized parameter", "It does not accept the user's name."),
    ("RAKP4", "It did not prove that it knows the password; is a BMC key (Kg) set there?"),
    ("cipher suite", "It refuses cipher suite {suite}."),
    ("algorithm", "It refuses cipher suite {suite}."),
    ("IPMI 1.5", "It speaks IPMI 1.5 only, which has no encryption."),
    ("MD5 required", "It speaks IPMI 1.5 only, which has no encryption."),
)
"""Part of pyghmi's message on a failed login, and what it means."""


def resolved(access: BmcAccess, timeout_s: float) -> tuple[int, str]:
    """
    Return address family and IP address of the BMC, IPv4 first where it has both.

    The system's resolver knows no limit; it is left behind when the time is over.

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


def login_error(access: BmcAccess, failure: str) -> BmcError:
    """Return the error for what pyghmi said about a login (defect 9 in `ipmi`)."""
    words = {"user": access.user, "privilege": access.privilege, "suite": access.cipher_suite}
    for part, meaning in _REFUSALS:
        if part in failure:
            reason = f"{meaning.format(**words)} Nothing was changed."
            return BmcRefused(access.endpoint, LOGIN, reason)
    if failure in SILENCE:
        failure = "It does not answer over UDP."
    elif "Insufficient resources" in failure:
        failure = "All its sessions are in use; they end by themselves after a minute or so."
    return BmcUnreachable(access.endpoint, LOGIN, f"{failure} Nothing was changed.")
