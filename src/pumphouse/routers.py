"""What of a router fits another cloud: its addresses outside, high availability, distribution."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from pumphouse.estate import Estate
from pumphouse.tables import Row

Network = IPv4Network | IPv6Network

L3_AGENT = "L3 agent"
CENTRAL = "dvr_snat"
"""Mode of an agent that does the central part of distributed routers."""

INTERFACES = ("network:router_interface", "network:ha_router_replicated_interface",
              "network:router_interface_distributed")  # fmt: skip
"""Owners of the ports that join a router and a network: of a plain router, an HA and a DVR one."""

PORTS = (*INTERFACES, "network:router_centralized_snat", "network:router_gateway")
"""Owners of a router's ports in the networks of others; that of HA is in one of its own."""

FLAGS = {"ha": "is_ha", "distributed": "is_distributed"}
"""By the API's name of a flag: its column."""


def interfaces(router_id: str, estate: Estate) -> list[Row]:
    """Return the ports that join a router and networks."""
    ports = estate.where("ports", "device_id", router_id)
    return [port for port in ports if port["device_owner"] in INTERFACES]


def reachable(row: Row, ports: Iterable[Row], estate: Estate) -> list[Row]:
    """Return a router's routes by next hops that these interfaces or its gateway reach."""
    if not row["routes"]:
        return []
    gateway = (row["external_gateway"] or {}).get("network_id")
    ranges = [*_ranges(ports, estate), *_cidrs(estate.where("subnets", "network_id", gateway))]
    return [route for route in row["routes"] if _is_in(ranges, route)]


def _ranges(ports: Iterable[Row], estate: Estate) -> list[Network]:
    fixed = [each for port in ports for each in port["fixed_ips"] or ()]
    return _cidrs(row for f in fixed if (row := estate.get("subnets", f["subnet_id"])))


def _cidrs(subnets: Iterable[Row]) -> list[Network]:
    return [ip_network(subnet["cidr"], strict=False) for subnet in subnets]


def _is_in(ranges: Iterable[Network], route: Row) -> bool:
    return any(ip_address(route["nexthop"]) in each for each in ranges)


def lost_routes(row: Row, estate: Estate) -> Iterator[str]:
    """Return which routes of a router its copy will not have, as sentences."""
    whole = (estate.get("routers", row["id"]) or row)["routes"] or []
    for route in (each for each in whole if each not in row["routes"]):
        words = f"Its route to {route['destination']} by {route['nexthop']}"
        ports = [p for p in interfaces(row["id"], estate) if _is_in(_ranges([p], estate), route)]
        if ports:
            network = estate.label("networks", ports[0]["network_id"])
            yield f"{words}: it comes with network {network}, which is not in the plan."
        else:
            yield f"{words}: no network that it is in at the source reaches that."


def fitting(row: Row, target: Estate) -> list[str]:
    """Return the flags of a router that the target's L3 agents can keep."""
    agents = [a for a in target.where("network_agents", "type", L3_AGENT) if a["is_alive"]]
    fits = {
        "ha": len({agent["host"] for agent in agents}) > 1,
        "distributed": any(agent["mode"] == CENTRAL for agent in agents),
    }
    return [flag for flag, column in FLAGS.items() if row[column] and fits[flag]]


def on_network(network_id: str, source: Estate) -> list[str]:
    """Return the ids of the routers that have an interface on a network."""

    def routed(port: Row) -> str | None:
        return port["network_id"] if port["device_owner"] in INTERFACES else None

    return [
        port["device_id"] for port in source.grouped("ports", "routed", routed).get(network_id, [])
    ]


def losses(row: Row) -> Iterator[str]:
    """Return what a copy of a router will not have, as sentences."""
    kept = row.get("target_flags", ())
    if row["is_ha"] and "ha" not in kept:
        yield (
            "That it is highly available: the target has no two hosts with an L3 agent that is "
            "alive, and decides itself."
        )
    if row["is_distributed"] and "distributed" not in kept:
        yield (
            f"That it is distributed: the target has no L3 agent in the mode {CENTRAL}, and "
            "decides itself."
        )
    gateway = row["external_gateway"] or {}
    if gateway and not row.get("target_addresses"):
        outside = [fixed["ip_address"] for fixed in gateway.get("external_fixed_ips") or ()]
        shown = f" {', '.join(outside)}" if outside else ""
        yield (
            f"Its address{shown} on the external network: the target gives it a new one; "
            "mappings.router_addresses: same keeps it, where the two networks are apart."
        )
