"""The words that everything else shares: cloud roles, actions, movers, stages, markers."""

from enum import StrEnum

SOURCE_ID = "pumphouse:source_id"
OWN_ID = "pumphouse:id"
"""Property of an image's and metadata key of a volume's copy: its own id. Nova writes all
properties of the image that a server was booted from into every image of that server, Cinder a
volume's metadata into what is restored from its backups: those are a tenant's, and no copies."""
"""Metadata key, image property and (as ``pumphouse:source_id=…``) tag of every copy."""


class Role(StrEnum):
    """Which of the two clouds."""

    SOURCE = "source"
    TARGET = "target"


class Clouds(StrEnum):
    """Which clouds a discovery reads."""

    SOURCE = "source"
    TARGET = "target"
    BOTH = "both"

    @property
    def roles(self) -> tuple[Role, ...]:
        """The chosen roles, source first."""
        return tuple(Role) if self is Clouds.BOTH else (Role(self.value),)


class Action(StrEnum):
    """What a plan does with one resource."""

    CREATE = "create"
    ADOPT = "adopt"
    UPDATE = "update"
    SKIP = "skip"
    CONFLICT = "conflict"
    BLOCKED = "blocked"


class Mover(StrEnum):
    """How a server's or volume's bytes get to the target."""

    AUTO = "auto"
    IMAGE = "image"
    REBUILD = "rebuild"
    MANAGE = "manage"
    RBD = "rbd"


OF_SERVERS = (Mover.AUTO, Mover.IMAGE, Mover.REBUILD)
"""Movers that take a server's own disk; each of its volumes has a mover of its own."""


class MoverChoice(StrEnum):
    """How servers' own disks move in one run: a mover by its name, or the site's."""

    CONFIGURED = "configured"
    AUTO = "auto"
    IMAGE = "image"
    REBUILD = "rebuild"

    def over(self, configured: Mover) -> Mover:
        """Return the mover that is meant where the site's is *configured*."""
        return configured if self is MoverChoice.CONFIGURED else Mover(self.value)


ON_CEPH = (Mover.MANAGE, Mover.RBD)
"""Movers of volumes that need the pools of Ceph."""


class Strategy(StrEnum):
    """How servers leave a host for other hosts of the same cloud."""

    AUTO = "auto"
    LIVE = "live"
    COLD = "cold"
    EVACUATE = "evacuate"


class StrategyChoice(StrEnum):
    """How servers leave a host in one run: a strategy by its name, or the site's."""

    CONFIGURED = "configured"
    AUTO = "auto"
    LIVE = "live"
    COLD = "cold"
    EVACUATE = "evacuate"

    def over(self, configured: Strategy) -> Strategy:
        """Return the strategy that is meant where the site's is *configured*."""
        return configured if self is StrategyChoice.CONFIGURED else Strategy(self.value)
