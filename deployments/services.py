"""The Prefect server and worker of one folder: start, wait until ready, stop."""

import json
import os
import shlex
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from pydantic import ValidationError

from pumphouse.deployments import POOL, settings
from pumphouse.deployments.local import encryption_key
from pumphouse.deployments.processes import Process
from pumphouse.deployments.settings import ServerOptions
from pumphouse.errors import ConfigError, PumphouseError

READY_TIMEOUT_S = 180.0
VARIABLES = {
    "host": "PUMPHOUSE_HOST",
    "port": "PUMPHOUSE_PORT",
    "auth": "PUMPHOUSE_AUTH",
    "database_url": "PUMPHOUSE_DATABASE_URL",
    "public_url": "PUMPHOUSE_PUBLIC_URL",
}


class NotReady(PumphouseError):
    """A process was started and did not become ready; `log` holds its last lines."""

    def __init__(self, what: str, reason: str, log: str) -> None:
        super().__init__(what, reason, log)
        self.what = what
        self.reason = reason
        self.log = log

    def __str__(self) -> str:
        return f"The {self.what} is not ready: {self.reason}\n{self.log}"


def options(environment: Mapping[str, str]) -> ServerOptions:
    """
    Return what *environment* says about the server.

    Raises:
        ConfigError: A value is wrong, or the server would be open to everybody.
    """
    named = {field: environment.get(name) for field, name in VARIABLES.items()}
    given = {field: value for field, value in named.items() if value}
    try:
        return ServerOptions.model_validate(given)
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            name = VARIABLES.get(str(problem["loc"][0]), "") if problem["loc"] else ""
            words = problem["msg"].removeprefix("Value error, ")
            problems.append(f"{name}: {words}." if name else f"{words[:1].upper()}{words[1:]}.")
        raise ConfigError("environment", problems) from None


class Services:
    """Server and worker that live in *folder*, with everything that they write."""

    def __init__(self, folder: Path, chosen: ServerOptions) -> None:
        self.folder = folder.absolute()
        self.options = chosen
        self.server = Process(self.folder, "server")
        self.worker = Process(self.folder, "worker")

    @property
    def home(self) -> Path:
        """Prefect's home: database, profile, results."""
        return self.folder / "prefect"

    def client_environment(self) -> dict[str, str]:
        """Return the variables that make a command work with this server."""
        return {"PREFECT_HOME": str(self.home), **settings.client(self.options)}

    def start_server(self) -> bool:
        """
        Start the server unless it runs, and wait until it answers.

        Raises:
            NotReady: It ended or did not answer; its log is quoted.
        """
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.write_environment()
        chosen = settings.server(self.options, encryption_key(self.folder))
        if not self.server.pid and self._answers():
            reason = f"something else already answers at {self.options.url}; set PUMPHOUSE_PORT."
            raise NotReady("server", reason, "")
        command = [sys.executable, "-m", "prefect", "server", "start"]
        started = self.server.start(command, self._environment(chosen))
        self._wait("server", self.server, self._answers)
        return started

    def start_worker(self) -> bool:
        """
        Start a worker unless it runs, and wait until the server knows it.

        Raises:
            NotReady: It ended or did not register; its log is quoted.
        """
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL]
        command += ["--name", f"worker-{os.uname().nodename}", "--type", "process"]
        command += ["--install-policy", "never"]
        started = self.worker.start(command, self._environment(settings.worker(self.options)))
        self._wait("worker", self.worker, self._has_worker)
        return started

    def _environment(self, chosen: Mapping[str, str]) -> dict[str, str]:
        """Return our environment with *chosen*, without the operator's own Prefect settings."""
        own = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{own.get('PATH', '')}"
        return {**own, "PATH": path, "PREFECT_HOME": str(self.home), **chosen}

    def write_environment(self) -> None:
        """Write ``env``, to be sourced by a shell, and a profile for Prefect's own command."""
        variables = self.client_environment()
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
        _write_private(self.folder / "env", "".join(lines))
        kept = ("PREFECT_API", "PREFECT_PLUGINS")
        settings_of_profile = {k: v for k, v in variables.items() if k.startswith(kept)}
        pairs = "".join(f"{k} = {_toml(v)}\n" for k, v in settings_of_profile.items())
        profile = f'active = "pumphouse"\n\n[profiles.pumphouse]\n{pairs}'
        _write_private(self.home / "profiles.toml", profile)

    def _answers(self) -> bool:
        return self._ask("/ready") is not None

    def _has_worker(self) -> bool:
        online = {"workers": {"status": {"any_": ["ONLINE"]}}}
        return bool(self._ask(f"/work_pools/{POOL}/workers/filter", online))

    def _ask(self, path: str, body: Any = None) -> Any:
        """Return the API's decoded answer, or None when there is no good one (yet)."""
        request = Request(
            self.options.api_url + path, headers={"Content-Type": "application/json"}
        )
        request.data = json.dumps(body).encode() if body is not None else None
        if secret := self.options.auth:
            token = b64encode(secret.get_secret_value().encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        try:
            with urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def _wait(self, what: str, process: Process, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            if process.pid is None:
                raise NotReady(what, f"it ended. {process.log} says:", process.tail())
            if is_ready():
                return
            time.sleep(0.3)
        reason = f"no answer in {READY_TIMEOUT_S:.0f} s. {process.log} says:"
        raise NotReady(what, reason, process.tail())


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _toml(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
