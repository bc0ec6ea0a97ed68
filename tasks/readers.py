"""One cloud, open for the tasks of one discovery: a login, a limit, and listings read once."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import requests
from keystoneauth1.adapter import Adapter
from openstack.connection import Connection

from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.errors import CloudUnreachable, PumphouseError, RequestFailed
from pumphouse.listings import Listing
from pumphouse.models import Role
from pumphouse.tasks.api import Api

Raw = dict[str, Any]
Item = TypeVar("Item")
Found = TypeVar("Found")

WAKING: dict[str, tuple[str, dict[str, Any]]] = {
    "network": ("/networks", {"limit": 1, "fields": "id"})
}
"""
By service: a small read that wakes it before several come at once.

A Neutron that has just been started loads its policies when it first has something to show.
What others ask for meanwhile is judged by no policy, and they get empty lists.
"""

LISTED_HYPERVISORS = "2.87"
"""The last compute microversion whose hypervisors have their capacity in the listing."""


class LimitedApi(Api):
    """An `Api` that shares its connection and its limit with the other tasks of a cloud."""

    def __init__(self, reader: "CloudReader") -> None:
        super().__init__(reader.cloud, reader.role.value, reader.connection())
        self._reader = reader

    def adapter(self, service: str) -> Adapter:
        """As `Api.adapter`; one thread at a time asks a service for its versions."""
        with self._reader.asking(service):
            adapter = super().adapter(service)
            if service in WAKING and self._reader.is_first(service):
                path, params = WAKING[service]
                self._once(adapter, "GET", path, None, params, None, None)
            return adapter

    def _once(self, *request: Any) -> tuple[requests.Response | RequestFailed, float | None]:
        with self._reader.slots:
            return super()._once(*request)


class CloudReader:
    """
    What the tasks that read one cloud share. Use it in ``with``.

    Built on the block, so it can be pickled; the connection is opened where it is used,
    once: a login and a version document for each of forty tables would cost more than most
    of the tables.

    Attributes:
        slots: Taken during each request: at most *limit* are under way at once.

        tables: Taken during each table: the first ones to come are finished first.
    """

    def __init__(self, cloud: OpenStackCloud, role: Role, limit: int) -> None:
        self.cloud = cloud
        self.role = role
        self.limit = limit
        self._forget()

    def _forget(self) -> None:
        self.slots: AbstractContextManager[Any] = threading.BoundedSemaphore(self.limit)
        self.tables: AbstractContextManager[Any] = threading.BoundedSemaphore(self.limit)
        self._lock = threading.RLock()
        self._locks: dict[str, threading.RLock] = {}
        self._woken: set[str] = set()
        self._connection: Connection | None = None
        self._refused: CloudUnreachable | None = None
        self._read: dict[str, list[Raw]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"cloud": self.cloud, "role": self.role, "limit": self.limit}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __enter__(self) -> "CloudReader":
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def connection(self) -> Connection:
        """
        Return the one connection. Nothing is asked of the cloud yet.

        Raises:
            ConfigError: clouds.yaml does not say how to reach it.
        """
        with self._lock:
            if self._connection is None:
                self._connection = self.cloud.connect()
            return self._connection

    def address(self) -> str:
        """Return which cloud this is, whatever it is called: Keystone's URL and the region."""
        config = self.connection().config
        return f"{config.auth.get('auth_url')} {config.region_name or ''}".strip()

    @contextmanager
    def asking(self, name: str) -> Iterator[None]:
        """
        Let one thread at a time through for *name*.

        A cloud that nobody can log in to says so to the first and, at once, to all others:
        forty time-outs in a row would take an hour.
        """
        with self._lock:
            lock = self._locks.setdefault(name, threading.RLock())
        with lock:
            if self._refused:
                raise self._refused
            try:
                yield
            except CloudUnreachable as error:
                self._refused = error
                raise

    def is_first(self, service: str) -> bool:
        """Tell whether *service* is asked for the first time."""
        with self._lock:
            is_first = service not in self._woken
            self._woken.add(service)
            return is_first

    def once(self, name: str, read: Callable[[], list[Raw]]) -> list[Raw]:
        """Return what *read* returns, calling it only the first time that *name* is asked for."""
        with self._lock:
            lock = self._locks.setdefault(f"once {name}", threading.RLock())
        with lock:
            if name not in self._read:
                self._read[name] = read()
            return self._read[name]


class Reading:
    """One table being read: its own count of calls and its notes."""

    def __init__(self, reader: CloudReader) -> None:
        self.reader = reader
        self.api = LimitedApi(reader)
        self.notes: list[str] = []

    def microversion(self, service: str) -> str | None:
        """Return the newest microversion of *service* that both sides know."""
        return self.api.microversion(service)

    def pages(
        self, listing: Listing, microversion: str | None = None, **params: Any
    ) -> Iterator[list[Raw]]:
        """Yield the pages of *listing*, by the newest microversion unless one is given."""
        version = microversion or self.microversion(listing.service)
        asked = {**listing.params, **params}
        if listing.paging == "links":
            where = (listing.service, listing.path, listing.key)
            return self.api.pages(*where, asked, version, listing.headers)
        return self._unlinked(listing, asked, version)

    def _unlinked(
        self, listing: Listing, asked: Mapping[str, Any], version: str | None
    ) -> Iterator[list[Raw]]:
        """Yield the pages of a listing that links none; the service may cap what we ask for."""
        size, read = 0, 0
        at: dict[str, Any] = {}
        while page := self.api.get(listing.service, listing.path, {**asked, **at}, version)[
            listing.key
        ]:
            yield page
            size, read = size or len(page), read + len(page)
            if len(page) < size:
                return
            at = {"offset": read} if listing.paging == "offset" else {"marker": page[-1]["id"]}

    def all(self, listing: Listing, **params: Any) -> list[Raw]:
        """Return all objects of *listing*."""
        return [raw for page in self.pages(listing, **params) for raw in page]

    def each(
        self, items: Iterable[Item], read: Callable[[Item], Found]
    ) -> list[tuple[Item, Found]]:
        """
        Return each item with what *read* finds of it, in order, reading several at once.

        For what no API lists. The cloud's limit holds for all tables together.
        """
        items = list(items)
        if not items:
            return []
        with ThreadPoolExecutor(min(self.reader.limit, len(items))) as pool:
            futures = [(item, pool.submit(read, item)) for item in items]
            try:
                return [(item, future.result()) for item, future in futures]
            except PumphouseError:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
