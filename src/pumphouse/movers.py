"""Which mover takes each volume, and what stands in its way: pure, over tables."""

from collections.abc import Iterable, Mapping

from pumphouse.bonds import is_shared
from pumphouse.checks import MOVER_KEY, root_gib
from pumphouse.drafts import GIB, Draft
from pumphouse.estate import Estate
from pumphouse.models import ON_CEPH, Mover
from pumphouse.rbd_options import SharedBackends, backend_of, looked_up
from pumphouse.tables import Row
from pumphouse.translation import Translation
from pumphouse.volume_types import BACKEND


def choose(
    every: list[Draft],
    made: Translation,
    target: Estate,
    shared: SharedBackends,
    wanted: Mapping[str, Mover],
) -> None:
    """
    Give each volume its mover, and each server those of its volumes and what is left to copy.

    wanted: By key of a volume, what an editor of the plan chose for it.
    """
    chosen: dict[str, Mover] = {}
    for draft in every:
        if draft.kind == "volumes":
            draft.mover = chosen[draft.row["id"]] = _mover(draft, target, shared, wanted)
            if draft.mover is Mover.MANAGE:
                draft.disk_bytes = 0
            if draft.is_moved and draft.mover in ON_CEPH:
                draft.problems += problems(draft.row, draft.mover, made.estate, target, shared)
    for draft in every:
        if draft.kind == "servers":
            _judge_server(draft, chosen, shared)


def noted(volume: Row) -> Mover | None:
    """Return the mover that has begun to move a volume of the source, as it says itself."""
    said = (volume["metadata"] or {}).get(MOVER_KEY)
    return next((mover for mover in ON_CEPH if mover.value == said), None)


def _mover(
    draft: Draft, target: Estate, shared: SharedBackends, wanted: Mapping[str, Mover]
) -> Mover:
    begun, asked = noted(draft.row), wanted.get(draft.key)
    if begun and asked and asked is not begun and draft.is_moved:
        draft.problems.append(
            f"An earlier run began to move it by {begun.value}; let that finish, or undo it by a "
            f"rollback before it goes by {asked.value}."
        )
    return begun or asked or _by_configuration(draft.row, target, shared)


def _by_configuration(row: Row, target: Estate, shared: SharedBackends) -> Mover:
    if is_shared(row):
        return Mover.IMAGE
    if looked_up(shared.pairs, row["host"]):
        return Mover.MANAGE
    there = _backend_there(row["volume_type"], target)
    is_from_pool = looked_up(shared.source_pools, row["host"])
    if is_from_pool and there and looked_up(shared.target_pools, f"@{there}"):
        return Mover.RBD
    return Mover.IMAGE


def _backend_there(volume_type: str | None, target: Estate) -> str:
    """Return the back end that the target's type of that name leads to; empty if it names none."""
    for row in target.where("volume_types", "name", volume_type):
        return str((row["extra_specs"] or {}).get(BACKEND) or "")
    return ""


def problems(
    row: Row, mover: Mover, source: Estate, target: Estate, shared: SharedBackends
) -> list[str]:
    """Return why a volume cannot go by *mover*, which needs Ceph, each with what would help."""
    found: list[str] = []
    if row["is_encrypted"]:
        found.append("It is encrypted, and keys do not travel; copy its contents inside.")
    if is_shared(row):
        found.append(
            "It is attached to several servers, and only the mover image carries such a one; "
            "choose that, or detach it from all but one."
        )
    if not looked_up(shared.source_pools, row["host"]):
        found.append(
            f"By {mover.value} it needs the pool of its back end {row['host']}; name it in "
            "migrate.rbd.source.pools, or choose the mover image."
        )
    if mover is Mover.MANAGE:
        found += _unmanageable(row, source, target, shared)
    elif not shared.target_pools:
        found.append(
            "By rbd it needs the target's pools; name them in migrate.rbd.target.pools, or choose "
            "the mover image."
        )
    return found


def _unmanageable(
    row: Row, source: Estate, target: Estate, shared: SharedBackends
) -> Iterable[str]:
    snapshots = source.where("snapshots", "volume_id", row["id"])
    if snapshots:
        yield (
            f"It has {len(snapshots)} snapshot(s), which would be lost with its image; delete "
            "them, or choose the mover image or rbd."
        )
    host = looked_up(shared.pairs, row["host"])
    if not host:
        yield (
            f"Its back end {row['host']} is not in migrate.shared_backends; name the target's "
            "there, or choose another mover."
        )
        return
    service = host.partition("#")[0]
    up = [
        s
        for s in target.where("volume_services", "host", service)
        if s["state"] == "up" and s["status"] == "enabled"
    ]
    if not up:
        yield f"The target has no volume service {service} that is enabled and up; start it."
    there = _backend_there(row["volume_type"], target)
    if there and there != backend_of(host):
        yield (
            f"The target's volume type {row['volume_type']} leads to the back end {there}, and "
            f"migrate.shared_backends says {host}; map the type to one of that back end in "
            "mappings.volume_types."
        )


def _judge_server(draft: Draft, chosen: Mapping[str, Mover], shared: SharedBackends) -> None:
    """Let a server's downtime follow the movers of its volumes."""
    row = draft.row
    draft.movers = {v["id"]: chosen.get(v["id"], Mover.IMAGE) for v in row["attached"]}
    draft.disk_bytes = root_gib(row, draft.mover) * GIB + sum(
        _left_to_copy(volume, draft.movers[volume["id"]], shared) for volume in row["attached"]
    )


def _left_to_copy(volume: Row, mover: Mover, shared: SharedBackends) -> int:
    """Return how many bytes of a volume are copied while its server is down, at most."""
    size = (volume["size_gib"] or 0) * GIB
    if mover is Mover.MANAGE:
        return 0
    return min(size, shared.remainder_bytes) if mover is Mover.RBD else size
