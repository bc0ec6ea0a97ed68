"""
How one server leaves a host: the answer for each state that it can be in.

Pure. Which states Nova takes is what its API checks (`check_instance_state`): live ACTIVE and
PAUSED, cold ACTIVE and stopped, evacuation ACTIVE, stopped and ERROR.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from pumphouse.checks import WAS
from pumphouse.comparison import MIGRATED_TO
from pumphouse.maintenance_options import MaintenanceOptions
from pumphouse.models import Strategy
from pumphouse.placing import needs
from pumphouse.tables import Row

LEAVING = "pumphouse:leaving"
"""Metadata key of a server that we migrate cold: the host that it leaves."""

REBUILDING = ("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning")
"""Nova's task states of a server that is being evacuated."""

NOT_LIVE = {
    "pci_passthrough:alias": "a device that is passed through",
    "hw:tpm_version": "an emulated TPM",
    "hw:mem_encryption": "encrypted memory",
    "resources:VGPU": "a virtual GPU",
}
"""Extra specs that libvirt and most releases of Nova do not move live."""

ANSWERS = {
    "SUSPENDED": "It is suspended, and Nova moves no saved memory; resume or stop it.",
    "RESCUE": "It is in rescue mode; unrescue it first.",
    "ERROR": "It is in error; repair it, or reset its state when it is sound.",
    "VERIFY_RESIZE": "A resize waits for confirmation; confirm or revert it.",
    "RESIZE": "It is being resized; wait until that is confirmed.",
    "BUILD": "It is being built; wait and run again.",
    "SOFT_DELETED": "It is deleted and waits for reclaim; restore it or delete it by force.",
    "UNKNOWN": "Its cell does not answer; bring the cell back.",
}
"""By state: why a server on a living host does not move, and what would help."""


class Way(StrEnum):
    """How one server leaves."""

    LIVE = "live"
    COLD = "cold"
    EVACUATE = "evacuate"
    OFFLOAD = "offload"
    TARGET = "to target"
    NONE = "cannot"


class Asked(BaseModel):
    """
    What is asked for.

    Attributes:
        to_host: Where everything goes; empty lets Nova choose for each.

        to_target: Ids of the servers that go to the target first.

        is_fenced: Whether the host is proven to be powered off.

        fence: Whether it shall be powered off by its BMC before anything moves.
    """

    model_config = ConfigDict(frozen=True)

    host: str
    options: MaintenanceOptions = MaintenanceOptions()
    to_host: str = ""
    to_target: tuple[str, ...] = ()
    is_fenced: bool = False
    fence: bool = False


Answer = tuple[Way, Way | None, str]


def _to_target(row: Row, asked: Asked, is_dead: bool) -> Answer | None:
    if row["id"] not in asked.to_target:
        return None
    if is_dead:
        reason = "A dead host gives nothing away; evacuate it, then migrate from its new host."
        return Way.NONE, None, reason
    # Its stopped original stays in the source and has to leave the host too.
    return Way.TARGET, Way.COLD, "It goes to the target; its stopped original moves cold."


def way(row: Row, asked: Asked, is_dead: bool) -> Answer:
    """
    Return how the server of *row* leaves, what is tried after that, and why.

    is_dead: Whether nova-compute of its host is down, or will be because it is fenced.
    """
    if chosen := _to_target(row, asked, is_dead):
        return chosen
    if is_dead and row["task_state"] in REBUILDING:
        return Way.EVACUATE, None, "Its evacuation is under way; it is waited for."
    if busy := _busy(row, asked.host):
        return busy
    if is_dead:
        return _way_off_dead_host(row, asked)
    state = row["status"]
    if state == "SHELVED":
        return Way.OFFLOAD, None, "It is shelved: only what is left of it here is given up."
    if state == "SHUTOFF":
        return Way.COLD, None, "It is stopped, so nothing is interrupted."
    if state not in ("ACTIVE", "PAUSED"):
        return Way.NONE, None, ANSWERS.get(state, f"It is {state}; only ACTIVE servers move.")
    strategy, hindrance = asked.options.strategy, live_hindrance(row)
    may_be_cold = state == "ACTIVE" and strategy is not Strategy.LIVE
    if strategy is Strategy.COLD or hindrance:
        if may_be_cold:
            return Way.COLD, None, hindrance or "As asked: it is stopped and started elsewhere."
        help_ = "unpause it" if state == "PAUSED" else "allow the strategy auto, or stop it"
        return Way.NONE, None, f"{hindrance or 'It is paused, and only moves live.'} So {help_}."
    kind = _disks(row, asked.options.block_migration)
    return Way.LIVE, Way.COLD if may_be_cold else None, kind


def _busy(row: Row, host: str) -> Answer | None:
    """Return the answer for a server that is on its way already, or that Nova is busy with."""
    metadata, task = metadata_of(row), row["task_state"]
    is_begun = task or row["status"] == "VERIFY_RESIZE" or row["host"] != host
    if metadata.get(LEAVING) == host and is_begun:
        return Way.COLD, None, "An earlier run began to move it cold; that is finished."
    if task == "migrating":
        return Way.LIVE, None, "A live migration is under way; it is waited for."
    if task:
        return Way.NONE, None, f"Nova is busy with it ({task}); wait and run again."
    if WAS in metadata and MIGRATED_TO not in metadata:
        return Way.NONE, None, "Its migration to the target is half-way; run that again first."
    return None


def _way_off_dead_host(row: Row, asked: Asked) -> Answer:
    if row["status"] not in ("ACTIVE", "SHUTOFF", "ERROR"):
        reason = (
            f"It is {row['status']} on a dead host, and Nova evacuates only ACTIVE, SHUTOFF and "
            "ERROR servers; reset its state to error first if that is meant."
        )
        return Way.NONE, None, reason
    if needs(row).local_gib and not asked.options.is_storage_shared:
        reason = (
            "Its local disk would be built anew from the image and all on it lost. Bring the "
            "host back, or say that disks are shared (maintenance.is_storage_shared)."
        )
        return Way.NONE, None, reason
    return Way.EVACUATE, None, "Its host is dead; it is started elsewhere from its disks."


def live_hindrance(row: Row) -> str:
    """Return why Nova does not move a running server live; nothing when it can be tried."""
    specs = row["flavor_extra_specs"] or {}
    for key, what in NOT_LIVE.items():
        if key in specs:
            return f"Its flavor has {key}={specs[key]}, and {what} does not move live."
    return ""


def _disks(row: Row, block_migration: str) -> str:
    if not needs(row).local_gib:
        return "Live, with volumes only: no disk is copied."
    if block_migration == "no":
        return "Live, over shared storage."
    copied = "are copied" if block_migration == "yes" else "are copied unless the hosts share them"
    return f"Live; its local disks ({needs(row).local_gib} GiB) {copied}."


def notes(row: Row, chosen: Way, asked: Asked) -> tuple[str, ...]:
    """Return what an operator should know of the server of *row* before it leaves."""
    found = []
    if row["is_locked"]:
        found.append("It is locked; an administrator moves it all the same.")
    if MIGRATED_TO in metadata_of(row):
        found.append("It is the stopped original of a server that runs at the target.")
    if chosen is Way.EVACUATE and asked.options.is_storage_shared and needs(row).local_gib:
        found.append("Its disk is taken over as it is, if the hosts really share it.")
    return tuple(found)


def metadata_of(row: Row) -> Row:
    """Return the metadata of a server; none is empty."""
    return row["metadata"] or {}
