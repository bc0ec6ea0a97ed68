"""
Whether Fuel may be asked for something, and whether what it did was a success.

Pure. Fuel itself checks little: it deploys nodes that are not provisioned or belong to
another environment, skips nodes that are offline and calls that ready, and takes layouts
that are larger than the disk. So these rules are asked before and after each call.
"""

import json
import re
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from pumphouse.fuel import Node, Task, mac_set
from pumphouse.fuel_layouts import Disk, Interface

PROVISIONABLE = frozenset({"discover", "provisioned", "ready", "error", "stopped"})
DEPLOYABLE = frozenset({"provisioned", "ready", "error", "stopped"})
WORKING = frozenset({"provisioning", "deploying", "removing"})
_ERROR = re.compile(r"^[A-Za-z_.]*(Error|Exception)\b")
_BUSY = (
    "a task is already running",
    "deployment already started",
    "there are another running tasks",
    "there are running tasks",
    "already launched",
    "when running deployment task exists",
    "cannot be changed during deployment",
)


class Match(BaseModel):
    """Which of Fuel's nodes a host is: at most one, and those that could be taken for it."""

    model_config = ConfigDict(frozen=True)

    node: Node | None
    doubtful: tuple[Node, ...] = ()


def match(nodes: Iterable[Node], macs: Iterable[str]) -> Match:
    """
    Find the host with *macs* among *nodes*, by all of them: never by name, age or address.

    A node with only some of them (a port was swapped, or the inventory is old) is doubtful,
    and so is every node when several have them all.
    """
    wanted = mac_set(macs)
    whole = [node for node in nodes if wanted and wanted <= node.macs]
    some = [node for node in nodes if wanted & node.macs and not wanted <= node.macs]
    if len(whole) == 1 and not some:
        return Match(node=whole[0])
    return Match(node=None, doubtful=(*whole, *some))


def says_busy(status: int, reason: str) -> bool:
    """Say whether an error means that another task runs: Fuel words that in many ways."""
    words = reason.lower()
    return status in {400, 403, 409} and any(part in words for part in _BUSY)


def reason_of(text: str) -> str:
    """
    Return Fuel's own words for an error, in one line of at most 300 characters.

    The type of the answer says nothing: JSON comes as text/html, plain text too. Of a
    traceback the last line is kept, of a schema's complaint the first.
    """
    words = text.strip()
    try:
        body = json.loads(text)
    except ValueError:
        pass
    else:
        words = str(body.get("message") or "") if isinstance(body, dict) else str(body)
    lines = [line.strip() for line in words.strip().splitlines() if line.strip()]
    if not lines:
        return "no reason given"
    if lines[0].startswith("Traceback"):
        return next((line for line in lines if _ERROR.match(line)), lines[-1])[:300]
    if lines[0].startswith("<!DOCTYPE") or lines[0].startswith("<html"):
        return "a web page instead of an answer"
    if "Failed validating" in words:
        return lines[0][:300]
    return " ".join(lines)[:300]


def assign_problems(node: Node, cluster_id: int) -> list[str]:
    """Return why *node* can not be given a role in environment *cluster_id*."""
    if node.cluster_id not in (None, cluster_id):
        return [
            f"{node.label} belongs to environment {node.cluster_id}; Fuel moves no node between "
            "environments: unassign it there first."
        ]
    if node.status != "discover":
        return [f"{node.label} is {node.status}, not in bootstrap (discover)."]
    return []


def unassign_problems(node: Node) -> list[str]:
    """Return why *node* can not simply be unassigned: Fuel would only mark it for deletion."""
    if node.cluster_id is None:
        return [f"{node.label} belongs to no environment."]
    if node.status != "discover":
        return [
            f"{node.label} is {node.status}: unassigning would only mark it for deletion, which "
            "the next deployment of anyone carries out. Delete it in Fuel instead; it comes "
            "back under a new id."
        ]
    return []


def provision_problems(node: Node, cluster_id: int) -> list[str]:
    """Return why *node* must not be provisioned in environment *cluster_id* now."""
    return _common(node, cluster_id) + _state(node, PROVISIONABLE)


def deploy_problems(node: Node, cluster_id: int) -> list[str]:
    """Return why *node* must not be deployed now; Fuel would say yes to all of these."""
    problems = _common(node, cluster_id) + _state(node, DEPLOYABLE)
    if node.status == "error" and node.error_type == "provision":
        problems.append(f"{node.label} failed to provision; provision it again first.")
    return problems


def _common(node: Node, cluster_id: int) -> list[str]:
    problems = []
    if node.cluster_id != cluster_id:
        problems.append(f"{node.label} is not in environment {cluster_id}.")
    if not node.all_roles:
        problems.append(f"{node.label} has no role.")
    if node.pending_deletion:
        problems.append(f"{node.label} is marked for deletion.")
    if not node.online:
        problems.append(f"{node.label} is offline: its agent has been silent for minutes.")
    return problems


def _state(node: Node, allowed: frozenset[str]) -> list[str]:
    if node.status in allowed:
        return []
    return [f"{node.label} is {node.status}; it would have to be {' or '.join(sorted(allowed))}."]


def provision_failure(task: Task, node: Node | None) -> str | None:
    """
    Return why provisioning *node* was no success, or None when it was.

    The task alone does not say: it is ready also when someone stopped it.
    """
    failed = _task_failure(task)
    if failed or node is None:
        return failed or "The node is gone from Fuel."
    if node.status == "error":
        return f"{node.label} is in error ({node.error_type})."
    if node.status not in {"provisioned", "deploying", "ready"} or node.pending_addition:
        return (
            f"The task is ready, but {node.label} is {node.status}: someone stopped it or "
            "reset the host."
        )
    return None


def deploy_failure(task: Task, node: Node | None, roles: Sequence[str]) -> str | None:
    """
    Return why deploying *roles* on *node* was no success, or None when it was.

    A node that is offline is skipped, and the task is ready nevertheless. An error_type may
    be left from before: only the status counts.
    """
    failed = _task_failure(task)
    if failed or node is None:
        return failed or "The node is gone from Fuel."
    if node.status == "error":
        return f"{node.label} is in error ({node.error_type})."
    if node.status != "ready":
        skipped = " It is offline, and Fuel skips such nodes." if not node.online else ""
        return f"The task is ready, but {node.label} is {node.status}.{skipped}"
    missing = sorted(set(roles) - set(node.roles))
    if missing:
        return f"{node.label} is ready, but without role {', '.join(missing)}."
    return None


def _task_failure(task: Task) -> str | None:
    if task.status == "ready":
        return None
    words = (task.message or "Fuel gave no reason").strip().replace("\n", " ").rstrip(".")
    return f"{words}." if task.over else f"It is still {task.status}."


def disk_problems(real: Sequence[Disk], wanted: Sequence[Disk]) -> list[str]:
    """
    Return what is wrong with the layout *wanted* for the disks *real*, both of one node.

    Fuel compares volumes with the size in the request, never with the disk, and answers an
    unknown disk with a traceback.
    """
    known = {disk.id: disk for disk in real}
    problems = []
    for disk in wanted:
        if disk.id not in known:
            problems.append(f"Disk {disk.name} ({disk.id}) is not in the node.")
            continue
        size = known[disk.id].size
        used = sum(volume.size for volume in disk.volumes)
        if used > size:
            problems.append(f"Disk {disk.name} has {size} MiB, its volumes need {used} MiB.")
        names = {volume.name for volume in known[disk.id].volumes}
        foreign = sorted({volume.name for volume in disk.volumes} - names)
        if foreign and names:
            problems.append(
                f"Disk {disk.name} can not have volume {', '.join(foreign)}: the role has "
                f"{', '.join(sorted(names))}."
            )
    if not any(v.size for disk in wanted for v in disk.volumes if v.name == "os"):
        problems.append("No disk has room for the operating system (volume os).")
    return problems


def disk_differences(wanted: Sequence[Disk], real: Sequence[Disk]) -> list[str]:
    """Return where the layout *real* is not *wanted*: Fuel ignores what is left out."""
    now = {disk.id: {v.name: v.size for v in disk.volumes} for disk in real}
    return [
        f"Volume {volume.name} of disk {disk.name} should have {volume.size} MiB and has "
        f"{now.get(disk.id, {}).get(volume.name, 0)}."
        for disk in wanted
        for volume in disk.volumes
        if now.get(disk.id, {}).get(volume.name, 0) != volume.size
    ]


def interface_differences(wanted: Sequence[Interface], real: Sequence[Interface]) -> list[str]:
    """Return where the ports *real* are not *wanted*: Fuel silently ignores unknown ones."""
    now = {port.name: port for port in real}
    problems = []
    for port in wanted:
        found = now.get(port.name)
        if found is None:
            problems.append(f"{port.name} is not there.")
            continue
        want, have = _carried(port), _carried(found)
        if want != have:
            problems.append(f"{port.name} should carry {_words(want)} and carries {_words(have)}.")
        if {slave.name for slave in port.slaves} != {slave.name for slave in found.slaves}:
            problems.append(f"{port.name} bonds other ports than it should.")
    return problems


def _carried(port: Interface) -> set[str]:
    return {network.name for network in port.networks}


def _words(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
