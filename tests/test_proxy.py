"""The sample of a proxy, in a real nginx: both UIs work, and tell nothing to the outside."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import CHROMIUM, ROOT, Stack, free_port, running_server

NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
TRACKER = "amplitude.com"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
]


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Return a server that browsers reach by a proxy with the sample's configuration."""
    assert NGINX
    folder, port, behind = tmp_path_factory.mktemp("proxied"), free_port(), free_port()
    chosen = {"port": behind, "public_url": f"http://127.0.0.1:{port}"}
    proxy = subprocess.Popen([NGINX, "-c", configuration(folder, port, behind)])
    try:
        with running_server(folder / "prefect", **chosen) as services:
            yield Stack(services, folder / "none.yaml")
    finally:
        proxy.terminate()
        proxy.wait(timeout=20)


@pytest.mark.parametrize("page", ["/dashboard", "/v2/dashboard"])
def test_a_page_works_and_stays_inside(proxied: Stack, tmp_path: Path, page: str) -> None:
    """It shows what it is for, by the API behind the proxy, and asks nobody else."""
    log = tmp_path / "net.json"

    text = proxied.look(page, f"proxied{page.replace('/', '-')}", net_log=log)

    assert "Run a task or flow to get started" in text
    asked = log.read_text(errors="replace")
    assert "/api/" in asked
    assert TRACKER not in asked


def test_without_the_proxy_it_would_not_stay_inside(proxied: Stack, tmp_path: Path) -> None:
    """If this fails, Prefect's V2 UI has become quiet, and the policy guards nothing."""
    log = tmp_path / "net.json"

    proxied.look("/v2/dashboard", "unproxied", net_log=log, port=proxied.services.options.port)

    assert TRACKER in log.read_text(errors="replace")


def configuration(folder: Path, port: int, server_port: int) -> Path:
    """Write the sample for *port* and without TLS, in a configuration that needs no rights."""
    sample = (ROOT / "samples" / "nginx.conf").read_text()
    sample = sample.replace("listen 443 ssl", f"listen 127.0.0.1:{port}")
    sample = sample.replace("127.0.0.1:4200", f"127.0.0.1:{server_port}")
    sample = re.sub(r"^\s*ssl_.*\n", "", sample, flags=re.MULTILINE)
    temporary = "".join(
        f"{name}_temp_path {folder / name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path = folder / "nginx.conf"
    path.write_text(
        f"daemon off;\npid {folder / 'nginx.pid'};\nerror_log {folder / 'error.log'};\n"
        "events {}\n"
        f"http {{\naccess_log off;\ninclude /etc/nginx/mime.types;\n{temporary}{sample}}}\n"
    )
    return path
