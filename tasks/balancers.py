"""Copies of load balancers: made whole in one call, waited for, compared, and deleted whole."""

import threading
from collections.abc import Iterable
from typing import Any

from pumphouse import bodies_balancing
from pumphouse.balancers import SERVICE
from pumphouse.bodies import Ids
from pumphouse.errors import MissingRights, PumphouseError, RequestFailed, Unverified, WaitFailed
from pumphouse.plan import Item
from pumphouse.tables import Row
from pumphouse.tasks.api import Api
from pumphouse.tasks.waiting import NEVER, poll

PATH = "/lbaas/loadbalancers"

Raw = dict[str, Any]


def make(api: Api, item: Item, ids: Ids, timeout_s: float, stop: threading.Event = NEVER) -> str:
    """
    Create a load balancer with all below it, wait until it is ACTIVE, and compare it.

    One that a killed run began is found by its tag, and taken when it is whole: its tenant may
    have changed it since. One that ended in ERROR before it ever worked is made again.

    Raises:
        WaitFailed: It did not become ACTIVE, it lacks something, or a part of it is not ACTIVE;
            the message says what is left of it.
    """
    found = _settled(api, item.target_id, timeout_s, stop) if item.target_id else None
    if found and found["provisioning_status"] == "ERROR":
        _require_unused(found, item)
        delete(api, found["id"], timeout_s)
        found = None
    if found is None:
        found = _create(api, item, ids, timeout_s, stop)
        _require_whole(api, item, found["id"], timeout_s)
    return str(found["id"])


def _require_unused(found: Raw, item: Item) -> None:
    """Let only one be deleted that has never worked: until then Octavia calls it OFFLINE."""
    if found["operating_status"] != "OFFLINE":
        raise WaitFailed(
            f"load balancer {item.name} ({found['id']}) of the target to be ACTIVE",
            "It is ERROR, and has worked before, so it was left alone: fail it over (openstack "
            "loadbalancer failover), or delete it (--cascade), and run the same migration again.",
        )


def read(api: Api, id_: str) -> Raw | None:
    """Return a load balancer as Octavia gives it; None when there is none."""
    try:
        found: Raw = api.get(SERVICE, f"{PATH}/{id_}")["loadbalancer"]
    except RequestFailed as failed:
        if failed.status == 404:
            return None
        raise
    return None if found["provisioning_status"] == "DELETED" else found


def delete(api: Api, id_: str, timeout_s: float) -> None:
    """
    Delete a load balancer with all below it, and wait until it is gone; so its address is free.

    Octavia lets nobody delete one that it is at: that is waited for.

    Raises:
        WaitFailed, RequestFailed: It is still there.
    """
    if _settled(api, id_, timeout_s, NEVER) is None:
        return
    api.delete(SERVICE, f"{PATH}/{id_}", params={"cascade": "true"})
    what = f"load balancer {id_} to be deleted"

    def is_gone(found: Raw | None) -> bool:
        if found and found["provisioning_status"] == "ERROR":
            raise WaitFailed(what, "It became ERROR instead; look at Octavia's workers.")
        return found is None

    poll(what, lambda: read(api, id_), is_gone, timeout_s)


def unmark(api: Api, id_: str, mark: str) -> None:
    """Take our tag off a load balancer; one that is gone or has none is fine."""
    found = read(api, id_)
    if found and mark in (found.get("tags") or ()):
        body = {"loadbalancer": {"tags": [tag for tag in found["tags"] if tag != mark]}}
        api.call("PUT", SERVICE, f"{PATH}/{id_}", json=body, retry=True)


def require_active(api: Api, name: str, id_: str) -> None:
    """
    Look at a copy once more before its source is deleted.

    Raises:
        Unverified: It is gone, or not ACTIVE.
    """
    found = read(api, id_)
    status = found["provisioning_status"] if found else "gone"
    if status != "ACTIVE":
        raise Unverified("load_balancers", name, id_, [f"the copy is {status}"])


def _settled(api: Api, id_: str, timeout_s: float, stop: threading.Event) -> Raw | None:
    """Return a load balancer when Octavia is done with what it does to it."""

    def is_left_alone(found: Raw | None) -> bool:
        return found is None or not found["provisioning_status"].startswith("PENDING")

    what = f"load balancer {id_} to be left alone by Octavia"
    return poll(what, lambda: read(api, id_), is_left_alone, timeout_s, stop)


def _create(api: Api, item: Item, ids: Ids, timeout_s: float, stop: threading.Event) -> Raw:
    body = {"loadbalancer": bodies_balancing.load_balancer(item.row, ids)}
    try:
        made = api.call("POST", SERVICE, PATH, json=body).json()["loadbalancer"]
    except MissingRights as refused:
        # Octavia says so of quotas, too.
        if "quota" not in refused.needed.lower():
            raise
        words = f"{refused.needed} Raise the quota of project {item.project} at the target."
        raise RequestFailed(api.name, f"POST {PATH}", 403, words) from refused
    what = f"load balancer {item.name} ({made['id']}) of the target to be ACTIVE"
    try:
        found = _settled(api, made["id"], timeout_s, stop)
    except WaitFailed as failed:
        raise WaitFailed(
            what,
            f"{failed.reason} It stays, as Octavia lets nobody delete it meanwhile. Run the same "
            "migration again: it is taken when it is ACTIVE then, and made anew when it is ERROR.",
        ) from failed
    if found and found["provisioning_status"] == "ACTIVE":
        return found
    status = found["provisioning_status"] if found else "deleted"
    raise WaitFailed(what, f"It became {status}. {_undone(api, made['id'], timeout_s)}")


def _require_whole(api: Api, item: Item, id_: str, timeout_s: float) -> None:
    """Delete a new one that is not as asked for: the next run would take it for a whole copy."""
    try:
        _verify(api, item, id_)
    except PumphouseError as failed:
        what = f"load balancer {item.name} ({id_}) of the target to be whole"
        left = _undone(api, id_, timeout_s, "before the next run, which would take it as it is")
        raise WaitFailed(what, f"{failed} {left}") from failed


def _undone(
    api: Api, id_: str, timeout_s: float, otherwise: str = "or let the next run try again"
) -> str:
    """Delete what did not become whole, and say what is left; *otherwise*: if it stays."""
    try:
        delete(api, id_, timeout_s)
    except PumphouseError as error:
        return (
            f"It could not be deleted ({error}); delete it with openstack loadbalancer delete "
            f"--cascade, {otherwise}."
        )
    return (
        "It was deleted with all below it, and the source's is as before: look at Octavia's "
        "workers and at the room for amphorae, and run the same migration again."
    )


def _verify(api: Api, item: Item, id_: str) -> None:
    """Compare what Octavia says of the whole with what was asked for."""
    tree = api.get(SERVICE, f"{PATH}/{id_}/status")["statuses"]["loadbalancer"]
    problems = [
        f"{part.get('name') or part.get('address') or part['id']} is {part['provisioning_status']}"
        for part in _all_of(tree)
        if part.get("provisioning_status", "ACTIVE") != "ACTIVE"
    ]
    wanted, there = _wanted(item.row), _there(tree)
    problems += [f"{name}: {said} != {there.get(name)}" for name, said in wanted.items()
                 if said != there.get(name)]  # fmt: skip
    if problems:
        raise Unverified("load_balancers", item.label, id_, problems)


def _wanted(row: Row) -> dict[str, list[str]]:
    """Return the members behind the listeners of each name."""
    behind = {
        pool["id"]: [f"{m['address']}:{m['protocol_port']}" for m in pool["members"]]
        for pool in row["pools"]
    }
    found: dict[str, list[str]] = {}
    for listener in row["listeners"]:
        to = [listener["default_pool_id"], *(p["redirect_pool_id"] for p in listener["policies"])]
        said = found.setdefault(f"listener {listener['name'] or ''}", [])
        said += [each for id_ in dict.fromkeys(to) if id_ for each in behind.get(id_, ())]
    return {name: sorted(said) for name, said in found.items()}


def _there(tree: Raw) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for listener in tree.get("listeners") or ():
        said = found.setdefault(f"listener {listener.get('name') or ''}", [])
        said += [
            f"{member['address']}:{member['protocol_port']}"
            for pool in listener.get("pools") or ()
            for member in pool.get("members") or ()
        ]
    return {name: sorted(said) for name, said in found.items()}


def _all_of(tree: Raw) -> Iterable[Raw]:
    """Yield a load balancer of Octavia's tree of statuses, and everything below it."""
    yield tree
    for listener in tree.get("listeners") or ():
        yield listener
        for pool in listener.get("pools") or ():
            yield pool
            yield from pool.get("members") or ()
