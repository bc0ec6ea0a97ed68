"""What is known of a host that is upgraded, and what follows from it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from pumphouse.bmc import Power
from pumphouse.fuel import Node

VERIFIED = "pumphouse_verified"
"""Label that a node of Fuel gets when its probe was well: it says when."""

INSTALLED = frozenset({"provisioned", "deploying", "ready"})
"""States of a node whose new system is on its disks."""


class Facts(BaseModel):
    """
    What is known of a host, from both clouds and Fuel, at one moment.

    Attributes:
        in_source: Whether the source still has it: compute service, provider or agents.

        takes_servers: Whether the source may put new servers on it.

        is_empty: Whether Nova, Placement and the hypervisor say that no server is on it.

        was_reset: Whether it was reset (or released) by us so lately that it may still boot.

        node: What Fuel knows under all of its MACs.

        environment_id: Of the target's environment.

        roles: That the node shall have; empty while there is no node to choose them for.

        has_disks, has_nics: Whether their layout in Fuel is the one that is wanted.

        compute: The compute service at the target.

        is_enabled: Whether tenants' servers may come to it, in all wanted aggregates.

        power: What its BMC says; None when that is not known.

        has_vlan: Whether its switch port is in the VLAN that it is released to.
    """

    model_config = ConfigDict(frozen=True)

    host: str
    in_source: bool = False
    takes_servers: bool = False
    is_empty: bool = True
    was_reset: bool = False
    node: Node | None = None
    environment_id: int = 0
    roles: frozenset[str] = frozenset()
    has_disks: bool = False
    has_nics: bool = False
    compute: Literal["missing", "down", "up"] = "missing"
    is_enabled: bool = False
    power: Power | None = None
    has_vlan: bool = False

    @property
    def in_target(self) -> bool:
        """Whether Fuel has it in the target's environment."""
        return self.node is not None and self.node.cluster_id == self.environment_id

    @property
    def is_registered(self) -> bool:
        """Whether it runs Fuel's bootstrap and waits, or is in the target's environment."""
        if self.node is None:
            return False
        waits = self.node.cluster_id is None and self.node.status == "discover"
        return self.in_target or (waits and self.node.online)

    @property
    def is_provisioned(self) -> bool:
        """Whether the new system is on its disks."""
        if self.node is None or not self.in_target:
            return False
        failed_later = self.node.status == "error" and self.node.error_type == "deploy"
        return self.node.status in INSTALLED or failed_later

    @property
    def is_laid_out(self) -> bool:
        """Whether it is too late to change the layout of disks and NICs."""
        at_work = self.node is not None and self.node.status == "provisioning"
        return self.is_provisioned or (self.in_target and at_work)

    @property
    def is_ready(self) -> bool:
        """Whether Fuel deployed it with all its roles."""
        if self.node is None or not self.in_target:
            return False
        return self.node.status == "ready" and self.roles <= set(self.node.roles)

    @property
    def is_verified(self) -> bool:
        """Whether its probe was well since it was provisioned."""
        return self.node is not None and VERIFIED in self.node.labels
