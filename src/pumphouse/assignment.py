"""
Which roles, disks and NICs a new node of Fuel gets: those of a model node, or fixed ones.

Pure. The model is a ready compute node of the same environment, named by the operator or the one
whose hardware is most like the new node's.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pumphouse.disks import Layout
from pumphouse.fuel import Network, Node
from pumphouse.fuel_layouts import Disk, Interface, NetworkRef, Slave, Volume
from pumphouse.nics import Wiring
from pumphouse.upgrade_options import Bond, FixedAssignment, Rest

COMPUTE = "compute"


@dataclass(frozen=True)
class Choice:
    """A model node and why it was taken, or sentences that say why there is none."""

    node: Node | None = None
    reason: str = ""
    problems: tuple[str, ...] = ()


def choose(nodes: Iterable[Node], target: Node, environment_id: int, named: str = "") -> Choice:
    """
    Return the node of the environment that *target* shall become like.

    named: Name, hostname, FQDN or id of the model; empty chooses the node most like *target*.
    """
    there = [n for n in nodes if n.cluster_id == environment_id and n.id != target.id]
    return _named(there, named) if named else _most_alike(there, target)


def _named(nodes: Sequence[Node], named: str) -> Choice:
    found = [node for node in nodes if named in (node.name, node.hostname, str(node.id))]
    if len(found) != 1:
        names = ", ".join(sorted(node.label for node in nodes)) or "none"
        many = "Several nodes are" if found else "No node is"
        problem = f"{many} called {named!r} in the environment; its nodes are {names}."
        return Choice(problems=(problem,))
    node = found[0]
    if problem := _unfit(node):
        return Choice(problems=(f"{node.label} cannot be the model: {problem}.",))
    return Choice(node, "It is named in the configuration.")


def _most_alike(nodes: Sequence[Node], target: Node) -> Choice:
    fit = [node for node in nodes if not _unfit(node)]
    # A controller that also computes is no model for a host that only computes.
    plain = [node for node in fit if "controller" not in node.roles] or fit
    if not plain:
        return Choice(
            problems=(
                "The environment has no ready node with the role compute to take as a model; "
                "deploy the first one in Fuel, or set upgrade.strategy to fixed.",
            )
        )
    best = max(plain, key=lambda node: (likeness(node, target), -node.id))
    alike = ", ".join(_traits_in_common(best, target)) or "nothing else"
    return Choice(best, f"Of {len(plain)} ready compute nodes it is most alike: {alike}.")


def _unfit(node: Node) -> str:
    if node.status != "ready":
        return f"it is {node.status}, not ready"
    if COMPUTE not in node.roles:
        return f"its roles are {', '.join(node.roles) or 'none'}, without compute"
    return "it is marked for deletion" if node.pending_deletion else ""


def likeness(node: Node, other: Node) -> int:
    """Return how much alike two nodes' hardware is: more is more."""
    weights = {"disks": 8, "NICs": 8, "product": 4, "CPUs": 2, "memory": 1}
    return sum(weights[trait] for trait in _traits_in_common(node, other))


def _traits_in_common(node: Node, other: Node) -> list[str]:
    one, two = _traits(node), _traits(other)
    return [trait for trait, value in one.items() if value and value == two[trait]]


def _traits(node: Node) -> dict[str, object]:
    hardware = node.hardware
    return {
        "disks": Counter(disk.size_mib for disk in hardware.disks),
        "NICs": {(nic.name, nic.max_speed) for nic in hardware.interfaces},
        "product": (hardware.system.manufacturer, hardware.system.product),
        "CPUs": hardware.cpu.total,
        "memory": hardware.memory.total,
    }


def fixed_layout(
    fixed: FixedAssignment,
    target: Node,
    disks: Sequence[Disk],
    minimal_mib: Mapping[str, int],
) -> Layout:
    """Return the configured volumes for the disks of *target*; without any, Fuel's own layout."""
    if not fixed.disks:
        return Layout(disks=tuple(disks))
    by_name = {disk.name: disk for disk in disks}
    problems = [
        f"upgrade.fixed.disks names {name}, which {target.label} does not have; it has "
        f"{', '.join(by_name)}."
        for name in fixed.disks
        if name not in by_name
    ]
    made = []
    for disk in disks:
        volumes = _volumes(disk, fixed.disks.get(disk.name, {}))
        made.append(disk.model_copy(update={"volumes": volumes}))
        needed = sum(volume.size for volume in volumes)
        if needed > disk.size:
            problems.append(
                f"upgrade.fixed.disks.{disk.name} needs {needed} MiB; the disk of "
                f"{target.label} has {disk.size} MiB."
            )
    totals: Counter[str] = Counter()
    for disk in made:
        totals.update({volume.name: volume.size for volume in disk.volumes})
    problems += [
        f"upgrade.fixed.disks gives volume {name} {totals[name]} MiB; Fuel wants at least "
        f"{least} MiB."
        for name, least in minimal_mib.items()
        if totals[name] < least
    ]
    return Layout(problems=tuple(problems)) if problems else Layout(disks=tuple(made))


def _volumes(disk: Disk, sizes: Mapping[str, int | Rest]) -> tuple[Volume, ...]:
    given = {name: size for name, size in sizes.items() if isinstance(size, int)}
    rest = max(0, disk.size - sum(given.values()))
    names = dict.fromkeys([*(volume.name for volume in disk.volumes), *sizes])
    return tuple(
        Volume(name=name, size=rest if sizes.get(name) == "rest" else given.get(name, 0))
        for name in names
    )


def fixed_wiring(
    fixed: FixedAssignment,
    target: Node,
    interfaces: Sequence[Interface],
    networks: Iterable[Network],
) -> Wiring:
    """Return the configured networks for the NICs of *target*; without any, Fuel's own."""
    if not (fixed.nics or fixed.bonds):
        return Wiring(interfaces=tuple(interfaces))
    nics = {nic.name: nic for nic in interfaces if not nic.is_bond}
    ids = {n.name: n.id for n in networks if n.group_id in (None, target.group_id)}
    problems = list(_fixed_problems(fixed, target, nics, ids, _carried(interfaces)))
    if problems:
        return Wiring(problems=tuple(problems))

    def placed(names: Iterable[str]) -> tuple[NetworkRef, ...]:
        return tuple(NetworkRef(id=ids[name], name=name) for name in names)

    wired = [
        nic.model_copy(update={"networks": placed(fixed.nics.get(nic.name, ()))})
        for nic in nics.values()
    ]
    bonds = [_bond(name, bond, placed(bond.networks)) for name, bond in fixed.bonds.items()]
    return Wiring(interfaces=(*wired, *bonds))


def _fixed_problems(
    fixed: FixedAssignment,
    target: Node,
    nics: Mapping[str, Interface],
    ids: Mapping[str, int],
    needed: frozenset[str],
) -> Iterable[str]:
    slaves = [slave for bond in fixed.bonds.values() for slave in bond.slaves]
    for name in [*fixed.nics, *slaves]:
        if name not in nics:
            have = ", ".join(nics)
            yield f"upgrade.fixed names NIC {name}; {target.label} has only {have}."
    for name in fixed.bonds.keys() & nics.keys():
        yield f"upgrade.fixed.bonds.{name} is called like a NIC of {target.label}."
    networks = Counter(name for of in fixed.nics.values() for name in of)
    networks.update(name for bond in fixed.bonds.values() for name in bond.networks)
    for name, times in networks.items():
        if name not in ids:
            yield f"upgrade.fixed names network {name}; there are {', '.join(sorted(ids))}."
        if times > 1:
            yield f"upgrade.fixed puts network {name} on several NICs."
    for name in sorted(needed - networks.keys()):
        yield f"upgrade.fixed puts network {name} nowhere, but {target.label} needs it."


def _carried(interfaces: Iterable[Interface]) -> frozenset[str]:
    return frozenset(network.name for nic in interfaces for network in nic.networks)


def _bond(name: str, bond: Bond, networks: tuple[NetworkRef, ...]) -> Interface:
    slaves = tuple(Slave(name=slave) for slave in bond.slaves)
    return Interface(type="bond", name=name, mode=bond.mode, slaves=slaves, networks=networks)
