"""What Nailgun's agent sends from a machine, and how it sends it."""

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from lab.metal.booting import BOOTSTRAP, State
from lab.metal.hardware import MANUFACTURER, PRODUCT, Hardware, meta

TIMEOUT_S = 20.0


class AgentError(Exception):
    """Say what Fuel answered, or that it did not; `status` is 0 without an answer."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(status, words)
        self.status = status
        self.words = words

    def __str__(self) -> str:
        return f"{self.status} {self.words}" if self.status else self.words


def report(hardware: Hardware, state: State) -> dict[str, Any]:
    """Return what the agent of the running system sends.

    Only the bootstrap image sends a status; on an installed system the agent sends none, so
    Fuel keeps its own. The checksum covers all the rest: as long as it is the same, Fuel
    ignores everything but the fact that the node is there.
    """
    bootstrap = state.system == BOOTSTRAP
    body: dict[str, Any] = {
        "mac": hardware.macs[0],
        "ip": hardware.ip,
        "os_platform": "ubuntu",
        "manufacturer": MANUFACTURER,
        "platform_name": PRODUCT,
        "meta": meta(hardware, "bootstrap" if bootstrap else fqdn(state), state.faults),
    }
    if bootstrap:
        body["status"] = "discover"
    text = json.dumps(body, sort_keys=True).encode()
    return body | {"agent_checksum": hashlib.sha1(text, usedforsecurity=False).hexdigest()}


def fqdn(state: State) -> str:
    """Return the name that the installed system gives itself."""
    return state.hostname or "localhost.localdomain"


def register(fuel_url: str, body: Mapping[str, Any]) -> int:
    """Register a node, or refresh the one that has its MAC; return Fuel's id of it."""
    try:
        return _call("POST", f"{fuel_url}/api/nodes/", body)
    except AgentError as error:
        if error.status != 409:
            raise
    return refresh(fuel_url, body)


def refresh(fuel_url: str, body: Mapping[str, Any]) -> int:
    """Say that a node is there; return Fuel's id of it."""
    return _call("PUT", f"{fuel_url}/api/nodes/agent/", body)


def _call(method: str, url: str, body: Mapping[str, Any]) -> int:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return int(json.load(answer)["id"])
    except urllib.error.HTTPError as error:
        words = error.read(500).decode("utf-8", "replace")
        raise AgentError(error.code, f"to {method} {url}: {words}") from None
    except (OSError, ValueError, KeyError) as error:
        raise AgentError(0, f"no answer to {method} {url}: {error}") from None
