"""The commands of the lab; `python -m lab --help` lists them."""

import argparse
import importlib.util
import os
import sys
from contextlib import nullcontext
from pathlib import Path

from lab import hosts, lifecycle, reporting
from lab.ceph import starting as ceph
from lab.errors import LabError
from lab.layout import CLOUD_NAMES, Lab
from lab.locks import locked
from lab.output import elapsed_s, say
from lab.probes import probe_cloud
from lab.releases import RELEASES
from lab.settings import load_lab

SIZES = ("small", "medium", "large")
COMPUTE = {"add": hosts.add, "remove": hosts.remove, "kill": hosts.kill}


def main(words: list[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = _parser().parse_args(words)
    try:
        lab = load_lab(options.dir, options.source, options.target, options.port_offset)
        return int(options.work(lab, options) or 0)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    parser.add_argument("--dir", type=Path, help="where the lab lives ($PUMPHOUSE_LAB_DIR)")
    for name in ("source", "target"):
        parser.add_argument(f"--{name}", choices=RELEASES, help=f"release of the {name}")
    parser.add_argument(
        "--port-offset",
        type=int,
        help="added to every port, for a second lab ($PUMPHOUSE_LAB_PORT_OFFSET)",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("up", help="start both clouds")
    command.add_argument("--size", choices=SIZES[:1], help="begin with these tenants")
    command.set_defaults(work=_up)
    command = commands.add_parser("down", help="stop everything")
    command.add_argument("--wipe", action="store_true", help="remove the clouds' data too")
    command.set_defaults(work=_down)
    command = commands.add_parser("status", help="processes, memory, endpoints")
    command.set_defaults(work=_status)
    command = commands.add_parser("restart", help="restart single services")
    command.add_argument("names", nargs="+", metavar="NAME", help="as status shows them")
    command.set_defaults(work=_restart)
    command = commands.add_parser("populate", help="fill the source with tenants")
    command.add_argument("--size", choices=SIZES, default="small")
    command.add_argument("--remove", action="store_true", help="take the tenants away again")
    command.add_argument("--unlocked", action="store_true", help=argparse.SUPPRESS)
    command.set_defaults(work=_populate)
    command = commands.add_parser("compute", help="let a compute host join, leave or die")
    command.add_argument("what", choices=COMPUTE)
    command.add_argument("cloud", choices=CLOUD_NAMES)
    command.add_argument("host", metavar="HOST", help="its name in Nova")
    command.set_defaults(work=_compute)
    command = commands.add_parser("ceph", help="a Ceph with back ends in both clouds")
    command.add_argument("what", choices=("up", "down", "status"))
    command.add_argument("--wipe", action="store_true", help="with down: remove its data too")
    command.set_defaults(work=_ceph)
    command = commands.add_parser("doctor", help="boot a probe server in both clouds")
    command.set_defaults(work=_doctor)
    return parser


def _up(lab: Lab, options: argparse.Namespace) -> None:
    with locked(lab.root):
        lifecycle.up(lab, options.size)
    reporting.print_endpoints(lab)
    say(f"the lab is up after {elapsed_s():.0f} s; export OS_CLIENT_CONFIG_FILE={lab.clouds_file}")


def _down(lab: Lab, options: argparse.Namespace) -> None:
    with locked(lab.root):
        lifecycle.down(lab, options.wipe)
    say("the lab is down" + (" and its data is removed" if options.wipe else ""))


def _status(lab: Lab, options: argparse.Namespace) -> int:
    reporting.print_endpoints(lab)
    return reporting.print_processes(lab)


def _doctor(lab: Lab, options: argparse.Namespace) -> int:
    failed = 0
    for cloud in lab.clouds:
        try:
            say(f"{cloud.name}: a probe server was ACTIVE after {probe_cloud(cloud):.1f} s")
        except LabError as error:
            failed = 1
            say(str(error))
    return failed


def _restart(lab: Lab, options: argparse.Namespace) -> None:
    with locked(lab.root):
        lifecycle.restart(lab, options.names)


def _compute(lab: Lab, options: argparse.Namespace) -> None:
    # Deployments of several hosts may end at once.
    with locked(lab.root, patience_s=300):
        COMPUTE[options.what](lab, lab.cloud(options.cloud), options.host)
    say(f"{options.cloud}: {options.host}: {options.what} done")


def _ceph(lab: Lab, options: argparse.Namespace) -> int:
    processes = lifecycle.processes_of(lab)
    if options.what == "status":
        return ceph.print_status(lab, processes)
    with locked(lab.root, patience_s=300):
        if options.what == "up":
            ceph.up(lab, processes)
        else:
            ceph.down(lab, processes, options.wipe)
    say(f"ceph is {options.what} after {elapsed_s():.0f} s")
    return 0


def _populate(lab: Lab, options: argparse.Namespace) -> None:
    # The larger sizes write to the databases: the driver for that is the lab's own.
    if (
        importlib.util.find_spec("openstack") is None
        or importlib.util.find_spec("pymysql") is None
    ):
        _continue_in(lab.client_venv)
    from lab.populating import populate

    with nullcontext() if options.unlocked else locked(lab.root):
        populate(lab, options.size, options.remove)
    say("done")


def _continue_in(venv: Path) -> None:
    """Run the same command again with the lab's own client environment."""
    python = str(venv / "bin" / "python")
    if not Path(python).exists() or sys.executable == python:
        raise LabError(f"the client environment {venv} is missing; run 'up' first")
    sys.stdout.flush()
    os.execv(python, [python, "-m", "lab", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
