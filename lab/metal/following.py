"""What a machine's life means to the clouds: a host without its system has no nova-compute."""

from pathlib import Path

from lab.environment import cloud_environment
from lab.layout import Lab
from lab.metal.booting import INSTALLED, SOURCE
from lab.metal.provisioning import describe_all
from lab.processes import Processes
from lab.services import worker_commands

STOP_S = 8.0


def follow_all(lab: Lab, processes: Processes, home: Path) -> list[str]:
    """Stop every nova-compute whose machine lost its system; return what was stopped."""
    lost = [machine for machine in describe_all(home) if machine["told"] != SOURCE]
    return [
        words
        for machine in lost
        for words in follow(lab, processes, machine["host"], machine["told"])
    ]


def follow(lab: Lab, processes: Processes, host: str, system: str) -> list[str]:
    """Stop a host's nova-compute unless its system runs; return what was stopped or started.

    The source's runs with the source's system. The target's begins when Fuel's deployment
    ends, so it is only stopped here.
    """
    source, target = (f"{cloud.name}-nova-compute-{host}" for cloud in lab.clouds)
    gone = [source] * (system != SOURCE) + [target] * (system != INSTALLED)
    stopped = [name for name in gone if processes.leader(name)]
    processes.stop(stopped, STOP_S)
    if system != SOURCE:
        return [f"stopped {name}" for name in stopped]
    cloud = lab.cloud("source")
    argv = worker_commands(cloud)[f"nova-compute-{host}"]
    started = processes.start(source, argv, cloud_environment(cloud))
    return [f"stopped {name}" for name in stopped] + [f"started {source}"] * started
