"""Start the stand-in: ``python -m lab.nailgun --port 8001 --database nailgun.sqlite``."""

import argparse
import json
import sys
from pathlib import Path

import uvicorn

from lab.nailgun.app import make_app
from lab.nailgun.clock import Clock
from lab.nailgun.seeds import seed
from lab.nailgun.store import Store
from lab.nailgun.world import Options, World


def main(words: list[str] | None = None) -> int:
    """Serve until told to stop."""
    given = _parser().parse_args(words)
    hosts = json.loads(given.hosts.read_text()) if given.hosts else {}
    options = Options(
        username=given.user,
        password=given.password,
        auth=not given.no_auth,
        on_provision=given.on_provision,
        on_deploy=given.on_deploy,
        on_delete=given.on_delete,
        hook_timeout_s=given.hook_timeout,
        keepalive_timeout_s=given.keepalive_timeout,
        hosts={report["mac"]: name for name, report in hosts.items()},
    )
    world = World(Store(given.database or ":memory:"), Clock(given.speed), options)
    seed(world, lab=not given.empty, source_hosts=hosts if given.source else {})
    uvicorn.run(
        make_app(world),
        host="127.0.0.1",
        port=given.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.nailgun", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1")
    parser.add_argument("--database", type=Path, help="SQLite file; without, in memory")
    parser.add_argument("--speed", type=float, default=1.0, help="of time; 0: moved by hand")
    parser.add_argument("--user", default="admin", help="of its Keystone")
    parser.add_argument("--password", default="admin", help="of that user")
    parser.add_argument("--no-auth", action="store_true", help="let everyone in")
    parser.add_argument("--empty", action="store_true", help="begin without environments")
    parser.add_argument("--hosts", type=Path, help="JSON: agents' reports of hosts by name")
    parser.add_argument(
        "--source", action="store_true", help="have those hosts in an environment already"
    )
    parser.add_argument("--on-provision", default="", metavar="CMD", help="run for each node")
    parser.add_argument("--on-deploy", default="", metavar="CMD", help="run for each node")
    parser.add_argument("--on-delete", default="", metavar="CMD", help="run for each node")
    parser.add_argument("--hook-timeout", type=float, default=900.0, help="seconds")
    parser.add_argument("--keepalive-timeout", type=float, default=180.0, help="seconds")
    return parser


if __name__ == "__main__":
    sys.exit(main())
