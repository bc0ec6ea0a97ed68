"""A table of machines for the operator of the lab."""

from pathlib import Path

from lab.metal.provisioning import describe_all


def print_machines(home: Path) -> int:
    """Print one line for each machine; return 1 when there is none."""
    machines = describe_all(home)
    print(
        f"{'host':<14} {'kind':<6} {'power':<6} {'runs':<10} {'disk':<10} {'boot':<16} MAC, faults"
    )
    for machine in machines:
        boot = machine["boot"]
        override = boot["device"] + (" (stays)" if boot["persistent"] else "")
        words = " ".join([machine["macs"][0], *machine["faults"]])
        print(
            f"{machine['host']:<14} {machine['kind']:<6} {'on' if machine['power'] else 'off':<6} "
            f"{machine['system']:<10} {machine['disk']:<10} {override:<16} {words}"
        )
    if machines:
        print(f"consoles: {home}/HOST/console.log")
    return 0 if machines else 1
