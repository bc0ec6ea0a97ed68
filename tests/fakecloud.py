"""
A cloud on loopback that answers what a test tells it to, and fails on demand.

It is a real HTTP server with Keystone's login, catalogue and version documents, so that
`pumphouse.tasks.api.Api` and the SDK run unchanged. A test adds routes (`route`, `listing`),
injects faults (`fault`, `expire_tokens`) and reads what was sent (`requests`, `sent`):

    with FakeCloud() as cloud:
        cloud.listing("compute", "/servers/detail", "servers", rows, page=2)
        cloud.fault("GET", "compute", "/servers/detail", status=500, times=2)
        with Api(cloud.block(), "source") as api: ...
        assert 5 == len(cloud.sent("GET", "compute", "/servers/detail"))

Paths are relative to a service's version, as those of `Api` are; ``{name}`` matches one segment.
"""

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from pumphouse.blocks.cloud import OpenStackCloud

VERSIONS: dict[str, tuple[str, str, dict[str, str]]] = {
    "identity": ("v3.14", "/v3", {}),
    "compute": ("v2.1", "/v2.1", {"version": "2.96", "min_version": "2.1"}),
    "image": ("v2.16", "/v2", {}),
    "network": ("v2.0", "/v2.0", {}),
    "block-storage": ("v3.0", "/v3", {"version": "3.71", "min_version": "3.0"}),
    "placement": ("v1.0", "", {"max_version": "1.39", "min_version": "1.0"}),
    "dns": ("v2.1", "/v2", {}),
    "load-balancer": ("v2.26", "/v2", {}),
}
"""Of each service: version id, its path below the endpoint, microversions."""


@dataclass(frozen=True)
class Request:
    """One request as it arrived. *path* is relative to the service's version."""

    method: str
    service: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    parts: Mapping[str, str] = field(default_factory=dict)
    """What the ``{name}`` of the route stand for here."""

    def json(self) -> Any:
        """Return the body, decoded."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """One answer: *body* as it is, or *json* encoded."""

    status: int = 200
    json: Any = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        """Return the bytes to send."""
        if self.body is not None:
            return self.body
        return b"" if self.json is None else json.dumps(self.json).encode()


Rows = Sequence[Mapping[str, Any]]
Handler = Callable[[Request], Any]


@dataclass
class Fault:
    """What goes wrong with the requests that match, after the first *after* of them."""

    method: str
    service: str
    pattern: re.Pattern[str]
    left: int | None
    after: int
    status: int
    message: str
    retry_after: int | None
    delay_s: float
    reset: bool
    cut_at: int | None
    read_at_most: int | None


class FakeCloud:
    """One cloud. Use it in ``with``; *services* are those of its catalogue."""

    def __init__(self, services: Iterable[str] = tuple(VERSIONS)) -> None:
        self.services = tuple(services)
        self.requests: list[Request] = []
        self.logins = 0
        self._routes: list[tuple[str, str, re.Pattern[str], Handler]] = []
        self._faults: list[Fault] = []
        self._tokens: set[str] = set()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FakeCloud":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    # ---- what a test says

    def block(self, **changes: Any) -> OpenStackCloud:
        """Return the block that logs in here. Time-out and retries are short unless given."""
        settings: dict[str, Any] = {
            "auth_url": f"{self.url}/identity/v3",
            "username": "admin",
            "password": "lab",
        }
        settings |= {"project_name": "admin", "request_timeout_s": 5, "retries": 2}
        return OpenStackCloud(**{**settings, **changes})

    def route(self, method: str, service: str, path: str, answer: Any) -> None:
        """Answer *method* *path* with *answer*: JSON, an `Answer`, or a function of `Request`.

        A later route comes before an earlier one that also matches.
        """
        handler = answer if callable(answer) else lambda _: answer
        self._routes.insert(0, (method, service, _pattern(path), handler))

    def listing(
        self, service: str, path: str, key: str, rows: Rows, page: int = 1000, links: bool = True
    ) -> None:
        """
        Answer GET *path* with *rows* in pages of at most *page*, linked as *service* does.

        Without *links* the next page must be asked for: by offset, or by the last row's id.
        """

        def handler(request: Request) -> dict[str, Any]:
            start = _start(request.query, rows, links)
            limit = request.query.get("limit", "max")
            size = page if limit == "max" else min(int(limit), page)
            body: dict[str, Any] = {key: list(rows[start : start + size])}
            if links and start + size < len(rows):
                query = urlencode({**request.query, "marker": start + size})
                _link(body, service, key, f"{self._base(service)}{request.path}?{query}")
            return body

        self.route("GET", service, path, handler)

    def fault(
        self,
        method: str,
        service: str,
        path: str,
        *,
        times: int | None = None,
        after: int = 0,
        status: int = 0,
        message: str = "It broke.",
        retry_after: int | None = None,
        delay_s: float = 0,
        reset: bool = False,
        cut_at: int | None = None,
        read_at_most: int | None = None,
    ) -> None:
        """
        Break requests that match, *times* times (None: for ever), letting *after* pass before.

        status: answer this. retry_after: with that header. delay_s: wait first (a time-out,
        when longer than the client's). reset: TCP reset, no answer. cut_at: send the answer's
        head and so many bytes of its body, then reset. read_at_most: read so many bytes of the
        request's body, then reset.
        """
        self._faults.append(
            Fault(
                method, service, _pattern(path), times, after, status, message, retry_after,
                delay_s, reset or read_at_most is not None, cut_at, read_at_most,
            )
        )  # fmt: skip

    def expire_tokens(self) -> None:
        """Make every token invalid: the next request gets 401 until somebody logs in anew."""
        with self._lock:
            self._tokens.clear()

    def sent(self, method: str = "", service: str = "", path: str = "") -> list[Request]:
        """Return the requests that match, logins and version documents left out."""
        pattern = _pattern(path) if path else None
        return [
            r
            for r in list(self.requests)
            if (not method or r.method == method)
            and (not service or r.service == service)
            and (pattern is None or pattern.fullmatch(r.path))
        ]

    # ---- the server

    def _base(self, service: str) -> str:
        return f"{self.url}/{service}{VERSIONS[service][1]}"

    def fault_of(self, method: str, service: str, path: str) -> Fault | None:
        """Return the fault that hits this request, and count it."""
        with self._lock:
            for fault in self._faults:
                if fault.method != method or fault.service != service or fault.left == 0:
                    continue
                if not fault.pattern.fullmatch(path):
                    continue
                if fault.after:
                    fault.after -= 1
                    continue
                if fault.left is not None:
                    fault.left -= 1
                return fault
        return None

    def answer(self, request: Request) -> Answer:
        """Return the answer to *request* as the routes say."""
        if request.service == "identity" and request.path == "/auth/tokens":
            return self._login(request)
        with self._lock:
            known = request.headers.get("x-auth-token") in self._tokens
        if not known:
            return Answer(401, {"error": {"message": "The token is not valid.", "code": 401}})
        self.requests.append(request)
        for method, service, pattern, handler in self._routes:
            match = pattern.fullmatch(request.path)
            if match and (method, service) == (request.method, request.service):
                said = handler(replace(request, parts=match.groupdict()))
                return said if isinstance(said, Answer) else Answer(200, said)
        return Answer(404, {"message": f"Nothing at {request.path}."})

    def version_document(self, service: str, below: str) -> Answer:
        """Return what the unversioned or versioned root of *service* says."""
        name, path, more = VERSIONS[service]
        href = f"{self.url}/{service}{path}/"
        one = {"id": name, "status": "CURRENT", "links": [{"rel": "self", "href": href}], **more}
        if path and below.rstrip("/") == path:
            return Answer(200, {"version": one})
        versions = {"values": [one]} if service in ("identity", "dns") else [one]
        return Answer(300 if service in ("identity", "image") else 200, {"versions": versions})

    def _login(self, request: Request) -> Answer:
        password = request.json()["auth"]["identity"].get("password", {})
        if password.get("user", {}).get("password") != "lab":
            return Answer(401, {"error": {"message": "The request you have made requires authentication.", "code": 401}})  # fmt: skip  # noqa: E501
        with self._lock:
            self.logins += 1
            token = f"token-{self.logins}"
            self._tokens.add(token)
        return Answer(201, {"token": self._token()}, headers={"X-Subject-Token": token})

    def _token(self) -> dict[str, Any]:
        domain = {"id": "default", "name": "Default"}
        catalog = [
            {
                "id": f"{service}-id",
                "type": service,
                "name": service,
                "endpoints": [
                    {
                        "id": f"{service}-public",
                        "interface": "public",
                        "region": "RegionOne",
                        "region_id": "RegionOne",
                        "url": f"{self.url}/{service}",
                    }
                ],
            }
            for service in self.services
        ]
        return {
            "methods": ["password"],
            "user": {"id": "admin-id", "name": "admin", "domain": domain},
            "project": {"id": "admin-project", "name": "admin", "domain": domain},
            "roles": [{"id": "admin-role", "name": "admin"}],
            "issued_at": "2030-01-01T00:00:00.000000Z",
            "expires_at": "2038-01-01T00:00:00.000000Z",
            "catalog": catalog,
        }


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile(
        "".join(f"(?P<{p}>[^/]+)" if i % 2 else re.escape(p) for i, p in enumerate(parts))
    )


def _start(query: Mapping[str, str], rows: Rows, links: bool) -> int:
    """Return where a page begins. The links of a listing have a row's number for a marker."""
    if links or "marker" not in query:
        return int(query.get("marker", query.get("offset", 0)))
    return 1 + [row["id"] for row in rows].index(query["marker"])


def _link(body: dict[str, Any], service: str, key: str, href: str) -> None:
    if service in ("identity", "dns"):
        body["links"] = {"next": href}
    elif service == "image":
        body["next"] = href[href.index("/v2/") :]
    else:
        body[f"{key}_links"] = [{"rel": "next", "href": href}]


def _handler_of(cloud: FakeCloud) -> type[BaseHTTPRequestHandler]:
    class OneRequest(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Else the body waits 40 ms for the client to acknowledge the head.
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            """Say nothing: tests read `FakeCloud.requests`."""

        def serve(self) -> None:
            url = urlsplit(self.path)
            _, service, below = (url.path + "/").split("/", 2)
            below = "/" + below.rstrip("/")
            if service not in cloud.services:
                return self.send(Answer(404, {"message": f"No {service} here."}))
            prefix = VERSIONS[service][1]
            # A microversioned root asks for nothing else than its version document.
            if below in ("/", prefix) and self.command == "GET":
                self.read()
                return self.send(cloud.version_document(service, below))
            path = below.removeprefix(prefix) or "/"
            fault = cloud.fault_of(self.command, service, path)
            body = self.read(fault.read_at_most if fault else None)
            query = dict(parse_qsl(url.query))
            headers = {k.lower(): v for k, v in self.headers.items()}
            request = Request(self.command, service, path, query, headers, body)
            if fault is None:
                return self.send(cloud.answer(request))
            cloud.requests.append(request)
            self.fail(fault, request)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = serve

        def fail(self, fault: Fault, request: Request) -> None:
            time.sleep(fault.delay_s)
            if fault.reset:
                return self.reset()
            if fault.cut_at is not None:
                self.send(cloud.answer(request), fault.cut_at)
                return self.reset()
            if not fault.status:
                return self.send(cloud.answer(request))
            headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after else {}
            word = {"error": {"code": fault.status, "message": fault.message}}
            self.send(Answer(fault.status, word, headers=headers))

        def read(self, at_most: int | None = None) -> bytes:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                return self.read_chunks(at_most)
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(length if at_most is None else min(length, at_most))

        def read_chunks(self, at_most: int | None) -> bytes:
            body = bytearray()
            while at_most is None or len(body) < at_most:
                size = int(self.rfile.readline().split(b";")[0], 16)
                body += self.rfile.read(size)
                self.rfile.readline()
                if not size:
                    break
            return bytes(body)

        def send(self, answer: Answer, cut_at: int | None = None) -> None:
            payload = answer.payload()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.body is None:
                self.send_header("Content-Type", "application/json")
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(payload[:cut_at])
                self.wfile.flush()

        def reset(self) -> None:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            # shutdown_request() would send FIN first: close here, so that RST is what goes out.
            self.connection.close()

    return OneRequest
