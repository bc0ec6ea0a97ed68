"""Compute hosts that exist only as rows, for more servers than real ones can watch.

A nova-compute looks at all its servers every minute, which thousands of them would make
the whole machine busy with. Nova takes such a host as down and schedules nothing to it.
"""

import datetime
import uuid

from lab.clones.rows import Tables
from lab.clones.servers import Host

LONG_AGO = datetime.datetime(2020, 1, 1)  # noqa: DTZ001 - Nova's columns have no zone


def real_hosts(tables: Tables, names: tuple[str, ...]) -> list[Host]:
    """Return the hosts that a nova-compute runs for."""
    return [_host(tables, name) for name in names]


def ensure_paper_hosts(tables: Tables, template: str, count: int) -> list[Host]:
    """Return `count` hosts like `template`; add the rows of those that are missing."""
    names = [f"{template.split('-')[0]}-rack-{number:03d}" for number in range(1, count + 1)]
    known = {row["name"] for row in tables.select("placement.resource_providers")}
    for name in names:
        if name not in known:
            _add_host(tables, template, name)
    tables.commit()
    return [_host(tables, name) for name in names]


def _host(tables: Tables, name: str) -> Host:
    row = tables.select("placement.resource_providers", name=name)[0]
    return Host(name, row["id"])


def _add_host(tables: Tables, template: str, name: str) -> None:
    service = tables.patterns("nova_cell1.services", host=template, fresh=["uuid"])[0]
    service_id = tables.maximum("nova_cell1.services", "id") + 1
    # Never seen: while Nova takes a host as up, it asks it for its uptime and waits.
    seen = {"last_seen_up": None, "updated_at": None, "created_at": LONG_AGO}
    row = service.copy({template: name}, **seen) | {"id": service_id, "host": name}
    tables.add(service.table, row)

    node = tables.patterns("nova_cell1.compute_nodes", host=template)[0]
    identity = str(uuid.uuid4())
    values = {"host": name, "hypervisor_hostname": name, "uuid": identity, "running_vms": 0}
    tables.add(node.table, node.copy({}, **values, service_id=service_id))

    mapping = tables.patterns("nova_api.host_mappings", host=template)[0]
    tables.add(mapping.table, mapping.copy({}, host=name))

    provider = tables.patterns("placement.resource_providers", name=template)[0]
    provider_id = tables.maximum("placement.resource_providers", "id") + 1
    row = provider.copy({}, name=name, uuid=identity, root_provider_id=provider_id)
    tables.add(provider.table, row | {"id": provider_id})
    for pattern in tables.patterns(
        "placement.inventories", resource_provider_id=provider.row["id"]
    ):
        tables.add(pattern.table, pattern.copy({}, resource_provider_id=provider_id))
    tables.commit()
