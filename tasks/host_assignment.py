"""A node's place in the target's environment: roles, disks, NICs. Nothing is installed yet."""

from pumphouse.errors import Refused
from pumphouse.fuel import Node
from pumphouse.tasks.fuel import FuelClient
from pumphouse.tasks.host_power import name_node
from pumphouse.tasks.node_designs import Design
from pumphouse.tasks.upgrading import Work


def design_of(work: Work, client: FuelClient) -> tuple[Node, Design]:
    """
    Return the host's node and what it shall get.

    Raises:
        Refused: Fuel does not know the host, or there is no model for it.
    """
    node = client.find_node(work.macs)
    if node is None:
        macs = ", ".join(work.macs)
        raise Refused(f"Assigning host {work.host}", [f"Fuel has no node with {macs}."])
    environment = client.cluster(work.options.environment)
    return node, Design.of(work, client, environment.id, node)


def assign(work: Work) -> None:
    """Name the node and give it its roles in the target's environment; harmless to repeat."""
    with work.fuel() as client:
        node, design = design_of(work, client)
        # A run that was killed while it named a node leaves one that has registered.
        name_node(work, client, node)
        client.assign(design.environment_id, node.id, design.roles)
    like = f" like {design.model.label}" if design.model else ""
    work.log(f"{node.label} becomes {', '.join(design.roles)}{like}. {design.reason}")


def set_disks(work: Work) -> None:
    """
    Lay out the node's disks; the same twice is once.

    Raises:
        Refused: The layout does not fit. Nothing was changed.
    """
    with work.fuel() as client:
        node, design = design_of(work, client)
        layout = design.layout(client)
        if layout.problems:
            raise Refused(f"The disk layout of {node.label}", layout.problems)
        client.put_disks(node.id, layout.disks)
    for remark in layout.remarks:
        work.log(remark)
    used = [f"{d.name} {sum(v.size for v in d.volumes)} MiB" for d in layout.disks if d.volumes]
    work.log(f"Its disks are laid out: {', '.join(used)}.")


def set_nics(work: Work) -> None:
    """
    Put the networks on the node's NICs; the same twice is once.

    Raises:
        Refused: They cannot be placed. Nothing was changed.
    """
    with work.fuel() as client:
        node, design = design_of(work, client)
        wiring = design.wiring(client)
        if wiring.problems:
            raise Refused(f"The networks of {node.label}", wiring.problems)
        client.put_interfaces(node.id, wiring.interfaces)
    for remark in wiring.remarks:
        work.log(remark)
    placed = [
        f"{nic.name}: {', '.join(network.name for network in nic.networks)}"
        for nic in wiring.interfaces
        if nic.networks
    ]
    work.log(f"Its networks are placed: {'; '.join(placed)}.")
