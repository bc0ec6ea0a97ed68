"""Moves switch ports over SSH, by netmiko, and reads back where they are."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pumphouse.errors import (
    ConfigError,
    SwitchError,
    SwitchFailed,
    SwitchRefused,
    SwitchUnreachable,
)
from pumphouse.switches import SwitchAccess, filled, says, vlan_in

_UNKNOWN_KEY = re.compile(r"not found in known_hosts|host key .*does not match", re.IGNORECASE)
_LONGEST_ANSWER = 200


class NetmikoMover:
    """
    One switch of a type that netmiko speaks to. Each call is one login.

    Raises:
        ConfigError: netmiko is not installed.
    """

    def __init__(self, name: str, access: SwitchAccess) -> None:
        try:
            import netmiko
        except ImportError:
            problem = "netmiko is not installed here: pip install 'pumphouse[switches]'."
            raise ConfigError(f"switches.{name}", [problem]) from None
        self._netmiko: Any = netmiko
        self._access = access
        self._told = access.told
        self.label = f"{name} ({access.endpoint})"

    def vlan(self, port: str) -> int | None:
        """
        Return the VLAN in which *port* is, untagged; None where no command tells that.

        Raises:
            SwitchUnreachable, SwitchRefused: There is no login.
            SwitchFailed: There is no such port.
        """
        doing = f"read the VLAN of port {port}"
        with self._session(doing, "Nothing was changed.") as session:
            return self._read(session, port, doing)

    def move(self, port: str, vlan: int) -> str:
        """
        Put *port* into *vlan* and read that back; a second time it only reads.

        Raises:
            SwitchUnreachable: No answer; the message says whether commands were given.
            SwitchRefused: No login. Nothing was changed.
            SwitchFailed: There is no such port, a command was refused, or it is not there.
        """
        doing = f"move port {port} to VLAN {vlan}"
        with self._session(doing, "Nothing was changed.") as session:
            old = self._read(session, port, doing)
        if old == vlan:
            return f"Port {port} of switch {self.label} is in VLAN {vlan} already."
        commands = filled(self._told.move, port, vlan, old)
        half = f"Port {port} may be in VLAN {vlan}, in its old one ({old or 'unknown'}), or none."
        # Its own login: what it says about a loss is about the commands.
        with self._session(doing, half) as session:
            self._give(session, commands, doing, half)
            is_there = self._verify(session, port, vlan, doing)
            self._save(session, port, vlan)
        seen = "read back" if is_there else "not verified: there is no command that tells"
        return f"Port {port} of switch {self.label} was moved to VLAN {vlan} ({seen})."

    def _read(self, session: Any, port: str, doing: str) -> int | None:
        if not self._told.check:
            return None
        answer = self._ask(session, filled([self._told.check], port, 0, None)[0])
        if says(self._told.unknown, answer):
            raise SwitchFailed(
                self.label,
                doing,
                f"It has no such port: {_short(answer)} Nothing was changed by this.",
            )
        return vlan_in(answer, self._told)

    def _give(self, session: Any, commands: list[str], doing: str, half: str) -> None:
        if self._told.configure:
            self._configure(session, commands, doing, half)
            return
        for number, command in enumerate(commands):
            answer = self._ask(session, command)
            if says(self._told.refused, answer):
                given = commands[:number]
                before = f"Given before: {'; '.join(given)}." if given else "Nothing was changed."
                reason = f"It refused {command!r}: {_short(answer)} {before}"
                raise SwitchFailed(self.label, doing, reason)

    def _configure(self, session: Any, commands: list[str], doing: str, half: str) -> None:
        try:
            session.send_config_set(
                commands,
                config_mode_command=self._told.enter or None,
                error_pattern=self._told.refused,
                read_timeout=self._access.timeout_s,
            )
        except self._netmiko.exceptions.ConfigInvalidException as error:
            raise SwitchFailed(self.label, doing, f"{_short(str(error))} {half}") from None

    def _verify(self, session: Any, port: str, vlan: int, doing: str) -> bool:
        if not self._told.check:
            return False
        seen = self._read(session, port, doing)
        if seen != vlan:
            where = f"in VLAN {seen}" if seen else "in no VLAN untagged"
            reason = f"It took every command, and the port is {where} afterwards."
            raise SwitchFailed(self.label, doing, reason)
        return True

    def _save(self, session: Any, port: str, vlan: int) -> None:
        doing = f"save that port {port} is in VLAN {vlan}"
        for command in self._told.save:
            answer = self._ask(session, command)
            if says(self._told.refused, answer):
                reason = f"It refused {command!r}: {_short(answer)} The port is in VLAN {vlan}."
                raise SwitchFailed(self.label, doing, reason)

    def _ask(self, session: Any, command: str) -> str:
        return str(session.send_command(command, read_timeout=self._access.timeout_s))

    @contextmanager
    def _session(self, doing: str, when_lost: str) -> Iterator[Any]:
        """Yield a login; word every failure of the connection."""
        session = self._login(doing)
        try:
            yield session
        except SwitchError:
            raise
        except (self._netmiko.exceptions.ReadException, OSError, EOFError) as error:
            reason = f"It stopped answering ({type(error).__name__}). {when_lost}"
            raise SwitchUnreachable(self.label, doing, reason) from None
        # netmiko raises ValueError and others for a prompt or a mode that it did not expect.
        except Exception as error:  # noqa: BLE001
            reason = f"{type(error).__name__}: {_short(str(error))} {when_lost}"
            raise SwitchFailed(self.label, doing, reason) from None
        finally:
            with suppress(Exception):
                session.disconnect()

    def _login(self, doing: str) -> Any:
        errors = self._netmiko.exceptions
        try:
            session = self._connect(self._netmiko.ConnectHandler)
            if self._access.enable_password.get_secret_value():
                session.enable()
        except errors.NetmikoAuthenticationException:
            reason = "It does not accept the user with this password or key. Nothing was changed."
            raise SwitchRefused(self.label, doing, reason) from None
        except errors.NetmikoTimeoutException as error:
            raise self._no_connection(doing, str(error)) from None
        # A key that cannot be read, an unknown device type, a prompt that never came.
        except Exception as error:  # noqa: BLE001
            reason = f"{type(error).__name__}: {_short(str(error))} Nothing was changed."
            raise SwitchRefused(self.label, doing, reason) from None
        return session

    def _connect(self, connect: Callable[..., Any]) -> Any:
        access = self._access
        return connect(
            device_type=access.device_type,
            host=access.address,
            port=access.port,
            username=access.user,
            password=access.password.get_secret_value(),
            secret=access.enable_password.get_secret_value(),
            use_keys=bool(access.key_file),
            key_file=access.key_file or None,
            passphrase=access.key_passphrase.get_secret_value() or None,
            ssh_strict=access.verify_host_key,
            system_host_keys=access.verify_host_key and not access.known_hosts,
            alt_host_keys=bool(access.known_hosts),
            alt_key_file=access.known_hosts,
            conn_timeout=access.timeout_s,
            auth_timeout=access.timeout_s,
            banner_timeout=access.timeout_s,
            read_timeout_override=access.timeout_s,
        )

    def _no_connection(self, doing: str, words: str) -> SwitchError:
        if _UNKNOWN_KEY.search(words):
            reason = (
                "Its host key is not the one that is known, or none is; compare it, and put it "
                "into known_hosts. Nothing was changed."
            )
            return SwitchRefused(self.label, doing, reason)
        name = "its name cannot be resolved" if "DNS" in words else "it does not answer"
        within = f"within {self._access.timeout_s:g} s"
        reason = f"There is no SSH connection: {name} {within}. Nothing was changed."
        return SwitchUnreachable(self.label, doing, reason)


def _short(answer: str) -> str:
    """Return an answer as one sentence of bounded length."""
    line = " ".join(answer.split())[:_LONGEST_ANSWER]
    return f"{line.rstrip('.')}."
