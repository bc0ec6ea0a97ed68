"""
Every hypervisor of both clouds in one table, with its BMC, its node in Fuel, and where it is.

Pure: raw rows of Nova and nodes of Fuel come in, one line for each host goes out.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from pumphouse import service_marks
from pumphouse.fuel import Node
from pumphouse.fuel_judging import match
from pumphouse.hosts import HostSettings

Raw = Mapping[str, Any]


class Line(BaseModel):
    """
    One host.

    Attributes:
        cloud: ``source``, ``target``, or nothing for a host that neither has.

        state: Of its compute service: enabled or disabled, and up or down.

        servers: How many run there; None where no hypervisor says.

        capacity: VCPUs and GiB of RAM, used and in all.

        bmc: Power, or why that is not known; nothing without a BMC.

        fuel: Name, id and state of its node.

        upgrade: How far its upgrade is, in a word or two.
    """

    model_config = ConfigDict(frozen=True)

    host: str
    cloud: str = ""
    state: str = ""
    servers: int | None = None
    capacity: str = ""
    bmc: str = ""
    fuel: str = ""
    upgrade: str = ""


class Seen(BaseModel):
    """One cloud's compute services and hypervisors, as Nova has them."""

    model_config = ConfigDict(frozen=True)

    services: Sequence[Raw] = ()
    hypervisors: Sequence[Raw] = ()


def roster(
    hosts: Mapping[str, HostSettings],
    source: Seen,
    target: Seen,
    nodes: Sequence[Node],
    power: Mapping[str, str],
) -> list[Line]:
    """
    Return a line for each host: those of the source first, then of the target, then others.

    hosts: Those that are configured, by the source's names.
    power: Of each host with a BMC, what that said.
    """
    lines = []
    known: set[int] = set()
    for service in source.services:
        name = service["host"]
        node = _node(hosts.get(name), nodes)
        known |= {node.id} if node else set()
        lines.append(_line("source", service, source.hypervisors, node, power.get(name, "")))
    for service in target.services:
        of_fuel = next((n for n in nodes if n.is_called(service["host"])), None)
        name = _configured(hosts, of_fuel)
        line = _line("target", service, target.hypervisors, of_fuel, power.get(name, ""))
        lines.append(line if name else line.model_copy(update={"upgrade": ""}))
        known |= {of_fuel.id} if of_fuel else set()
    listed = {service["host"] for service in source.services}
    for name, settings in hosts.items():
        node = _node(settings, nodes)
        if name in listed or (node and node.id in known):
            continue
        lines.append(
            Line(
                host=name, bmc=power.get(name, ""), fuel=_fuel(node), upgrade=_upgrade(None, node)
            )
        )
    return lines


def _node(settings: HostSettings | None, nodes: Iterable[Node]) -> Node | None:
    return match(nodes, settings.all_macs).node if settings else None


def _configured(hosts: Mapping[str, HostSettings], node: Node | None) -> str:
    """Return the name under which the configuration has a host of the target."""
    if node is None:
        return ""
    return next((n for n, s in hosts.items() if s.all_macs and s.all_macs <= node.macs), "")


def _line(
    cloud: str, service: Raw, hypervisors: Iterable[Raw], node: Node | None, power: str
) -> Line:
    found = [h for h in hypervisors if h["service"]["host"] == service["host"]]
    counts = [h.get("running_vms") for h in found if h.get("running_vms") is not None]
    return Line(
        host=service["host"],
        cloud=cloud,
        state=f"{service['status']}, {service['state']}",
        servers=sum(counts) if counts else None,
        capacity=_capacity(found[0]) if found else "",
        bmc=power,
        fuel=_fuel(node),
        upgrade=_upgrade(service if cloud == "source" else None, node),
    )


def _capacity(hypervisor: Raw) -> str:
    """Word VCPUs and RAM; newer Novas keep these in Placement and say nothing."""
    if not hypervisor.get("vcpus"):
        return ""
    used, vcpus = hypervisor.get("vcpus_used") or 0, hypervisor["vcpus"]
    ram_used = round((hypervisor.get("memory_mb_used") or 0) / 1024)
    return f"{used}/{vcpus} VCPUs, {ram_used}/{round((hypervisor['memory_mb'] or 0) / 1024)} GiB"


def _fuel(node: Node | None) -> str:
    if node is None:
        return ""
    online = "" if node.online else ", offline"
    return f"{node.name or node.hostname} ({node.id}): {node.status}{online}"


def _upgrade(service: Raw | None, node: Node | None) -> str:
    """Return how far the upgrade is: what the source's note and Fuel's state tell."""
    if node is not None and node.cluster_id is not None:
        return "done" if node.status == "ready" and service is None else node.status
    if node is not None and node.status == "discover" and node.online:
        return "in bootstrap"
    mark = service_marks.parse(service.get("disabled_reason")) if service else None
    if mark is None:
        return ""
    return f"reset {mark.reset_at}" if mark.reset_at else "in maintenance"
