"""
``python -m bench._upgrading SITE``: upgrade the rack's host; print what that cost, as JSON.

A process of its own, so that nothing but the flow is counted. Prefect's client is loaded and
the server has been asked before the count begins.
"""

import json
import os
import sys
import time

from prefect.client.orchestration import get_client

from pumphouse.flows.upgrade_host import upgrade_host
from tests.rack import HOST


def main() -> None:
    """Run, and print the seconds on the clock and on the processor, children included."""
    with get_client(sync_client=True) as client:
        client.hello()
    began, used = time.monotonic(), _used_s()
    done = upgrade_host(host=HOST, site=sys.argv[1])
    spent = {"wall_s": time.monotonic() - began, "cpu_s": _used_s() - used}
    print(json.dumps(spent | {"state": done.state}))


def _used_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
