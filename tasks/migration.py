"""The tasks of a migration: make tiny things in batches, copy, cut over, take back."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from pumphouse.blocks.site import Site
from pumphouse.bodies import Ids
from pumphouse.checks import RETURNING, was
from pumphouse.errors import CutOverFailed
from pumphouse.health import Check
from pumphouse.images import translated
from pumphouse.ledger import Entry, Status, entry
from pumphouse.live import step_text
from pumphouse.models import Mover, Role
from pumphouse.plan import Item
from pumphouse.tasks import (
    claims,
    flavors,
    identity,
    images,
    keypairs,
    network_policies,
    networks,
    ports,
    quotas,
    server_groups,
    snapshots,
    volume_types,
    zones,
)
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import Effect, do_batch
from pumphouse.tasks.carrying import Carrier, Moved
from pumphouse.tasks.cutover import CutOver
from pumphouse.tasks.meeting import Meeting
from pumphouse.tasks.moving import Clock, Work
from pumphouse.tasks.owners import owner, sweep
from pumphouse.tasks.passwords import Delivery
from pumphouse.tasks.progress import Progress
from pumphouse.tasks.returning import Return
from pumphouse.tasks.taking_back import take_back, take_back_return
from pumphouse.tasks.volume_movers import move_detached

EFFECTS: dict[str, Effect] = {
    **identity.EFFECTS,
    **volume_types.EFFECTS,
    **quotas.EFFECTS,
    **flavors.EFFECTS,
    **keypairs.EFFECTS,
    **server_groups.EFFECTS,
    **network_policies.EFFECTS,
    **networks.EFFECTS,
    **ports.EFFECTS,
    **zones.EFFECTS,
    "rules": networks.make_rules,
}
"""What makes one item of each kind that travels in batches."""


SIDE_BY_SIDE = (*identity.EFFECTS, *quotas.EFFECTS, *keypairs.EFFECTS)
"""Kinds whose services take several at once."""


@task(task_run_name="clean up after killed runs", cache_policy=NO_CACHE)
def clean_up(pair: Site, projects: dict[str, list[str]]) -> list[str]:
    """Take back rights and credentials that a killed run left. Finds nothing the second time."""
    with Api(pair.target, "target") as target:
        done = sweep(target, projects)
    for sentence in done:
        get_run_logger().warning(sentence)
    return done


@task(task_run_name="copy {kind}", cache_policy=NO_CACHE)
def copy_batch(
    work: Work, kind: str, items: list[Item], ids: Ids, failed: frozenset[str]
) -> list[Entry]:
    """
    Make all items of one kind; each is found again by its mark or its name.

    One that fails is an entry, not an exception: the others go on.
    """
    parallel = work.pair.limits.api_calls if kind in SIDE_BY_SIDE else 1
    effect = EFFECTS[kind]
    if kind == "users" and work.pair.passwords.mode == "random":
        effect = Delivery(work.pair.passwords, work.domains).make_user
    if kind == "zones":
        effect = partial(zones.make_zone, timeout_s=work.pair.timeouts.zone_s, stop=work.stop)
    with ExitStack() as stack:
        target = work.open(stack, Role.TARGET)
        entries = do_batch(target, items, effect, ids, failed, work.stop, parallel)
    for done in entries:
        if done.status in (Status.FAILED, Status.LEFT):
            get_run_logger().error("%s %s: %s", kind, done.name, done.message)
    return entries


@task(task_run_name="copy passwords", cache_policy=NO_CACHE)
def copy_passwords(pair: Site, users: list[tuple[Item, str]]) -> dict[str, str]:
    """
    Copy the password hashes of users to their copies; return, by key, what went wrong.

    Raises:
        PasswordsFailed: A database cannot be used. No password was copied.
    """
    # A database's library takes a second to import, and most runs copy no hash.
    from pumphouse.tasks.password_hashes import copy_hashes

    said = copy_hashes(pair.passwords, users)
    for key, words in said.items():
        get_run_logger().warning("%s: %s", key, words)
    return said


@task(task_run_name="copy image {item.name}", cache_policy=NO_CACHE)
def copy_image(work: Work, item: Item, ids: Ids) -> Entry:
    """
    Copy one image. A finished copy is found by its source id and not made twice.

    Raises:
        CopyFailed: It is not at the target.
    """
    show = Progress(f"image {item.name}")
    with ExitStack() as stack:
        stack.enter_context(work.slots.copy())
        clock = Clock()
        source, target = work.open(stack, Role.SOURCE), work.open(stack, Role.TARGET)
        target_id, checksum = images.copy_image(
            source,
            target,
            translated(item.row, ids),
            ids["projects"].get(item.row["owner_id"]),
            lambda done, size: show("bytes", done, size),
            work.stop,
            patience_s=work.pair.timeouts.image_s,
        )
    size = item.row["size_bytes"] or 0
    return clock.entry(item, target_id, (source, target), bytes=size, checksum=checksum)


@task(task_run_name="copy volume {item.name}", cache_policy=NO_CACHE)
def copy_volume(work: Work, item: Item, ids: Ids) -> Entry:
    """
    Copy one volume that no server uses. A finished copy is found by its source id.

    Raises:
        CopyFailed, WaitFailed, RequestFailed: It is not at the target.
    """
    mover = item.mover or Mover.IMAGE
    return _carried(
        work, item, ids, f"volume {item.name}",
        lambda carrier, project_id: move_detached(carrier, item.row, project_id, mover),
    )  # fmt: skip


@task(task_run_name="copy snapshot {item.name}", cache_policy=NO_CACHE)
def copy_snapshot(work: Work, item: Item, ids: Ids) -> Entry:
    """
    Copy one snapshot of a volume. A finished copy is found by its source id.

    Raises:
        CopyFailed, WaitFailed, RequestFailed: It is not at the target.
    """
    return _carried(
        work, item, ids, f"snapshot {item.name}",
        lambda carrier, project_id: snapshots.copy(carrier, item.row, project_id),
    )  # fmt: skip


def _carried(
    work: Work, item: Item, ids: Ids, label: str, carry: Callable[[Carrier, str], Moved]
) -> Entry:
    """Do *carry* with what a copy of storage needs: a slot, both clouds, and its owner."""
    show = Progress(label)
    project_id = ids["projects"][item.row["project_id"]]
    user_id = ids["users"].get(item.row["user_id"], "")
    with ExitStack() as stack:
        stack.enter_context(work.slots.copy(item))
        clock = Clock()
        source, target = work.open(stack, Role.SOURCE), work.open(stack, Role.TARGET)
        acting, lost = stack.enter_context(owner(work.pair.target, target, user_id, project_id))
        carrier = Carrier(
            source,
            target,
            acting,
            work.pair.migrate,
            work.pair.timeouts.volume_s,
            work.stop,
            lambda done, total: show("bytes", done, total),
        )
        moved = carry(carrier, project_id)
    return clock.entry(
        item,
        moved.target_id,
        (source, target, acting),
        bytes=moved.bytes,
        checksum=moved.checksum,
        message=lost or item.reason,
    )


@task(task_run_name="find what run {run} left half-way", cache_policy=NO_CACHE)
def half_way(pair: Site, run: str) -> list[str]:
    """Return the ids of the source's servers that *run* was cutting over, or returning."""
    with Api(pair.source, "source") as source:
        every = source.list("compute", "/servers/detail", "servers", params={"all_tenants": 1})
    return [raw["id"] for raw in every if claims.is_half_way(raw["metadata"], run)]


@task(task_run_name="take back {item.name}", cache_policy=NO_CACHE)
def take_back_server(
    pair: Site, run: str, item: Item, ids: Ids, checks: tuple[Check, ...], deletes_copy: bool
) -> str:
    """
    Undo the cut-over or return that dead *run* left half-way, or end it; return what became of it.

    Raises:
        ServerClaimed: Another run is at it.
        CutOverFailed: Not everything could be undone.
    """
    with Api(pair.source, "source") as source, Api(pair.target, "target") as target:
        crossing: dict[str, Any] = {
            "source": source,
            "target": target,
            "sign_in": lambda user, project: owner(pair.target, target, user, project),
            "item": item,
            "ids": ids,
            "timeouts": pair.timeouts,
            "migrate": pair.migrate,
            "log": get_run_logger().info,
            "checks": checks,
        }
        if RETURNING in (item.row["metadata"] or {}):
            return take_back_return(Return(**crossing, deletes_copy=deletes_copy), run)
        return take_back(CutOver(**crossing), run)


@task(task_run_name="cut over {item.name}", cache_policy=NO_CACHE)
def cut_over(work: Work, item: Item, ids: Ids) -> Entry:
    """
    Move one server. What an interrupted run left is found in the source server's metadata.

    Raises:
        CutOverFailed: It runs at the source as before, or the message says what does not.
    """
    show, logger = Progress(f"server {item.name}"), get_run_logger()
    group = work.meeting
    is_up = was(item.row) == "ACTIVE"
    with ExitStack() as stack:
        if group:
            # It has its slots as a whole: a member that waited for one would hold up all.
            stack.enter_context(group.seat(item.label))
        else:
            stack.enter_context(work.slots.cutover())
            if item.mover is not Mover.REBUILD or item.row["attached"]:
                # Taken before the stop: nobody waits for a slot while the server is down.
                stack.enter_context(work.slots.copy(item))
            # Only now is its turn: the window may have ended while it waited for that.
            if reason := work.gate.hindrance(item):
                return entry(item, Status.LEFT, reason)
        stack.enter_context(work.gate.counting())
        clock = Clock()
        source, target = work.open(stack, Role.SOURCE), work.open(stack, Role.TARGET)
        cutover = CutOver(
            source=source,
            target=target,
            sign_in=lambda user, project: owner(work.pair.target, target, user, project),
            item=item,
            ids=ids,
            timeouts=work.pair.timeouts,
            parallel=work.pair.limits.copies,
            migrate=work.pair.migrate,
            log=logger.info,
            told=show,
            stop=work.stop,
            on_step=lambda name: logger.info(step_text(item.label, name, is_up)),
            after_step=lambda name: group.meet(item.label, name) if group else None,
            checks=work.checks.get(item.source_id, ()),
            moves_unhealthy=work.moves_unhealthy,
            group=group.id if group else "",
            meeting=group or Meeting(),
        )
        try:
            arrived = cutover.run()
        except CutOverFailed as failed:
            apis = [api for api in (source, target, cutover.owner) if api]
            spent = {"bytes": cutover.bytes, "downtime_s": cutover.downtime_s}
            failed.spent = clock.spent(apis) | spent
            raise
    assert cutover.owner is not None
    return clock.entry(
        item,
        arrived.target_id,
        (source, target, cutover.owner),
        bytes=arrived.bytes,
        downtime_s=arrived.downtime_s,
        checksum=" ".join(arrived.checksums),
        health=arrived.health,
        message=arrived.lost or item.reason,
    )
