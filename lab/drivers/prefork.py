"""Start several daemons of one project from a single process that imported it all.

Most of the time that a daemon of Nova or Cinder takes to start goes into imports, some
eight seconds of CPU. Here they are paid once: this program imports, forks each daemon into
a session of its own, prints their pids as JSON and ends. What the daemons then never
change, they share in memory.

Runs in the environment of a cloud: prefork.py FILE, with FILE the JSON list of
{"name", "argv", "log"}.
"""

import gc
import importlib
import json
import os
import random
import sys
from pathlib import Path

# What the daemons import only after they began to run.
LATER = {
    "nova": (
        "nova.compute.manager",
        "nova.conductor.manager",
        "nova.scheduler.manager",
        "nova.virt.labvirt",
        "nova.api.openstack.compute.routes",
    ),
    "cinder": (
        "cinder.volume.manager",
        "cinder.scheduler.manager",
        "cinder.scheduler.filter_scheduler",
        "cinder.volume.drivers.nfs",
        "cinder.api.v3.router",
    ),
}


def module_of(program):
    """Return the module of a console script: nova-compute is nova.cmd.compute."""
    project, command = Path(program).name.split("-", 1)
    return f"{project}.cmd.{command.replace('-', '_')}"


def import_all(daemons):
    """Import every daemon; the first one's import also patches what eventlet patches."""
    modules = [module_of(daemon["argv"][0]) for daemon in daemons]
    for name in modules:
        importlib.import_module(name)
    project = modules[0].split(".")[0]
    # The managers name classes that exist only once all versioned objects are registered.
    importlib.import_module(f"{project}.objects").register_all()
    for name in LATER[project]:
        importlib.import_module(name)


def become(daemon):
    """Turn a forked child into a daemon; never returns."""
    os.setsid()
    with open(daemon["log"], "ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    random.seed()
    if "eventlet" in sys.modules:
        # The parent's hub holds an epoll descriptor that children must not share.
        sys.modules["eventlet"].hubs.use_hub()
    sys.argv = daemon["argv"]
    sys.exit(importlib.import_module(module_of(sys.argv[0])).main())


def main():
    daemons = json.loads(Path(sys.argv[1]).read_text())
    sys.argv = [sys.argv[0]]
    import_all(daemons)
    gc.collect()
    gc.freeze()
    pids = {}
    for daemon in daemons:
        pid = os.fork()
        if pid == 0:
            become(daemon)
        pids[daemon["name"]] = pid
    print(json.dumps(pids), flush=True)
    # No exit handlers: the libraries' would close what the children use.
    os._exit(0)


if __name__ == "__main__":
    main()
