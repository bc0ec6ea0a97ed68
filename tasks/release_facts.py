"""Find out how far the hand-over of a host is, and what stands in its way. Only reads."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pumphouse.errors import ConfigError, FuelNodeUnclear, PumphouseError, SwitchError
from pumphouse.fuel import Node
from pumphouse.guards import Checked
from pumphouse.handover import Found
from pumphouse.tasks import host_facts
from pumphouse.tasks.switch_ports import port_of
from pumphouse.tasks.upgrading import Work
from pumphouse.upgrade_facts import Facts


def look(work: Work) -> Found:
    """
    Return where the host is and what stands in the way.

    What Fuel, the BMC or the switch fail at is told in the answer, for all problems to come at
    once; only the source has to answer. Nothing is asked of the target: it may not exist.

    Raises:
        ConfigError: The host is not configured.
        CloudUnreachable, MissingRights, RequestFailed: The source could not be read.
    """
    settings = work.settings
    with ThreadPoolExecutor(4) as pool:
        source = pool.submit(host_facts.look_at_source, work)
        fuel = pool.submit(_fuel, work)
        bmc = pool.submit(host_facts.look_at_bmc, work)
        port = pool.submit(_port, work)
    seen, known, found = source.result(), fuel.result(), port.result()
    has_bmc, power, silence = bmc.result()
    facts = Facts(
        host=work.host,
        in_source=seen.is_known,
        is_empty=not seen.not_empty,
        # Without Fuel nobody says where it went: it counts as handed over until it comes back.
        was_reset=seen.was_reset or (seen.is_gone and not work.has_fuel),
        node=known.node,
        power=power,
        has_vlan=found.is_done,
    )
    checked = Checked(
        settings=settings,
        options=work.options,
        facts=facts,
        unclear=known.unclear,
        has_bmc=has_bmc,
        power=power,
        bmc=silence,
        fuel=known.problem,
        source_environment_id=known.source_environment_id,
        not_empty=tuple(seen.not_empty),
        others=seen.others,
        servers_elsewhere=seen.servers_elsewhere,
    )
    return Found(checked=checked, has_fuel=work.has_fuel, move=found.words, port=found.problems)


@dataclass(frozen=True)
class _InFuel:
    node: Node | None = None
    unclear: str = ""
    problem: str = ""
    source_environment_id: int | None = None


def _fuel(work: Work) -> _InFuel:
    if not work.has_fuel:
        source = work.options.source_environment
        return _InFuel(problem="fuel: its url is needed." if source else "")
    try:
        with work.fuel() as client:
            source = work.options.source_environment
            return _InFuel(
                node=client.find_node(work.macs) if work.macs else None,
                source_environment_id=client.cluster(source).id if source else None,
            )
    except FuelNodeUnclear as error:
        return _InFuel(unclear=str(error))
    except PumphouseError as error:
        return _InFuel(problem=str(error))


@dataclass(frozen=True)
class _Port:
    is_done: bool = False
    words: str = ""
    problems: tuple[str, ...] = ()


def _port(work: Work) -> _Port:
    """Return whether the port is where it shall be, and else what will be done with it."""
    vlan = work.pair.release.vlan
    try:
        port = port_of(work)
        if vlan is None:
            return _port_without_vlan(port.is_by_hand)
        if port.vlan() == vlan:
            return _Port(is_done=True, words=f"Its port is in VLAN {vlan} already.")
        return _Port(words=port.intention(vlan))
    except (ConfigError, SwitchError) as error:
        return _Port(problems=(str(error),))


def _port_without_vlan(is_by_hand: bool) -> _Port:
    if is_by_hand:
        words = "Its switch port stays as it is: release.vlan is not given."
        return _Port(is_done=True, words=words)
    problem = "Its switch is configured, and the VLAN is not: give release.vlan."
    return _Port(problems=(problem,))
