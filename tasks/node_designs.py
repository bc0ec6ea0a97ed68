"""What a host shall become in Fuel: roles, disks and NICs, read from the model node or fixed."""

from dataclasses import dataclass

from pumphouse import assignment
from pumphouse.disks import Layout
from pumphouse.disks import clone as clone_disks
from pumphouse.errors import Refused
from pumphouse.fuel import Node
from pumphouse.fuel_judging import disk_differences, interface_differences
from pumphouse.nics import Wiring
from pumphouse.nics import clone as clone_nics
from pumphouse.tasks.fuel import FuelClient
from pumphouse.tasks.upgrading import Work
from pumphouse.upgrade_facts import INSTALLED


@dataclass(frozen=True)
class Design:
    """
    What a node shall get: roles, and layouts for disks and NICs once it has the roles.

    Attributes:
        model: The node that it becomes like; None with the strategy fixed, or without a node.
    """

    work: Work
    environment_id: int
    roles: tuple[str, ...]
    node: Node | None = None
    model: Node | None = None
    reason: str = ""

    @classmethod
    def of(
        cls, work: Work, client: FuelClient, environment_id: int, node: Node | None
    ) -> "Design":
        """
        Choose for *node*; before it is registered, find out whether there is a model at all.

        Raises:
            Refused: There is no model. Nothing was changed.
        """
        options = work.options
        if options.strategy == "fixed":
            roles = tuple(options.fixed.roles)
            return cls(work, environment_id, roles, node, None, "Its roles are fixed.")
        blank = node or Node(id=0, mac="", status="discover")
        choice = assignment.choose(client.nodes(), blank, environment_id, options.model_node)
        if choice.node is None:
            raise Refused(f"Choosing a model for host {work.host}", choice.problems)
        return cls(work, environment_id, choice.node.roles, node, choice.node, choice.reason)

    def layout(self, client: FuelClient) -> Layout:
        """Return the disks that the node shall have; it has to have its roles."""
        assert self.node is not None
        disks = client.disks(self.node.id)
        least = client.minimal_volumes(self.node.id)
        if self.model is None:
            return assignment.fixed_layout(self.work.options.fixed, self.node, disks, least)
        return clone_disks(self.model, client.disks(self.model.id), self.node, disks, least)

    def wiring(self, client: FuelClient) -> Wiring:
        """Return the NICs and bonds that the node shall have; it has to have its roles."""
        assert self.node is not None
        nics, networks = client.interfaces(self.node.id), client.networks(self.environment_id)
        if self.model is None:
            return assignment.fixed_wiring(self.work.options.fixed, self.node, nics, networks)
        return clone_nics(client.interfaces(self.model.id), self.node, nics, networks)

    @property
    def _is_open(self) -> bool:
        """Whether layouts can still be changed."""
        node = self.node
        in_target = node is not None and node.cluster_id == self.environment_id
        return node is not None and in_target and node.status not in INSTALLED

    def has_disks(self, client: FuelClient) -> bool:
        """Tell whether the layout in Fuel is the wanted one."""
        if not self._is_open or self.node is None:
            return False
        layout = self.layout(client)
        return bool(layout.disks) and not disk_differences(
            layout.disks, client.disks(self.node.id)
        )

    def has_nics(self, client: FuelClient) -> bool:
        """Tell whether the networks in Fuel are where they are wanted."""
        if not self._is_open or self.node is None:
            return False
        wiring = self.wiring(client)
        return bool(wiring.interfaces) and not interface_differences(
            wiring.interfaces, client.interfaces(self.node.id)
        )
