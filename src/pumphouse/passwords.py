"""How copies of users get their passwords: the choices, and which hashes a Keystone verifies."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from pumphouse.tables import Row

VERIFIED = (
    "$2a$",
    "$2b$",
    "$2x$",
    "$2y$",
    "$bcrypt-sha256$",
    "$scrypt$",
    "$7$",
    "$pbkdf2-sha512$",
)
"""How hashes begin that every supported Keystone verifies: bcrypt, scrypt and PBKDF2."""

MAPPED_ID = 64
"""Length of the ids that Keystone makes for users whose entries are in a directory, as LDAP."""


class Passwords(BaseModel):
    """Where the passwords of copied users come from, and where they go."""

    model_config = ConfigDict(
        extra="forbid", title="Passwords of users", hide_input_in_errors=True
    )

    mode: Literal["random", "hashes", "none"] = Field(
        default="random",
        title="Passwords",
        description="random: a new one for each copy, delivered by file or command. hashes: the "
        "old ones, by copying their hashes between the databases of both Keystones. none: nobody "
        "can log in until an administrator sets one.",
    )
    file: str = Field(
        default="~/.local/share/pumphouse/passwords.csv",
        title="File",
        description="On the worker; random passwords are added to it. Only its owner may read it.",
    )
    command: list[str] = Field(
        default=[],
        title="Command",
        description="Program and arguments, run without a shell for each user instead of writing "
        "the file. It gets a JSON object by standard input: cloud, domain, user, email, password.",
    )
    source_database: SecretStr = Field(
        default=SecretStr(""),
        title="Source's Keystone database",
        description="SQLAlchemy URL, for example mysql+pymysql://reader:secret@db/keystone; "
        "SELECT on local_user and password is enough.",
    )
    target_database: SecretStr = Field(
        default=SecretStr(""),
        title="Target's Keystone database",
        description="SQLAlchemy URL of a user with SELECT on both tables and INSERT on password.",
    )

    @model_validator(mode="after")
    def _complete(self) -> "Passwords":
        urls = (self.source_database.get_secret_value(), self.target_database.get_secret_value())
        if self.mode == "hashes" and not all("://" in url for url in urls):
            raise ValueError(
                "mode: hashes needs source_database and target_database, SQLAlchemy URLs as "
                "mysql+pymysql://user:password@host/keystone"
            )
        if self.mode == "random" and not (self.file or self.command):
            raise ValueError("mode: random needs a file or a command that takes the passwords")
        return self


def is_of_directory(user: Row) -> bool:
    """Tell whether a directory holds *user*: Keystone neither makes nor deletes such users."""
    return not user["identity_provider"] and len(user["id"]) == MAPPED_ID


def is_verified(hash_: str) -> bool:
    """Return whether every supported Keystone verifies a password against *hash_*."""
    return hash_.startswith(VERIFIED)


def loss(passwords: Passwords) -> str:
    """Return what becomes of a user's password, as a sentence; empty when it stays."""
    if passwords.mode == "hashes":
        return ""
    if passwords.mode == "none":
        return "Its password: the copy has none until one is set."
    where = f"the command {passwords.command[0]}" if passwords.command else passwords.file
    return f"Its password: the copy gets a new one, which goes to {where}."
