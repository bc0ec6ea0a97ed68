"""The commands of the lab's machines; `python -m lab.metal --help` lists them."""

import argparse
import json
import sys
from pathlib import Path

from lab.errors import LabError
from lab.metal.booting import FAULTS
from lab.metal.daemon import Plan, serve
from lab.metal.following import follow
from lab.metal.machines import Site, Timing
from lab.metal.protocol import ask
from lab.metal.provisioning import install
from lab.metal.reporting import print_machines
from lab.metal.starting import metal_home
from lab.processes import Processes
from lab.settings import load_lab

LIMIT_S = 900.0


def main(words: list[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = _parser().parse_args(words)
    try:
        return int(options.work(options) or 0)
    except LabError as error:
        print(f"metal: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.metal", description=__doc__)
    parser.add_argument("--dir", type=Path, help="where the lab lives ($PUMPHOUSE_LAB_DIR)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("status", help="what every machine does")
    command.set_defaults(work=lambda options: print_machines(_home(options)))

    command = commands.add_parser("ask", help="send one line to a machine's socket")
    command.add_argument("host")
    command.add_argument("line", nargs="+", help="such as: get power")
    command.set_defaults(work=_ask)

    command = commands.add_parser("fault", help="inject faults, or none")
    command.add_argument("host")
    command.add_argument("names", nargs="+", choices=["none", *FAULTS], metavar="NAME")
    command.set_defaults(work=_fault)

    command = commands.add_parser(
        "provision", help="install the machine that the JSON on stdin names by its MAC"
    )
    command.add_argument("macs", nargs="*", metavar="MAC")
    command.add_argument("--limit", type=float, default=LIMIT_S, help="seconds")
    command.set_defaults(work=_provision)

    command = commands.add_parser("follow", help="let nova-compute follow what a machine runs")
    command.add_argument("host")
    command.add_argument("system")
    command.set_defaults(work=_follow)

    command = commands.add_parser("serve", help="serve machines until asked to end")
    command.add_argument("--home", type=Path, required=True, help="of sockets and state")
    command.add_argument("--cache", type=Path, required=True, help="of the bootstrap image")
    command.add_argument("--port", type=int, required=True, help="of the boot server")
    command.add_argument("--fuel", default="", help="URL of Fuel")
    command.add_argument("--host", action="append", default=[], metavar="NAME=light|qemu")
    command.add_argument("--on-change", default="", help="runs with HOST and SYSTEM appended")
    for name, value in vars(Timing()).items():
        command.add_argument(f"--{name.replace('_', '-')}", type=float, default=value)
    command.set_defaults(work=_serve)
    return parser


def _home(options: argparse.Namespace) -> Path:
    return metal_home(load_lab(options.dir))


def _ask(options: argparse.Namespace) -> None:
    print(ask(_home(options) / f"{options.host}.sock", " ".join(options.line)))


def _fault(options: argparse.Namespace) -> None:
    ask(_home(options) / f"{options.host}.sock", f"set fault {','.join(options.names)}")


def _provision(options: argparse.Namespace) -> None:
    text = sys.stdin.read()
    try:
        order = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise LabError(f"stdin holds no JSON ({error}); nothing was installed") from None
    host = install(_home(options), order, options.macs, options.limit)
    print(f"{host} is installed and runs from its disk")


def _follow(options: argparse.Namespace) -> None:
    lab = load_lab(options.dir)
    for words in follow(lab, Processes(lab.run), options.host, options.system):
        print(words)


def _serve(options: argparse.Namespace) -> None:
    timing = Timing(**{name: getattr(options, name) for name in vars(Timing())})
    serve(
        Plan(
            site=Site(options.home, options.fuel.rstrip("/"), timing),
            hosts=dict(host.split("=", 1) for host in options.host),
            port=options.port,
            cache=options.cache,
            on_change=options.on_change.split(),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
