"""A Fuel that knows nothing but Nailgun's two public calls of agents, and records them."""

import http.server
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

WAIT_S = 60.0


@dataclass(frozen=True)
class Call:
    """One call of an agent, and what was answered."""

    method: str
    path: str
    status: int
    body: dict[str, Any]


class RecordingFuel(http.server.ThreadingHTTPServer):
    """Registers nodes by MAC: 201, 409 for a known one, 400 for the report of a stranger."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.changed = threading.Condition()
        self.calls: list[Call] = []
        self.nodes: dict[str, int] = {}
        self.given = 0
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        """Return the URL that agents are given."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def forget(self, mac: str) -> None:
        """Delete a node, as an operator of Fuel does."""
        with self.changed:
            del self.nodes[mac]

    def wait(
        self, matches: Callable[[Call], bool], wait_s: float = WAIT_S, after: int = 0
    ) -> Call:
        """Return the first call from number `after` on that matches; fail when none comes."""

        def found() -> Call | None:
            return next((call for call in self.calls[after:] if matches(call)), None)

        with self.changed:
            call = self.changed.wait_for(found, wait_s)
            assert call, f"no such call among {[(c.method, c.path, c.status) for c in self.calls]}"
            return call

    def answer(self, method: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Do what Nailgun does, and return status and body."""
        mac = body["mac"]
        if method == "POST" and body.get("status") != "discover":
            return 403, {"message": "Only bootstrap nodes are allowed to be registered."}
        if method == "POST" and mac in self.nodes:
            return 409, {"message": f"Node with mac {mac} already exists - doing nothing"}
        if method == "POST":
            self.given += 1
            self.nodes[mac] = self.given
            return 201, {"id": self.given}
        if mac not in self.nodes:
            return 400, {"message": "Invalid MAC is specified"}
        return 200, {"id": self.nodes[mac]}


class _Handler(http.server.BaseHTTPRequestHandler):
    server: RecordingFuel

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        method = self.headers.get("X-HTTP-Method-Override", self.command)
        with self.server.changed:
            status, answer = self.server.answer(method, body)
            self.server.calls.append(Call(method, self.path, status, body))
            self.server.changed.notify_all()
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_PUT = do_POST

    def log_message(self, format: str, *words: object) -> None:
        """Stay silent."""
