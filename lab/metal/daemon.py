"""metald: one process with all machines of a lab, a socket for each, and their boot server."""

import contextlib
import queue
import signal
import socketserver
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.metal.booting import INSTALLED
from lab.metal.bootserver import BootServer
from lab.metal.guests import kernel_words
from lab.metal.hardware import ADMIN_GATEWAY, hardware_of
from lab.metal.images import boot_files, make_disk
from lab.metal.light import Light
from lab.metal.machines import Machine, Site
from lab.metal.qemu import Qemu

HOOK_S = 120.0


@dataclass(frozen=True)
class Plan:
    """What metald serves: the kind of each host, and where the boot server listens."""

    site: Site
    hosts: Mapping[str, str]
    port: int
    cache: Path
    on_change: Sequence[str] = ()


class Daemon:
    """All machines of a lab."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._changes: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self.machines = {
            host: self._machine(host, kind, number)
            for number, (host, kind) in enumerate(plan.hosts.items())
        }
        self._sockets: list[_Socket] = []
        self._boot_server: BootServer | None = None

    def start(self) -> None:
        """Bring all machines back to where they were and answer on their sockets."""
        guests = [machine for machine in self.machines.values() if isinstance(machine, Qemu)]
        if guests:
            self._boot_server = self._start_boot_server(guests)
        if self._plan.on_change:
            threading.Thread(target=self._run_hooks, daemon=True).start()
        for machine in self.machines.values():
            machine.resume()
        for host, machine in self.machines.items():
            socket = _Socket(self._plan.site.home / f"{host}.sock", machine)
            self._sockets.append(socket)
            threading.Thread(target=socket.serve_forever, args=(0.1,), daemon=True).start()

    def stop(self) -> None:
        """End everything; the machines' state is kept."""
        for socket in self._sockets:
            socket.shutdown()
            socket.server_close()
        for machine in self.machines.values():
            machine.close()
        if self._boot_server:
            self._boot_server.shutdown()
            self._boot_server.server_close()

    def _machine(self, host: str, kind: str, number: int) -> Machine:
        hardware, site = hardware_of(host, number), self._plan.site
        if kind == Qemu.kind:
            return Qemu(hardware, site, self._boot_url, self._note)
        return Light(hardware, site, self._note)

    @property
    def _boot_url(self) -> str:
        return f"http://{ADMIN_GATEWAY}:{self._plan.port}"

    def _start_boot_server(self, guests: list[Qemu]) -> BootServer:
        site = self._plan.site
        files = boot_files(self._plan.cache)
        make_disk(files, site.home, kernel_words(site, self._boot_url, INSTALLED))
        server = BootServer(self._plan.port, files, site.home, guests)
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        return server

    def _note(self, host: str, system: str) -> None:
        if self._plan.on_change:
            self._changes.put((host, system))

    def _run_hooks(self) -> None:
        """Run the command for each change of what runs on a machine, one after the other."""
        while True:
            host, system = self._changes.get()
            argv = [*self._plan.on_change, host, system]
            try:
                code = subprocess.run(argv, timeout=HOOK_S, check=False).returncode
            except (OSError, subprocess.TimeoutExpired) as error:
                code = 1
                print(error, flush=True)
            print(f"{host}: {system}; {' '.join(argv)} ended with {code}", flush=True)


class _Socket(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The socket of one machine."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: Path, machine: Machine) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self.machine = machine
        super().__init__(str(path), _Exchange)

    def server_close(self) -> None:
        super().server_close()
        Path(str(self.server_address)).unlink(missing_ok=True)


class _Exchange(socketserver.StreamRequestHandler):
    """One request and its answer."""

    server: _Socket
    timeout = 30

    def handle(self) -> None:
        line = self.rfile.readline().decode("utf-8", "replace")
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(self.server.machine.handle(line).encode() + b"\n")


def serve(plan: Plan) -> None:
    """Serve until the process is asked to end."""
    daemon = Daemon(plan)
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    daemon.start()
    print(f"{len(daemon.machines)} machines are served", flush=True)
    asked.wait()
    daemon.stop()
    sys.exit(0)
