"""One machine behind a BMC: its state, its answers, and what all kinds of machines do alike."""

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lab.files import write
from lab.metal import booting
from lab.metal.booting import BLANK, BOOTSTRAP, INSTALLED, NOTHING, Boot, State
from lab.metal.hardware import Hardware
from lab.metal.protocol import OK, Request, parse, render_boot


@dataclass(frozen=True)
class Timing:
    """How long things take on light machines, and how long is waited for any machine."""

    boot_s: float = 2.0
    install_s: float = 3.0
    shutdown_s: float = 1.0
    keepalive_s: float = 20.0
    retry_s: float = 1.0
    limit_s: float = 600.0


@dataclass(frozen=True)
class Site:
    """What a machine knows of the lab around it; without a Fuel it reports to nobody."""

    home: Path
    fuel_url: str = ""
    timing: Timing = Timing()


class MachineError(Exception):
    """Refuse a request, or say why it failed, in words for the one who asked."""


class Machine(ABC):
    """A machine with power, a boot override, disks and something that runs on it."""

    kind = ""

    def __init__(
        self,
        hardware: Hardware,
        site: Site,
        on_change: Callable[[str, str], None] = lambda host, system: None,
    ) -> None:
        self.hardware = hardware
        self.site = site
        self.changed = threading.Condition(threading.RLock())
        self._on_change = on_change
        self._file = site.home / hardware.host / "state.json"
        self.state = load_state(self._file)
        self._told = _word(self.state)

    @property
    def console(self) -> Path:
        """Return the file that holds what the machine's serial console showed."""
        return self.site.home / self.hardware.host / "console.log"

    def say(self, words: str) -> None:
        """Write a line on the console."""
        self.console.parent.mkdir(parents=True, exist_ok=True)
        with self.console.open("a") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {words}\n")

    def has(self, fault: str) -> bool:
        """Tell whether a fault is injected."""
        return fault in self.state.faults

    def handle(self, line: str) -> str:
        """Answer one line of the protocol."""
        try:
            return self._answer(parse(line))
        except (ValueError, MachineError) as error:
            return f"error: {error}"

    def describe(self) -> dict[str, Any]:
        """Return all that is known about the machine; `told` is the last change told."""
        return {
            "host": self.hardware.host,
            "kind": self.kind,
            "macs": self.hardware.macs,
            "ip": self.hardware.ip,
            "console": str(self.console),
            "told": self._told,
            **asdict(self.state),
        }

    def resume(self) -> None:
        """Go on where the daemon's end left the machine."""
        with self.changed:
            if self.state.power:
                self._resume()

    def close(self) -> None:
        """End what runs, without a change of the state that is kept."""
        with self.changed:
            self._kill()

    def update(self, **changes: Any) -> None:
        """Change parts of the state, keep it, and tell everybody who waits."""
        with self.changed:
            self._become(replace(self.state, **changes))

    def _become(self, state: State, tell: bool = True) -> None:
        with self.changed:
            self.state = state
            write(self._file, json.dumps(asdict(self.state), indent=1))
            self.changed.notify_all()
            if tell and self._told != _word(state):
                self._told = _word(state)
                self._on_change(self.hardware.host, self._told)

    def boot(self, why: str) -> None:
        """Begin to boot, whatever ran before."""
        with self.changed:
            order, local_boot = booting.boot_order(self.state), self.state.local_boot
            self.say(f"firmware: {why}; boot order: {', '.join(order) or 'none, stays in setup'}")
            self._kill()
            self._become(booting.after_boot(self.state, order))
            self._start(order, local_boot)

    def power_off(self, why: str) -> None:
        """Cut the power."""
        with self.changed:
            self.say(f"firmware: {why}")
            self._kill()
            self.update(power=False, system=NOTHING)

    def install(self, order: Mapping[str, object]) -> None:
        """Install a system from the bootstrap image, and boot it from the disk.

        Raises MachineError when the machine does not run the bootstrap image, when it fails,
        and when it does not come up from its disk.
        """
        with self.changed:
            if self.state.system != BOOTSTRAP:
                runs = self.state.system if self.state.power else "nothing, for it is off"
                raise MachineError(
                    f"it runs {runs} and not the bootstrap image; nothing was installed"
                )
            hostname = str(order.get("fqdn") or order.get("hostname") or "")
            # From here on there is nothing left on the disk that could boot.
            self.update(disk=BLANK, hostname=hostname)
        self.say("bootstrap: ordered to install")
        self._install(order)
        self.update(disk=INSTALLED, local_boot=True)
        self.boot("the installed system boots")
        self._wait_for_installed()

    @abstractmethod
    def _start(self, order: tuple[str, ...], local_boot: bool) -> None:
        """Boot from the first device of an order that works."""

    @abstractmethod
    def _resume(self) -> None:
        """Bring back what ran when the daemon ended."""

    @abstractmethod
    def _kill(self) -> None:
        """End what runs, at once."""

    @abstractmethod
    def _shut_down(self) -> None:
        """Ask what runs to end by itself."""

    @abstractmethod
    def _install(self, order: Mapping[str, object]) -> None:
        """Write the system to the disk; return when it is there."""

    def _wait_for_installed(self) -> None:
        with self.changed:
            self.changed.wait_for(
                lambda: self.state.system != NOTHING or not self.state.power,
                self.site.timing.limit_s,
            )
            if self.state.system != INSTALLED:
                now = self.state.system if self.state.power else "nothing, for it is off"
                raise MachineError(f"the system was installed but does not run; it runs {now}")

    def _answer(self, request: Request) -> str:
        if request.verb == "get":
            return self._get(request.name)
        if request.verb == "install":
            self.install(request.order)
        elif request.name == "fault":
            self.update(faults=request.faults)
        elif self.has(booting.REFUSES):
            raise MachineError("the machine refuses")
        else:
            self._set(request)
        return OK

    def _get(self, name: str) -> str:
        match name:
            case "power":
                return f"power:{self.state.power:d}"
            case "boot":
                return render_boot(self.state.boot)
        return json.dumps(self.describe())

    def _set(self, request: Request) -> None:
        with self.changed:
            match (request.name, request.value):
                case ("boot", _) if not self.has(booting.IGNORES_BOOT):
                    self.update(boot=request.boot)
                case ("power", "1") if not self.state.power:
                    self.boot("power on")
                case ("power", "0") if self.state.power and not self.has(booting.IGNORES_OFF):
                    self.power_off("power off")
                case ("reset", _) if not self.state.power:
                    raise MachineError("it is off, so it cannot be reset")
                case ("reset", _) if not self.has(booting.IGNORES_RESET):
                    self.boot("reset")
                case ("shutdown", _) if self.state.power and not self.has(booting.IGNORES_OFF):
                    self._shut_down()


def _word(state: State) -> str:
    return state.system if state.power else "off"


def load_state(file: Path) -> State:
    """Return the kept state of a machine; a new one runs the source's system."""
    try:
        kept = json.loads(file.read_text())
    except FileNotFoundError:
        return State()
    lists = {name: tuple(kept[name]) for name in ("faults", "order")}
    return State(**{**kept, **lists, "boot": Boot(**kept["boot"])})
