"""Redfish for the machines of the lab: sushy-tools' emulator on their sockets, over HTTPS.

The emulator knows no sessions, and says of every boot override that it is for good. Both are
added here: sessions, so that one that is left can be seen, and the override's frequency, so that
one start and every start differ.
"""

import argparse
import json
import secrets
import ssl
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bcrypt
import flask
from sushy_tools import error
from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources.systems.base import AbstractSystemsDriver

from lab.bmc.certificates import make_certificate
from lab.bmc.users import USERS
from lab.errors import LabError
from lab.files import write
from lab.metal.protocol import ask

SESSIONS = "/redfish/v1/SessionService/Sessions"
ORDERS = {
    "On": "set power 1",
    "ForceOn": "set power 1",
    "ForceOff": "set power 0",
    "ForceRestart": "set reset 1",
    "GracefulShutdown": "set shutdown 1",
}
TARGETS = {"default": "None", "pxe": "Pxe", "disk": "Hdd", "cdrom": "Cd", "bios": "BiosSetup"}
DEVICES = {target: device for device, target in TARGETS.items()}
DISABLED, ONCE, CONTINUOUS = "Disabled", "Once", "Continuous"


@dataclass
class Nature:
    """What kind of BMC this is: how late it acts, how long it tells old boot overrides.

    `refuses` are reset types that it does not know.
    """

    power_delay_s: float = 0.0
    stale_s: float = 0.0
    refuses: tuple[str, ...] = ()


@dataclass
class Machines(AbstractSystemsDriver):  # type: ignore[misc]
    """The emulator's driver: each system is a machine's socket, and its id the host's name."""

    sockets: Mapping[str, Path]
    nature: Nature
    old: dict[str, tuple[float, dict[str, str]]] = field(default_factory=dict)

    driver = "<lab>"

    @property
    def systems(self) -> list[str]:
        """Return the ids of all systems."""
        return list(self.sockets)

    def uuid(self, identity: str) -> str:
        """Return the id, which is the name."""
        return self.name(identity)

    def name(self, identity: str) -> str:
        """Return the host's name."""
        if identity not in self.sockets:
            raise error.NotFound(f"There is no system {identity}")
        return identity

    def get_power_state(self, identity: str) -> str:
        """Return Redfish's word for the power state."""
        return "On" if self.ask(identity, "get power") == "power:1" else "Off"

    def set_power_state(self, identity: str, state: str) -> None:
        """Follow an order, at once or late."""
        if state not in ORDERS or state in self.nature.refuses:
            raise error.BadRequest(f"ResetType {state} is not known")
        order = (identity, ORDERS[state])
        if self.nature.power_delay_s:
            threading.Timer(self.nature.power_delay_s, self.ask, order).start()
        else:
            self.ask(*order)

    def get_boot_device(self, identity: str) -> str:
        """Return the target of the boot override."""
        return self.boot(identity)["BootSourceOverrideTarget"]

    def set_boot_device(self, identity: str, boot_source: str) -> None:
        """Refuse: overrides are set whole, by `set_boot`."""
        raise error.NotSupportedError("set_boot_device")

    def boot(self, identity: str) -> dict[str, str]:
        """Return the boot override in Redfish's words, or what it was shortly before."""
        until, old = self.old.get(identity, (0.0, {}))
        if time.monotonic() < until:
            return old
        seen = dict(word.split(":") for word in self.ask(identity, "get boot").split())
        enabled = CONTINUOUS if seen["persistent"] == "1" else ONCE
        target = TARGETS.get(seen["boot"], "None")
        return {
            "BootSourceOverrideEnabled": DISABLED if target == "None" else enabled,
            "BootSourceOverrideTarget": target,
            "BootSourceOverrideMode": "UEFI" if seen["uefi"] == "1" else "Legacy",
        }

    def set_boot(self, identity: str, changes: Mapping[str, str]) -> None:
        """Set the boot override; what is not among *changes* stays."""
        before = self.boot(identity)
        after = {**before, **changes}
        if after["BootSourceOverrideEnabled"] == DISABLED:
            after["BootSourceOverrideTarget"] = "None"
        device = DEVICES.get(after["BootSourceOverrideTarget"])
        if device is None:
            raise error.BadRequest("BootSourceOverrideTarget is not known")
        words = ["set", "boot", device]
        words += ["persistent"] * (after["BootSourceOverrideEnabled"] == CONTINUOUS)
        words += ["uefi"] * (after["BootSourceOverrideMode"] == "UEFI")
        self.ask(identity, " ".join(words))
        self.old[identity] = (time.monotonic() + self.nature.stale_s, before)

    def ask(self, identity: str, line: str) -> str:
        """Return a machine's answer."""
        try:
            return ask(self.sockets[self.name(identity)], line)
        except LabError as problem:
            raise error.FishyError(str(problem)) from None


class Sessions:
    """Tokens in place of a password, as Redfish's session service gives them."""

    def __init__(self, application: Any) -> None:
        self._basic = application
        self._tokens: dict[str, str] = {}

    def __call__(self, environment: dict[str, Any], start: Any) -> Any:
        """Let a valid token pass by the check of the password."""
        if environment.get("HTTP_X_AUTH_TOKEN") in self._tokens.values():
            return self._basic.app(environment, start)
        if environment.get("PATH_INFO") == SESSIONS and environment["REQUEST_METHOD"] == "POST":
            return self._basic.app(environment, start)
        return self._basic(environment, start)

    def create(self) -> Any:
        """Answer a login."""
        given = flask.request.json
        if not any((u.name, u.password) == (given["UserName"], given["Password"]) for u in USERS):
            raise error.Unauthorized("Wrong user or password")
        number = secrets.token_hex(4)
        self._tokens[number] = secrets.token_hex(16)
        place = f"{SESSIONS}/{number}"
        headers = {"X-Auth-Token": self._tokens[number], "Location": place}
        return flask.make_response(
            {"@odata.id": place, "Id": number, "Name": number}, 201, headers
        )

    def listed(self) -> Any:
        """Answer with all sessions."""
        members = [{"@odata.id": f"{SESSIONS}/{number}"} for number in self._tokens]
        return {"Members": members, "Members@odata.count": len(members), "Name": "Sessions"}

    def delete(self, number: str) -> Any:
        """Answer a logout."""
        if self._tokens.pop(number, None) is None:
            raise error.NotFound(f"There is no session {number}")
        return "", 204


def application(machines: Machines, passwords: Path) -> Any:
    """Return the emulator with our machines, sessions and boot overrides."""
    app = emulator.app
    type(app).systems = property(lambda _: machines)
    app.configure(extra_config={"SUSHY_EMULATOR_AUTH_FILE": str(passwords)})
    app.wsgi_app = sessions = Sessions(app.wsgi_app)
    app.add_url_rule(SESSIONS, "login", sessions.create, methods=["POST"])
    app.add_url_rule(SESSIONS, "sessions", sessions.listed, methods=["GET"])
    app.add_url_rule(f"{SESSIONS}/<number>", "logout", sessions.delete, methods=["DELETE"])
    system = app.view_functions["system_resource"]

    def with_boot(identity: str) -> Any:
        if flask.request.method == "PATCH" and "Boot" in flask.request.json:
            machines.set_boot(identity, flask.request.json["Boot"])
            return "", 204
        answer = system(identity=identity)
        if flask.request.method == "GET":
            body = answer.get_json()
            body["Boot"] |= machines.boot(identity)
            body["Boot"]["BootSourceOverrideTarget@Redfish.AllowableValues"] = list(DEVICES)
            answer.set_data(json.dumps(body))
        return answer

    app.view_functions["system_resource"] = with_boot
    return app


def main(words: list[str] | None = None) -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m lab.bmc.redfish", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="of certificate and users")
    parser.add_argument("--port", type=int, required=True, help="TCP, on loopback")
    parser.add_argument("--power-delay", type=float, default=0.0, help="seconds")
    parser.add_argument("--stale", type=float, default=0.0, help="seconds of old boot overrides")
    parser.add_argument("--refuse", action="append", default=[], help="a reset type")
    parser.add_argument("machines", nargs="+", metavar="HOST=SOCKET")
    options = parser.parse_args(words)
    certificate, key = options.home / "redfish.pem", options.home / "redfish.key"
    passwords = options.home / "redfish.users"
    make_certificate(certificate, key)
    lines = [
        f"{user.name}:{bcrypt.hashpw(user.password.encode(), bcrypt.gensalt(4)).decode()}"
        for user in USERS
    ]
    write(passwords, "\n".join(lines) + "\n", mode=0o600)
    pairs = (word.split("=", 1) for word in options.machines)
    nature = Nature(options.power_delay, options.stale, tuple(options.refuse))
    machines = Machines({host: Path(socket) for host, socket in pairs}, nature)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    app = application(machines, passwords)
    app.run(host="127.0.0.1", port=options.port, ssl_context=context, threaded=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
