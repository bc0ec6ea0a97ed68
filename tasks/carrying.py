"""What moving one volume needs, whichever mover takes it."""

import threading
from dataclasses import dataclass, field
from typing import Any

from pumphouse.checks import MOVER_KEY
from pumphouse.config import MigrateOptions
from pumphouse.errors import RequestFailed
from pumphouse.models import Mover
from pumphouse.rbd_options import PoolAccess
from pumphouse.tables import Row
from pumphouse.tasks.api import Api
from pumphouse.tasks.rbd import Rbd
from pumphouse.tasks.streams import Progress
from pumphouse.tasks.volumes import read_volume
from pumphouse.tasks.waiting import NEVER


@dataclass(frozen=True)
class Carrier:
    """
    Both clouds, and how volumes move between them.

    Attributes:
        owner: Acts at the target as the volume's owner; without one nothing can be made.

        known: By source id, what a mover found out ahead and need not ask again after the stop.
    """

    source: Api
    target: Api
    owner: Api | None
    migrate: MigrateOptions
    timeout_s: float
    stop: threading.Event = NEVER
    progress: Progress = field(default=lambda done, size: None)
    known: dict[str, Any] = field(default_factory=dict)

    @property
    def acting(self) -> Api:
        """The owner."""
        assert self.owner is not None
        return self.owner

    @property
    def source_rbd(self) -> Rbd:
        """The source's Ceph."""
        return self._rbd(self.migrate.rbd.source, "source")

    @property
    def target_rbd(self) -> Rbd:
        """The target's Ceph."""
        return self._rbd(self.migrate.rbd.target, "target")

    def _rbd(self, access: PoolAccess, role: str) -> Rbd:
        rbd = self.migrate.rbd
        return Rbd(access, role, rbd.command_timeout_s, rbd.stall_timeout_s)


@dataclass(frozen=True)
class Moved:
    """A volume at the target: its id there, what proves its bytes, and how many were carried."""

    target_id: str
    checksum: str = ""
    bytes: int = 0


def note_mover(source: Api, volume: Row, mover: Mover) -> None:
    """Write on the source's volume how it moves: plans keep to it until that is taken back."""
    if noted_mover(source, volume["id"]) != mover.value:
        path = f"/volumes/{volume['id']}/metadata"
        body = {"metadata": {MOVER_KEY: mover.value}}
        source.call("POST", "block-storage", path, json=body, retry=True)


def noted_mover(source: Api, volume_id: str) -> str:
    """Return that note; empty when there is none, or no such volume any more."""
    try:
        metadata = read_volume(source, volume_id).get("metadata") or {}
    except RequestFailed as failed:
        if failed.status == 404:
            return ""
        raise
    return str(metadata.get(MOVER_KEY, ""))


def forget_mover(source: Api, volume_id: str) -> None:
    """Take that note back; a volume that has none, or is gone, is fine."""
    source.delete("block-storage", f"/volumes/{volume_id}/metadata/{MOVER_KEY}")
