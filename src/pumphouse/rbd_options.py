"""How the movers `manage` and `rbd` reach Ceph: below `migrate` in the configuration."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class PoolAccess(_Section):
    """How the worker reaches the pools of one cloud."""

    model_config = ConfigDict(title="Access to pools")

    conf: str = Field(
        default="/etc/ceph/ceph.conf",
        title="ceph.conf",
        description="On the worker; it also says where the key is.",
    )
    user: str = Field(
        default="admin",
        title="User",
        description="Name of the cephx key without client., with profile rbd on the pools.",
    )
    keyring: str = Field(
        default="",
        title="Key file",
        description="On the worker; empty takes the one that ceph.conf or its defaults name.",
    )
    pools: dict[str, str] = Field(
        default={},
        title="Pools",
        description="By back end of Cinder (host@backend#pool, host@backend, or only the back "
        "end's name): the pool of Ceph that it stores in.",
    )


class RbdOptions(_Section):
    """Copies from one Ceph to another, and how the worker reaches both."""

    model_config = ConfigDict(title="Ceph")

    source: PoolAccess = Field(default_factory=PoolAccess, title="Source")
    target: PoolAccess = Field(default_factory=PoolAccess, title="Target")
    rounds: int = Field(
        default=5,
        ge=1,
        le=50,
        title="Rounds",
        description="How often what changed is copied while the server runs, the first copy "
        "included.",
    )
    remainder_mib: int = Field(
        default=256,
        ge=1,
        title="Remainder (MiB)",
        description="When a round sent no more than this, the server is stopped.",
    )
    verify: Literal["size", "checksum"] = Field(
        default="checksum",
        title="Verification",
        description="checksum: what each round sent is read back from the target and compared; "
        "the last time while the server is down. size: only the sizes of both images are.",
    )
    command_timeout_s: float = Field(
        default=60,
        gt=0,
        title="Command time-out (s)",
        description="Of the small commands, which carry no data.",
    )
    stall_timeout_s: float = Field(
        default=300,
        gt=0,
        title="Stall time-out (s)",
        description="A copy or a reading back of which no byte moved for so long is ended: a pool "
        "that is full or has inactive placement groups answers nothing. Where images of many TiB "
        "have no fast-diff, looking for what changed may take longer.",
    )


class SharedBackends(BaseModel):
    """
    What both clouds reach, as a plan needs it.

    Attributes:
        pairs: By back end of the source: the target's on the same pool.

        source_pools, target_pools: By back end: its pool of Ceph.

        remainder_bytes: Of a volume that goes from pool to pool, at most so many are left to
            copy when its server stops.
    """

    model_config = ConfigDict(frozen=True)

    pairs: Mapping[str, str] = {}
    source_pools: Mapping[str, str] = {}
    target_pools: Mapping[str, str] = {}
    remainder_bytes: int = 0


def backend_of(host: str) -> str:
    """Return the name of the back end in ``host@backend#pool``."""
    return host.partition("@")[2].partition("#")[0]


def looked_up(named: Mapping[str, str], host: str | None) -> str | None:
    """
    Return what *named* has for a back end, the most exact name first.

    host: ``host@backend#pool``, as Cinder shows it on a volume.
    """
    host = host or ""
    keys = (host, host.partition("#")[0], backend_of(host))
    return next((named[key] for key in keys if key and key in named), None)
