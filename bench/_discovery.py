"""
Discover in a process of its own, and measure: what `bench.discover` starts.

Reads what to do as JSON from its standard input and prints what it found as JSON:
seconds of each discovery and of each floor, requests, peak memory.
"""

import json
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import requests

from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.blocks.site import Site
from pumphouse.flows.discover import discover
from pumphouse.listings import LISTINGS, PAGE, RAW, Listing
from pumphouse.models import Clouds, Role
from pumphouse.tasks import storage
from pumphouse.tasks.api import Api

SITE = "bench"


@dataclass(frozen=True)
class Sent:
    """One request of a discovery, as it went out."""

    service: str
    path: str
    url: str
    headers: dict[str, str]


@contextmanager
def recording() -> Iterator[list[Sent]]:
    """Note the API calls within; logins and version documents are none."""
    sent: list[Sent] = []
    inside = threading.local()
    once, send = Api._once, requests.Session.send

    def marked(self: Api, adapter: Any, method: str, path: str, *more: Any) -> Any:
        inside.call = (adapter.service_type, urlsplit(path).path)
        try:
            return once(self, adapter, method, path, *more)
        finally:
            inside.call = None

    def noted(self: requests.Session, request: requests.PreparedRequest, **more: Any) -> Any:
        call = getattr(inside, "call", None)
        if call and "X-Auth-Token" in request.headers:
            sent.append(Sent(*call, str(request.url), dict(request.headers)))
        return send(self, request, **more)

    Api._once, requests.Session.send = marked, noted  # type: ignore[method-assign]
    try:
        yield sent
    finally:
        Api._once, requests.Session.send = once, send  # type: ignore[method-assign]


def floor(sent: list[Sent], limit: int) -> float:
    """
    Send the same requests with bare httpx and throw the answers away; return the seconds.

    The pages of one listing come one after the other, since each names the next; listings
    side by side, *limit* at once for each cloud, in the order that the discovery began them.
    """
    chains: dict[str, dict[str, list[Sent]]] = {}
    for one in sent:
        parts = urlsplit(one.url)
        path = one.url if "user_id=" in parts.query else parts.path
        hidden = "hidden" if "os_hidden" in parts.query else ""
        cloud = chains.setdefault(_cloud_of(parts.port), {})
        cloud.setdefault(f"{parts.netloc}{path}{hidden}", []).append(one)

    def follow(client: httpx.Client, chain: list[Sent]) -> None:
        for one in chain:
            client.get(one.url, headers=one.headers).raise_for_status()

    def read(of_cloud: dict[str, list[Sent]]) -> None:
        with httpx.Client(timeout=600) as client, ThreadPoolExecutor(limit) as pool:
            for future in [pool.submit(follow, client, chain) for chain in of_cloud.values()]:
                future.result()

    began = time.monotonic()
    readers = [threading.Thread(target=read, args=(c,)) for c in chains.values()]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return time.monotonic() - began


def _cloud_of(port: int | None) -> str:
    """Return what tells the lab's clouds apart: their ports differ by ten thousand."""
    return str((port or 0) // 10_000)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that *work* took, and its result."""
    began = time.monotonic()
    result = work()
    return time.monotonic() - began, result


def main() -> None:
    """Do what standard input says."""
    asked = json.load(sys.stdin)
    site = Site(
        source=OpenStackCloud(**asked["source"]),
        target=OpenStackCloud(**asked["target"]),
        storage={"url": asked["storage"]},
    )
    site.save(SITE, overwrite=True)
    clouds = Clouds(asked["clouds"])
    with recording() as sent:
        first, found = timed(lambda: discover(clouds, site=SITE))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    floors, ours = [], [first]
    for _ in range(asked["rounds"]):
        floors.append(floor(sent, site.limits.api_calls))
        ours.append(timed(lambda: discover(clouds, site=SITE))[0])
    json.dump(
        {
            "seconds": ours,
            "floors": floors,
            "calls": found.calls,
            "sent": len(sent),
            "to_listings": to_listings(sent),
            "rows": {role.value: rows for role, rows in found.rows.items()},
            "expected": {role.value: expected(asked["storage"], role) for role in clouds.roles},
            "peak_mib": peak_mib,
        },
        sys.stdout,
    )


def expected(storage_url: str, role: Role) -> int:
    """
    Return how many calls the listings need for the rows that were found: their pages.

    A listing links a next page whenever one is full, so a last one may be empty. Calls for
    single things (key pairs of a user, quota of a project) are no listings and not counted.
    """
    inventory = storage.latest(storage_url, SITE, role)
    count = inventory.counts
    domains = set(inventory["domains"]["id"])
    calls = {listing: 1 for listing in _listings()}
    for kind, listing in [*LISTINGS.items(), *RAW.items()]:
        if "limit" in listing.params and kind in count:
            calls[_name(listing)] = count[kind] // PAGE + 1
    # Keystone keeps domains with drivers of their own out of the plain listing.
    for kind in ("users", "groups"):
        silent = domains - set(inventory[kind]["domain_id"].dropna())
        calls[_name(RAW[kind])] += len(silent)
    calls[_name(RAW["roles"])] += len(domains)
    calls[_name(RAW["effective_assignments"])] += 1
    hidden = int(inventory["images"]["is_hidden"].sum())
    shown = count["images"] - hidden
    calls[_name(RAW["images"])] = shown // PAGE + 1 + hidden // PAGE + 1
    # No links there: read until a page is empty, or shorter than the first.
    for kind, listing in (
        ("server_groups", RAW["server_groups"]),
        ("attachments", LISTINGS["attachments"]),
    ):
        found = count[kind]
        calls[_name(listing)] = 2 if 0 < found < PAGE else found // PAGE + 1
    return sum(calls.values())


def _name(listing: Listing) -> tuple[str, str]:
    return listing.service, listing.path


def _listings() -> set[tuple[str, str]]:
    return {_name(listing) for listing in (*LISTINGS.values(), *RAW.values())}


def to_listings(sent: list[Sent]) -> int:
    """Return how many of the requests asked a listing for a page."""
    known = _listings()
    return sum((one.service, one.path) in known for one in sent)


if __name__ == "__main__":
    main()
