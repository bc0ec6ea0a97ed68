"""Hostnames: what Nova is asked to call a copy, and what it calls it by itself."""

import re
import unicodedata
from collections.abc import Collection, Iterator

from pumphouse.port_names import NAMES
from pumphouse.tables import Row

LONGEST = 63
_ASKED = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]")
"""What Nova takes as a hostname since microversion 2.90; by itself it makes others, too."""


def fitting(server: Row, extensions: Collection[str]) -> Row:
    """Return a server's row with ``target_hostname``, to ask for; None lets Nova make one."""
    own = (server["hostname"] or "").partition(".")[0]
    # A Neutron with DNS names refuses, after the stop, the port of what is no such name.
    is_spelled = NAMES in extensions and not own.isascii()
    return {**server, "target_hostname": _asked(_ascii(own) if is_spelled else own)}


def made(name: str) -> str:
    """Return the hostname that Nova makes of a server's name (`nova.utils.sanitize_hostname`)."""
    known = name.encode("latin-1", "ignore").decode("latin-1")[:LONGEST]
    return re.sub(r"[^\w-]", "", re.sub(r"[ _.]", "-", known)).lower().strip("-")


def losses(server: Row) -> Iterator[str]:
    """Yield which hostname a copy does not keep."""
    own = server["hostname"]
    copys = server.get("target_hostname") or made(server["name"] or "")
    if own and copys != own:
        yield f"Its hostname {own}: the copy's is {copys or 'made of its id'}."


def _asked(hostname: str) -> str | None:
    return hostname if _ASKED.fullmatch(hostname) and len(hostname) <= LONGEST else None


def _ascii(hostname: str) -> str:
    spelled = unicodedata.normalize("NFKD", hostname).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-zA-Z0-9-]", "", spelled).strip("-")
