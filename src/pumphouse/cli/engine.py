"""
Which Prefect a command works with: a server, or one of our own for the command's time.

Prefect reads its settings when it is imported, so `use` runs before anything imports it.
"""

import logging
import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pumphouse.errors import ConfigError, ServerUnreachable

if TYPE_CHECKING:
    from pumphouse.config import Config

HOME_VARIABLE = "PUMPHOUSE_PREFECT_HOME"
USUAL_HOME = "~/.local/share/pumphouse/prefect"

QUIET = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_LEVEL": "INFO",
}


def quieten(environment: MutableMapping[str, str]) -> None:
    """Set what keeps Prefect silent on the terminal and off the outside network."""
    environment["DO_NOT_TRACK"] = "1"
    if not environment.get("PUMPHOUSE_VERBOSE"):
        for name, value in QUIET.items():
            environment.setdefault(name, value)
        # What it warns of comes again as our own error, or does not matter.
        logging.getLogger("keystoneauth").setLevel(logging.ERROR)


def server_url() -> str | None:
    """Return the URL of the Prefect server that the environment names, if it does."""
    return os.environ.get("PREFECT_API_URL") or None


def home() -> Path:
    """Return the folder of our own Prefect: its database and encryption key."""
    return Path(os.environ.get(HOME_VARIABLE) or USUAL_HOME).expanduser()


def use(config: "Config | None", site: str | None, needed: str) -> str:
    """
    Make Prefect ready, import module *needed*, and return the name of the site's block.

    With a server in the environment its blocks are used as they were registered. Without
    one, our own starts and gets the blocks of *config* first.

    Raises:
        ConfigError: There is neither a server nor a configuration, or it is another site's.
        ServerUnreachable: The server does not answer.
    """
    quieten(os.environ)
    if server_url():
        return site or (config.name if config else "default")
    if config is None:
        raise ConfigError(
            "config.yaml",
            [
                "No configuration was found and no server is named; give --config FILE, or set "
                "PREFECT_API_URL to work with a server's blocks."
            ],
        )
    if site and site != config.name:
        raise ConfigError(
            "--site",
            [
                f"{site} is not here: the configuration is of {config.name}, and without a server "
                f"only that can be used; give the --config of {site}, or set PREFECT_API_URL."
            ],
        )
    from pumphouse.deployments.local import LocalServer

    server = LocalServer(home())
    import_module(needed)
    from pumphouse.blocks.registration import register

    server.wait()
    register(config, free_slots=server.is_alone)
    return config.name


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
