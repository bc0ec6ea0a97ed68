"""Where the bytes of one volume are in the lab's pools, and what is there that nobody owns."""

from dataclasses import dataclass
from typing import Any

from openstack.connection import Connection

from lab.ceph.backends import SHARED
from lab.ceph.layout import SHARED_POOL, Ceph, own_pool
from pumphouse.models import SOURCE_ID
from tests import pools


@dataclass(frozen=True)
class Pool:
    """A volume of the source, and the digest of what was written to it."""

    ceph: Ceph
    volume_id: str
    is_shared: bool
    digest: str

    @classmethod
    def of(cls, ceph: Ceph, volume: Any) -> "Pool":
        """Write to a volume; return it with the digest of that."""
        is_shared = volume.volume_type == SHARED
        pool = SHARED_POOL if is_shared else own_pool("source")
        spec = f"{pool}/volume-{volume.id}"
        pools.write(ceph, spec, 8)
        read = pools.digest if is_shared else pools.contents
        return cls(ceph, volume.id, is_shared, read(ceph, spec))

    def not_home(self, target: Connection) -> list[str]:
        """Return what is wrong when the source alone should have the volume."""
        found = [f"volume {copy.id} is at the target" for copy in self._copies(target)]
        return found + self._wrong(self._place("source"), self.volume_id)

    def not_arrived(self, target: Connection) -> list[str]:
        """Return what is wrong when the target should have the volume; the source too, or not."""
        copies = self._copies(target)
        if len(copies) != 1:
            return [f"there are {len(copies)} copies of the volume"]
        found = self._wrong(self._place("target"), copies[0].id)
        if not self.is_shared:
            return found + self._wrong(self._place("source"), self.volume_id)
        has = f"volume-{self.volume_id}" in pools.images(self.ceph, SHARED_POOL)
        return [*found, "the source has an image too"] if has else found

    def _place(self, cloud: str) -> str:
        return SHARED_POOL if self.is_shared else own_pool(cloud)

    def _wrong(self, pool: str, id_: str) -> list[str]:
        spec = f"{pool}/volume-{id_}"
        if spec.rpartition("/")[2] not in pools.images(self.ceph, pool):
            return [f"{spec} does not exist"]
        read = pools.digest if self.is_shared else pools.contents
        found = [f"{spec} has other bytes"] if read(self.ceph, spec) != self.digest else []
        return found + [f"{spec} has snapshots"] * bool(pools.rbd(self.ceph, "snap", "ls", spec))

    def _copies(self, target: Connection) -> list[Any]:
        every = target.block_storage.volumes(all_projects=True)
        return [v for v in every if v.metadata.get(SOURCE_ID) == self.volume_id]
