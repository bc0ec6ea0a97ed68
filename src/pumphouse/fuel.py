"""
Fuel's words: how to reach a Fuel master, and what it says about nodes, disks and networks.

Pure: each model is parsed from Nailgun's own JSON and keeps only what Pumphouse decides on.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator


def _web_address(value: str) -> str:
    if value and not value.startswith(("http://", "https://")):
        raise ValueError("it must begin with http:// or https://")
    return value.rstrip("/")


_WebAddress = Annotated[str, AfterValidator(_web_address)]


class FuelAccess(BaseModel):
    """How to reach one Fuel master and the administrator's way into it."""

    url: _WebAddress = Field(
        default="",
        title="Fuel URL",
        description="Of the master, for example https://fuel.example:8443 or "
        "http://10.20.0.2:8000. Empty means that there is no Fuel.",
    )
    auth_url: _WebAddress = Field(
        default="",
        title="Keystone URL",
        description="Of Fuel's own Keystone. Empty means /keystone below the Fuel URL, where "
        "the master's web server shows it. May end with /v2.0 or /v3; otherwise both are tried.",
    )
    username: str = Field(
        default="admin", title="User", description="An administrator of Fuel; empty: no login."
    )
    password: SecretStr = Field(
        default=SecretStr(""), title="Password", description="Of that user. Stored encrypted."
    )
    tenant: str = Field(
        default="admin", title="Tenant", description="The administrator's project in Keystone."
    )
    ca_file: str = Field(
        default="",
        title="CA file",
        description="PEM file on the worker with the authority that signed the master.",
    )
    verify_tls: bool = Field(
        default=True, title="Verify TLS", description="Switch off only for a laboratory."
    )
    request_timeout_s: float = Field(
        default=60,
        gt=0,
        title="Request time-out (s)",
        description="Longest silence of Fuel before a call fails.",
    )
    retries: int = Field(
        default=4,
        ge=0,
        le=20,
        title="Retries",
        description="How often a read is repeated after a connection error, 429 or 5xx.",
    )
    poll_interval_s: float = Field(
        default=2,
        gt=0,
        title="Poll interval (s)",
        description="Longest pause between two looks at a node or task. Shorter ends waits "
        "sooner and asks Fuel more often.",
    )

    @model_validator(mode="after")
    def _enough(self) -> "FuelAccess":
        if self.url and self.username and not self.password.get_secret_value():
            raise ValueError("with url and username, give password")
        return self

    @property
    def keystone_url(self) -> str:
        """Return the URL of Keystone: the one given, or /keystone on the master."""
        if self.auth_url:
            return self.auth_url
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/keystone"


class _Answer(BaseModel):
    """What Fuel said. Keys that Pumphouse does not use are dropped."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class NodeDisk(_Answer):
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


class NodeNic(_Answer):
    """A network port as the agent on the node reported it."""

    name: str
    mac: str
    bus_info: str | None = None
    max_speed: int | None = None
    state: str | None = None
    pxe: bool = False


class _Cpu(_Answer):
    total: int = 0


class _Memory(_Answer):
    total: int = 0


class _System(_Answer):
    manufacturer: str | None = None
    product: str | None = None
    serial: str | None = None


class Hardware(_Answer):
    """What is in a node, as its agent reported it."""

    system: _System = _System()
    cpu: _Cpu = _Cpu()
    memory: _Memory = _Memory()
    disks: tuple[NodeDisk, ...] = ()
    interfaces: tuple[NodeNic, ...] = ()


class Node(_Answer):
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


class Volume(_Answer):
    """A piece of a disk; `size` is in MiB."""

    name: str
    size: int
    keep_data: bool = False


class VolumeKind(_Answer):
    """A volume that a node's roles ask for; `min_size` in MiB is its total over all disks."""

    name: str
    min_size: int = 0


class Disk(_Answer):
    """A disk as Fuel will partition it; `size` is in MiB, after what Fuel takes for itself."""

    id: str
    name: str
    size: int
    bootable: bool = False
    extra: tuple[str, ...] = ()
    volumes: tuple[Volume, ...] = ()

    def body(self) -> dict[str, Any]:
        """Return it as Fuel takes it."""
        return self.model_dump(mode="json")


class NetworkRef(_Answer):
    """A network as a port names it."""

    id: int
    name: str


class Slave(_Answer):
    """A port that is part of a bond."""

    name: str


class Interface(_Answer):
    """
    A port or a bond of a node, and the networks on it.

    A bond has no id and no MAC. Attributes are Fuel's own, kept as they are; a bond's mode
    stands in them doubly nested, and 500 is the answer to anything else.
    """

    type: str = "ether"
    name: str
    id: int | None = None
    mac: str | None = None
    pxe: bool = False
    driver: str | None = None
    bus_info: str | None = None
    max_speed: int | None = None
    current_speed: int | None = None
    state: str | None = None
    mode: str | None = None
    slaves: tuple[Slave, ...] = ()
    networks: tuple[NetworkRef, ...] = Field(default=(), alias="assigned_networks")
    attributes: dict[str, Any] = {}
    meta: dict[str, Any] = {}

    @property
    def is_bond(self) -> bool:
        """Say whether it is a bond of other ports."""
        return self.type == "bond"

    def body(self) -> dict[str, Any]:
        """Return it as Fuel takes it."""
        networks = [network.model_dump() for network in self.networks]
        if self.is_bond:
            return {
                "type": "bond",
                "name": self.name,
                "mode": self.mode,
                "slaves": [slave.model_dump() for slave in self.slaves],
                "assigned_networks": networks,
                "attributes": bond_attributes(self.mode or "", self.attributes),
            }
        kept = self.model_dump(exclude={"networks", "slaves", "mode"})
        return {**kept, "assigned_networks": networks}


class Network(_Answer):
    """A network of an environment. The admin network belongs to no node group."""

    id: int
    name: str
    group_id: int | None = None
    cidr: str | None = None
    vlan_start: int | None = None


class NodeGroup(_Answer):
    """A node group: nodes that share networks."""

    id: int
    name: str
    cluster_id: int
    is_default: bool = False


class Cluster(_Answer):
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


class Release(_Answer):
    """What Fuel can install."""

    id: int
    name: str
    version: str = ""
    state: str = ""
    is_deployable: bool = False


class Task(_Answer):
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


class Notification(_Answer):
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


def bond_attributes(mode: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a bond's attributes with its mode where Fuel looks for it, and the rest kept."""
    basic = {"type__": {"type": "hidden", "value": "linux"}}
    return {**basic, **attributes, "mode": {"value": {"value": mode}}}
