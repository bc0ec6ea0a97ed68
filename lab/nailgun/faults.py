"""Faults on demand: each is kept until it was met as often as was asked for."""

import re
from dataclasses import dataclass


@dataclass
class Fault:
    """What shall go wrong.

    `kind` is one of provision_error, deploy_error, offline (nodes, by id or MAC), busy (an
    environment's jobs), or answer (any call whose "METHOD /path" matches `pattern`).
    """

    kind: str
    node: int | None = None
    mac: str = ""
    times: int = 1
    message: str = ""
    pattern: str = ""
    status: int = 0
    body: str = ""
    content_type: str = "text/html, text/plain"
    delay_s: float = 0.0


class Faults:
    """The faults that wait to be met."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let a fault wait."""
        self.waiting.append(fault)

    def clear(self) -> None:
        """Forget all."""
        self.waiting.clear()

    def take_node(self, kind: str, node_id: int, mac: str) -> Fault | None:
        """Return the fault that a node meets now."""
        for fault in self.waiting:
            named = fault.node == node_id or fault.mac.lower() == mac.lower()
            if fault.kind == kind and named:
                return self._used(fault)
        return None

    def take_busy(self) -> Fault | None:
        """Return the fault that a new job meets now."""
        busy = [fault for fault in self.waiting if fault.kind == "busy"]
        return self._used(busy[0]) if busy else None

    def take_answer(self, call: str) -> Fault | None:
        """Return the fault that a request meets now; *call* is its method and path."""
        for fault in self.waiting:
            if fault.kind == "answer" and re.search(fault.pattern, call):
                return self._used(fault)
        return None

    def _used(self, fault: Fault) -> Fault:
        fault.times -= 1
        if fault.times <= 0:
            self.waiting.remove(fault)
        return fault
