"""Where the lab's Ceph lies: directories, ports, pools, and a key for each cloud."""

from dataclasses import dataclass
from pathlib import Path

from lab.layout import CLOUD_NAMES, Lab

MONITOR_PORT = 13300
OTHER_PORTS = (13301, 13399)
SHARED_POOL = "volumes-shared"


def own_pool(cloud: str) -> str:
    """Return the pool that only one of the clouds reaches."""
    return f"volumes-{cloud}"


POOLS = (*map(own_pool, CLOUD_NAMES), SHARED_POOL)


@dataclass(frozen=True)
class Ceph:
    """The cluster of one lab."""

    lab: Lab

    @property
    def home(self) -> Path:
        """Return the directory of everything; its path is written into ceph.conf."""
        return self.lab.run / "ceph"

    @property
    def conf(self) -> Path:
        """Return ceph.conf, which daemons and clients share."""
        return self.home / "ceph.conf"

    @property
    def done(self) -> Path:
        """Return the marker that pools and keys are made."""
        return self.home / "made"

    @property
    def modules(self) -> Path:
        """Return the directory on the PYTHONPATH of services that speak to Ceph."""
        return self.home / "python"

    @property
    def monitor_port(self) -> int:
        """Return the port of the monitor."""
        return MONITOR_PORT + self.lab.port_offset

    @property
    def other_ports(self) -> tuple[int, int]:
        """Return the first and the last port of the other daemons."""
        first, last = OTHER_PORTS
        return first + self.lab.port_offset, last + self.lab.port_offset

    def user(self, cloud: str) -> str:
        """Return the name of a cloud's key, which is this lab's alone on the machine."""
        offset = self.lab.port_offset
        return f"lab-{cloud}-{offset}" if offset else f"lab-{cloud}"

    def keyring(self, user: str) -> Path:
        """Return the file with the key of *user*."""
        return self.home / "keys" / f"client.{user}.keyring"
