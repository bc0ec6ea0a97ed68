"""When a step of a host's upgrade has its first effect, on a rack, and what is done then."""

import re
import threading
from collections.abc import Callable
from typing import Any

from lab.nailgun.faults import Fault
from tests.fakecloud import Answer, Request
from tests.rack import MACS, Rack

MARKS = {
    "evacuate": r"source PUT /os-services/",
    "pxe": r"bmc boot pxe",
    "reset": r"bmc reset",
    "register": r"fuel PUT /api/nodes/\d+/$",
    "assign": r"fuel POST /api/clusters/\d+/assignment/",
    "disks": r"fuel PUT /api/nodes/\d+/disks/",
    "nics": r"fuel PUT /api/nodes/\d+/interfaces/",
    "provision": r"fuel PUT /api/clusters/\d+/provision/",
    "deploy": r"fuel PUT /api/clusters/\d+/deploy/",
    "compute": r"target PUT /os-services/",
    "probe": r"fuel PUT /api/nodes/\d+/$",
    "enable": r"target PUT /os-services/",
    "retire": r"source DELETE /os-services/",
}
"""Of each step: its first effect, among those that come after the step before began."""

ORDER = tuple(MARKS)
FAILS_IN_FUEL = {"provision": "provision_error", "deploy": "deploy_error"}
REFUSAL = Answer(500, {"error": {"code": 500, "message": "It failed on purpose."}})


class Moments:
    """
    Watches the effects on a rack, which have happened and are not answered yet.

    Attributes:
        seen: The steps that have had their first effect, in order.
    """

    def __init__(self, rack: Rack) -> None:
        self.rack = rack
        self.seen: list[str] = []
        self._acts: dict[str, Callable[[], None]] = {}
        self._refused = ""
        self._lock = threading.Lock()
        for name in ("source", "target"):
            self._watch_cloud(name)
        self._watch_machine()
        rack.fuel.world.watchers.append(lambda call: self._effect(f"fuel {call}"))

    def at(self, step: str, act: Callable[[], None]) -> None:
        """Let *act* be called once, at the first effect of *step*."""
        self._acts[step] = act

    def fail(self, step: str) -> None:
        """Let *step* fail once: a job of Fuel in the end, anything else at its first effect."""
        if step in ORDER[:2]:
            self._arm(step)
        else:
            self.at(ORDER[ORDER.index(step) - 1], lambda: self._arm(step))

    def _arm(self, step: str) -> None:
        who, _, pattern = MARKS[step].partition(" ")
        if kind := FAILS_IN_FUEL.get(step):
            self.rack.fuel.world.faults.add(Fault(kind, mac=MACS[0]))
        elif who == "fuel":
            # The client itself asks so often before it gives up.
            times = self.rack.fuel.access().retries + 1
            fault = Fault("answer", pattern=pattern, status=500, times=times)
            self.rack.fuel.world.faults.add(fault)
        else:
            self._refused = MARKS[step]

    def _is_refused(self, what: str) -> bool:
        """Tell whether *what* is the effect that shall fail, which it does once."""
        is_it = bool(self._refused and re.match(self._refused, what))
        if is_it:
            self._refused = ""
        return is_it

    def _effect(self, what: str) -> None:
        with self._lock:
            step = ORDER[len(self.seen)] if len(self.seen) < len(ORDER) else ""
            if step == ORDER[0] and re.match(MARKS[ORDER[1]], what):
                self.seen.append(step)
                step = ORDER[1]
            if not step or not re.match(MARKS[step], what):
                return
            self.seen.append(step)
            act = self._acts.pop(step, None)
        if act:
            act()

    def _watch_cloud(self, name: str) -> None:
        fake = getattr(self.rack, name).fake
        answer = fake.answer

        def watched(request: Request) -> Any:
            what = f"{name} {request.method} {request.path}"
            if self._is_refused(what):
                return REFUSAL
            said = answer(request)
            self._effect(what)
            return said

        fake.answer = watched
        # Who is killed does not wait for answers.
        fake._server.handle_error = lambda *_: None

    def _watch_machine(self) -> None:
        machine = self.rack.bmc.machine
        answer = machine.answer

        def watched(line: str) -> str:
            verb, _, order = line.partition(" ")
            what = f"bmc {order}"
            if verb == "set" and self._is_refused(what):
                return "error: on purpose"
            said = answer(line)
            if verb == "set":
                self._effect(what)
            return said

        machine.answer = watched  # type: ignore[method-assign]
