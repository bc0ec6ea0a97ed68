"""Copy the hashes of passwords from one Keystone's database to the other's."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, RowMapping, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from pumphouse.errors import PasswordsFailed
from pumphouse.passwords import Passwords, is_verified
from pumphouse.plan import Item

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
    target.execute(_WRITE, {**found, **_newer(there, found), "local": local})
    return ""


def _newer(empty: RowMapping | None, found: RowMapping) -> dict[str, Any]:
    """Return when a password was set, so that it comes after an *empty* one: the last counts."""
    if empty is None or empty["created_at_int"] < found["created_at_int"]:
        return {}
    return {"created_at": empty["created_at"], "created_at_int": empty["created_at_int"] + 1}
