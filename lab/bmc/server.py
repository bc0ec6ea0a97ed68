"""A BMC of our own, on pyghmi's server, which cannot be used as it comes.

Repaired here: it answers suite 3 whatever was proposed (pyghmi's own client fails on that), it
drops unknown users and wrong passwords silently, forgets the flags of a boot override, lets every
user be administrator, and never ends a session. Suite 17 is added, which no other free BMC has.
It is partly our own code, so `ipmitool` and `ipmi_sim` remain the judges of our client.
"""

import hashlib
import hmac
import os
import select
import struct
from dataclasses import dataclass
from typing import Any

from pyghmi.ipmi import bmc as pyghmi_bmc
from pyghmi.ipmi.private import constants, serversession
from pyghmi.ipmi.private import session as pyghmi_session

from lab.bmc.users import LEVELS, USERS, Endpoint
from lab.errors import LabError
from lab.metal.protocol import ask

# Numbers of authentication, integrity and encryption; hash; length of the integrity code.
SUITES = {3: ((1, 1, 1), hashlib.sha1, 12), 17: ((3, 4, 1), hashlib.sha256, 16)}
# Status codes of RMCP+ (table 13-15) and completion codes of commands (table 5-2).
NO_RESOURCES, NO_SUITE, NO_NAME, NO_ROLE, BAD_CHECK = 0x01, 0x11, 0x0D, 0x0A, 0x0F
NO_PRIVILEGE, WRONG_STATE, NOT_SUPPORTED, FAILED = 0xD4, 0xD5, 0x80, 0xFF
NODE_BUSY, NO_SUCH_VALUE = 0xC0, 0xCC

OPERATOR = LEVELS["operator"]
CHASSIS, APPLICATION = 0, 6
CONTROL, SET_BOOT, SESSION_INFO = 2, 8, 0x3D
BOOT_FLAGS = 5
DEVICES = {0: "default", 1: "pxe", 2: "disk", 5: "cdrom", 6: "bios"}
NUMBERS = {name: number for number, name in DEVICES.items()} | {"none": 0}
VALID, PERSISTENT, UEFI = 0x80, 0x40, 0x20


@dataclass(frozen=True)
class Nature:
    """What kind of BMC this is.

    A `late` one lets everybody in with any privilege and refuses it then; a `stubborn` one
    answers its first suite whatever was proposed. `busy` is how many commands it puts off.
    """

    suites: tuple[int, ...] = (3, 17)
    sessions: int = 8
    control_level: int = OPERATOR
    resets: bool = True
    late: bool = False
    stubborn: bool = False
    busy: int = 0


class Login(serversession.ServerSession):  # type: ignore[misc]
    """A client's session, from its first packet."""

    k1 = None
    remseqnumber = None
    clientpriv = 0
    established = False

    def create_open_session_response(self, request: bytearray) -> bytearray:
        """Answer with the suite that was proposed, or refuse it."""
        self.clientsessionid = request[4:8]
        self.managedsessionid = os.urandom(4)
        self.privlevel = 4
        proposed = tuple(request[at] & 0x3F for at in (12, 20, 28))
        suites = [SUITES[number] for number in self.bmc.nature.suites]
        suite = next((one for one in suites if one[0] == proposed), None)
        if self.bmc.nature.stubborn:
            suite, proposed = suites[0], suites[0][0]
        if suite is None:
            return self._refusal(request[0], NO_SUITE)
        if len(self.bmc.established) >= self.bmc.nature.sessions:
            return self._refusal(request[0], NO_RESOURCES)
        _, self.currhashlib, self.currhashlen = suite
        answer = bytearray([request[0], 0, self.privlevel, 0])
        answer += self.clientsessionid + self.managedsessionid
        for kind, number in enumerate(proposed):
            answer += bytearray([kind, 0, 0, 8, number, 0, 0, 0])
        return answer

    def _refusal(self, tag: int, status: int) -> bytearray:
        return bytearray([tag, status, 0, 0]) + self.clientsessionid

    def _got_rakp1(self, data: bytearray) -> None:
        self.Rm, self.rolem = data[8:24], data[24]
        self.maxpriv = self.rolem & 0x0F
        self.username = bytes(data[28 : 28 + data[27]])
        user = next((one for one in USERS if one.name.encode() == self.username), None)
        if user is None:
            return self._send_refusal(data[0], NO_NAME, "rakp2")
        if self.maxpriv > LEVELS[user.level]:
            if not self.bmc.nature.late:
                return self._send_refusal(data[0], NO_ROLE, "rakp2")
            self.maxpriv = LEVELS[user.level]
        self.kuid, self.Rc = user.password.encode(), os.urandom(16)
        self.uuiddata = self.uuid.bytes
        proof = self._hmac(
            self.kuid,
            *(self.clientsessionid, self.managedsessionid, self.Rm, self.Rc),
            *(self.uuiddata, self._name()),
        )
        answer = bytearray([data[0], 0, 0, 0]) + self.clientsessionid
        self._send(answer + self.Rc + self.uuiddata + proof, "rakp2")

    def _got_rakp3(self, data: bytearray) -> None:
        if self.established or data[1] != 0:
            return
        proof = self._hmac(self.kuid, self.Rc, self.clientsessionid, self._name())
        if not hmac.compare_digest(proof, bytes(data[8:])):
            return self._send_refusal(data[0], BAD_CHECK, "rakp4")
        self.sik = self._hmac(self.kuid, self.Rm, self.Rc, self._name())
        self.k1, self.k2 = (self._hmac(self.sik, bytes([number] * 20)) for number in (1, 2))
        self.aeskey = self.k2[:16]
        self.localsid = struct.unpack("<I", self.managedsessionid)[0]
        self.ipmicallback = self.handle_client_request
        check = self._hmac(self.sik, self.Rm, self.managedsessionid, self.uuiddata)
        answer = bytearray([data[0], 0, 0, 0]) + self.clientsessionid
        self._send(answer + check[: self.currhashlen], "rakp4")
        self.confalgo, self.integrityalgo, self.sequencenumber = "aes", "on", 1
        self.sessionid = struct.unpack("<I", self.clientsessionid)[0]
        self.established = True
        self.bmc.established.add(self)

    def handle_client_request(self, request: dict[str, Any]) -> None:
        """Hold the client to the privilege that it has in this session."""
        order = (request["netfn"], request["command"])
        needed = {
            (CHASSIS, CONTROL): self.bmc.nature.control_level,
            (CHASSIS, SET_BOOT): OPERATOR,
        }
        if order[0] == CHASSIS and self.bmc.put_off > 0:
            self.bmc.put_off -= 1
            self.send_ipmi_response(code=NODE_BUSY)
        elif self.clientpriv < needed.get(order, 0):
            self.send_ipmi_response(code=NO_PRIVILEGE)
        elif order == (APPLICATION, SESSION_INFO):
            # Handle of this session, how many there can be, how many there are.
            self.send_ipmi_response(data=[1, self.bmc.nature.sessions, len(self.bmc.established)])
        else:
            super().handle_client_request(request)

    def close_server_session(self) -> None:
        """Forget the session."""
        self.bmc.established.discard(self)
        handlers = pyghmi_session.Session.bmc_handlers
        handlers.get(self.sockaddr, {}).pop(self.bmc.port, None)

    def _hmac(self, key: bytes, *parts: bytes) -> bytes:
        return hmac.new(key, b"".join(bytes(part) for part in parts), self.currhashlib).digest()

    def _name(self) -> bytes:
        return bytes([self.rolem, len(self.username)]) + self.username

    def _send_refusal(self, tag: int, status: int, kind: str) -> None:
        self._send(self._refusal(tag, status), kind)

    def _send(self, payload: bytearray, kind: str) -> None:
        self.send_payload(payload, constants.payload_types[kind], retry=False)


class Server(pyghmi_bmc.Bmc):  # type: ignore[misc]
    """A BMC before a machine's socket."""

    def __init__(self, endpoint: Endpoint, nature: Nature) -> None:
        self.nature = nature
        self.put_off = nature.busy
        self.machine = endpoint.socket
        self.established: set[Login] = set()
        super().__init__({}, port=endpoint.port, address="127.0.0.1")

    def get_power_state(self) -> str:
        """Return the machine's power state."""
        return "on" if ask(self.machine, "get power") == "power:1" else "off"

    def power_on(self) -> int:
        """Switch the machine on."""
        return self._order("set power 1")

    def power_off(self) -> int:
        """Switch the machine off."""
        return self._order("set power 0")

    def power_reset(self) -> int:
        """Reset the machine; one that is off cannot be."""
        if not self.nature.resets:
            return NO_SUCH_VALUE
        if self.get_power_state() == "off":
            return WRONG_STATE
        return self._order("set reset 1")

    power_cycle = power_reset

    def power_shutdown(self) -> int:
        """Ask the machine's system to shut down."""
        return self._order("set shutdown 1")

    def set_system_boot_options(self, request: dict[str, Any], session: Login) -> None:
        """Keep the boot override with all its flags."""
        data = request["data"]
        if data[0] & 0x7F != BOOT_FLAGS:
            return session.send_ipmi_response()
        flags, number = data[1], data[2] >> 2 & 0x0F
        device = DEVICES.get(number, "default") if flags & VALID else "default"
        words = ["set", "boot", device]
        words += ["persistent"] * bool(flags & VALID and flags & PERSISTENT)
        words += ["uefi"] * bool(flags & VALID and flags & UEFI)
        return session.send_ipmi_response(code=self._order(" ".join(words)))

    def get_system_boot_options(self, request: dict[str, Any], session: Login) -> None:
        """Return the boot override."""
        if request["data"][0] != BOOT_FLAGS:
            return session.send_ipmi_response(code=NOT_SUPPORTED)
        seen = dict(word.split(":") for word in ask(self.machine, "get boot").split())
        number = NUMBERS[seen["boot"]]
        flags = VALID if number else 0
        flags |= PERSISTENT * (seen["persistent"] == "1") | UEFI * (seen["uefi"] == "1")
        return session.send_ipmi_response(data=[1, BOOT_FLAGS, flags, number << 2, 0, 0, 0])

    def _order(self, line: str) -> int:
        try:
            ask(self.machine, line)
        except LabError as error:
            print(error, flush=True)
            return FAILED
        return 0


def serve(endpoint: Endpoint, nature: Nature) -> None:
    """Be a BMC until killed; say READY when it can be asked."""
    serversession.ServerSession = Login
    # pyghmi's thread misses packets (defect 3 in the product's `tasks/ipmi.py`).
    pyghmi_session.iothread, pyghmi_session.iothreadready = True, True
    pyghmi_session.myself = ""
    pyghmi_session._io_wait = _wait
    Server(endpoint, nature)
    print(f"READY {endpoint.name} on UDP port {endpoint.port}", flush=True)
    while True:
        pyghmi_session.Session.wait_for_rsp(3600)


def _wait(timeout: float, *_: object) -> None:
    poll = select.poll()
    for one in pyghmi_session.iosockets:
        poll.register(one, select.POLLIN)
    if poll.poll(max(1, int(timeout * 1000))):
        pyghmi_session._io_graball(pyghmi_session.iosockets, {})
