"""What an operator may choose about emptying a host."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pumphouse.models import Strategy


class MaintenanceOptions(BaseModel):
    """How a host is emptied unless a run says otherwise."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, title="Maintenance")

    strategy: Strategy = Field(
        default=Strategy.AUTO,
        title="Strategy",
        description="auto: live, and cold what does not move live (a stop and a start). live: "
        "nothing that runs is stopped; what cannot move live is refused, and stopped servers "
        "move cold. cold: everything is stopped and started elsewhere. evacuate: rebuilt "
        "elsewhere; only for a host that is proven dead, as auto does there too.",
    )
    parallel: int = Field(
        default=2,
        ge=1,
        le=64,
        title="Migrations at once",
        description="Per source cloud, over all runs: each takes bandwidth and disk of two hosts.",
    )
    block_migration: Literal["auto", "yes", "no"] = Field(
        default="auto",
        title="Block migration",
        description="Whether local disks are copied in a live migration. auto: Nova decides by "
        "what both hosts share.",
    )
    live_timeout_s: float = Field(
        default=3600,
        gt=0,
        title="Live migration (s)",
        description="Of one server; what happens then, the next field says.",
    )
    live_timeout_action: Literal["abort", "force"] = Field(
        default="abort",
        title="A live migration that does not end",
        description="abort: it is called off, and the server stays or moves cold. force: Nova is "
        "told to complete it: by post-copy where its live_migration_permit_post_copy allows "
        "that, else by a pause of the guest. Guests that write much end sooner with Nova's "
        "live_migration_permit_auto_converge.",
    )
    cold_timeout_s: float = Field(
        default=3600,
        gt=0,
        title="Cold migration (s)",
        description="Of one server, with its confirmation.",
    )
    service_timeout_s: float = Field(
        default=90,
        ge=0,
        title="Compute service that is unavailable (s)",
        description="How long a cold migration is asked for again that Nova refuses because it "
        "takes the host's compute service as down; Nova hears of it every few seconds.",
    )
    evacuate_timeout_s: float = Field(
        default=1800, gt=0, title="Evacuation (s)", description="Of one server from a dead host."
    )
    start_timeout_s: float = Field(
        default=900,
        gt=0,
        title="Start of a fenced host (s)",
        description="When a host that was powered off for an evacuation is taken back: from "
        "power on until its nova-compute has started.",
    )
    off_for_s: float = Field(
        default=15,
        ge=0,
        le=600,
        title="Off for certain (s)",
        description="How long the BMC of a dead host has to say off before that is believed: a "
        "restart that was ordered earlier, by whomever, may still be under way.",
    )
    is_storage_shared: bool = Field(
        default=False,
        title="Disks of servers are shared",
        description="Whether the hosts share the storage of local disks (NFS, Ceph). Where they "
        "do not, an evacuation builds such disks anew from the image, and all that was written "
        "to them is lost; so it is refused.",
    )
    empty_timeout_s: float = Field(
        default=180,
        gt=0,
        title="Agreement that it is empty (s)",
        description="Until Nova's servers, Placement's allocations and the hypervisor's own "
        "count agree; the hypervisor reports once a minute.",
    )
    max_failures: int = Field(
        default=3,
        ge=0,
        title="Failures before the rest is left",
        description="When more servers than this failed, no further one is begun.",
    )
