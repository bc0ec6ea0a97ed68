"""Tables for the operator."""

from pathlib import Path

from lab.bmc.starting import endpoints, redfish_port
from lab.layout import SERVICE_PORTS, Lab
from lab.lifecycle import processes_of
from lab.nailgun.starting import access


def print_endpoints(lab: Lab) -> None:
    """Print the URL of every service of both clouds."""
    print(f"{'':<10} {'source ' + lab.source.name:<32} {'target ' + lab.target.name}")
    for name in SERVICE_PORTS:
        path = "/v3" if name == "keystone" else ""
        urls = [cloud.url(name, path) for cloud in lab.clouds]
        print(f"{name:<10} {urls[0]:<32} {urls[1]}")
    print(f"{'fuel':<10} {access(lab)['url']}")
    for host, endpoint in endpoints(lab).items():
        print(f"{'BMC':<10} ipmi://127.0.0.1:{endpoint.port:<15} {host}")
    print(f"{'Redfish':<10} https://127.0.0.1:{redfish_port(lab):<14} system: the host's name")


def print_processes(lab: Lab) -> int:
    """Print pids and memory; return 1 when a process is dead or none was started."""
    processes = processes_of(lab)
    names = processes.names()
    total_mib, dead = 0, 0
    for name in names:
        leader = processes.leader(name)
        dead += leader is None
        memory_mib = sum(memory(pid) for pid in processes.members(name))
        total_mib += memory_mib
        print(f"{name:<32} {leader or 'DEAD':>8} {memory_mib:>6} MiB")
    print(f"{len(names)} processes, {dead} dead, {total_mib} MiB" if names else "the lab is down")
    return 1 if dead or not names else 0


def memory(pid: int) -> int:
    """Return the proportional memory of a process in MiB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) // 1024
