"""
``python -m pumphouse.deployments``: a Prefect server and worker of one folder.

Options come from the environment: PUMPHOUSE_HOST, _PORT, _AUTH, _DATABASE_URL, _PUBLIC_URL.
"""

import argparse
import os
import sys
from pathlib import Path

from pumphouse.deployments.services import Services, options
from pumphouse.errors import PumphouseError

PARTS = ("server", "worker")


def main(arguments: list[str] | None = None) -> int:
    """Start, stop or show server and worker; return an exit code as the rest of Pumphouse."""
    parser = argparse.ArgumentParser(prog="python -m pumphouse.deployments")
    parser.add_argument("action", choices=("start", "stop", "status"))
    parser.add_argument("parts", nargs="*", metavar="server|worker")
    parser.add_argument("--folder", type=Path, default=Path(".pumphouse"))
    asked = parser.parse_args(arguments)
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"there is no {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    try:
        services = Services(asked.folder, options(os.environ))
        return _ACTIONS[asked.action](services, asked.parts or list(PARTS))
    except PumphouseError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def _start(services: Services, parts: list[str]) -> int:
    if "server" in parts:
        word = "started" if services.start_server() else "runs already"
        print(f"Server {word}: {services.options.url} (log {services.server.log})")
        print(f"For other commands: source {services.folder / 'env'}")
    if "worker" in parts:
        word = "started" if services.start_worker() else "runs already"
        print(f"Worker {word} (log {services.worker.log})")
    return 0


def _stop(services: Services, parts: list[str]) -> int:
    for part in reversed(PARTS):
        if part in parts:
            word = "stopped" if getattr(services, part).stop() else "was not running"
            print(f"{part.capitalize()} {word}.")
    return 0


def _status(services: Services, parts: list[str]) -> int:
    running = 0
    for part in parts:
        pid = getattr(services, part).pid
        running += bool(pid)
        print(f"{part}: {f'runs, pid {pid}' if pid else 'does not run'}")
    return 0 if running == len(parts) else 1


_ACTIONS = {"start": _start, "stop": _stop, "status": _status}

if __name__ == "__main__":
    sys.exit(main())
