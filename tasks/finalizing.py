"""Delete things of the source whose copies have taken their place."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from pumphouse.blocks.site import Site
from pumphouse.checks import AS_OF, MOVER_KEY, RETURNING, WAS, migrated
from pumphouse.errors import PumphouseError, RequestFailed, ServerClaimed, Unverified
from pumphouse.finalization import Removal
from pumphouse.ledger import Entry, Status
from pumphouse.models import OWN_ID, SOURCE_ID, Mover, Role
from pumphouse.policies import UNMARKED
from pumphouse.routers import INTERFACES
from pumphouse.tasks import balancers, claims, images, servers, volumes
from pumphouse.tasks.api import Api
from pumphouse.tasks.carrying import Carrier, noted_mover
from pumphouse.tasks.managed import is_taken, let_go, require_taken
from pumphouse.tasks.moving import Work
from pumphouse.tasks.rbd_copies import tidy_late
from pumphouse.tasks.rollback import said
from pumphouse.tasks.snapshots import delete_snapshot
from pumphouse.tasks.zones import delete_zone, require_copied
from pumphouse.verdicts import ATTACHED

NETWORK_PATHS = {"ports": "ports", "floating_ips": "floatingips", "networks": "networks",
                 "security_groups": "security-groups", "routers": "routers", "trunks": "trunks",
                 "subnet_pools": "subnetpools", "address_scopes": "address-scopes",
                 "address_groups": "address-groups", "qos_policies": "qos/policies"}  # fmt: skip


STOPPED = "The run was stopped while it was being deleted; run the same again, which finds out."


@task(task_run_name="delete {kind} of the source", cache_policy=NO_CACHE)
def delete_batch(
    work: Work, kind: str, batch: Sequence[Removal], told: Callable[[Entry], None]
) -> None:
    """
    Delete things of one kind. One that is gone already is fine; one that fails leaves the others.

    Servers, load balancers and zones are looked at once more, and their copies, right before.

    told: Called with the entry of each, at once: what is deleted is known also if the run is
        cancelled with the next one.
    """
    with ExitStack() as stack:
        source, target = work.open(stack, Role.SOURCE), work.open(stack, Role.TARGET)
        for removal in batch:
            try:
                done = _one(work, source, target, removal)
            except BaseException:
                told(note(removal, Status.FAILED, STOPPED))
                raise
            if done.status is Status.FAILED:
                get_run_logger().error("%s %s: %s", kind, done.name, done.message)
            told(done)


def note(removal: Removal, status: Status, message: str, action: str = "delete") -> Entry:
    """Return the ledger's entry of a thing of the source."""
    return Entry(
        kind=removal.kind,
        source_id=removal.source_id,
        target_id=removal.target_id,
        name=removal.name,
        project=removal.project,
        action=action,
        status=status,
        message=message,
    )


def _one(work: Work, source: Api, target: Api, removal: Removal) -> Entry:
    began, started, before = time.monotonic(), datetime.now(UTC), len(source.changes)
    try:
        carrier = Carrier(source, target, None, work.pair.migrate, work.pair.timeouts.volume_s)
        if removal.kind == "servers":
            _require_unchanged(carrier, removal)
            claim(source, removal)
        if removal.kind == "load_balancers":
            balancers.require_active(target, removal.name, str(removal.target_id))
        if removal.kind == "zones":
            require_copied(source, target, removal.source_id, str(removal.target_id))
        mover = noted_mover(source, removal.source_id) if removal.kind == "volumes" else ""
        if mover == Mover.MANAGE.value:
            let_go(carrier, removal.source_id)
        else:
            if mover == Mover.RBD.value:
                tidy_late(carrier, removal.source_id)
            DELETE[removal.kind](work, source, removal)
    except Exception as error:  # noqa: BLE001 - the others can be deleted
        done = note(removal, Status.FAILED, said(error))
    else:
        done = note(removal, Status.DONE, removal.reason)
    seconds = round(time.monotonic() - began, 3)
    changes = {"request_ids": tuple(source.changes[before:])}
    return done.model_copy(update={"seconds": seconds, "started_at": started, **changes})


def _require_unchanged(carrier: Carrier, removal: Removal) -> None:
    """
    Look at a server and its copy as they are now, and at images that its volumes gave away.

    Raises:
        Unverified: They are not as the check at the beginning found them.
    """
    source, target = carrier.source, carrier.target
    try:
        live = servers.read_server(source, removal.source_id)
    except RequestFailed as failed:
        if failed.status == 404:
            return
        raise
    copy_id = migrated(live) or ""
    problems = [] if live["status"] == "SHUTOFF" else [f"the source is {live['status']}"]
    problems += ["it is on its way back to the source"] * (RETURNING in live["metadata"])
    try:
        copy = servers.read_server(target, copy_id) if copy_id else {}
    except RequestFailed as failed:
        if failed.status != 404:
            raise
        copy = {}
    was = live["metadata"].get(WAS)
    if (copy.get("metadata") or {}).get(SOURCE_ID) != removal.source_id:
        problems.append("the copy is gone")
    elif copy["status"] != was:
        problems.append(f"the copy is {copy['status']}, not {was}")
    if problems:
        raise Unverified("servers", f"{removal.name} ({removal.source_id})", copy_id, problems)
    for attached in live[ATTACHED]:
        if is_taken(source, attached["id"]):
            # Nova may delete the volume with its server.
            raw = volumes.read_volume(source, attached["id"])
            require_taken(carrier, raw | {"host": raw["os-vol-host-attr:host"]})


def claim(source: Api, removal: Removal) -> None:
    """
    Note on a server who deletes it. One that is gone already is fine.

    Raises:
        ServerClaimed: Another run deletes it, or returns it.
    """
    try:
        metadata = servers.read_server(source, removal.source_id)["metadata"]
        if who := claims.rival(metadata.get(claims.FINALIZING, ""), claims.FINALIZING):
            raise ServerClaimed(f"{removal.name} ({removal.source_id})", who)
        if RETURNING in metadata:
            raise ServerClaimed(f"{removal.name} ({removal.source_id})", "A rollback returns it.")
        servers.write_metadata(source, removal.source_id, {claims.FINALIZING: claims.own()})
    except RequestFailed as failed:
        if failed.status != 404:
            raise


def _server(work: Work, source: Api, removal: Removal) -> None:
    """Delete a server, before it the trunks on its ports: Nova ends in ERROR at such a port."""
    params = {"device_id": removal.source_id}
    for port in source.list("network", "/ports", "ports", params=params):
        if trunk := port.get("trunk_details"):
            source.delete("network", f"/trunks/{trunk['trunk_id']}")
    servers.delete_server(source, removal.source_id, work.pair.timeouts.server_stop_s)


def _volume(work: Work, source: Api, removal: Removal) -> None:
    volumes.delete_volume(source, removal.source_id, work.pair.timeouts.volume_s)


def _snapshot(work: Work, source: Api, removal: Removal) -> None:
    delete_snapshot(source, removal.source_id, work.pair.timeouts.volume_s)


def _server_group(work: Work, source: Api, removal: Removal) -> None:
    source.delete("compute", f"/os-server-groups/{removal.source_id}")


def _networking(work: Work, source: Api, removal: Removal) -> None:
    source.delete("network", f"/{NETWORK_PATHS[removal.kind]}/{removal.source_id}")


def _router(work: Work, source: Api, removal: Removal) -> None:
    """Delete a router; before it its interfaces, and before these the routes that use them."""
    path = f"/routers/{removal.source_id}"
    ports = source.list("network", "/ports", "ports", params={"device_id": removal.source_id})
    interfaces = [port for port in ports if port["device_owner"] in INTERFACES]
    if interfaces and source.get("network", path)["router"].get("routes"):
        source.call("PUT", "network", path, json={"router": {"routes": []}}, retry=True)
    for port in interfaces:
        body = {"port_id": port["id"]}
        source.call("PUT", "network", f"{path}/remove_router_interface", json=body, retry=True)
    source.delete("network", path)


def _load_balancer(work: Work, source: Api, removal: Removal) -> None:
    balancers.delete(source, removal.source_id, work.pair.timeouts.load_balancer_s)


def _zone(work: Work, source: Api, removal: Removal) -> None:
    delete_zone(source, removal.source_id, work.pair.timeouts.zone_s)


def _image(work: Work, source: Api, removal: Removal) -> None:
    images.delete_image(source, removal.source_id)


def _keypair(work: Work, source: Api, removal: Removal) -> None:
    user_id, _, name = removal.source_id.partition(":")
    source.delete("compute", f"/os-keypairs/{quote(name, safe='')}", params={"user_id": user_id})


def _quota(work: Work, source: Api, removal: Removal) -> None:
    project_id, _, service = removal.source_id.partition(":")
    if service == "network":
        source.delete("network", f"/quotas/{project_id}")
    else:
        source.delete({"volume": "block-storage"}.get(service, service),
              f"/os-quota-sets/{project_id}")  # fmt: skip


def _user(work: Work, source: Api, removal: Removal) -> None:
    source.delete("identity", f"/users/{removal.source_id}")


def _default_groups(api: Api, project_id: str) -> list[dict[str, Any]]:
    asked = {"project_id": project_id, "name": "default"}
    return api.list("network", "/security-groups", "security_groups", params=asked)


def _project(work: Work, source: Api, removal: Removal) -> None:
    """Delete a project, and its default security group, which would outlive it."""
    found = _default_groups(source, removal.source_id)
    source.delete("identity", f"/projects/{removal.source_id}")
    for group in found:
        source.delete("network", f"/security-groups/{group['id']}")


DELETE: dict[str, Callable[[Work, Api, Removal], None]] = {
    "servers": _server,
    "server_groups": _server_group,
    "snapshots": _snapshot,
    "volumes": _volume,
    "floating_ips": _networking,
    "trunks": _networking,
    "subnet_pools": _networking,
    "address_scopes": _networking,
    "address_groups": _networking,
    "qos_policies": _networking,
    "ports": _networking,
    "routers": _router,
    "networks": _networking,
    "security_groups": _networking,
    "zones": _zone,
    "load_balancers": _load_balancer,
    "images": _image,
    "keypairs": _keypair,
    "quotas": _quota,
    "users": _user,
    "projects": _project,
}
"""What deletes one thing of each kind."""


@task(task_run_name="take the marks off the copies", cache_policy=NO_CACHE)
def clean_marks(work: Work, removed: Sequence[Removal]) -> list[str]:
    """Take the source's ids off copies whose sources are gone; return which failed, and why."""
    problems = []
    with ExitStack() as stack:
        target = work.open(stack, Role.TARGET)
        for removal in removed:
            try:
                _unmark(target, removal)
            except PumphouseError as error:
                problems.append(f"{removal.kind} {removal.name}: {error}")
    for problem in problems:
        get_run_logger().warning(problem)
    return problems


def _unmark(target: Api, removal: Removal) -> None:
    id_, tag = removal.target_id, quote(f"{SOURCE_ID}={removal.source_id}", safe="")
    if removal.kind == "servers":
        servers.remove_metadata(target, str(id_), [SOURCE_ID])
    elif removal.kind == "volumes":
        _unmark_volume(target, str(id_))
    elif removal.kind == "snapshots":
        target.delete("block-storage", f"/snapshots/{id_}/metadata/{SOURCE_ID}")
        if carrier := volumes.find_copy(target, removal.source_id):
            _unmark_volume(target, carrier["id"])
    elif removal.kind == "images":
        for key in (SOURCE_ID, OWN_ID):
            images.remove_property(target, str(id_), key)
    elif removal.kind == "load_balancers":
        balancers.unmark(target, str(id_), f"{SOURCE_ID}={removal.source_id}")
    elif removal.kind == "projects":
        target.delete("identity", f"/projects/{id_}/tags/{tag}")
        _unmark_default(target, str(id_))
    elif removal.kind in NETWORK_PATHS and removal.kind not in UNMARKED:
        path = NETWORK_PATHS[removal.kind].removeprefix("qos/")
        target.delete("network", f"/{path}/{id_}/tags/{tag}")


def _unmark_default(target: Api, project_id: str) -> None:
    """Take the mark off a project's own group, whose source went with the project's."""
    for group in _default_groups(target, project_id):
        for mark in group["tags"]:
            if mark.startswith(SOURCE_ID):
                path = f"/security-groups/{group['id']}/tags/{quote(mark, safe='')}"
                target.delete("network", path)


def _unmark_volume(target: Api, volume_id: str) -> None:
    for key in (SOURCE_ID, MOVER_KEY, AS_OF, OWN_ID):
        target.delete("block-storage", f"/volumes/{volume_id}/metadata/{key}")


def own_ids(pair: Site) -> list[str]:
    """Return the ids of the source's user and project that we work as."""
    with Api(pair.source, "source") as api:
        session = api.connection.session
        return [id_ for id_ in (session.get_user_id(), session.get_project_id()) if id_]
