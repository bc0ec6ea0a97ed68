"""What an operator may choose about the upgrade of a host: the section ``upgrade``."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Rest = Literal["rest"]
Seconds = Annotated[float, Field(gt=0)]
Times = Annotated[int, Field(ge=0, le=20)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Bond(_Part):
    """A bond of several NICs."""

    slaves: list[str] = Field(min_length=2, title="NICs", description="At least two.")
    mode: Literal[
        "active-backup", "balance-rr", "balance-xor", "broadcast", "802.3ad", "balance-tlb",
        "balance-alb",
    ] = Field(default="active-backup", title="Mode")  # fmt: skip
    networks: list[str] = Field(default=[], title="Networks", description="By name.")


class FixedAssignment(_Part):
    """What a new node gets with the strategy fixed; what is left empty is as Fuel has it."""

    roles: list[str] = Field(
        default=["compute"], min_length=1, title="Roles", description="Of the new node."
    )
    disks: dict[str, dict[str, Annotated[int, Field(ge=0)] | Rest]] = Field(
        default={},
        title="Disks",
        description="By disk (sda): the size in MiB of each volume (os, vm), or rest.",
    )
    nics: dict[str, list[str]] = Field(
        default={}, title="NICs", description="By NIC (eno1): the networks on it, by name."
    )
    bonds: dict[str, Bond] = Field(default={}, title="Bonds", description="By name (bond0).")


class Probe(_Part):
    """The server that is booted on the new host, and deleted, before tenants may use it."""

    image: str = Field(
        default="",
        title="Image",
        description="Name or id, at the target. Empty boots no probe.",
    )
    flavor: str = Field(
        default="",
        title="Flavor",
        description="Name or id, at the target. Empty takes the smallest public one, without "
        "extra specs, that the image fits into.",
    )
    network: str = Field(
        default="", title="Network", description="Name or id, at the target. Empty: no NIC."
    )


class Waves(_Part):
    """How several hosts are upgraded."""

    parallel: int = Field(
        default=1, ge=1, le=64, title="Hosts at once", description="Size of a wave."
    )
    canary: int = Field(
        default=1,
        ge=0,
        le=64,
        title="Canary",
        description="So many hosts go first, one by one; if one fails, no other is begun.",
    )
    failure_budget: int = Field(
        default=0,
        ge=0,
        title="Failure budget",
        description="When more hosts than this failed, no further wave is begun.",
    )


class StepTimeouts(_Part):
    """Longest time of each step, in seconds. Emptying a host has its own, under maintenance."""

    model_config = ConfigDict(title="Time-outs")

    power_s: Seconds = Field(default=600, title="Boot device and reset (s)")
    release_s: Seconds = Field(
        default=3600, title="Release through Fuel (s)", description="Instead of the reset."
    )
    registration_s: Seconds = Field(
        default=1800, title="Registration in Fuel (s)", description="From the reset."
    )
    assign_s: Seconds = Field(
        default=300, title="Role, disks and NICs (s)", description="Of each of the three."
    )
    provision_s: Seconds = Field(default=5400, title="Provisioning (s)")
    deploy_s: Seconds = Field(default=10800, title="Deployment (s)")
    compute_s: Seconds = Field(
        default=900, title="Compute service (s)", description="From ready until it is up."
    )
    probe_s: Seconds = Field(default=600, title="Probe (s)", description="Boot and deletion.")
    retire_s: Seconds = Field(default=300, title="Removal from the source (s)")
    approval_s: Seconds = Field(
        default=604800, title="Approval (s)", description="Then the run fails."
    )


class StepRetries(_Part):
    """How often each step is tried again after it failed. Each finds what is done already."""

    model_config = ConfigDict(title="Retries")

    evacuate: Times = Field(
        default=0,
        title="Emptying the host",
        description="What left is gone then, and only the rest is tried again.",
    )
    power: Times = Field(default=2, title="Boot device and reset")
    release: Times = Field(default=0, title="Release through Fuel")
    registration: Times = Field(
        default=1, title="Registration in Fuel", description="Each with a new reset."
    )
    assign: Times = Field(default=2, title="Role, disks and NICs")
    provision: Times = Field(default=1, title="Provisioning")
    deploy: Times = Field(default=1, title="Deployment")
    compute: Times = Field(default=0, title="Compute service")
    probe: Times = Field(default=1, title="Probe")
    retire: Times = Field(default=2, title="Removal from the source")


class UpgradeOptions(_Part):
    """How a host of the source becomes a compute node of the target."""

    model_config = ConfigDict(title="Upgrade")

    environment: str = Field(
        default="",
        title="Environment",
        description="Name or id, in Fuel, of the target's environment. Needed to upgrade hosts.",
    )
    source_environment: str = Field(
        default="",
        title="Environment of the source",
        description="Name or id, when the same Fuel manages the source too: hosts are then "
        "released by Fuel, not by their BMCs.",
    )
    approve: bool = Field(
        default=False,
        title="Ask for approval",
        description="Suspend each run before the host's disks are given up, until somebody "
        "approves it: in Prefect's UI, or with pumphouse approve.",
    )
    strategy: Literal["model", "fixed"] = Field(
        default="model",
        title="Strategy",
        description="model: roles, disks and NICs of a ready compute node. fixed: as given below.",
    )
    model_node: str = Field(
        default="",
        title="Model node",
        description="Name, hostname or id in Fuel. Empty takes the ready compute node whose "
        "hardware is most like the host's.",
    )
    fixed: FixedAssignment = Field(default_factory=FixedAssignment, title="Fixed assignment")
    keep_name: bool = Field(
        default=True,
        title="Keep the host name",
        description="The host is called at the target as it was at the source, in Fuel's domain. "
        "Else as Fuel calls new nodes: node-N.",
    )
    probe: Probe = Field(default_factory=Probe, title="Probe")
    aggregates: list[str] = Field(
        default=[],
        title="Aggregates",
        description="Names of the target's host aggregates that the new host joins; an "
        "availability zone is one that has it.",
    )
    waves: Waves = Field(default_factory=Waves, title="Waves")
    timeouts: StepTimeouts = Field(default_factory=StepTimeouts, title="Time-outs")
    retries: StepRetries = Field(default_factory=StepRetries, title="Retries")
    retry_pause_s: Seconds = Field(default=30, title="Pause before a retry (s)")
