"""What Nova is asked about one server, and told: the small calls of a cut-over."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from pumphouse.errors import RequestFailed, WaitFailed
from pumphouse.models import SOURCE_ID
from pumphouse.tables import Row
from pumphouse.tasks.api import Api
from pumphouse.tasks.images import delete_image, read_image
from pumphouse.tasks.volumes import temporary_name
from pumphouse.tasks.waiting import NEVER, poll
from pumphouse.verdicts import TASK

DELETION_VERSION = (2, 85)
"""Microversion that changes whether a volume is deleted with its server."""

Server = dict[str, Any]
"""A server as Nova shows it."""


def read_server(api: Api, server_id: str) -> Server:
    """Return a server, by the newest microversion."""
    answer = api.get("compute", f"/servers/{server_id}", None, api.microversion("compute"))
    found: Server = answer["server"]
    return found


def act(api: Api, server_id: str, action: str, arguments: Any = None, retry: bool = False) -> Any:
    """Ask Nova for an action; return its answer."""
    return api.call(
        "POST",
        "compute",
        f"/servers/{server_id}/action",
        json={action: arguments},
        microversion=api.microversion("compute"),
        retry=retry,
    )


def wait_for(
    api: Api, known: Server, status: str, timeout_s: float, stop: threading.Event = NEVER
) -> Server:
    """
    Return the server when it is *status* and Nova is done with it.

    known: What is known of it: its id, and its status of a moment ago.

    For each server that it shows, Nova asks Neutron for ports and groups: as long as the status
    stays, it is asked for a list of names only.

    Raises:
        WaitFailed: It became ERROR, with Nova's reason, or the time ran out.
    """
    what = f"server {known['id']} to be {status}"

    def done(server: Server) -> bool:
        if server["status"] == "ERROR":
            fault = (server.get("fault") or {}).get("message", "Nova gives no reason.")
            raise WaitFailed(what, f"It became ERROR: {fault}")
        return bool(server["status"] == status and not server.get(TASK))

    shown = known

    def read() -> Server:
        nonlocal shown
        if shown["status"] == status or _has_moved_on(api, shown):
            shown = read_server(api, known["id"])
        return shown

    return poll(what, read, done, timeout_s, stop)


def _has_moved_on(api: Api, shown: Server) -> bool:
    params = {"all_tenants": 1, "uuid": shown["id"], "status": shown["status"]}
    found = api.get("compute", "/servers", params)["servers"]
    return all(server["id"] != shown["id"] for server in found)


def settle(api: Api, server_id: str, timeout_s: float, stop: threading.Event = NEVER) -> Server:
    """Return the server when Nova is done with what it does to it: a killed run may have begun."""
    what = f"server {server_id} to be left alone by Nova"

    def done(server: Server) -> bool:
        return not server.get(TASK)

    return poll(what, lambda: read_server(api, server_id), done, timeout_s, stop)


def set_power(
    api: Api, server: Server, is_on: bool, timeout_s: float, stop: threading.Event = NEVER
) -> None:
    """Start or stop a server and wait for it; nothing if it is so."""
    status = "ACTIVE" if is_on else "SHUTOFF"
    if server["status"] != status:
        act(api, server["id"], "os-start" if is_on else "os-stop")
        wait_for(api, server, status, timeout_s, stop)


def write_metadata(api: Api, server_id: str, values: Mapping[str, str]) -> None:
    """Add metadata to a server, or replace those of the same keys."""
    path = f"/servers/{server_id}/metadata"
    api.call("POST", "compute", path, json={"metadata": dict(values)}, retry=True)


def remove_metadata(api: Api, server_id: str, keys: list[str]) -> None:
    """Remove metadata keys from a server; those that are not there are fine."""
    for key in keys:
        api.delete("compute", f"/servers/{server_id}/metadata/{key}")


def find_copy(target: Api, row: Row) -> Server | None:
    """
    Return the target's server that carries the id of *row*, or None; its tenant may rename it.

    row: With ``target_project_id``, where it is looked for; without one everywhere.
    """
    project_id = row.get("target_project_id")
    found = target.list(
        "compute",
        "/servers/detail",
        "servers",
        params={"all_tenants": 1} | ({"project_id": project_id} if project_id else {}),
        microversion=target.microversion("compute"),
    )
    marked = [raw for raw in found if raw["metadata"].get(SOURCE_ID) == row["id"]]
    return marked[0] if marked else None


def delete_server(api: Api, server_id: str, timeout_s: float) -> None:
    """
    Delete a server and wait until it is gone; one that is gone already is fine.

    A Nova with reclaim_instance_interval only marks it, and it keeps its ports and volumes until
    that is over: such a one is told to delete it at once.
    """
    is_forced = False

    def gone() -> bool:
        nonlocal is_forced
        try:
            server = read_server(api, server_id)
            # While Nova is still at marking it, it would ignore that.
            is_marked = server["status"] == "SOFT_DELETED" and not server.get(TASK)
            if is_marked and not is_forced:
                act(api, server_id, "forceDelete", retry=True)
                is_forced = True
        except RequestFailed as failed:
            if failed.status == 404:
                return True
            raise
        return bool(server["status"] == "DELETED")

    api.delete("compute", f"/servers/{server_id}")
    poll(f"server {server_id} to be deleted", gone, bool, timeout_s)


def set_deletion(api: Api, server_id: str, volume_id: str, is_deleted: bool) -> None:
    """Say whether a volume is deleted with a server; nothing if it is so, or is not attached."""
    version, path = api.microversion("compute"), f"/servers/{server_id}/os-volume_attachments"
    if tuple(map(int, (version or "2.1").split("."))) < DELETION_VERSION:
        # Nova had no way to change it: it is as the server was booted.
        return
    try:
        attached = api.get("compute", path, None, version)["volumeAttachments"]
    except RequestFailed as failed:
        if failed.status != 404:
            raise
        # It is being deleted already.
        return
    for found in attached:
        if found["volumeId"] == volume_id and found["delete_on_termination"] is not is_deleted:
            body = {"volumeId": volume_id, "delete_on_termination": is_deleted}
            api.call(
                "PUT",
                "compute",
                f"{path}/{volume_id}",
                json={"volumeAttachment": body},
                microversion=version,
                retry=True,
            )


def snapshots(api: Api, server_id: str) -> list[Row]:
    """Return the temporary snapshots that were made of a server."""
    found = api.list("image", "/images", "images", params={"name": temporary_name(server_id)})
    return [read_image(api, raw["id"]) for raw in found]


def delete_snapshots(api: Api, server_id: str) -> None:
    """Delete the temporary snapshots of a server."""
    for image in snapshots(api, server_id):
        delete_image(api, image["id"])


def snapshot(api: Api, server_id: str, timeout_s: float, stop: threading.Event = NEVER) -> Row:
    """
    Return an image of a stopped server's root disk.

    Raises:
        WaitFailed: Nova or Glance did not finish it.
    """
    answer = act(api, server_id, "createImage", {"name": temporary_name(server_id)}).json()
    image_id = answer["image_id"]
    what = f"the snapshot {image_id} of server {server_id}"
    return poll(what, lambda: read_image(api, image_id), _finished(what), timeout_s, stop)


def _finished(what: str) -> Callable[[Row], bool]:
    def done(image: Row) -> bool:
        if image["status"] in ("error", "killed", "deleted", "pending_delete"):
            raise WaitFailed(what, f"It became {image['status']}.")
        return bool(image["status"] == "active" and image["size_bytes"])

    return done


def addresses(server: Server) -> list[tuple[str, list[str]]]:
    """Return the MAC and the fixed addresses of each NIC, in the order that Nova shows."""
    found: dict[str, list[str]] = {}
    for entries in (server.get("addresses") or {}).values():
        for entry in entries:
            if entry.get("OS-EXT-IPS:type") != "floating":
                found.setdefault(entry["OS-EXT-IPS-MAC:mac_addr"], []).append(entry["addr"])
    return [(mac, sorted(ips)) for mac, ips in found.items()]
