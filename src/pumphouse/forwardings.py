"""
Port forwardings of floating IPs: what they say, which server they go with, and what is lost.

A floating IP that forwards ports is bound to no port, and may lead to several servers. Neutron
knows a forwarding by an id of its own; on one floating IP there is one of each protocol and
outer port, so that is how it is found again.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from pumphouse.estate import Estate
from pumphouse.tables import Row

EXTENSION = "floating-ip-port-forwarding"
RANGES = "floating-ip-port-forwarding-port-ranges"
DESCRIPTION = "floating-ip-port-forwarding-description"

FLOATING = "pumphouse:fip:"
"""Metadata key, with a floating IP's id: what it was bound to, in a source server's journal."""

FORWARD = "pumphouse:forward:"
"""Metadata key, with a forwarding's id: where a source server's journal has it."""

TEXT = "pumphouse:forwarded:"
"""The same for its description, which may be as long as a value of metadata can be."""


OWN_KEYS = 32
"""Room that is left in a server's metadata for the rest of its journal."""


class Forwarding(BaseModel):
    """
    One port forwarding.

    Attributes:
        external, internal: A port (``80``), or the first and the last of some (``80:90``).

        port_id: The port that it leads to.

        is_carried: Whether the target's Neutron takes such a one.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    protocol: str
    external: str
    internal: str
    port_id: str
    address: str
    description: str = ""
    is_carried: bool = True

    @property
    def key(self) -> tuple[str, str]:
        """What no other one on its floating IP has."""
        return self.protocol, self.external

    @property
    def way(self) -> tuple[str, ...]:
        """From where to where: it stays the same when it is made again under another id."""
        return (*self.key, self.internal, self.port_id, self.address)

    @property
    def label(self) -> str:
        """As an operator calls it: ``tcp 80``."""
        return " ".join(self.key)


def row(raw: Mapping[str, Any]) -> Row:
    """Return what a floating IP's row has of a forwarding, as Neutron shows that."""
    return Forwarding(
        id=raw["id"],
        protocol=raw["protocol"],
        external=_ports(raw, "external"),
        internal=_ports(raw, "internal"),
        port_id=raw["internal_port_id"],
        address=raw["internal_ip_address"],
        description=raw.get("description") or "",
    ).model_dump(exclude={"is_carried"})


def _ports(raw: Mapping[str, Any], end: str) -> str:
    said = str(raw.get(f"{end}_port_range") or raw.get(f"{end}_port"))
    first, _, last = said.partition(":")
    return said if last and last != first else first


def body(one: Forwarding, port_id: str) -> dict[str, Any]:
    """Return the body of a forwarding that leads to *port_id*."""
    made: dict[str, Any] = {
        "protocol": one.protocol,
        "internal_port_id": port_id,
        "internal_ip_address": one.address,
    }
    is_range = ":" in one.external + one.internal
    for end, ports in (("external", one.external), ("internal", one.internal)):
        if is_range:
            made[f"{end}_port_range"] = ports if ":" in ports else f"{ports}:{ports}"
        else:
            made[f"{end}_port"] = int(ports)
    # Sent only where it says something: a target without the extension refuses the name.
    return made | ({"description": one.description} if one.description else {})


def of(floating_ip: Row) -> list[Forwarding]:
    """Return the forwardings of a floating IP's row that are carried."""
    return [one for one in _every(floating_ip) if one.is_carried]


def _every(floating_ip: Row) -> list[Forwarding]:
    return [Forwarding(**each) for each in floating_ip["port_forwardings"] or ()]


# ---- what comes along


def servers_of(floating_ip: Row, estate: Estate) -> list[str]:
    """Return the ids of the servers that a floating IP forwards to, each once, in order."""
    ports = [estate.get("ports", one.port_id) for one in of(floating_ip)]
    ids = {port["device_id"] for port in ports if port}
    return sorted(id_ for id_ in ids if estate.get("servers", id_))


def leads(estate: Estate) -> dict[str, list[str]]:
    """Return, by floating IP, the servers that it forwards to, or did before their cut-overs."""
    found: dict[str, set[str]] = {}
    for row in estate.rows("floating_ips"):
        if row["port_forwardings"]:
            found.setdefault(row["id"], set()).update(servers_of(row, estate))
    for server in estate.rows("servers"):
        for floating_ip in read(server["metadata"] or {}):
            found.setdefault(floating_ip, set()).add(server["id"])
    return {floating_ip: sorted(servers) for floating_ip, servers in found.items()}


def of_server(server: Row, lead: Mapping[str, list[str]], estate: Estate) -> list[Row]:
    """
    Return what a server has of floating IPs that forward to it: one row each.

    Columns: its ``id``, its ``address``, all ``servers`` that it leads to, and ``those``: its
    forwardings, also those that are not carried.
    """
    return [
        {
            "id": row["id"],
            "address": row["floating_ip_address"],
            "servers": servers,
            "those": [one.model_dump() for one in _every(row)],
        }
        for floating_ip, servers in lead.items()
        if server["id"] in servers and (row := estate.get("floating_ips", floating_ip))
    ]


def idle_ports(server: Row, forwarded: Iterable[Row], estate: Estate) -> list[Row]:
    """
    Return ports of no server that go with *server*, since one floating IP leads to both.

    Of several servers they go with the first.
    """
    ids = [
        one["port_id"]
        for floating_ip in forwarded
        if floating_ip["servers"][:1] == [server["id"]]
        for one in floating_ip["those"]
        if one["is_carried"]
    ]
    ids += [one.port_id for those in read(server["metadata"] or {}).values() for one in those]
    ports = [port for id_ in dict.fromkeys(ids) if (port := estate.get("ports", id_))]
    return [port for port in ports if not port["device_id"]]


def taken_off(server: Row) -> list[str]:
    """Return the floating IPs that a cut-over has taken off, as the server's journal says."""
    metadata = server["metadata"] or {}
    bound = [key.removeprefix(FLOATING) for key in metadata if key.startswith(FLOATING)]
    return [*bound, *read(metadata)]


# ---- what is lost


def fitting(floating_ip: Row, extensions: Collection[str]) -> Row:
    """Return a floating IP's row that says what of its forwardings a Neutron takes."""
    return {
        **floating_ip,
        "port_forwardings": [
            one.model_copy(
                update={
                    "is_carried": EXTENSION in extensions
                    and (RANGES in extensions or ":" not in one.external + one.internal),
                    "description": one.description if DESCRIPTION in extensions else "",
                }
            ).model_dump()
            for one in _every(floating_ip)
        ],
    }


def losses(floating_ip: Row, estate: Estate) -> Iterator[str]:
    """Yield which forwardings a copy will not have."""
    every, kept = _every(floating_ip), of(floating_ip)
    if lost := [one for one in every if not one.is_carried]:
        yield f"{_told(lost)}: the target's network service takes no such ones."
    if kept and not servers_of(floating_ip, estate):
        yield (
            f"{_told(kept)} lead to no server, so there is no cut-over that they could go with: "
            "make them at the target."
        )


def _told(those: Iterable[Forwarding]) -> str:
    shown = sorted(one.label for one in those)
    return f"Its {len(shown)} port forwarding(s) ({', '.join(shown)})"


def blockers(server: Row, estate: Estate) -> list[str]:
    """Return why a server cannot move with its forwardings: its metadata have no room for them."""
    ports = {port["id"] for port in [*server["ports"], *server["subports"]]}
    those = [Forwarding(**one) for each in server["forwardings"] for one in each["those"]]
    ours = [one for one in those if one.is_carried and one.port_id in ports]
    if not ours:
        return []
    needed = len(server["metadata"] or {}) + OWN_KEYS
    needed += sum(len(noted("", one)) for one in ours)
    quotas = estate.where("quotas", "project_id", server["project_id"])
    for limit in [q["limit"] for q in quotas if q["resource"] == "metadata_items"]:
        if 0 <= limit < needed:
            return [
                f"Its metadata must note {len(ours)} port forwardings while it moves, and its "
                f"project's quota of metadata_items is {limit}; raise it to {needed}."
            ]
    return []


# ---- the journal


def noted(floating_ip_id: str, one: Forwarding) -> dict[str, str]:
    """Return what a journal has of a forwarding."""
    words = (floating_ip_id, one.protocol, one.external, one.internal, one.port_id, one.address)
    said = {f"{FORWARD}{one.id}": " ".join(words)}
    return said | ({f"{TEXT}{one.id}": one.description} if one.description else {})


def read(journal: Mapping[str, str]) -> dict[str, list[Forwarding]]:
    """Return the forwardings of a journal, by the floating IP of the source."""
    found: dict[str, list[Forwarding]] = {}
    for key, value in journal.items():
        if not key.startswith(FORWARD):
            continue
        floating_ip, protocol, external, internal, port_id, address = value.split()
        id_ = key.removeprefix(FORWARD)
        found.setdefault(floating_ip, []).append(
            Forwarding(
                id=id_,
                protocol=protocol,
                external=external,
                internal=internal,
                port_id=port_id,
                address=address,
                description=journal.get(f"{TEXT}{id_}", ""),
            )
        )
    return found
