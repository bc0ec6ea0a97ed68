"""Clones of one server: its rows in Nova, Placement, Neutron and Cinder."""

import datetime
import ipaddress
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lab.clones.rows import Pattern, Row, Tables

CELL_TABLES = (
    "instance_extra",
    "instance_info_caches",
    "instance_metadata",
    "instance_system_metadata",
    "virtual_interfaces",
)
PORT_TABLES = (
    "ipallocations",
    "ml2_port_bindings",
    "ml2_port_binding_levels",
    "securitygroupportbindings",
    "portsecuritybindings",
    "portdnses",
)
VOLUME_TABLES = ("volume_metadata", "volume_admin_metadata", "volume_glance_metadata")
# Half of OpenStack's own range, so that few real addresses meet the clones' ones.
FIRST_MAC = 0x800000


@dataclass(frozen=True)
class Host:
    """A compute host as clones are placed on it: its name and number in Placement."""

    name: str
    provider: int


@dataclass(frozen=True)
class Clone:
    """A server that was made: its id, its host, and the ids of its volumes by the old ones."""

    server_id: str
    host: str
    instance_name: str
    volumes: dict[str, str]


class Template:
    """All rows of one ACTIVE server, read once."""

    def __init__(self, tables: Tables, server_id: str) -> None:
        self._tables = tables
        self.server_id = server_id
        self._instance = tables.patterns("nova_cell1.instances", uuid=server_id)[0]
        self._by_uuid = self._read_compute()
        self._tags = tables.patterns("nova_cell1.tags", dropped=(), resource_id=server_id)
        self._allocations = tables.patterns("placement.allocations", consumer_id=server_id)
        self._ports = tables.select("neutron.ports", device_id=server_id)
        self._network_rows = [row for port in self._ports for row in self._read_port(port)]
        self._attributes = {
            port["id"]: tables.select("neutron.standardattributes", id=port["standard_attr_id"])[0]
            for port in self._ports
        }
        self._addresses = [
            row.row["ip_address"] for row in self._network_rows if "ip_address" in row.row
        ]
        self._volumes = [
            volume
            for attachment in tables.select("cinder.volume_attachment", instance_uuid=server_id)
            for volume in tables.select("cinder.volumes", id=attachment["volume_id"])
        ]
        self._volume_rows = self._read_volumes()

    def clone(self, count: int, first: int, hosts: Sequence[Host]) -> Iterator[Clone]:
        """Insert `count` copies, numbered from `first`, spread over hosts in turn."""
        attribute = self._tables.maximum("neutron.standardattributes", "id")
        number = self._tables.maximum("nova_cell1.instances", "id")
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)
        for index in range(first, first + count):
            host = hosts[index % len(hosts)]
            number += 1
            names = self._names(index)
            values = {"created_at": now - datetime.timedelta(seconds=index)}
            self._add_server(names, index, number, host, values)
            for port in self._ports:
                attribute += 1
                self._add_port(names, port, attribute, host, values)
            self._add_volumes(names, values)
            volumes = {volume["id"]: names[volume["id"]] for volume in self._volumes}
            yield Clone(names[self.server_id], host.name, f"instance-{number:08x}", volumes)

    def count_usage(self, count: int) -> None:
        """Tell Cinder, which keeps a count, of the volumes that were added."""
        if self._volumes:
            self._tables.execute(
                f"UPDATE {self._tables.name('cinder.quota_usages')} SET in_use=in_use*%s "
                "WHERE project_id=%s",
                count + 1,
                self._instance.row["project_id"],
            )

    def _names(self, index: int) -> dict[str, str]:
        """Return what every old id and address becomes in one clone."""
        names = {self.server_id: str(uuid.uuid4())}
        for row in (*self._ports, *self._volumes):
            names[row["id"]] = str(uuid.uuid4())
        for pattern in self._volume_rows:
            if pattern.table == "cinder.volume_attachment":
                names[pattern.row["id"]] = str(uuid.uuid4())
        for place, port in enumerate(self._ports):
            mac = FIRST_MAC + index * len(self._ports) + place
            names[port["mac_address"]] = "fa:16:3e:" + mac.to_bytes(3).hex(":")
        for address in self._addresses:
            names[address] = str(ipaddress.ip_address(address) + 1 + index)
        return names

    def _add_server(
        self, names: dict[str, str], index: int, number: int, host: Host, values: Row
    ) -> None:
        name = f"{self._instance.row['display_name']}-{index:05d}"
        row = self._instance.copy(names, **values)
        row |= {"id": number, "display_name": name, "hostname": name}
        row |= {"host": host.name, "node": host.name, "launched_on": host.name}
        self._tables.add("nova_cell1.instances", row)
        for pattern in (*self._by_uuid, *self._tags):
            self._tables.add(pattern.table, pattern.copy(names))
        for pattern in self._allocations:
            row = pattern.copy(names, resource_provider_id=host.provider)
            self._tables.add(pattern.table, row)

    def _add_port(
        self, names: dict[str, str], port: Row, attribute: int, host: Host, values: Row
    ) -> None:
        row = {**self._attributes[port["id"]], **values, "id": attribute}
        self._tables.add("neutron.standardattributes", row)
        for pattern in self._network_rows:
            if port["id"] in (pattern.row.get("port_id"), pattern.row.get("id")):
                row = pattern.copy(names, standard_attr_id=attribute, host=host.name)
                self._tables.add(pattern.table, row)

    def _add_volumes(self, names: dict[str, str], values: Row) -> None:
        for pattern in self._volume_rows:
            self._tables.add(pattern.table, pattern.copy(names, **values))

    def _read_compute(self) -> list[Pattern]:
        tables, where = self._tables, {"instance_uuid": self.server_id}
        found = [row for t in CELL_TABLES for row in tables.patterns(f"nova_cell1.{t}", **where)]
        # The uuid of a virtual interface is its port's; that of a device is its own.
        found += tables.patterns("nova_cell1.block_device_mapping", fresh=["uuid"], **where)
        found += tables.patterns("nova_api.instance_mappings", **where)
        found += tables.patterns("nova_api.request_specs", **where)
        return found + tables.patterns("placement.consumers", uuid=self.server_id)

    def _read_port(self, port: Row) -> list[Pattern]:
        found = self._tables.patterns("neutron.ports", dropped=(), id=port["id"])
        for table in PORT_TABLES:
            found += self._tables.patterns(f"neutron.{table}", dropped=(), port_id=port["id"])
        return found

    def _read_volumes(self) -> list[Pattern]:
        found: list[Pattern] = []
        for volume in self._volumes:
            found += self._tables.patterns("cinder.volumes", dropped=(), id=volume["id"])
            for table in VOLUME_TABLES:
                found += self._tables.patterns(f"cinder.{table}", volume_id=volume["id"])
            found += self._tables.patterns(
                "cinder.volume_attachment", dropped=(), volume_id=volume["id"]
            )
        return found
