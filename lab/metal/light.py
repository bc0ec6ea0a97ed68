"""A machine without hardware: the agent of what runs on it lives in the daemon."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path

from lab.files import write
from lab.metal.agent import AgentError, refresh, register, report
from lab.metal.booting import (
    BOOTSTRAP,
    INSTALL_FAILS,
    INSTALLED,
    NOTHING,
    SLOW,
    SLOWNESS,
    landing,
)
from lab.metal.machines import Machine, MachineError


class Light(Machine):
    """A machine that follows its BMC's events as real metal does, in less time.

    Each boot is a life: a thread that ends when its event is set.
    """

    kind = "light"
    _ended = threading.Event()

    @property
    def disk(self) -> Path:
        """Return the file that stands for the first disk; it holds what was installed."""
        return self.site.home / self.hardware.host / "sda.json"

    def _start(self, order: tuple[str, ...], local_boot: bool) -> None:
        system = landing(order, self.state.disk, local_boot)
        self._begin(system, self._scaled(self.site.timing.boot_s))

    def _resume(self) -> None:
        if self.state.system == NOTHING:
            self._start(self.state.order, local_boot=False)
        else:
            self._begin(self.state.system, 0)

    def _kill(self) -> None:
        self._ended.set()

    def _shut_down(self) -> None:
        if self.state.system == NOTHING:
            return
        threading.Thread(target=self._end_slowly, args=(self._ended,), daemon=True).start()

    def _install(self, order: Mapping[str, object]) -> None:
        ended = self._ended
        if ended.wait(self._scaled(self.site.timing.install_s)):
            raise MachineError("it was reset or switched off while it installed")
        if self.has(INSTALL_FAILS):
            raise MachineError("writing the image to sda failed; the disk holds nothing bootable")
        write(self.disk, json.dumps(order, indent=1))

    def _begin(self, system: str, pause_s: float) -> None:
        self._ended = threading.Event()
        words = (system, pause_s, self._ended)
        threading.Thread(target=self._live, args=words, daemon=True).start()

    def _live(self, system: str, pause_s: float, ended: threading.Event) -> None:
        if ended.wait(pause_s):
            return
        with self.changed:
            if ended.is_set():
                return
            self.say(f"{system} runs" if system != NOTHING else "no bootable device")
            self.update(system=system)
        if system in (BOOTSTRAP, INSTALLED):
            self._report(ended)

    def _report(self, ended: threading.Event) -> None:
        """Report to Fuel until the life ends: soon again after a failure, else as keepalive."""
        if not self.site.fuel_url:
            self.say("agent: no Fuel is configured")
            return
        timing, known, pause_s = self.site.timing, False, 0.0
        while not ended.wait(pause_s):
            try:
                node = self._send(known)
                if not known:
                    self.say(f"agent: Fuel knows this machine as node {node}")
                known, pause_s = True, timing.keepalive_s
            except AgentError as error:
                self.say(f"agent: {error}")
                known, pause_s = False, timing.retry_s

    def _send(self, known: bool) -> int:
        """Send a report; only the bootstrap image makes itself known to a Fuel that forgot it."""
        body = report(self.hardware, self.state)
        if self.state.system == BOOTSTRAP and not known:
            return register(self.site.fuel_url, body)
        return refresh(self.site.fuel_url, body)

    def _end_slowly(self, ended: threading.Event) -> None:
        if ended.wait(self._scaled(self.site.timing.shutdown_s)):
            return
        with self.changed:
            if not ended.is_set():
                self.power_off("the system shut down")

    def _scaled(self, seconds: float) -> float:
        return seconds * SLOWNESS if self.has(SLOW) else seconds
