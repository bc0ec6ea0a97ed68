"""Find out where a host is on its way, from both clouds, Fuel and its BMC. Only reads."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pumphouse import service_marks
from pumphouse.bmc import Power
from pumphouse.errors import FuelNodeUnclear, PumphouseError, Refused
from pumphouse.fuel import Cluster, Node
from pumphouse.guards import Checked
from pumphouse.models import Role
from pumphouse.tasks import emptiness, host_joining, removals
from pumphouse.tasks.api import Api
from pumphouse.tasks.bmc import open_bmc
from pumphouse.tasks.compute_services import at_most
from pumphouse.tasks.fuel import FuelClient
from pumphouse.tasks.node_designs import Design
from pumphouse.tasks.readers import LISTED_HYPERVISORS
from pumphouse.tasks.upgrading import Work
from pumphouse.upgrade_facts import Facts

Raw = dict[str, Any]


def look(work: Work) -> Checked:
    """
    Return where the host is and what stands in the way of its reset.

    What Fuel, the BMC or the target fail at is told in the answer, for all problems to come
    at once; only the source has to answer.

    Raises:
        ConfigError: The host or Fuel is not configured.
        CloudUnreachable, MissingRights, RequestFailed: The source could not be read.
    """
    settings = work.settings
    work.pair.master()
    with ThreadPoolExecutor(4) as pool:
        source = pool.submit(look_at_source, work)
        fuel = pool.submit(_fuel, work)
        target = pool.submit(_target, work)
        bmc = pool.submit(look_at_bmc, work)
    seen, known, there = source.result(), fuel.result(), target.result()
    facts = Facts(
        host=work.host,
        in_source=seen.is_known,
        takes_servers=seen.takes_servers,
        is_empty=not seen.not_empty,
        was_reset=seen.was_reset,
        node=known.node,
        environment_id=known.environment.id if known.environment else 0,
        roles=known.roles,
        has_disks=known.has_disks,
        has_nics=known.has_nics,
        compute=_compute(there, known.node),
        is_enabled=_is_enabled(work, there, known.node),
    )
    has_bmc, power, silence = bmc.result()
    return Checked(
        settings=settings,
        options=work.options,
        facts=facts,
        unclear=known.unclear,
        has_bmc=has_bmc,
        power=power,
        bmc=silence,
        environment=known.environment,
        fuel=known.problem,
        source_environment_id=known.source_environment_id,
        model=known.model,
        target=(*there.problems, *_name_taken(work, there, known)),
        not_empty=tuple(seen.not_empty),
        others=seen.others,
        servers_elsewhere=seen.servers_elsewhere,
    )


@dataclass(frozen=True)
class InSource:
    """
    What the source says about a host.

    Attributes:
        was_reset: Whether our note says that it was reset, so lately that it may still boot.

        is_gone: Whether our note says that it was reset, whenever, and it is not up again.
    """

    is_known: bool
    takes_servers: bool
    was_reset: bool
    is_gone: bool
    not_empty: Sequence[str]
    others: tuple[str, ...]
    servers_elsewhere: int


def look_at_source(work: Work) -> InSource:
    """Return what the source says about the host; raise when it does not answer."""
    with work.cloud(Role.SOURCE) as api:
        params = {"binary": "nova-compute"}
        version = api.microversion("compute")
        services = api.get("compute", "/os-services", params, version)["services"]
        ours = [s for s in services if s["host"] == work.host]
        others = [s["host"] for s in services if s not in ours and _takes_servers(s)]
        is_dead = any(s["state"] != "up" or s.get("forced_down") for s in ours)
        return InSource(
            is_known=bool(removals.remains(api, work.host)),
            takes_servers=any(s["status"] == "enabled" for s in ours),
            was_reset=any(_was_reset(s, work.timeouts.registration_s) for s in ours),
            is_gone=any(_was_reset(s, math.inf) and s["state"] != "up" for s in ours),
            not_empty=emptiness.problems(api, work.host, is_dead=is_dead) if ours else (),
            others=tuple(others),
            servers_elsewhere=_servers_elsewhere(api, work.host),
        )


def _takes_servers(service: Raw) -> bool:
    is_up = service["state"] == "up" and not service.get("forced_down")
    return is_up and service["status"] == "enabled"


def _was_reset(service: Raw, within_s: float) -> bool:
    """Tell whether our note beside the service says that the host was reset lately."""
    mark = service_marks.parse(service.get("disabled_reason"))
    if mark is None or not mark.reset_at:
        return False
    age = datetime.now(UTC) - datetime.fromisoformat(mark.reset_at)
    return age.total_seconds() < within_s


def _servers_elsewhere(api: Api, host: str) -> int:
    version = at_most(api, LISTED_HYPERVISORS)
    found = api.list("compute", "/os-hypervisors/detail", "hypervisors", microversion=version)
    return sum(raw.get("running_vms") or 0 for raw in found if raw["service"]["host"] != host)


@dataclass(frozen=True)
class _InFuel:
    node: Node | None = None
    unclear: str = ""
    environment: Cluster | None = None
    problem: str = ""
    source_environment_id: int | None = None
    model: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()
    has_disks: bool = False
    has_nics: bool = False


def _fuel(work: Work) -> _InFuel:
    if not work.options.environment:
        return _InFuel(problem="Give upgrade.environment: Fuel's name of the target.")
    try:
        with work.fuel() as client:
            return _read_fuel(work, client)
    except FuelNodeUnclear as error:
        return _InFuel(unclear=str(error))
    except PumphouseError as error:
        return _InFuel(problem=str(error))


def _read_fuel(work: Work, client: FuelClient) -> _InFuel:
    environment = client.cluster(work.options.environment)
    source = work.options.source_environment
    source_id = client.cluster(source).id if source else None
    node = client.find_node(work.macs) if work.macs else None
    try:
        design = Design.of(work, client, environment.id, node)
    except Refused as refused:
        return _InFuel(
            node=node,
            environment=environment,
            source_environment_id=source_id,
            model=tuple(refused.reasons),
        )
    return _InFuel(
        node=node,
        environment=environment,
        source_environment_id=source_id,
        roles=frozenset(design.roles),
        has_disks=design.has_disks(client),
        has_nics=design.has_nics(client),
    )


@dataclass(frozen=True)
class _InTarget:
    services: Sequence[Raw] = ()
    aggregates: Sequence[Raw] = ()
    problems: tuple[str, ...] = ()


def _target(work: Work) -> _InTarget:
    try:
        with work.cloud(Role.TARGET) as api:
            return _InTarget(
                services=host_joining.services(api),
                aggregates=host_joining.aggregates(api),
                problems=tuple(host_joining.problems(api, work.options)),
            )
    except PumphouseError as error:
        return _InTarget(problems=(str(error),))


def _name_taken(work: Work, there: _InTarget, known: _InFuel) -> list[str]:
    """Return a sentence if another host of the target has the name that this one keeps."""
    name = work.host.split(".")[0].lower()
    is_there = known.environment and known.node and known.node.cluster_id == known.environment.id
    if not work.options.keep_name or is_there:
        return []
    return [
        f"The target already has a compute host {service['host']}; set upgrade.keep_name to "
        "false, or remove that one."
        for service in there.services
        if service["host"].split(".")[0].lower() == name
    ]


def _compute(there: _InTarget, node: Node | None) -> Literal["missing", "down", "up"]:
    found = _ours(there, node)
    if found is None:
        return "missing"
    return "up" if found["state"] == "up" else "down"


def _is_enabled(work: Work, there: _InTarget, node: Node | None) -> bool:
    found = _ours(there, node)
    if found is None or found["status"] != "enabled":
        return False
    joined = {a["name"] for a in there.aggregates if found["host"] in a["hosts"]}
    return set(work.options.aggregates) <= joined


def _ours(there: _InTarget, node: Node | None) -> Raw | None:
    if node is None:
        return None
    return next((s for s in there.services if node.is_called(s["host"])), None)


def look_at_bmc(work: Work) -> tuple[bool, Power | None, str]:
    """Return whether there is a BMC, its power state, and why that is not known."""
    bmc = work.pair.bmc(work.site, work.host)
    if bmc is None:
        return False, None, ""
    try:
        with open_bmc(bmc, work.stop) as session:
            return True, session.power(), ""
    except PumphouseError as error:
        return True, None, str(error)
