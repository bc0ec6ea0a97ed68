"""Who may log in at the lab's BMCs, and where one BMC is."""

from dataclasses import dataclass
from pathlib import Path

from lab.layout import PASSWORD

# IPMI's numbers of privileges.
LEVELS = {"user": 2, "operator": 3, "admin": 4}


@dataclass(frozen=True)
class User:
    """A user of every BMC; `level` is IPMI's word for the highest privilege."""

    name: str
    password: str
    level: str


ADMIN = User("admin", PASSWORD, "admin")
OPERATOR = User("oper", "oper-lab", "operator")
USER = User("viewer", "viewer-lab", "user")
USERS = (ADMIN, OPERATOR, USER)


@dataclass(frozen=True)
class Endpoint:
    """One BMC: its host's name, its UDP port on loopback, and its machine's socket."""

    name: str
    port: int
    socket: Path
