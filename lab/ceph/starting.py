"""Bringing the lab's Ceph up and down, and telling how it is."""

import os
import shutil

from lab.ceph import backends, cluster
from lab.ceph.layout import Ceph
from lab.errors import LabError
from lab.layout import Lab
from lab.output import say
from lab.packages import CEPH_PACKAGES, install, missing
from lab.processes import Processes

STOP_S = 30.0


def up(lab: Lab, processes: Processes) -> None:
    """Start the cluster and the back ends on it, in a lab that runs; safe to repeat."""
    if os.geteuid() != 0:
        raise LabError("Ceph's daemons need root here; nothing was changed")
    if not all(processes.leader(f"{cloud.name}-cinder") for cloud in lab.clouds):
        raise LabError("the lab's clouds do not run; nothing was changed; run 'up' first")
    install(missing(CEPH_PACKAGES))
    ceph = Ceph(lab)
    cluster.start_cluster(ceph, processes)
    say("ceph: monitor, manager and OSD are up")
    backends.start_backends(ceph, processes)
    say(f"ceph: both clouds have the volume types {backends.OWN} and {backends.SHARED}")


def down(lab: Lab, processes: Processes, wipe: bool = False) -> None:
    """Stop back ends and cluster; with `wipe`, remove what is stored in it too."""
    ceph = Ceph(lab)
    processes.stop([backends.process_of(cloud) for cloud in lab.clouds], STOP_S)
    processes.stop(cluster.DAEMONS, STOP_S)
    backends.unlink_keys(ceph)
    if wipe:
        shutil.rmtree(ceph.home, ignore_errors=True)


def commands(lab: Lab) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Return command and environment of each process, by its name."""
    ceph = Ceph(lab)
    daemons = {
        name: (argv, cluster.environment()) for name, argv in cluster.commands(ceph).items()
    }
    return daemons | {
        backends.process_of(cloud): (
            backends.command(ceph, cloud),
            backends.environment(ceph, cloud),
        )
        for cloud in lab.clouds
    }


def running(lab: Lab, processes: Processes) -> bool:
    """Tell whether every process of Ceph lives."""
    return all(processes.leader(name) for name in _names(lab))


def print_status(lab: Lab, processes: Processes) -> int:
    """Print processes, pools and health; return 1 when something of it does not run."""
    ceph = Ceph(lab)
    for name in _names(lab):
        print(f"{name:<32} {processes.leader(name) or 'down'}")
    for cloud in lab.clouds:
        for backend, pool in backends.pools(cloud).items():
            print(f"{backends.pool_of(cloud, backend):<32} pool {pool}")
    print(f"{'configuration':<32} {ceph.conf}")
    if not running(lab, processes):
        return 1
    print(cluster.ask(ceph, "df"))
    return 0


def _names(lab: Lab) -> list[str]:
    return list(commands(lab))
