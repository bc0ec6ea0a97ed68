"""
The configuration: what each key means.

The same models are the fields of the Prefect blocks, so that a block's form and `config.yaml`
say the same. `pumphouse.config_text` makes them from a text.
"""

import hashlib
import re
from os.path import expanduser
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from pumphouse.finalize_options import FinalizeOptions
from pumphouse.fuel_access import FuelAccess
from pumphouse.health import HealthCheck
from pumphouse.hosts import Host, clashes
from pumphouse.maintenance_options import MaintenanceOptions
from pumphouse.mappings import Mappings
from pumphouse.models import OF_SERVERS, Mover, Role
from pumphouse.passwords import Passwords
from pumphouse.rbd_options import RbdOptions, SharedBackends
from pumphouse.release_options import ReleaseOptions
from pumphouse.switches import SwitchAccess
from pumphouse.upgrade_options import UpgradeOptions


def _web_address(value: str) -> str:
    if value and not value.startswith(("http://", "https://")):
        raise ValueError("it must begin with http:// or https://")
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]
"""A URL, or nothing."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class CloudAccess(BaseModel):
    """How to reach one OpenStack cloud: an entry of clouds.yaml, or everything inline."""

    entry: str = Field(
        default="",
        title="Entry of clouds.yaml",
        description="Name of the cloud in clouds.yaml on the worker. Leave empty to give "
        "the fields below instead.",
    )
    clouds_yaml: str = Field(
        default="",
        title="clouds.yaml",
        description="Path of clouds.yaml on the worker; empty means the usual places "
        "(OS_CLIENT_CONFIG_FILE, ./clouds.yaml, ~/.config/openstack, /etc/openstack).",
    )
    auth_url: WebAddress = Field(
        default="",
        title="Keystone URL",
        description="For example https://keystone.example:5000/v3.",
    )
    username: str = Field(default="", title="User", description="An administrator.")
    password: SecretStr = Field(
        default=SecretStr(""), title="Password", description="Of that user. Stored encrypted."
    )
    application_credential_id: str = Field(
        default="",
        title="Application credential",
        description="Id of an unrestricted application credential, instead of a user.",
    )
    application_credential_secret: SecretStr = Field(
        default=SecretStr(""), title="Its secret", description="Stored encrypted."
    )
    project_name: str = Field(
        default="", title="Project", description="The administrator's own project."
    )
    user_domain_name: str = Field(default="Default", title="Domain of the user")
    project_domain_name: str = Field(default="Default", title="Domain of the project")
    region: str = Field(
        default="", title="Region", description="Needed when the cloud has several."
    )
    interface: Literal["public", "internal", "admin"] = Field(
        default="public", title="Interface", description="Which endpoints to use."
    )
    ca_file: str = Field(
        default="",
        title="CA file",
        description="PEM file on the worker with the authority that signed the endpoints.",
    )
    verify_tls: bool = Field(
        default=True,
        title="Verify TLS",
        description="Switch off only for a laboratory.",
    )
    request_timeout_s: float = Field(
        default=120,
        gt=0,
        title="Request time-out (s)",
        description="Longest silence of an API before a call fails.",
    )
    retries: int = Field(
        default=4,
        ge=0,
        le=20,
        title="Retries",
        description="How often a read is repeated after a connection error, 429 or 5xx.",
    )

    @model_validator(mode="after")
    def _enough(self) -> "CloudAccess":
        if self.entry:
            return self
        if not self.auth_url:
            raise ValueError("give either entry (of clouds.yaml) or auth_url")
        by_user = self.username and self.password and self.project_name
        by_credential = self.application_credential_id and self.application_credential_secret
        if not (by_user or by_credential):
            raise ValueError(
                "with auth_url, give username, password and project_name, or "
                "application_credential_id and application_credential_secret"
            )
        return self


class Limits(_Section):
    """How much at once. The first three are Prefect global concurrency limits."""

    api_calls: int = Field(
        default=8,
        ge=1,
        le=64,
        title="API calls",
        description="Listings and small calls under way at once, per cloud.",
    )
    copies: int = Field(
        default=2, ge=1, le=64, title="Copies", description="Images and volumes at once."
    )
    cutovers: int = Field(
        default=2, ge=1, le=64, title="Cut-overs", description="Servers at once."
    )
    bandwidth_mib_s: float = Field(
        default=0,
        ge=0,
        title="Bandwidth (MiB/s)",
        description="How fast a worker reads images from the source, all copies together. 0 is "
        "no limit.",
    )
    backends: dict[str, Annotated[int, Field(ge=1, le=64)]] = Field(
        default={},
        title="Back ends",
        description="By back end of the source's Cinder (host@backend#pool, host@backend, or only "
        "the back end's name): how many servers, volumes and snapshots are copied from it at "
        "once. One that is not named has no limit of its own.",
    )


class Timeouts(_Section):
    """Longest waits, in seconds."""

    server_stop_s: float = Field(
        default=300,
        gt=0,
        title="Graceful stop (s)",
        description="Then the server is powered off hard.",
    )
    server_boot_s: float = Field(default=900, gt=0, title="Boot of a copy (s)")
    image_s: float = Field(
        default=7200, gt=0, title="Image (s)", description="Snapshot, upload or copy of one image."
    )
    volume_s: float = Field(
        default=7200, gt=0, title="Volume (s)", description="Clone, upload or creation of one."
    )
    load_balancer_s: float = Field(
        default=900,
        gt=0,
        title="Load balancer (s)",
        description="Until Octavia has made a whole one, amphorae and all, or deleted it.",
    )
    zone_s: float = Field(
        default=300,
        gt=0,
        title="DNS zone (s)",
        description="Until the name servers of its pool have a zone, or have let go of it.",
    )


class Storage(_Section):
    """Where tables and reports are kept."""

    url: str = Field(
        default="~/.local/share/pumphouse",
        title="Folder or URL",
        description="A folder on the worker, or any fsspec URL, for example "
        "s3://bucket/pumphouse. Inventories, ledgers and reports go below it.",
    )
    web_url: WebAddress = Field(
        default="",
        title="Web address",
        description="Where a browser opens that folder, if a web server shows it: artifacts "
        "then link to reports there. Without it they give the path.",
    )
    keep_inventories: int = Field(
        default=30,
        ge=1,
        title="Inventories kept",
        description="Older inventories are deleted after a discovery; the newest of each cloud "
        "always stays. Ledgers and reports of migrations are never deleted.",
    )

    def link(self, location: str) -> str:
        """Return the address under which a browser opens *location*, a file below `url`."""
        root = _expanded(self.url)
        if self.web_url and location.startswith(root):
            return f"{self.web_url.rstrip('/')}{location.removeprefix(root)}"
        return f"file://{location}" if location.startswith("/") else location


def _expanded(url: str) -> str:
    return (url if "://" in url else expanduser(url)).rstrip("/")


class MigrateOptions(_Section):
    """How migrations are done unless a run says otherwise."""

    model_config = ConfigDict(title="Migration")

    mover: Mover = Field(
        default=Mover.IMAGE,
        title="Mover",
        description="image: the disk as it is, by snapshot. rebuild: the base image only, for "
        "servers that keep nothing on their disk. auto: rebuild for servers whose metadata say "
        "pumphouse:mover=rebuild, image for the rest.",
    )
    snapshots: bool = Field(
        default=False,
        title="Snapshots of volumes",
        description="Copy them too, oldest first. Each becomes a snapshot of a volume of its own, "
        "so it takes twice its size at the target.",
    )
    volume_format: Literal["qcow2", "raw"] = Field(
        default="qcow2",
        title="Volumes travel as",
        description="qcow2: without what was never written, which on most volumes is most of "
        "it; the Cinder host needs room for it in its image_conversion_dir meanwhile. raw: "
        "every byte, with no room needed.",
    )
    shared_backends: dict[str, str] = Field(
        default={},
        title="Shared back ends",
        description="By back end of the source's Cinder (host@backend#pool, host@backend, or only "
        "the back end's name): host@backend#pool of the target on the same pool of Ceph. Their "
        "volumes go by the mover manage, and no byte is copied.",
    )
    rbd: RbdOptions = Field(default_factory=RbdOptions, title="Ceph")

    @field_validator("mover")
    @classmethod
    def _is_for_disks(cls, mover: Mover) -> Mover:
        if mover not in OF_SERVERS:
            raise ValueError(
                f"{mover.value} is for volumes; choose one of {', '.join(OF_SERVERS)}"
            )
        return mover

    @property
    def shared(self) -> SharedBackends:
        """What a plan needs to know of back ends and pools."""
        return SharedBackends(
            pairs=self.shared_backends,
            source_pools=self.rbd.source.pools,
            target_pools=self.rbd.target.pools,
            remainder_bytes=self.rbd.remainder_mib << 20,
        )


CheckName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,60}$")]
"""A part of a metadata key."""


class SiteSettings(BaseModel):
    """Everything of the configuration besides the two clouds."""

    limits: Limits = Field(default_factory=Limits, title="Limits")
    timeouts: Timeouts = Field(default_factory=Timeouts, title="Time-outs")
    storage: Storage = Field(default_factory=Storage, title="Storage")
    migrate: MigrateOptions = Field(default_factory=MigrateOptions, title="Migration")
    passwords: Passwords = Field(default_factory=Passwords, title="Passwords of users")
    mappings: Mappings = Field(default_factory=Mappings, title="Mappings")
    maintenance: MaintenanceOptions = Field(
        default_factory=MaintenanceOptions, title="Maintenance"
    )
    upgrade: UpgradeOptions = Field(default_factory=UpgradeOptions, title="Upgrade of hosts")
    release: ReleaseOptions = Field(default_factory=ReleaseOptions, title="Release of hosts")
    finalize: FinalizeOptions = Field(default_factory=FinalizeOptions, title="Finalize")
    health_checks: dict[CheckName, HealthCheck] = Field(
        default={},
        title="Health checks",
        description="By name: what tells that a server works, asked before its cut-over and "
        "after it.",
    )


class _CloudSection(CloudAccess, _Section):
    """A cloud in config.yaml."""


class _FuelSection(FuelAccess, _Section):
    """The Fuel master in config.yaml."""


class SwitchSection(SwitchAccess, _Section):
    """A switch in config.yaml."""


class Config(SiteSettings, _Section):
    """The whole of config.yaml."""

    name: str = Field(
        default="default",
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        description="Name of this pair of clouds: the blocks are called after it.",
    )
    source: _CloudSection
    target: _CloudSection
    fuel: _FuelSection = Field(default_factory=_FuelSection)
    hosts: dict[str, Host] = Field(default={})
    switches: dict[str, SwitchSection] = Field(default={})

    @model_validator(mode="after")
    def _apart(self) -> "Config":
        if problems := clashes(self.hosts):
            raise ValueError(" ".join(problems))
        return self


def cloud_block(site: str, role: Role) -> str:
    """Return the name of the block that says how to reach the cloud of *role*."""
    return f"{site}-{role}"


def fuel_block(site: str) -> str:
    """Return the name of the block that says how to reach Fuel."""
    return f"{site}-fuel"


def bmc_block(site: str, host: str) -> str:
    """Return the name of the block that says how to reach the BMC of *host*."""
    return f"{site}-bmc-{_slug(host)}"


def switch_block(site: str, switch: str) -> str:
    """Return the name of the block that says how to reach *switch*."""
    return f"{site}-switch-{_slug(switch)}"


def _slug(name: str) -> str:
    """
    Return *name* as a part of a block's name.

    Prefect allows small letters, digits and dashes; a digest keeps apart what that makes equal.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    return plain if plain == name else f"{plain}-{digest}"
