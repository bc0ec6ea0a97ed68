"""Give copies of users new passwords, and deliver them."""

import csv
import json
import os
import secrets
import subprocess
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pumphouse.bodies import Ids
from pumphouse.errors import PasswordsFailed, RequestFailed
from pumphouse.passwords import Passwords
from pumphouse.plan import Item
from pumphouse.tasks import identity
from pumphouse.tasks.api import Api

COMMAND_S = 60.0
CONFLICT = 409
COLUMNS = ("made_at", "cloud", "domain", "user", "password")


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

    def make_user(self, api: Api, item: Item, ids: Ids) -> str | tuple[str, str]:
        """
        Create a user with a new password that was delivered; take one that came since the plan.

        Raises:
            PasswordsFailed: It could not be delivered. The user was not made.
        """
        if found := identity.user_there(api, item, ids):
            return found, "It came there since the plan, and is taken with the password it has."
        password = secrets.token_urlsafe(18)
        told = {
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "cloud": api.name,
            "domain": self.domains.get(item.row["domain_id"], item.row["domain_id"]),
            "user": item.row["name"],
            "password": password,
        }
        self._deliver(told, item)
        try:
            return identity.make_user(api, item, ids, password)
        except RequestFailed as failed:
            found = identity.user_there(api, item, ids) if failed.status == CONFLICT else None
            if found is None:
                raise
        return found, (
            "Another made it meanwhile, and it is taken with the password it has: the one "
            f"delivered at {told['made_at']} is void."
        )

    def _deliver(self, told: dict[str, str], item: Item) -> None:
        """Give a password to the command, or write it down; raise `PasswordsFailed` if not."""
        try:
            if self.passwords.command:
                self._run({**told, "email": item.row["email"]})
            else:
                self._append(told)
        except OSError as error:
            reason = error.strerror or str(error)
            raise PasswordsFailed(item.label, reason, "The user was not made.") from None

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
