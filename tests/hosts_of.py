"""A source of three compute hosts as plain rows, for the tests of how one of them is emptied."""

from typing import Any

from pumphouse.estate import Estate
from pumphouse.evacuation import Asked, Evacuation, MaintenanceOptions, evacuation
from tests.tenants import Rows, estate

HOSTS = ("cmp1", "cmp2", "cmp3")


def source(*servers: dict[str, Any], **more: list[dict[str, Any]]) -> Rows:
    """Return the tables of three hosts, each with room for 8 VCPUs, 8 GiB and 80 GiB."""
    return {
        "projects": [{"id": "p1", "name": "shop"}],
        "servers": list(servers),
        "server_groups": [],
        "aggregates": [],
        "compute_services": [service(name) for name in HOSTS],
        "hypervisors": [hypervisor(name) for name in HOSTS],
        **more,
    }


def service(name: str, **values: Any) -> dict[str, Any]:
    """Return the compute service of a host that is enabled and up."""
    row = {"id": f"s-{name}", "binary": "nova-compute", "host": name, "availability_zone": "nova"}
    return {**row, "status": "enabled", "state": "up", "is_forced_down": False, **values}


def hypervisor(name: str, **values: Any) -> dict[str, Any]:
    """Return a hypervisor with nothing on it."""
    room = {"vcpus_allocatable": 8.0, "ram_allocatable_mib": 8192.0, "disk_allocatable_gib": 80.0}
    used = {"vcpus_used": 0, "ram_used_mib": 0, "disk_used_gib": 0}
    return {"id": f"h-{name}", "name": name, "host": name, **room, **used, **values}


def server(name: str, host: str = "cmp1", **values: Any) -> dict[str, Any]:
    """Return a running server of 1 VCPU, 1 GiB of RAM and a local disk of 10 GiB."""
    row = {"id": f"id-{name}", "name": name, "project_id": "p1", "status": "ACTIVE"}
    size = {"vcpus": 1, "ram_mib": 1024, "disk_gib": 10, "ephemeral_gib": 0, "swap_mib": 0}
    where = {"host": host, "availability_zone": "nova", "image_id": "i1"}
    return {**row, **size, **where, **values}


def group(name: str, policy: str, *members: str, **values: Any) -> dict[str, Any]:
    """Return a server group of the servers called *members*."""
    ids = [f"id-{member}" for member in members]
    return {"id": f"g-{name}", "name": name, "policy": policy, "member_ids": ids, **values}


def emptied(rows: Rows, unconfirmed: tuple[Any, ...] = (), **asked: Any) -> Evacuation:
    """Return how cmp1 is emptied; *asked* are fields of `Asked` or of the options."""
    options = {k: v for k, v in asked.items() if k in MaintenanceOptions.model_fields}
    rest = {k: v for k, v in asked.items() if k not in options}
    what = Asked(host="cmp1", options=MaintenanceOptions(**options), **rest)
    return evacuation(read(rows), what, unconfirmed)


def read(rows: Rows) -> Estate:
    """Return the estate of *rows*."""
    return estate(rows)
