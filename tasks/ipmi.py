"""
One IPMI session with one BMC, over pyghmi, whose defects end in this module.

pyghmi shares its sockets, locks and sessions among all threads of a process, and that is
where it fails (1.6.19; numbers are used below):

1. Sessions are found again by credentials as given, forgotten by their bytes: a second login
   with text hangs or gets a dead session.
2. Two locks are taken in both orders: 30 threads deadlock.
3. A reply that comes before its waiter is registered is noticed only by a timer, 0.5 s later.
4. A session that is left is not closed at the BMC, which has few; one that was let in and then
   refused its privilege never is.
5. A command without answer is repeated in a *new* login, up to 29 s later: a second reset.
6. An idle session is not kept alive, and the next command waits 19 s.
7. Login can spin without a wait when no packet is under way; a late answer is a KeyError.
8. The algorithms in the BMC's answer are not compared with those that were proposed.
9. Failures are a word in an exception, sometimes ``None``, sometimes of `socket`.
10. IPMI 1.5 fails with bytes; names are resolved several times, without a limit.

So each session gets a copy of pyghmi's module for itself alone, whose waiting is ours: nothing
is shared (1, 2), waiting looks at the sockets themselves (3), and every wait ends at the
operation's deadline (5, 7). What remains is overridden in `_session_class`.
"""

import select
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from types import CodeType, ModuleType
from typing import Any

from pyghmi.exceptions import PyghmiException

from pumphouse.bmc import USUAL_PORTS, BmcAccess
from pumphouse.errors import BmcFailed, BmcRefused, BmcUnreachable
from pumphouse.tasks.logins import SILENCE, login_error, resolved

IDLE_S = 20.0
"""A session is opened anew after this long: BMCs forget them after 60 s, some sooner."""
CLOSE_S = 2.0
REPEAT_RESET_S = 2.0
"""A lost reset is sent again within this time, when a second one does no harm yet."""
BUSY_PAUSE_S = 0.5

_PRIVILEGES = {"operator": 3, "administrator": 4}
_SHA1, _SHA256 = (1, 1, 1), (3, 4, 1)
"""Numbers of authentication, integrity and encryption in suites 3 and 17."""

_NODE_BUSY, _NO_PRIVILEGE = 0xC0, 0xD4


class _Late(BaseException):
    """The deadline is over. Not an Exception: pyghmi prints and drops those."""


class IpmiSession:
    """
    Commands to one BMC, by one thread at a time; logs in by itself when needed.

    Every command ends within ``timeout_s`` of the access. Close it: BMCs have few sessions.
    """

    def __init__(self, access: BmcAccess) -> None:
        self._access = access
        self._pyghmi: Any = None
        self._session: Any = None
        self._deadline = self._repeat_s = 0.0
        self._used = 0.0

    def command(
        self, doing: str, netfn: int, command: int, data: Sequence[int] = (), again: bool = True
    ) -> bytes:
        """
        Send one command and return the answer's data.

        Args:
            doing: For the error, for example ``read the power state``.

            again: Whether the command may be repeated whenever there is no answer. Not for a
                reset, which may have happened: some BMCs would reset again.

        Raises:
            BmcUnreachable: No answer in time.
            BmcRefused: No login, or no right to this.
            BmcFailed: The BMC answered with an error.
        """
        end = time.monotonic() + self._access.timeout_s
        self._repeat_s = self._access.timeout_s if again else REPEAT_RESET_S
        if self._session is not None and time.monotonic() - self._used > IDLE_S:
            self.close()
        if self._session is not None and again:
            # A BMC that restarted knows nothing of the session and does not say so.
            with suppress(BmcUnreachable):
                return self._answer(doing, netfn, command, data, _middle(end))
        if self._session is None:
            self._login(end)
        return self._answer(doing, netfn, command, data, end)

    def close(self) -> None:
        """Close the session at the BMC, as far as it answers, and the sockets here."""
        self._close(wait=True)

    def _close(self, wait: bool) -> None:
        session, self._session = self._session, None
        if session is not None and session.logged:
            self._deadline = time.monotonic() + CLOSE_S
            with suppress(_Late, PyghmiException, KeyError):
                _end(session, wait)
        self._forget()

    def _answer(
        self, doing: str, netfn: int, command: int, data: Sequence[int], end: float
    ) -> bytes:
        while True:
            response = self._exchange(doing, netfn, command, data, end)
            code = response["code"]
            if code != _NODE_BUSY or time.monotonic() + BUSY_PAUSE_S > end:
                break
            time.sleep(BUSY_PAUSE_S)
        self._used = time.monotonic()
        if code == _NO_PRIVILEGE:
            reason = f"Privilege {self._access.privilege} does not suffice. Nothing was changed."
            raise BmcRefused(self._access.endpoint, doing, reason)
        if code:
            reason = f"It answered {response['error']} (0x{code:02x})."
            raise BmcFailed(self._access.endpoint, doing, reason)
        return bytes(response["data"])

    def _exchange(
        self, doing: str, netfn: int, command: int, data: Sequence[int], end: float
    ) -> Any:
        self._deadline = end
        self._pyghmi.repeat_until = time.monotonic() + self._repeat_s
        try:
            return self._session.raw_command(netfn=netfn, command=command, data=tuple(data))
        except (_Late, PyghmiException, KeyError):
            self._close(wait=False)
            reason = "It stopped answering; whether it took the command is not known."
            raise BmcUnreachable(self._access.endpoint, doing, reason) from None

    def _login(self, end: float) -> None:
        """Log in; where a packet more was lost than pyghmi bears with, again until *end*."""
        family, address = resolved(self._access, end - time.monotonic())
        while self._session is None:
            failure = self._try_login(family, address, end)
            if failure and (failure not in SILENCE or time.monotonic() >= end):
                raise login_error(self._access, failure)
        self._used = time.monotonic()

    def _try_login(self, family: int, address: str, end: float) -> str:
        """Return how pyghmi's login failed, in its own words; empty when it did not."""
        access = self._access
        self._deadline = end
        self._pyghmi = _private_copy(family, self._wait)
        try:
            session = _session_class(self._pyghmi, access.cipher_suite)(
                address,
                access.user.encode(),
                access.password.get_secret_value().encode(),
                port=access.port or USUAL_PORTS["ipmi"],
                privlevel=_PRIVILEGES[access.privilege],
            )
        except (_Late, PyghmiException) as error:
            self._forget()
            return str(error)
        except OSError as error:
            self._forget()
            return f"It cannot be sent to: {error.strerror}."
        self._session = session
        if session.privlevel == _PRIVILEGES[access.privilege]:
            return ""
        # pyghmi takes less than was asked for where a BMC gives it.
        self.close()
        return "privelege"

    def _wait(self, timeout: float, *_: object) -> None:
        """Stand in for pyghmi's waiting (3): look at the sockets, at most to the deadline."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise _Late("timeout")
        poll = select.poll()
        for one in self._pyghmi.iosockets:
            poll.register(one, select.POLLIN)
        # In whole milliseconds; 0 would spin.
        if poll.poll(max(1, int(min(timeout, left) * 1000))):
            self._pyghmi._io_graball(self._pyghmi.iosockets, {})

    def _forget(self) -> None:
        if self._pyghmi is not None:
            for one in self._pyghmi.iosockets:
                one.close()
        self._pyghmi = None


def _middle(end: float) -> float:
    now = time.monotonic()
    return now + (end - now) / 2


def _end(session: Any, wait: bool) -> None:
    """Close *session* at the BMC; pyghmi's logout never waits for the BMC's word (4)."""
    # Whatever was under way is given up; it would go first otherwise.
    session.lastpayload, session.incommand = None, False
    number = session.sessionid.to_bytes(4, "little")
    session.raw_command(netfn=6, command=0x3C, data=number, retry=wait)
    session.logged = 0


@cache
def _pyghmi() -> tuple[ModuleSpec, CodeType]:
    """Return pyghmi's session module, compiled; executing that takes 0.1 ms."""
    spec = find_spec("pyghmi.ipmi.private.session")
    assert spec is not None
    assert isinstance(spec.loader, InspectLoader)
    code = spec.loader.get_code(spec.name)
    assert code is not None
    return spec, code


def _private_copy(family: int, wait: Any) -> ModuleType:
    """Return pyghmi's session module for one session alone, without its thread (1, 2, 3)."""
    spec, code = _pyghmi()
    module = module_from_spec(spec)
    exec(code, module.__dict__)
    new: Any = module
    new.iothread, new.iothreadready = threading.current_thread(), True
    new.ipv6support, new.myself = family == socket.AF_INET6, ""
    new._io_wait = wait
    new.repeat_until = float("inf")
    return module


def _session_class(pyghmi: Any, suite: str) -> Any:
    """Return pyghmi's session with the rest of the repairs; *suite* as in the access."""

    class Session(pyghmi.Session):  # type: ignore[misc]
        logged: int
        timeout: float

        def __new__(cls, *_: object, **__: object) -> Any:
            # (1, 10) Nobody to share with, and the address is resolved already.
            self = object.__new__(cls)
            self.forbidsock = ()
            return self

        def _initsession(self) -> None:
            super()._initsession()
            if suite == "3":
                self.attemptedhash = 1

        def _got_rmcp_response(self, data: Any) -> Any:
            if data[0] == self.rmcptag and data[1] == 0 and not self._as_proposed(data):
                return self.onlogon({"error": "BMC chose another cipher suite"})
            if data[0] == self.rmcptag and data[1] != 0 and suite == "17":
                return self.onlogon({"error": "BMC refused the cipher suite"})
            return super()._got_rmcp_response(data)

        def _as_proposed(self, data: Any) -> bool:
            # (8) Bytes 16, 24 and 32 of the open session response, table 13-10 of IPMI 2.0.
            proposed = _SHA1 if self.attemptedhash == 1 else _SHA256
            return len(data) >= 36 and tuple(data[at] & 0x3F for at in (16, 24, 32)) == proposed

        def _get_session_challenge(self) -> None:
            self.onlogon({"error": "IPMI 1.5 only"})

        def _timedout(self) -> None:
            if not self.logged:
                super()._timedout()
                return
            # (5) The same packet with the same number, which a BMC should know for a repetition.
            self.timeout = min(self.timeout + 1, 5)
            self.hasretried = 1
            if time.monotonic() < pyghmi.repeat_until:
                self.send_payload()
            else:
                self.expiration = pyghmi._monotonic_time() + self.timeout

        def _mark_broken(self, error: str | None = None) -> None:
            # (4) Let in, then refused: pyghmi takes this for no session and leaves it there.
            if self.sessioncontext == "ESTABLISHED" and not self.logged:
                self.logged = 1
            self.incommand = False
            super()._mark_broken(error)

        @classmethod
        def wait_for_rsp(cls, timeout: float | None = None, callout: bool = True) -> Any:
            pending = super().wait_for_rsp(timeout, callout)
            if not pending:
                # (7) Nothing is under way: wait for nothing, but to the deadline only.
                pyghmi._io_wait(0.01)
            return pending

    pyghmi.Session = Session
    return Session
