"""The HTTP server that QEMU machines boot from and talk to: their only way out.

GET  /HOST/boot.ipxe         what the network boot runs
GET  /vmlinuz, /initrd.gz
GET  /MAC/order              `wait`, `install HOSTNAME` or `shutdown`
GET  /MAC/disk.img[.sha1]    what the installer writes
POST /MAC/report             `running SYSTEM`, `installed` or `failed WORDS`
"""

import http.server
import shutil
from collections.abc import Iterable
from pathlib import Path

from lab.metal.qemu import Qemu

SHARED = ("vmlinuz", "initrd.gz")
IMAGES = ("disk.img", "disk.img.sha1")


class BootServer(http.server.ThreadingHTTPServer):
    """Serves the files of one lab, on loopback only."""

    daemon_threads = True

    def __init__(self, port: int, files: Path, images: Path, machines: Iterable[Qemu]) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.files = files
        self.images = images
        self.machines = {
            name: machine
            for machine in machines
            for name in (machine.hardware.host, machine.hardware.macs[0])
        }


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request."""

    server: BootServer
    timeout = 60

    def do_GET(self) -> None:
        """Give a file, a boot script or an order."""
        name, _, what = self.path.strip("/").partition("/")
        machine = self.server.machines.get(name)
        if name in SHARED and not what:
            self._file(self.server.files / name)
        elif machine and what == "boot.ipxe":
            self._text(machine.boot_script())
        elif machine and what == "order":
            self._text(machine.order())
        elif machine and what in IMAGES:
            cut = what == "disk.img" and machine.cuts_images()
            self._file(self.server.images / what, cut)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        """Take in what a machine reports."""
        name, _, what = self.path.strip("/").partition("/")
        machine = self.server.machines.get(name)
        words = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if machine is None or what != "report":
            self.send_error(404)
            return
        machine.heard(words)
        self._text("ok")

    def log_message(self, format: str, *words: object) -> None:
        """Stay silent: the machines' consoles say what happens."""

    def _text(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def _file(self, path: Path, cut: bool = False) -> None:
        size = path.stat().st_size // (2 if cut else 1)
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        with path.open("rb") as file:
            if cut:
                self.wfile.write(file.read(size))
            else:
                shutil.copyfileobj(file, self.wfile, 2**20)
