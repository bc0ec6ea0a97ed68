"""One volume and its mover: what is done before its server stops, during, and to take it back."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from pumphouse.blocks.site import Site
from pumphouse.checks import AS_OF
from pumphouse.errors import CephFailed
from pumphouse.models import ON_CEPH, Mover
from pumphouse.plan import DONE, Item, Plan
from pumphouse.tables import Row
from pumphouse.tasks import managed, rbd_copies, volumes
from pumphouse.tasks.api import Api
from pumphouse.tasks.carrying import Carrier, Moved


def problems(carrier: Carrier, volume: Row, mover: Mover) -> list[str]:
    """Return what of its image keeps a volume from going by *mover*, as sentences; only reads."""
    if mover is Mover.MANAGE:
        return managed.problems(carrier, volume)
    return rbd_copies.problems(carrier, volume) if mover is Mover.RBD else []


def before(carrier: Carrier, volume: Row, mover: Mover) -> int:
    """Do what can be done while a volume is in use; return the bytes that were copied."""
    if mover is Mover.MANAGE:
        managed.prepare(carrier, volume)
    return rbd_copies.bulk(carrier, volume) if mover is Mover.RBD else 0


def move(carrier: Carrier, volume: Row, project_id: str, mover: Mover) -> Moved:
    """Make a volume that nobody writes to exist at the target."""
    if mover is Mover.MANAGE:
        return managed.take(carrier, volume)
    if mover is Mover.RBD:
        return rbd_copies.finish(carrier, volume)
    made = volumes.copy_volume(
        carrier.source,
        carrier.target,
        carrier.acting,
        volume,
        project_id,
        carrier.timeout_s,
        carrier.progress,
        carrier.stop,
        carrier.migrate.volume_format,
    )
    return Moved(*made)


def move_detached(carrier: Carrier, volume: Row, project_id: str, mover: Mover) -> Moved:
    """Move a volume that no server uses; what was begun on Ceph is taken back if it fails."""
    _require_free(carrier, volume)
    try:
        since = volumes.as_of(carrier.source, volume["id"])
        sent = before(carrier, volume, mover)
        if mover is Mover.MANAGE:
            # To flatten its image may have taken hours; who gets it now would lose it.
            _require_free(carrier, volume)
        moved = move(carrier, volume, project_id, mover)
        if mover is Mover.RBD:
            volumes.note(carrier.target, moved.target_id, {AS_OF: since})
        prove(carrier, volume, mover)
        tidy(carrier, volume, mover)
    except Exception:
        if mover in ON_CEPH:
            discard(carrier, volume, mover)
        raise
    return Moved(moved.target_id, moved.checksum, moved.bytes + sent)


def _require_free(carrier: Carrier, volume: Row) -> None:
    volumes.require_free(carrier.source, volume, carrier.timeout_s, carrier.stop)


def prove(carrier: Carrier, volume: Row, mover: Mover) -> None:
    """Prove what `move` left to be proven while its server boots."""
    if mover is Mover.RBD:
        rbd_copies.prove(carrier, volume)


def tidy(carrier: Carrier, volume: Row, mover: Mover) -> None:
    """Remove what was only needed on the way of a volume that arrived."""
    if mover is Mover.RBD:
        rbd_copies.tidy(carrier, volume)


def discard(carrier: Carrier, volume: Row, mover: Mover) -> None:
    """Take back everything that was made of a volume; the source has it as before."""
    if mover is Mover.MANAGE:
        managed.give_back(carrier, volume)
    elif mover is Mover.RBD:
        rbd_copies.discard(carrier, volume)
    else:
        volumes.discard(carrier.source, carrier.target, volume["id"], carrier.timeout_s)


def needs_ceph(plan: Plan) -> bool:
    """Tell whether a volume that moves lies in a pool of Ceph."""
    return any(i.action not in DONE and i.mover in ON_CEPH for i in plan.of("volumes"))


@task(task_run_name="look at volumes in Ceph", cache_policy=NO_CACHE)
def look(pair: Site, plan: Plan) -> list[str]:
    """Return what stands in the way of volumes in pools of Ceph, as sentences. Only reads."""
    items = [i for i in plan.of("volumes") if i.action not in DONE and i.mover in ON_CEPH]
    with Api(pair.source, "source") as source, Api(pair.target, "target") as target:
        carrier = Carrier(source, target, None, pair.migrate, pair.timeouts.volume_s)
        return [f"volumes {i.label}: {said}" for i in items for said in _problems(carrier, i)]


def _problems(carrier: Carrier, item: Item) -> list[str]:
    try:
        return problems(carrier, item.row, item.mover or Mover.IMAGE)
    except CephFailed as failed:
        return [str(failed)]
