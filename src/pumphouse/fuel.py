"""
Fuel's words: what it says about nodes, environments and its jobs.

Pure: each model is parsed from Nailgun's own JSON and keeps only what Pumphouse decides on.
"""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """What Fuel said. Keys that Pumphouse does not use are dropped."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class NodeDisk(Answer):
    """A disk as the agent on the node reported it; `size` is in bytes."""

    name: str
    path: str = Field(default="", alias="disk")
    size: int
    model: str | None = None
    removable: str | None = None
    extra: tuple[str, ...] = ()

    @property
    def size_mib(self) -> int:
        """Return the raw size in MiB; Fuel keeps some of it for itself."""
        return self.size // 2**20


class NodeNic(Answer):
    """A network port as the agent on the node reported it."""

    name: str
    mac: str
    bus_info: str | None = None
    max_speed: int | None = None
    state: str | None = None
    pxe: bool = False


class _Cpu(Answer):
    total: int = 0


class _Memory(Answer):
    total: int = 0


class _System(Answer):
    manufacturer: str | None = None
    product: str | None = None
    serial: str | None = None


class Hardware(Answer):
    """What is in a node, as its agent reported it."""

    system: _System = _System()
    cpu: _Cpu = _Cpu()
    memory: _Memory = _Memory()
    disks: tuple[NodeDisk, ...] = ()
    interfaces: tuple[NodeNic, ...] = ()


class Node(Answer):
    """
    A host that Fuel knows.

    Its `id` lasts only until it is deleted in Fuel: the same host then comes back under
    another one. `macs` is what stays.
    """

    id: int
    name: str = ""
    hostname: str = ""
    fqdn: str | None = None
    mac: str
    ip: str | None = None
    status: str
    online: bool = False
    progress: int | None = 0
    cluster_id: int | None = Field(default=None, alias="cluster")
    group_id: int | None = None
    roles: tuple[str, ...] = ()
    pending_roles: tuple[str, ...] = ()
    pending_addition: bool = False
    pending_deletion: bool = False
    error_type: str | None = None
    labels: dict[str, str | None] = {}
    hardware: Hardware = Field(default=Hardware(), alias="meta")

    @property
    def macs(self) -> frozenset[str]:
        """Return the MACs of all its ports, in lower case."""
        return mac_set([self.mac, *(nic.mac for nic in self.hardware.interfaces)])

    def is_called(self, name: str) -> bool:
        """Tell if a cloud's host *name* is this node: Fuel calls hosts by either name."""
        return name in (self.fqdn, self.hostname) or name.split(".")[0] == self.hostname

    @property
    def all_roles(self) -> frozenset[str]:
        """Return the roles that it has or will have."""
        return frozenset(self.roles) | frozenset(self.pending_roles)

    @property
    def label(self) -> str:
        """Return how messages call it: its name, id and first MAC."""
        return f"{self.name or self.hostname} (node {self.id}, {self.mac})"


class Network(Answer):
    """A network of an environment. The admin network belongs to no node group."""

    id: int
    name: str
    group_id: int | None = None
    cidr: str | None = None
    vlan_start: int | None = None


class NodeGroup(Answer):
    """A node group: nodes that share networks."""

    id: int
    name: str
    cluster_id: int
    is_default: bool = False


class Cluster(Answer):
    """An environment; `is_locked` means that its settings must not change any more."""

    id: int
    name: str
    status: str
    release_id: int
    is_locked: bool = False
    is_customized: bool = False
    net_provider: str | None = None
    fuel_version: str | None = None

    @property
    def label(self) -> str:
        """Return how messages call it: its name and id."""
        return f"{self.name} (environment {self.id})"


class Release(Answer):
    """What Fuel can install."""

    id: int
    name: str
    version: str = ""
    state: str = ""
    is_deployable: bool = False


class Task(Answer):
    """
    One job of Fuel. Only `status` tells that it is over: `progress` may say 100 long before.

    `parent_id` is missing where a task is read as a transaction.
    """

    id: int
    name: str
    status: str
    progress: int | None = None
    message: str | None = None
    cluster_id: int | None = Field(default=None, alias="cluster")
    parent_id: int | None = None

    @property
    def over(self) -> bool:
        """Say whether it ended, well or not."""
        return self.status not in {"pending", "running"}

    @property
    def label(self) -> str:
        """Return how messages call it: its name and id."""
        return f"{self.name} (task {self.id})"


class Notification(Answer):
    """What Fuel told its operators. Its time has no zone, so that only `id` orders them."""

    id: int
    topic: str
    message: str
    node_id: int | None = None
    task_id: int | None = None
    cluster_id: int | None = Field(default=None, alias="cluster")


def mac_set(macs: Iterable[str]) -> frozenset[str]:
    """Return *macs* as they are compared: in lower case, with colons."""
    return frozenset(mac.strip().lower().replace("-", ":") for mac in macs if mac.strip())
