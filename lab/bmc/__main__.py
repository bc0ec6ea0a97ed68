"""One BMC in the foreground, of our own make; `python -m lab.bmc --help` lists its natures."""

import argparse
import sys
from pathlib import Path

from lab.bmc.server import SUITES, Nature, serve
from lab.bmc.users import LEVELS, Endpoint


def main(words: list[str] | None = None) -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m lab.bmc", description=__doc__)
    parser.add_argument("--name", default="bmc", help="of its host")
    parser.add_argument("--port", type=int, required=True, help="UDP, on loopback")
    parser.add_argument("--machine", type=Path, required=True, help="socket of the machine")
    parser.add_argument(
        "--suite", type=int, action="append", choices=SUITES, help="cipher suite; all by default"
    )
    parser.add_argument("--sessions", type=int, default=8, help="how many it has")
    parser.add_argument(
        "--control", choices=LEVELS, default="operator", help="privilege that power needs"
    )
    parser.add_argument("--no-reset", action="store_true", help="knows only off and on")
    parser.add_argument("--late", action="store_true", help="refuses a privilege after login")
    parser.add_argument("--stubborn", action="store_true", help="answers its first suite")
    parser.add_argument("--busy", type=int, default=0, help="how many commands it puts off")
    options = parser.parse_args(words)
    nature = Nature(
        suites=tuple(options.suite or SUITES),
        sessions=options.sessions,
        control_level=LEVELS[options.control],
        resets=not options.no_reset,
        late=options.late,
        stubborn=options.stubborn,
        busy=options.busy,
    )
    serve(Endpoint(options.name, options.port, options.machine), nature)
    return 0


if __name__ == "__main__":
    sys.exit(main())
