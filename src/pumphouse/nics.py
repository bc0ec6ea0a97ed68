"""
Clone the assignment of networks of one node of Fuel onto the NICs of another.

Pure. NICs are paired by name where the names agree, else by slot and speed; networks by name,
since another node group has other ids. Fuel silently ignores what it cannot place by id, and
answers 500 to a bond that is called like a NIC: so every such mistake is found here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pumphouse.fuel import Network, Node
from pumphouse.fuel_layouts import Interface, NetworkRef, Slave

ADMIN = "fuelweb_admin"
"""The network that nodes boot from. It has to stay on the NIC that boots from it."""


@dataclass(frozen=True)
class Wiring:
    """
    Interfaces to be sent to Fuel, or sentences that say why there are none.

    Attributes:
        interfaces: The target's own NICs with their networks, then the bonds.

        problems: What keeps the assignment from being cloned; then `interfaces` is empty.

        remarks: What an operator should know about it.
    """

    interfaces: tuple[Interface, ...] = ()
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def clone(
    model: Sequence[Interface],
    target: Node,
    target_interfaces: Sequence[Interface],
    networks: Iterable[Network],
) -> Wiring:
    """
    Return the wiring of *model* for the NICs of *target*.

    networks: Of the environment; those of the target's node group and the admin network count.
    """
    theirs = [nic for nic in target_interfaces if not nic.is_bond]
    bonds = [nic for nic in model if nic.is_bond]
    slaves = {slave.name for bond in bonds for slave in bond.slaves}
    used = [n for n in model if not n.is_bond and (n.networks or n.name in slaves or n.pxe)]
    names, problems = pair(used, theirs, target)
    ids = {n.name: n.id for n in networks if n.group_id in (None, target.group_id)}
    present = {name for nic in model for name in _networks(nic)}
    missing = _networks_of(target_interfaces) - present
    problems += [f"The model has no network {n}, but {target.label} needs it." for n in missing]
    problems += [
        f"The node group of {target.label} has no network {name}, which the model has."
        for name in sorted(present - ids.keys())
    ]
    problems += _bond_problems(bonds, theirs, names, target)
    if problems:
        return Wiring(problems=tuple(problems))
    by_target = {names[nic.name]: nic for nic in used}
    wired = [_wired(nic, by_target.get(nic.name), ids) for nic in theirs]
    unused = [nic.name for nic in theirs if nic.name not in by_target]
    remark = f"NIC {', '.join(unused)} of {target.label} stays without a network."
    return Wiring(
        interfaces=(*wired, *(_bond(bond, names, ids) for bond in bonds)),
        remarks=(remark,) if unused else (),
    )


def pair(
    ours: Sequence[Interface], theirs: Sequence[Interface], target: Node
) -> tuple[dict[str, str], list[str]]:
    """
    Return which NIC of the target stands for each of *ours*, by name, and what went wrong.

    The NIC that boots goes with the NIC that boots. The others go by name, then by slot and
    speed; what then remains, by speed, in the order of the slots.
    """
    names: dict[str, str] = {}
    free = list(theirs)
    for is_alike in (_both_boot, _same_name, _same_slot):
        for nic in (n for n in ours if n.name not in names):
            found = next((other for other in free if is_alike(nic, other)), None)
            if found:
                names[nic.name] = found.name
                free.remove(found)
    problems = []
    free.sort(key=_slot)
    for nic in sorted((n for n in ours if n.name not in names), key=_slot):
        found = next((other for other in free if _speed(other) == _speed(nic)), None)
        if found is None:
            problems.append(
                f"NIC {nic.name} ({_says(nic)}) of the model has no counterpart in "
                f"{target.label}; free there: {', '.join(n.name for n in free) or 'none'}."
            )
            continue
        names[nic.name] = found.name
        free.remove(found)
    return names, problems + _slower(ours, theirs, names, target)


def _slower(
    ours: Iterable[Interface], theirs: Iterable[Interface], names: Mapping[str, str], target: Node
) -> list[str]:
    """Return a sentence for each NIC that is slower than the one it stands for."""
    by_name = {nic.name: nic for nic in theirs}
    return [
        f"NIC {names[nic.name]} ({_says(by_name[names[nic.name]])}) of {target.label} is slower "
        f"than NIC {nic.name} ({_says(nic)}) of the model."
        for nic in ours
        if nic.name in names and 0 < _speed(by_name[names[nic.name]]) < _speed(nic)
    ]


def _bond_problems(
    bonds: Iterable[Interface], theirs: Sequence[Interface], names: Mapping[str, str], target: Node
) -> list[str]:
    nics = {nic.name: nic for nic in theirs}
    problems = [
        f"Bond {bond.name} of the model is called like a NIC of {target.label}."
        for bond in bonds
        if bond.name in nics
    ]
    for bond in bonds:
        boots = any(nics[names[s.name]].pxe for s in bond.slaves if s.name in names)
        if ADMIN in _networks(bond) and not boots:
            problems.append(
                f"Bond {bond.name} carries {ADMIN}, but none of its NICs in {target.label} boots "
                "from the network."
            )
    return problems


def _wired(nic: Interface, model: Interface | None, ids: Mapping[str, int]) -> Interface:
    """Return the target's *nic* as *model* has it; without one, with no network."""
    if model is None:
        return nic.model_copy(update={"networks": ()})
    return nic.model_copy(
        update={"networks": _mapped(model, ids), "attributes": model.attributes or nic.attributes}
    )


def _bond(bond: Interface, names: Mapping[str, str], ids: Mapping[str, int]) -> Interface:
    return Interface(
        type="bond",
        name=bond.name,
        mode=bond.mode,
        slaves=tuple(Slave(name=names[slave.name]) for slave in bond.slaves),
        networks=_mapped(bond, ids),
        attributes=bond.attributes,
    )


def _mapped(nic: Interface, ids: Mapping[str, int]) -> tuple[NetworkRef, ...]:
    return tuple(NetworkRef(id=ids[n.name], name=n.name) for n in nic.networks)


def _networks(nic: Interface) -> frozenset[str]:
    return frozenset(network.name for network in nic.networks)


def _networks_of(interfaces: Iterable[Interface]) -> frozenset[str]:
    return frozenset(name for nic in interfaces for name in _networks(nic))


def _both_boot(one: Interface, other: Interface) -> bool:
    return one.pxe and other.pxe


def _same_name(one: Interface, other: Interface) -> bool:
    return one.name == other.name


def _same_slot(one: Interface, other: Interface) -> bool:
    return bool(one.bus_info) and one.bus_info == other.bus_info and _speed(one) == _speed(other)


def _speed(nic: Interface) -> int:
    """Return what the NIC can do, in Mbit/s; 0 when its agent does not know."""
    return nic.max_speed or nic.current_speed or 0


def _slot(nic: Interface) -> tuple[str, str]:
    return nic.bus_info or "", nic.name


def _says(nic: Interface) -> str:
    speed = f"{_speed(nic)} Mbit/s" if _speed(nic) else "speed unknown"
    return f"slot {nic.bus_info}, {speed}" if nic.bus_info else speed
