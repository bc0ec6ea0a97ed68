"""
Raw calls to one Fuel master: the single seam through which Pumphouse talks to Nailgun.

It logs in, renews the token whenever it is refused, repeats what may heal, and turns every
other answer into one of our errors. Tokens are never trusted for the time that they say:
Fuel's own test Keystone gives out tokens that expired years ago and are good.
"""

import random
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from pumphouse.errors import ConfigError, FuelBusy, FuelRefused, FuelUnreachable
from pumphouse.fuel_access import FuelAccess
from pumphouse.fuel_judging import reason_of, says_busy

T = TypeVar("T")

RETRIED_STATUSES = frozenset({408, 429, 502, 503, 504})
"""Healing ones. 500 is a traceback of Nailgun and would come again; only reads repeat it."""

LONGEST_PAUSE_S = 10.0
FIRST_PAUSE_S = 0.5


class Nailgun:
    """
    The HTTP interface of one Fuel master. Close it, or use it in ``with``; threads may share it.

    `calls` counts the requests sent, and `calls_per_minute` says how gentle that was.
    """

    def __init__(self, access: FuelAccess, transport: httpx.BaseTransport | None = None) -> None:
        self.access = access
        self.calls = 0
        self._began = time.monotonic()
        self._token = ""
        self._lock = threading.Lock()
        self._http = httpx.Client(
            timeout=access.request_timeout_s,
            verify=_trust(access),
            transport=transport,
            # As the first item: Nailgun answers 415 to what httpx would send.
            headers={"Accept": "application/json"},
        )

    def __enter__(self) -> "Nailgun":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def calls_per_minute(self) -> float:
        """Return how often Fuel was asked per minute since this was made."""
        return self.calls * 60 / max(time.monotonic() - self._began, 1e-3)

    def get(self, path: str, **params: str | int) -> Any:
        """Return the decoded answer of a GET of *path*, relative to /api. Errors as `call`."""
        return self.call("GET", path, params=params, repeat=True)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: dict[str, str | int] | None = None,
        repeat: bool = False,
    ) -> Any:
        """
        Send one request and return its decoded 2xx answer; None for an empty one.

        Args:
            repeat: A second one is harmless, so that it may be repeated after a lost answer.

        Raises:
            FuelUnreachable: No answer after all retries.
            FuelBusy: Fuel does something else in that environment.
            FuelRefused: Any other error, refused credentials (401) among them.
        """
        call = f"{method} {path}"
        answer = self._healed(method, path, body, params, repeat)
        if answer.status_code < 300:
            return self._decoded(call, answer)
        reason = reason_of(answer.text)
        if answer.status_code in RETRIED_STATUSES:
            # The web server before Nailgun, which is away or gave up waiting for it.
            words = f"It answers {answer.status_code} ({reason})."
            raise FuelUnreachable(self.access.url, words)
        if says_busy(answer.status_code, reason):
            raise FuelBusy(call, reason)
        raise FuelRefused(call, answer.status_code, reason)

    def _healed(
        self, method: str, path: str, body: Any, params: Any, repeat: bool
    ) -> httpx.Response:
        left = self.access.retries if repeat else 0
        pause = FIRST_PAUSE_S
        while True:
            wait = 0.0
            try:
                answer = self._as_someone(method, path, body, params)
            except httpx.TransportError as error:
                # A refused connection never reached Fuel, so that even a write may be repeated.
                early = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                if early and not repeat:
                    left, repeat = self.access.retries, True
                if not left:
                    raise FuelUnreachable(self.access.url, _sentence(error)) from error
            else:
                again = RETRIED_STATUSES | ({500} if method == "GET" else set())
                if not left or answer.status_code not in again:
                    return answer
                after = answer.headers.get("Retry-After", "")
                wait = float(after) if after.isdigit() else 0.0
            left -= 1
            time.sleep(min(wait or pause * random.uniform(0.7, 1.3), LONGEST_PAUSE_S))
            pause *= 2

    def _as_someone(self, method: str, path: str, body: Any, params: Any) -> httpx.Response:
        """Send with the token there is; when it is refused, once more with a new one."""
        token = self._token or self._login("")
        answer = self._send(method, path, body, params, token)
        if answer.status_code != 401 or not self.access.username:
            return answer
        answer = self._send(method, path, body, params, self._login(token))
        return answer

    def _send(self, method: str, path: str, body: Any, params: Any, token: str) -> httpx.Response:
        with self._lock:
            self.calls += 1
        return self._http.request(
            method,
            f"{_api(self.access.url)}{path}",
            json=body,
            params=params or None,
            headers={"X-Auth-Token": token} if token else {},
        )

    def _login(self, refused: str) -> str:
        """Return a token other than *refused*; another thread may have made it meanwhile."""
        if not self.access.username:
            return ""
        with self._lock:
            if self._token == refused:
                self._token = login(self._http, self.access)
            return self._token

    @staticmethod
    def _decoded(call: str, answer: httpx.Response) -> Any:
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise FuelRefused(call, answer.status_code, "its answer is not JSON") from None

    def one(self, model: type["_M"], call: str, raw: Any) -> "_M":
        """Return the answer *raw* as a *model*. Raises FuelRefused when it is not one."""
        return _parsed(call, lambda: model.model_validate(raw))

    def many(self, model: type["_M"], call: str, raw: Any) -> list["_M"]:
        """Return the answer *raw* as a list of *model*. Raises FuelRefused when it is not."""
        return _parsed(call, lambda: TypeAdapter(list[model]).validate_python(raw))  # type: ignore[valid-type]


_M = TypeVar("_M", bound=BaseModel)


def _parsed(call: str, parse: Callable[[], T]) -> T:
    try:
        return parse()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        reason = f"its answer is not understood ({where}: {first['msg']})"
        raise FuelRefused(call, 200, reason) from None


def login(http: httpx.Client, access: FuelAccess) -> str:
    """
    Return a token of Fuel's Keystone, by v3 or by v2.0 as the URL says; without either, both.

    Raises:
        FuelRefused: Wrong credentials.
        FuelUnreachable: No Keystone there.
    """
    root = access.keystone_url
    forms: list[tuple[str, Callable[[FuelAccess], Any]]] = []
    if not root.endswith("/v2.0"):
        forms.append((f"{root.removesuffix('/v3')}/v3/auth/tokens", _v3))
    if not root.endswith("/v3"):
        forms.append((f"{root.removesuffix('/v2.0')}/v2.0/tokens", _v2))
    for url, form in forms:
        answer = http.post(url, json=form(access))
        if answer.status_code in (200, 201):
            return _token(root, answer)
        if answer.status_code == 401:
            user = f"user {access.username} of tenant {access.tenant}"
            raise FuelRefused(f"POST {url}", 401, f"Keystone refuses {user}")
    raise FuelUnreachable(
        root, f"Its Keystone answered {answer.status_code}: {reason_of(answer.text)}."
    )


def _token(root: str, answer: httpx.Response) -> str:
    """Return the token: a header in v3, in the body in v2.0."""
    try:
        header = answer.headers.get("X-Subject-Token")
        return str(header or answer.json()["access"]["token"]["id"])
    except (ValueError, KeyError, TypeError):
        raise FuelUnreachable(root, "Its Keystone gives no token.") from None


def _v2(access: FuelAccess) -> dict[str, Any]:
    credentials = {"username": access.username, "password": access.password.get_secret_value()}
    return {"auth": {"tenantName": access.tenant, "passwordCredentials": credentials}}


def _v3(access: FuelAccess) -> dict[str, Any]:
    domain = {"id": "default"}
    password = access.password.get_secret_value()
    user = {"name": access.username, "password": password, "domain": domain}
    identity = {"methods": ["password"], "password": {"user": user}}
    scope = {"project": {"name": access.tenant, "domain": domain}}
    return {"auth": {"identity": identity, "scope": scope}}


def _api(url: str) -> str:
    """Return the root of the interface, whether or not *url* names it."""
    return url if url.endswith(("/api", "/api/v1")) else f"{url}/api"


def _trust(access: FuelAccess) -> ssl.SSLContext | bool:
    if not access.verify_tls:
        return False
    try:
        return ssl.create_default_context(cafile=access.ca_file) if access.ca_file else True
    except OSError as error:
        problem = f"ca_file {access.ca_file} cannot be used: {error.strerror or error}."
        raise ConfigError("fuel", [problem]) from None


def _sentence(error: httpx.TransportError) -> str:
    words = str(error).strip().splitlines()
    if isinstance(error, httpx.TimeoutException):
        return "It gave no answer in time."
    return f"{words[0].rstrip('.') if words else type(error).__name__}."
