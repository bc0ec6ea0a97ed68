"""
Prefect's settings for a server, its workers and its clients, as environment variables.

Pure. The values were measured: with Prefect's defaults a server records some 20 task runs a
second, with these some 80, before it falls behind.
"""

from ipaddress import ip_address

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain"})


class ServerOptions(BaseModel):
    """What an operator decides about the Prefect server."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field(default="127.0.0.1", description="Address to listen at.")
    port: int = Field(default=4200, ge=1, le=65535)
    auth: SecretStr | None = Field(default=None, description="user:password of the API.")
    database_url: SecretStr | None = Field(
        default=None, description="postgresql+asyncpg://…; without it, SQLite."
    )
    public_url: str | None = Field(
        default=None, description="What browsers and workers open, for example a proxy's URL."
    )

    @model_validator(mode="after")
    def _locked_beyond_loopback(self) -> "ServerOptions":
        if self.auth and not all(self.auth.get_secret_value().partition(":")):
            raise ValueError("PUMPHOUSE_AUTH must be user:password")
        if not (self.auth or is_loopback(self.host)):
            raise ValueError(
                f"the server would listen at {self.host}, beyond this machine, and let everybody "
                "in; export PUMPHOUSE_AUTH=user:password, or listen at 127.0.0.1"
            )
        return self

    @property
    def url(self) -> str:
        """What browsers and workers open."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        shown = f"[{host}]" if ":" in host else host
        return (self.public_url or f"http://{shown}:{self.port}").rstrip("/")

    @property
    def api_url(self) -> str:
        """Where the API is."""
        return f"{self.url}/api"


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches *host*."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host in LOCAL_NAMES


PLUGINS = {
    # Bare names of deployments: `prefect deployment run upgrade-host`. Nobody else's plugins.
    "PREFECT_PLUGINS_ENABLED": "true",
    "PREFECT_PLUGINS_ALLOW": "pumphouse-short-names",
}

QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
"""Nothing is told to the outside."""

TUNED = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    # Who waits for a slot asks again after at most this; Prefect's 30 s idle away.
    "PREFECT_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
}

SERVER = {
    # Leases on disk: a restarted server still frees the slots of runs that died.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
        "prefect.server.concurrency.lease_storage.filesystem"
    ),
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": '["events", "flow_runs"]',
    # The other UI asks a tracking service for its settings, whatever the switches say.
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}

WORKER = {
    # Runs have no use for names of deployments, and loading plugins fails in some, loudly.
    "PREFECT_PLUGINS_ENABLED": "false",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_WORKER_QUERY_SECONDS": "3",
    "PYTHONUNBUFFERED": "1",
}


def server(options: ServerOptions, encryption_key: str) -> dict[str, str]:
    """Return the settings of the server's process."""
    chosen = {
        "PREFECT_SERVER_API_HOST": options.host,
        "PREFECT_SERVER_API_PORT": str(options.port),
        "PREFECT_SERVER_UI_API_URL": options.api_url,
        "PREFECT_SERVER_ENCRYPTION_KEY": encryption_key,
    }
    if options.auth:
        chosen["PREFECT_SERVER_API_AUTH_STRING"] = options.auth.get_secret_value()
    if options.database_url:
        url = options.database_url.get_secret_value()
        chosen["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = url
    return QUIET | TUNED | SERVER | client(options) | chosen


def client(options: ServerOptions) -> dict[str, str]:
    """Return the settings of whoever talks to the server; nobody starts a server by accident."""
    chosen = {
        "PREFECT_API_URL": options.api_url,
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        **PLUGINS,
    }
    if options.auth:
        chosen["PREFECT_API_AUTH_STRING"] = options.auth.get_secret_value()
    return chosen


def worker(options: ServerOptions) -> dict[str, str]:
    """Return the settings of a worker and of the runs that it starts."""
    return client(options) | WORKER
