"""A machine that QEMU emulates in software: real firmware, network boot, kernel and disk."""

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from lab.files import write
from lab.metal import guests
from lab.metal.booting import (
    BOOTSTRAP,
    INSTALL_FAILS,
    INSTALLED,
    NOTHING,
    SLOW,
    SOURCE,
    resume_order,
)
from lab.metal.hardware import Hardware
from lab.metal.machines import Machine, MachineError, Site
from lab.processes import read_status

SLOW_S = 20.0
STEP_S = 0.2


@dataclass
class Life:
    """One start of QEMU, from the decision to boot until it is killed or ends."""

    local_boot: bool
    shut_down: bool = False
    ended: threading.Event = field(default_factory=threading.Event)
    process: subprocess.Popen[bytes] | None = None


class Qemu(Machine):
    """A machine in a process of its own, without any privileges.

    A reset ends the process and starts another, which under emulation is much quicker than
    the reset of a running one.
    """

    kind = "qemu"

    def __init__(
        self,
        hardware: Hardware,
        site: Site,
        boot_url: str,
        on_change: Callable[[str, str], None] = lambda host, system: None,
    ) -> None:
        super().__init__(hardware, site, on_change)
        self.boot_url = boot_url
        self._home = site.home / hardware.host
        self._life = Life(local_boot=False)
        self._ordered: str | None = None
        self._result = ""

    def boot_script(self) -> str:
        """Return what iPXE runs: the bootstrap image, or once the disk after an installation."""
        if self._life.local_boot:
            return "#!ipxe\nexit 1\n"
        words = guests.kernel_words(self.site, self.boot_url, BOOTSTRAP)
        return (
            f"#!ipxe\nkernel {self.boot_url}/vmlinuz {words}\n"
            f"initrd {self.boot_url}/initrd.gz\nboot\n"
        )

    def order(self) -> str:
        """Return what the system on the machine shall do."""
        if self._life.shut_down:
            return "shutdown"
        return "wait" if self._ordered is None else f"install {self._ordered}"

    def heard(self, words: str) -> None:
        """Take in what the system on the machine said."""
        word, _, rest = words.partition(" ")
        with self.changed:
            if word == "running" and rest in (BOOTSTRAP, INSTALLED) and self._life.process:
                self.update(system=rest)
            elif word in ("installed", "failed") and self._ordered is not None:
                self._ordered, self._result = None, words
                self.changed.notify_all()

    def _start(self, order: tuple[str, ...], local_boot: bool) -> None:
        self._life = Life(local_boot)
        words = (self._life, order)
        threading.Thread(target=self._live, args=words, daemon=True).start()

    def _resume(self) -> None:
        self._end_leftover()
        order = resume_order(self.state)
        # Nobody is told: it is the lab that was away, not the machine.
        self._become(replace(self.state, system=NOTHING, order=order), tell=False)
        self._start(order, local_boot=False)

    def _kill(self) -> None:
        life = self._life
        life.ended.set()
        if life.process:
            life.process.kill()
            life.process.wait()
        if self._ordered is not None:
            self._ordered = None
            self._result = "failed it was reset or switched off while it installed"
            self.changed.notify_all()

    def _shut_down(self) -> None:
        """Ask the system when it next asks for orders; the source's never does."""
        self._life.shut_down = True

    def _install(self, order: Mapping[str, object]) -> None:
        with self.changed:
            self._result, self._ordered = "", self.state.hostname or "localhost"
            if not self.changed.wait_for(lambda: self._result, self.site.timing.limit_s):
                self._ordered = None
                raise MachineError(f"the installer said nothing; see {self.console}")
            if not self._result.startswith("installed"):
                raise MachineError(self._result.removeprefix("failed "))

    def _live(self, life: Life, order: tuple[str, ...]) -> None:
        """Run QEMU and follow what becomes of it.

        A signal ends it together with the lab, which leaves the machine's state as it is.
        """
        if self.has(SLOW) and life.ended.wait(SLOW_S):
            return
        with self.changed:
            if life.ended.is_set():
                return
            try:
                self._home.mkdir(parents=True, exist_ok=True)
                self.console.touch()
                seen = self.console.stat().st_size
                process = self._spawn(order)
            except OSError as error:
                self.power_off(f"QEMU did not start: {error}")
                return
            life.process = process
        threading.Thread(target=self._watch_console, args=(life, seen), daemon=True).start()
        reason = _follow(process)
        with self.changed:
            if life.ended.is_set():
                return
            life.ended.set()
            if reason == "guest-reset":
                self.boot("the system rebooted")
            elif reason != "host-signal":
                self.power_off(f"the machine ended: {reason}")

    def _spawn(self, order: tuple[str, ...]) -> subprocess.Popen[bytes]:
        guests.make_disks(self._home, self.state)
        argv = guests.command(self.hardware, self._home, self.boot_url, order, self.state.faults)
        with (self._home / "qemu.log").open("ab") as log:
            process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        status = read_status(process.pid)
        record = {"pid": process.pid, "started": status.started if status else 0}
        write(self._home / "qemu.pid", json.dumps(record))
        return process

    def _watch_console(self, life: Life, seen: int) -> None:
        """Notice on the console that the source's system runs: it says nothing elsewhere."""
        while self.state.disk == SOURCE and not life.ended.wait(STEP_S):
            with self.console.open("rb") as file:
                file.seek(seen)
                if guests.SOURCE_WORDS not in file.read():
                    continue
            with self.changed:
                if not life.ended.is_set():
                    self.update(system=SOURCE)
            return

    def _end_leftover(self) -> None:
        """End a QEMU that outlived the daemon which started it."""
        try:
            record = json.loads((self._home / "qemu.pid").read_text())
        except (OSError, ValueError):
            return
        status = read_status(record["pid"])
        if status and status.started == record["started"]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(status.pid, signal.SIGKILL)

    def cuts_images(self) -> bool:
        """Tell whether the boot server shall break off in the middle of an image."""
        return self.has(INSTALL_FAILS)


def _follow(process: subprocess.Popen[bytes]) -> str:
    """Read QEMU's events until it ends; return why it did."""
    assert process.stdout is not None
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.write(b'{"execute": "qmp_capabilities"}\n')
        process.stdin.flush()
    reason = ""
    for line in process.stdout:
        event = json.loads(line)
        if event.get("event") == "SHUTDOWN":
            reason = event["data"]["reason"]
    return reason or f"QEMU's exit code {process.wait()}"
