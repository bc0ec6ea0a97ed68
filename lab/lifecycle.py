"""Bringing the lab up and taking it down."""

import concurrent.futures
import os
import shutil
import signal
from collections.abc import Callable

from lab import snapshots
from lab.bmc.starting import bmc_commands, bmc_environment, start_bmcs, wait_bmcs
from lab.catalog import create_defaults, fill_catalog, services_missing
from lab.ceph import starting as ceph
from lab.commands import run
from lab.configs import write_configs
from lab.environment import cloud_environment
from lab.errors import LabError
from lab.facts import write_facts
from lab.families import in_family, start_families
from lab.infrastructure import BROKER, DATABASE, start_infrastructure
from lab.layout import Cloud, Lab
from lab.metal.following import follow_all
from lab.metal.starting import (
    METAL,
    metal_command,
    metal_environment,
    metal_home,
    start_metal,
)
from lab.mounts import mount_share, unmount_share
from lab.nailgun.starting import FUEL, fuel_command, fuel_environment, start_fuel
from lab.output import say
from lab.packages import create_environments, install_packages
from lab.processes import Processes, leftovers
from lab.schemas import create_schemas, map_hosts
from lab.services import APIS, api_commands, worker_commands
from lab.settings import record_lab
from lab.snapshots import BARE, SMALL
from lab.waiting import START_S, answers, wait_answer, wait_until


def processes_of(lab: Lab) -> Processes:
    """Return the processes of a lab."""
    return Processes(lab.run)


def up(lab: Lab, size: str | None = None) -> None:
    """Bring both clouds up from whatever state they are in.

    With `size`, a lab that is made anew begins with these tenants in it.
    """
    if os.geteuid() != 0:
        raise LabError("the lab mounts directories and so needs root; nothing was changed")
    install_packages()
    create_environments(lab)
    processes = processes_of(lab)
    labels = [SMALL, BARE] if size else [BARE]
    begun = snapshots.empty(lab)
    restored = next((label for label in labels if begun and snapshots.restore(lab, label)), None)
    if restored:
        say(f"restored the snapshot ({restored})")
    record_lab(lab)
    write_facts(lab)
    for cloud in lab.clouds:
        write_configs(lab, cloud)
        if mount_share(cloud):
            say(f"{cloud.name}: mounted its volumes with root's rights (mount --bind)")
    start_infrastructure(lab, processes)
    say("database server and message broker are up")
    start_fuel(lab, processes)
    start_metal(lab, processes)
    start_bmcs(lab, processes)
    for_each_cloud(lab, lambda cloud: create_schemas(lab, cloud))
    for_each_cloud(lab, lambda cloud: _start_cloud(lab, cloud, processes))
    wait_bmcs(lab, processes)
    for words in follow_all(lab, processes, metal_home(lab)):
        say(f"{words}, for its machine does not run the source's system")
    if begun and not restored:
        snapshots.save(lab, processes, BARE)
    if size and restored != SMALL:
        run([*client_command(lab), "populate", "--unlocked"])
        if begun:
            snapshots.save(lab, processes, SMALL)


def client_command(lab: Lab) -> list[str]:
    """Return how to call the lab's own commands with its client environment."""
    return [str(lab.client_venv / "bin" / "python"), "-m", "lab", "--dir", str(lab.root)]


def down(lab: Lab, wipe: bool = False) -> None:
    """Stop every process of the lab; with `wipe`, remove its data too."""
    processes = processes_of(lab)
    ceph.down(lab, processes)
    names = processes.names()
    processes.stop([name for name in names if name not in (DATABASE, BROKER)], wait_s=8)
    processes.stop([BROKER, DATABASE], wait_s=30)
    # Erlang's port mapper, and whatever a crash kept from getting a pid file.
    for pid in leftovers(lab.run):
        os.kill(pid, signal.SIGKILL)
    if not wipe:
        return
    for cloud in lab.clouds:
        unmount_share(cloud)
    shutil.rmtree(lab.run, ignore_errors=True)


def restart(lab: Lab, names: list[str]) -> None:
    """Stop and start single services, named as `status` shows them."""
    processes = processes_of(lab)
    commands = {
        f"{cloud.name}-{name}": (command, cloud_environment(cloud))
        for cloud in lab.clouds
        for name, command in (api_commands(cloud) | worker_commands(cloud)).items()
    }
    commands |= {name: (words, bmc_environment()) for name, words in bmc_commands(lab).items()}
    if METAL in names:
        commands[METAL] = (metal_command(lab), metal_environment())
    commands |= ceph.commands(lab)
    commands[FUEL] = (fuel_command(lab), fuel_environment())
    unknown = [name for name in names if name not in commands]
    if unknown:
        raise LabError(f"no service {', '.join(unknown)}; there are {', '.join(commands)}")
    processes.stop(names)
    for name in names:
        argv, env = commands[name]
        processes.start(name, argv, env)


def for_each_cloud(lab: Lab, work: Callable[[Cloud], None]) -> None:
    """Do the same for both clouds at once; raise the first failure after both ended."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for job in [pool.submit(work, cloud) for cloud in lab.clouds]:
            job.result()


def _start_cloud(lab: Lab, cloud: Cloud, processes: Processes) -> None:
    env = cloud_environment(cloud)
    apis = api_commands(cloud)

    def start(name: str, argv: list[str]) -> None:
        processes.start(f"{cloud.name}-{name}", argv, env)

    def wait(name: str) -> None:
        path = "/v3" if name == "keystone" else "/"
        full = f"{cloud.name}-{name}"
        wait_answer(cloud.url(name, path), full, processes.log(full))

    start("keystone", apis["keystone"])
    wait("keystone")
    fill_catalog(cloud)
    everything = apis | worker_commands(cloud)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        families = pool.submit(start_families, lab, cloud, processes, everything, env)
        for name, argv in everything.items():
            if not in_family(argv):
                start(name, argv)
        families.result()
    for name in APIS:
        wait(name)
    say(f"{cloud.name}: all APIs answer")
    create_defaults(cloud)
    wait_until(
        lambda: not services_missing(cloud),
        lambda: (
            f"{cloud.name}: {', '.join(sorted(services_missing(cloud)))} not up; "
            f"see {lab.run / 'logs'}, and start it again"
        ),
        START_S,
    )
    map_hosts(lab, cloud)
    say(f"{cloud.name}: compute hosts and volume services are up")


def running(lab: Lab) -> bool:
    """Tell whether every process lives and both clouds answer."""
    processes = processes_of(lab)
    names = processes.names()
    return (
        bool(names)
        and all(processes.leader(name) for name in names)
        and all(
            answers(cloud.url(service, "/v3" if service == "keystone" else "/"))
            for cloud in lab.clouds
            for service in APIS
        )
    )
