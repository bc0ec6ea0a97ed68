"""
Raw calls to one cloud: the single seam through which Pumphouse talks to OpenStack.

openstacksdk does authentication, the catalogue, TLS and microversions. Its resource objects
are left out: they cost more CPU than the listing itself at 10,000 rows.
"""

import random
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from keystoneauth1 import exceptions as ksa
from keystoneauth1.adapter import Adapter
from openstack.connection import Connection

from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.errors import CloudUnreachable, MissingRights, PumphouseError, RequestFailed
from pumphouse.tasks.bandwidth import Bandwidth

RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
NEWEST_MICROVERSION = {"compute": (2, 96), "block-storage": (3, 71), "placement": (1, 39)}
"""The newest we know: a newer one may change an answer under us."""

MAJOR_VERSION = {
    "identity": "3",
    "compute": "2.1",
    "image": "2",
    "network": "2",
    "block-storage": "3",
    "placement": "1",
    "dns": "2",
    "load-balancer": "2",
}
REQUEST_ID = "x-openstack-request-id"
LONGEST_PAUSE_S = 30.0


class ServiceMissing(PumphouseError):
    """The cloud's catalogue does not have the service. Its tables are empty."""

    def __init__(self, cloud: str, service: str) -> None:
        super().__init__(cloud, service)
        self.cloud = cloud
        self.service = service

    def __str__(self) -> str:
        return f"Cloud {self.cloud} has no {self.service} service."


class Api:
    """
    The services of one cloud, by raw HTTP. Close it, or use it in ``with``.

    Reads are repeated after connection errors, 429 (its Retry-After is kept) and 5xx; writes
    only when `retry` says that a second one is harmless. `calls` counts requests sent,
    `changes` has the request ids of those that changed something, as the services log them.
    `bandwidth` is what images' bytes are read by.
    """

    def __init__(
        self,
        cloud: OpenStackCloud,
        name: str,
        connection: Connection | None = None,
        bandwidth: Bandwidth | None = None,
    ) -> None:
        self.cloud = cloud
        self.name = name
        self.bandwidth = bandwidth or Bandwidth(0)
        self.retries = cloud.retries
        self.connection = connection or cloud.connect()
        self.calls = 0
        self.changes: list[str] = []
        self._counting = threading.Lock()
        self._adapters: dict[str, Adapter] = {}

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def adapter(self, service: str) -> Adapter:
        """
        Return keystoneauth's adapter of *service*, a key of `MAJOR_VERSION`.

        Its paths are relative to that version, whatever URL the catalogue gives.

        Raises:
            ServiceMissing: The catalogue does not have it.
            CloudUnreachable: Keystone does not answer or does not let us in.
        """
        if service in self._adapters:
            return self._adapters[service]
        config = self.connection.config
        version = MAJOR_VERSION[service]
        adapter = Adapter(
            session=self.connection.session,
            service_type=service,
            interface=config.get_interface(service),
            region_name=config.get_region_name(service),
            min_version=version,
            max_version=f"{version.partition('.')[0]}.latest",
        )
        try:
            if not adapter.get_endpoint():
                raise ServiceMissing(self.name, service)
        except (ksa.EndpointNotFound, ksa.EmptyCatalog) as error:
            raise ServiceMissing(self.name, service) from error
        except ksa.ClientException as error:
            raise unreachable(self.name, error) from error
        self._adapters[service] = adapter
        return adapter

    def microversion(self, service: str) -> str | None:
        """Return the newest microversion that the service and Pumphouse both know."""
        if service not in NEWEST_MICROVERSION:
            return None
        data = self.adapter(service).get_endpoint_data()
        if data is None or not data.max_microversion:
            return None
        newest = min(tuple(data.max_microversion), NEWEST_MICROVERSION[service])
        return ".".join(map(str, newest))

    def get(
        self,
        service: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        microversion: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the decoded JSON answer of a GET. Errors as `call`."""
        return self.call(
            "GET",
            service,
            path,
            params=params,
            headers=headers,
            microversion=microversion,
            retry=True,
        ).json()

    def call(
        self,
        method: str,
        service: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        microversion: str | None = None,
        retry: bool = False,
    ) -> requests.Response:
        """
        Send one request and return its 2xx answer. *path* is relative to the endpoint.

        Raises:
            MissingRights: 403.
            RequestFailed: Any other status, after the retries where they may help.
            CloudUnreachable: Keystone refused us.
        """
        adapter = self.adapter(service)
        left = self.retries if retry else 0
        pause = 0.5
        while True:
            failed, wait = self._once(adapter, method, path, json, params, headers, microversion)
            if isinstance(failed, requests.Response):
                return failed
            if not left or not (failed.status == 0 or failed.status in RETRIED_STATUSES):
                raise failed
            left -= 1
            time.sleep(min(wait or pause * random.uniform(0.7, 1.3), LONGEST_PAUSE_S))
            pause *= 2

    def delete(
        self,
        service: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Delete what is at *path*; what is gone already is fine. Errors as `call`."""
        try:
            self.call(
                "DELETE",
                service,
                path,
                params=params,
                headers=headers,
                microversion=self.microversion(service),
                retry=True,
            )
        except RequestFailed as failed:
            if failed.status != 404:
                raise

    def _once(
        self,
        adapter: Adapter,
        method: str,
        path: str,
        json: Any,
        params: Any,
        headers: Any,
        mv: Any,
    ) -> tuple[requests.Response | RequestFailed, float | None]:
        with self._counting:
            self.calls += 1
        call = f"{method} {urlsplit(path).path}"
        try:
            answer = adapter.request(
                path,
                method,
                json=json,
                params=params,
                headers=dict(headers or {}),
                microversion=mv,
                raise_exc=False,
                connect_retries=0,
                status_code_retries=0,
            )
        except (ksa.Unauthorized, ksa.MissingAuthPlugin, ksa.AuthPluginException) as error:
            raise unreachable(self.name, error) from error
        except ksa.ClientException as error:
            return RequestFailed(self.name, call, 0, first_line(error)), None
        if answer.status_code < 400:
            if method not in ("GET", "HEAD") and (id_ := answer.headers.get(REQUEST_ID)):
                self.changes.append(id_)
            return answer, None
        if answer.status_code == 403:
            raise MissingRights(self.name, call, reason(answer))
        pause = answer.headers.get("Retry-After", "")
        failed = RequestFailed(self.name, call, answer.status_code, reason(answer))
        return failed, float(pause) if pause.isdigit() else None

    def pages(
        self,
        service: str,
        path: str,
        key: str,
        params: Mapping[str, Any] | None = None,
        microversion: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield each page of a listing, following the API's own ``next`` links."""
        url: str | None = path
        query: Mapping[str, Any] | None = params
        while url:
            body = self.get(service, url, query, microversion, headers)
            if body.get("truncated"):
                call = f"GET {urlsplit(path).path}"
                cause = "Its list_limit cuts the listing off; raise it in keystone.conf."
                raise RequestFailed(self.name, call, 200, cause)
            yield body[key]
            url, query = _next(body, key, url), None

    def list(self, service: str, path: str, key: str, **options: Any) -> list[dict[str, Any]]:
        """Return all rows of all pages."""
        return [row for page in self.pages(service, path, key, **options) for row in page]


def _next(body: Mapping[str, Any], key: str, asked: str) -> str | None:
    """Return the path of the next page, or None. Keystone, Glance and the rest differ."""
    link = body.get("next") or (body.get("links") or {}).get("next")
    # Mostly the key and _links; but Cinder's volume_types come with volume_type_links.
    for name in (f"{key}_links", f"{key.removesuffix('s')}_links"):
        for entry in body.get(name) or []:
            if entry.get("rel") == "next":
                link = entry["href"]
    if not link:
        return None
    parts = urlsplit(link)
    # The link's host may be an inside name: keep our endpoint, take its query.
    return f"{urlsplit(asked).path}?{parts.query}"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its type when it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def reason(answer: requests.Response) -> str:
    """Return the service's own words for an error, at most 300 characters."""
    try:
        body = answer.json()
    except ValueError:
        return (answer.reason or answer.text or "no reason given")[:300]
    if isinstance(body, dict):
        for value in (body, *body.values()):
            for name in ("message", "detail", "faultstring") if isinstance(value, dict) else ():
                if text := value.get(name):
                    return str(text)[:300]
    return str(body)[:300]


def unreachable(cloud: str, error: BaseException) -> CloudUnreachable:
    """Word a failed login or a silent Keystone as one sentence."""
    if isinstance(error, ksa.Unauthorized):
        return CloudUnreachable(cloud, "Keystone refused the credentials (401).")
    words = first_line(error).rstrip(".")
    if isinstance(error, ksa.ConnectionError) and ": " in words:
        # What follows are the names of three libraries' exceptions around the system's reason.
        words = f"{words.split(': ')[0]}: {_deepest(error)}"
    return CloudUnreachable(cloud, f"{words}.")


def _deepest(error: BaseException) -> str:
    """Return the words of the first error of a chain of wrapped ones."""
    below: BaseException | None = error
    while below:
        error = below
        inner = (error.__cause__, error.__context__, getattr(error, "reason", None), *error.args)
        below = next((each for each in inner if isinstance(each, BaseException)), None)
    told = getattr(error, "verify_message", None) or getattr(error, "strerror", None)
    return str(told or first_line(error)).rstrip(".")
