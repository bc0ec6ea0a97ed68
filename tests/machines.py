"""A machine behind a BMC, in the test's own process: it speaks the line protocol of the lab's."""

import socketserver
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread


class Machine:
    """
    A machine: its state, what it was told and when, and what it ignores.

    Attributes:
        orders: What was set, without reads, oldest first: monotonic seconds and words.

        ignored: First words of orders that are answered with ``ok`` and not followed, for
            example ``shutdown`` or ``power 0``.

        refuses: Whether every order is answered with an error.
    """

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.power = True
        self.boot: tuple[str, bool, bool] = ("default", False, False)
        self.orders: list[tuple[float, str]] = []
        self.ignored: set[str] = set()
        self.refuses = False

    @property
    def told(self) -> list[str]:
        """The orders, without their times."""
        return [words for _, words in self.orders]

    def answer(self, line: str) -> str:
        """Follow one request."""
        verb, name, *values = line.split()
        if verb == "get":
            return self._tell(name)
        order = " ".join([name, *values])
        self.orders.append((time.monotonic(), order))
        if self.refuses:
            return "error: not today"
        if not any(order.startswith(words) for words in self.ignored):
            self._follow(name, values)
        return "ok"

    def _tell(self, name: str) -> str:
        if name == "power":
            return f"power:{self.power:d}"
        device, persistent, uefi = self.boot
        return f"boot:{device} persistent:{persistent:d} uefi:{uefi:d}"

    def _follow(self, name: str, values: list[str]) -> None:
        if name == "power":
            self.power = values == ["1"]
        elif name == "shutdown":
            self.power = False
        elif name == "boot":
            self.boot = (values[0], "persistent" in values, "uefi" in values)


class _Request(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with suppress(BrokenPipeError):
            answer = self.server.machine.answer(self.rfile.readline().decode())  # type: ignore[attr-defined]
            self.wfile.write(answer.encode() + b"\n")


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


@contextmanager
def machine(socket: Path) -> Iterator[Machine]:
    """Yield a machine that is on and answers at *socket*."""
    made = Machine(socket)
    with _Server(str(socket), _Request) as server:
        server.machine = made  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield made
        server.shutdown()
