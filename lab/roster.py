"""Which compute hosts a cloud has now: its first three, with who joined, without who left."""

import json

from lab.files import write
from lab.layout import Cloud


def compute_hosts(cloud: Cloud) -> tuple[str, ...]:
    """Return the names of a cloud's compute hosts."""
    joined, left = _read(cloud)
    return tuple(host for host in (*cloud.hosts, *joined) if host not in left)


def join(cloud: Cloud, host: str) -> None:
    """Note that a host belongs to the cloud."""
    joined, left = _read(cloud)
    if host not in (*cloud.hosts, *joined):
        joined.append(host)
    _write(cloud, joined, [name for name in left if name != host])


def leave(cloud: Cloud, host: str) -> None:
    """Note that a host belongs to the cloud no more."""
    joined, left = _read(cloud)
    gone = [*left, host] if host in cloud.hosts and host not in left else left
    _write(cloud, [name for name in joined if name != host], gone)


def _read(cloud: Cloud) -> tuple[list[str], list[str]]:
    try:
        known = json.loads((cloud.home / "compute-hosts.json").read_text())
    except FileNotFoundError:
        return [], []
    return known["joined"], known["left"]


def _write(cloud: Cloud, joined: list[str], left: list[str]) -> None:
    text = json.dumps({"joined": joined, "left": left})
    write(cloud.home / "compute-hosts.json", text)
