"""
Which Prefect a command works with: a server, or an ephemeral one of our own.

Prefect reads its settings when it is imported, so `use` runs before anything imports it.
"""

import fcntl
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pumphouse.errors import ConfigError, ServerUnreachable

if TYPE_CHECKING:
    from pumphouse.config import Config

HOME_VARIABLE = "PUMPHOUSE_PREFECT_HOME"
USUAL_HOME = "~/.local/share/pumphouse/prefect"

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_LEVEL": "INFO",
}

EPHEMERAL = {
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
    # The first start creates the database; a busy machine needs longer than Prefect's 20 s.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    # Nothing is scheduled or triggered in the minutes that this server lives.
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
}


def quieten(environment: MutableMapping[str, str]) -> None:
    """Set what keeps Prefect silent on the terminal and off the outside network."""
    if not environment.get("PUMPHOUSE_VERBOSE"):
        for name, value in QUIET.items():
            environment.setdefault(name, value)
    environment["DO_NOT_TRACK"] = "1"


def server_url() -> str | None:
    """Return the URL of the Prefect server that the environment names, if it does."""
    return os.environ.get("PREFECT_API_URL") or None


def home() -> Path:
    """Return the folder of our own Prefect: its database and encryption key."""
    return Path(os.environ.get(HOME_VARIABLE) or USUAL_HOME).expanduser()


def encryption_key(folder: Path) -> str:
    """Return the key that encrypts blocks in *folder*'s database; made once, mode 0600."""
    path = folder / "encryption.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    key = fernet_key()
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")
    return key


def fernet_key() -> str:
    """Return a new Fernet key: 32 random bytes in URL-safe base64."""
    return urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")


@contextmanager
def use(config: "Config | None", site: str | None) -> Iterator[str]:
    """
    Make Prefect ready and yield the name of the site's block.

    With a server in the environment its blocks are used as they were registered. Without
    one, an ephemeral server starts in our own folder and gets the blocks of *config* first.

    Raises:
        ConfigError: There is neither a server nor a configuration.
    """
    quieten(os.environ)
    if server_url():
        yield site or (config.name if config else "default")
        return
    if config is None:
        raise ConfigError(
            "config.yaml",
            [
                "No configuration was found and no server is named; give --config FILE, or set "
                "PREFECT_API_URL to work with a server's blocks."
            ],
        )
    with _alone(home()) as alone:
        os.environ.update(EPHEMERAL)
        os.environ["PREFECT_HOME"] = str(home())
        os.environ["PREFECT_SERVER_ENCRYPTION_KEY"] = encryption_key(home())
        from pumphouse.blocks.registration import register

        register(config, free_slots=alone)
        yield config.name


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """
    Mark *folder* as in use and yield whether no other process uses it.

    A killed process leaves its concurrency slots taken in the database; who comes alone
    may free them.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "in-use.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            fcntl.flock(file, fcntl.LOCK_SH)
            alone = False
        yield alone


def require_server() -> None:
    """
    Set up Prefect's client for a server.

    Raises:
        ConfigError: No server is named, neither in the environment nor in Prefect's profile.
    """
    quieten(os.environ)
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_ENABLED", "false")
    if server_url():
        return
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    if not url:
        raise ConfigError(
            "PREFECT_API_URL",
            [
                "No Prefect server is named; set it to the server's URL, for example "
                "http://127.0.0.1:4200/api (`make server` starts one)."
            ],
        )
    os.environ["PREFECT_API_URL"] = url


@contextmanager
def answering() -> Iterator[None]:
    """
    Word the failures of a Prefect server that is used inside.

    Raises:
        ServerUnreachable: It does not answer or does not let us in.
    """
    import httpx
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        yield
    except PrefectHTTPStatusError as error:
        if error.response.status_code != 401:
            raise
        reason = "it refused us (401); set PREFECT_API_AUTH_STRING."
        raise ServerUnreachable(server_url() or "", reason) from error
    except (httpx.TransportError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "Failed to reach API" not in str(error):
            raise
        reason = f"it does not answer ({type(error).__name__}); is it running?"
        raise ServerUnreachable(server_url() or "", reason) from error
