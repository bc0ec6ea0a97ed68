"""Read what the table of hosts shows: both clouds, Fuel and every BMC, side by side."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from pumphouse.blocks.bmc import Bmc
from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.blocks.fuel import Fuel
from pumphouse.errors import PumphouseError
from pumphouse.fuel import Node
from pumphouse.hosts import HostSettings
from pumphouse.models import Role
from pumphouse.roster import Line, Seen, roster
from pumphouse.tasks import host_joining
from pumphouse.tasks.api import Api
from pumphouse.tasks.bmc import open_bmc
from pumphouse.tasks.compute_services import at_most
from pumphouse.tasks.fuel import FuelClient
from pumphouse.tasks.readers import LISTED_HYPERVISORS

P = ParamSpec("P")
T = TypeVar("T")

BMCS_AT_ONCE = 40


@dataclass(frozen=True)
class Reached:
    """
    What was read, and a sentence for each thing that does not answer.

    Attributes:
        fuel: What Fuel says of itself; nothing without a Fuel.
    """

    lines: Sequence[Line] = ()
    fuel: str = ""
    power: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[str] = ()


def read(
    clouds: Mapping[Role, OpenStackCloud],
    fuel: Fuel | None,
    hosts: Mapping[str, HostSettings],
    bmcs: Mapping[str, Bmc],
) -> Reached:
    """Return a line for each host; what does not answer leaves its cells empty."""
    with ThreadPoolExecutor(BMCS_AT_ONCE + 3) as pool:
        seen = {role: pool.submit(_tried, _cloud, clouds[role], role) for role in Role}
        nodes = pool.submit(_tried, _nodes, fuel)
        power = {host: pool.submit(_tried, _power, bmc) for host, bmc in bmcs.items()}
    silent = [f.result()[1] for f in seen.values()] + [nodes.result()[1]]
    silent += [f.result()[1] for f in power.values()]
    told = {host: future.result()[0] or "unreachable" for host, future in power.items()}
    version, known = nodes.result()[0] or ("", [])
    source, target = (seen[role].result()[0] or Seen() for role in Role)
    return Reached(
        lines=roster(hosts, source, target, known, told),
        fuel=version,
        power=told,
        problems=[problem for problem in silent if problem],
    )


def reach(fuel: Fuel | None, bmcs: Mapping[str, Bmc]) -> Reached:
    """Return whether Fuel and each BMC answer and let us in. Only reads."""
    with ThreadPoolExecutor(BMCS_AT_ONCE + 1) as pool:
        nodes = pool.submit(_tried, _nodes, fuel)
        power = {host: pool.submit(_tried, _power, bmc) for host, bmc in bmcs.items()}
    silent = [nodes.result()[1], *(f.result()[1] for f in power.values())]
    problems = [problem for problem in silent if problem]
    told = {host: f.result()[0] or f"unknown: {f.result()[1]}" for host, f in power.items()}
    version, _ = nodes.result()[0] or (nodes.result()[1], [])
    return Reached(fuel=version, power=told, problems=problems)


def _tried(action: Callable[P, T], *given: P.args, **named: P.kwargs) -> tuple[T | None, str]:
    """Return what *action* returns, or why it did not."""
    try:
        return action(*given, **named), ""
    except PumphouseError as error:
        return None, str(error)


def _cloud(cloud: OpenStackCloud, role: Role) -> Seen:
    with Api(cloud, role.value) as api:
        version = at_most(api, LISTED_HYPERVISORS)
        path, key = "/os-hypervisors/detail", "hypervisors"
        return Seen(
            services=host_joining.services(api),
            hypervisors=api.list("compute", path, key, microversion=version),
        )


def _nodes(fuel: Fuel | None) -> tuple[str, list[Node]]:
    if fuel is None:
        return "", []
    with FuelClient(fuel) as client:
        return f"version {client.version()}", client.nodes()


def _power(bmc: Bmc) -> str:
    with open_bmc(bmc) as session:
        return session.power().value
