"""Give copies of users their passwords: new ones that are delivered, or the old ones' hashes."""

import csv
import json
import os
import secrets
import subprocess
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from pumphouse.bodies import Ids
from pumphouse.errors import PasswordsFailed
from pumphouse.passwords import Passwords, is_verified
from pumphouse.plan import Item
from pumphouse.tasks import identity
from pumphouse.tasks.api import Api

COMMAND_S = 60.0
COLUMNS = ("made_at", "cloud", "domain", "user", "password")

_HASH = text(
    "SELECT p.password_hash AS hash, p.self_service, p.created_at, p.created_at_int, "
    "p.expires_at, p.expires_at_int FROM password p JOIN local_user l ON l.id = p.local_user_id "
    "WHERE l.user_id = :user ORDER BY p.created_at_int DESC, p.id DESC LIMIT 1"
)
_LOCAL = text("SELECT id FROM local_user WHERE user_id = :user")
_WRITE = text(
    "INSERT INTO password (local_user_id, password_hash, self_service, created_at, "
    "created_at_int, expires_at, expires_at_int) VALUES (:local, :hash, :self_service, "
    ":created_at, :created_at_int, :expires_at, :expires_at_int)"
)


class Delivery:
    """
    Makes users with new passwords.

    A password is delivered before its user is made: a run that is killed between the two
    leaves a line for nobody, and never a user whose password nobody knows.
    """

    def __init__(self, passwords: Passwords, domains: Mapping[str, str]) -> None:
        self.passwords = passwords
        self.domains = domains
        self._writing = threading.Lock()

    def make_user(self, api: Api, item: Item, ids: Ids) -> str:
        """
        Create a user with a new password that was delivered.

        Raises:
            PasswordsFailed: It could not be delivered. The user was not made.
        """
        password = secrets.token_urlsafe(18)
        told = {
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "cloud": api.name,
            "domain": self.domains.get(item.row["domain_id"], item.row["domain_id"]),
            "user": item.row["name"],
            "password": password,
        }
        try:
            if self.passwords.command:
                self._run({**told, "email": item.row["email"]})
            else:
                self._append(told)
        except OSError as error:
            reason = error.strerror or str(error)
            raise PasswordsFailed(item.label, reason, "The user was not made.") from None
        return identity.make_user(api, item, ids, password)

    def _append(self, told: dict[str, str]) -> None:
        path = Path(self.passwords.file).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._writing, open(path, "a", newline="", opener=_private) as file:
            writer = csv.DictWriter(file, COLUMNS)
            if not file.tell():
                writer.writeheader()
            writer.writerow(told)
            file.flush()
            os.fsync(file.fileno())

    def _run(self, told: dict[str, Any]) -> None:
        """Raise OSError if the command fails: what it prints may repeat the password."""
        try:
            done = subprocess.run(
                self.passwords.command,
                input=json.dumps(told),
                capture_output=True,
                text=True,
                timeout=COMMAND_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise OSError(f"The command did not end within {COMMAND_S:g} s.") from None
        if done.returncode:
            raise OSError(f"The command ended with {done.returncode}.")


def _private(path: str, flags: int) -> int:
    """Open *path* so that only its owner may read it, also if it was there before."""
    file = os.open(path, flags, 0o600)
    os.fchmod(file, 0o600)
    return file


def problems(passwords: Passwords) -> list[str]:
    """Return why hashes cannot be copied, as sentences; asked before anything is touched."""
    if passwords.mode != "hashes":
        return []
    said = []
    for key in ("source_database", "target_database"):
        try:
            url = getattr(passwords, key).get_secret_value()
            # Asked once: nothing is kept open for a second time.
            engine = create_engine(url, poolclass=NullPool)
            with engine.connect() as connection:
                connection.execute(_HASH, {"user": ""})
        except (SQLAlchemyError, ImportError) as error:
            said.append(f"passwords.{key}: {_told(error)}")
    return said


def _told(error: Exception) -> str:
    """Return what is wrong with a database, without the URL and without values: hashes."""
    if isinstance(error, ImportError):
        return f"the driver {error.name} is not installed; pumphouse[mysql] has MySQL's."
    return f"it cannot be read ({type(error).__name__}): {str(error).splitlines()[0]}"


def copy_hashes(passwords: Passwords, pairs: Iterable[tuple[Item, str]]) -> dict[str, str]:
    """
    Give the target's users the password hashes of the source's; return what went wrong.

    A user of the target who has a password keeps it.

    Args:
        pairs: The source's users and the ids of their copies.

    Returns:
        By key of an item, a sentence.

    Raises:
        PasswordsFailed: A database cannot be used. No further password was copied.
    """
    engines = [
        create_engine(url.get_secret_value(), pool_pre_ping=True)
        for url in (passwords.source_database, passwords.target_database)
    ]
    try:
        with engines[0].connect() as source, engines[1].begin() as target:
            said = {item.key: _copy(source, target, item, id_) for item, id_ in pairs}
    except SQLAlchemyError as error:
        # Its own text would have the URL's host and the statement's values: hashes.
        reason = type(error.__cause__ or error).__name__
        state = "No password was copied; the users are there. Run again to copy them."
        raise PasswordsFailed(
            "of users", f"A Keystone database failed: {reason}.", state
        ) from None
    finally:
        for engine in engines:
            engine.dispose()
    return {key: words for key, words in said.items() if words}


def _copy(source: Connection, target: Connection, item: Item, target_id: str) -> str:
    there = target.execute(_HASH, {"user": target_id}).mappings().first()
    if there and there["hash"]:
        return ""
    found = source.execute(_HASH, {"user": item.source_id}).mappings().first()
    if not found or not found["hash"]:
        return "It has no password at the source either."
    if not is_verified(found["hash"]):
        return (
            "Its password's hash is of a sort that the target does not verify; it has none until "
            "one is set."
        )
    local = target.execute(_LOCAL, {"user": target_id}).scalar()
    if local is None:
        return "The target keeps it in a directory, not in its database: its password is there."
    target.execute(_WRITE, {**found, "local": local})
    return ""
