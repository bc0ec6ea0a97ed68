"""Copies of DNS zones with their record sets, and the deletion of their sources."""

import threading
from typing import Any

from pumphouse.bodies import Ids, present, tag
from pumphouse.errors import RequestFailed, Unverified, WaitFailed
from pumphouse.plan import Item
from pumphouse.tables import Row
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import Effect
from pumphouse.tasks.waiting import NEVER, poll
from pumphouse.zones import is_managed

EVERYBODYS = {"X-Auth-All-Projects": "true"}

Raw = dict[str, Any]


def make_zone(
    api: Api, item: Item, ids: Ids, timeout_s: float = 300, stop: threading.Event = NEVER
) -> str:
    """
    Create a zone and the record sets that it lacks, and wait until its name servers have it.

    Until then its description is its mark: a run that is killed leaves nothing that the next
    one cannot find and complete. SOA and NS of the zone itself are its pool's.

    Raises:
        WaitFailed: The name servers did not take it; it stays, and the next run goes on with it.
        Unverified: A record set of that name and type has other records.
    """
    row = item.row
    headers = {"X-Auth-Sudo-Project-ID": ids["projects"][row["project_id"]]}
    zone_id = item.target_id or _create(api, row, headers)
    path = f"/zones/{zone_id}"
    have = {(s["name"], s["type"]) for s in _recordsets(api, path, headers)}
    for each in row["recordsets"]:
        if (each["name"], each["type"]) not in have:
            api.call("POST", "dns", f"{path}/recordsets", json=present(each), headers=headers)
    _wait(api, item, path, headers, timeout_s, stop)
    _verify(api, item, path, headers)
    if api.get("dns", path, headers=headers)["description"] == tag(row["id"]):
        body = {"description": row["description"] or ""}
        api.call("PATCH", "dns", path, json=body, headers=headers, retry=True)
    return zone_id


def _create(api: Api, row: Row, headers: dict[str, str]) -> str:
    own = ("masters",) if row["type"] == "SECONDARY" else ("email", "ttl")
    body = {name: row[name] for name in ("name", "type", *own)} | {"description": tag(row["id"])}
    answer = api.call("POST", "dns", "/zones", json=present(body), headers=headers)
    return str(answer.json()["id"])


def _recordsets(api: Api, path: str, headers: dict[str, str]) -> list[Raw]:
    every = {"limit": "max"}
    return api.list("dns", f"{path}/recordsets", "recordsets", params=every, headers=headers)


def _wait(
    api: Api, item: Item, path: str, headers: dict[str, str], timeout_s: float,
    stop: threading.Event,
) -> None:  # fmt: skip
    def is_active(zone: Raw) -> bool:
        if zone["status"] == "ERROR":
            raise WaitFailed(what, f"It became ERROR. {left}")
        return bool(zone["status"] == "ACTIVE")

    what = f"zone {item.name} ({path.rpartition('/')[2]}) of the target to be ACTIVE"
    left = (
        f"It is made, with its {len(item.row['recordsets'])} record set(s), and stays: look at "
        "the name servers of its pool, and run the same migration again."
    )
    try:
        poll(what, lambda: api.get("dns", path, headers=headers), is_active, timeout_s, stop)
    except WaitFailed as failed:
        reason = failed.reason if left in failed.reason else f"{failed.reason} {left}"
        raise WaitFailed(what, reason) from failed


def _verify(api: Api, item: Item, path: str, headers: dict[str, str]) -> None:
    """Compare the records that are there with those of the source."""
    there = {(s["name"], s["type"]): sorted(s["records"]) for s in _recordsets(api, path, headers)}
    differing = [
        f"{s['name']} {s['type']}: {sorted(s['records'])} != {found}"
        for s in item.row["recordsets"]
        if (found := there.get((s["name"], s["type"]))) != sorted(s["records"])
    ]
    if differing:
        raise Unverified("zones", item.label, path.rpartition("/")[2], differing)


def require_copied(source: Api, target: Api, zone_id: str, copy_id: str) -> None:
    """
    Compare a zone with its copy once more, right before it is deleted.

    Raises:
        Unverified: The copy is gone, or lacks a record set that the zone has by now.
    """
    zone, copy = _read(source, zone_id), _read(target, copy_id)
    if zone is None or (zone["type"] == "SECONDARY" and copy):
        return
    lost = _said(source, zone) - (_said(target, copy) if copy else set())
    problems = [] if copy else ["the copy is gone"]
    problems += sorted(f"the copy lacks {name} {type_}" for name, type_, *_ in lost if copy)
    if problems:
        raise Unverified("zones", f"{zone['name']} ({zone_id})", copy_id, problems)


def _read(api: Api, zone_id: str) -> Raw | None:
    try:
        found: Raw = api.get("dns", f"/zones/{zone_id}", headers=EVERYBODYS)
    except RequestFailed as failed:
        if failed.status == 404:
            return None
        raise
    return found


def _said(api: Api, zone: Raw) -> set[tuple[Any, ...]]:
    return {
        (s["name"], s["type"], s["ttl"], *sorted(s["records"]))
        for s in _recordsets(api, f"/zones/{zone['id']}", EVERYBODYS)
        if not is_managed(s, zone)
    }


def delete_zone(api: Api, zone_id: str, timeout_s: float) -> None:
    """Delete a zone with its shares and wait until it is gone: one above it must wait for that."""
    path = f"/zones/{zone_id}"
    headers = {**EVERYBODYS, "X-Designate-Delete-Shares": "true"}

    def is_gone() -> bool:
        found = _read(api, zone_id)
        if found and found["status"] == "ERROR":
            reason = "It became ERROR: a name server of its pool did not let go of it."
            raise WaitFailed(f"zone {found['name']} ({zone_id}) to be deleted", reason)
        return found is None

    api.delete("dns", path, headers=headers)
    poll(f"zone {zone_id} to be deleted", is_gone, bool, timeout_s)


EFFECTS: dict[str, Effect] = {"zones": make_zone}
