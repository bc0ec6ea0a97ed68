"""
Whether the addresses of a plan are free at the target: fixed ones, MACs, floating ones, subnets.

Pure. An address is taken by whatever port has it there: a server's, a router's, a floating
IP's, and a DHCP agent's too.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from pumphouse import routers
from pumphouse.drafts import Draft, moved
from pumphouse.estate import Estate
from pumphouse.models import Action
from pumphouse.plan import Cost
from pumphouse.tables import Row

DHCP = "network:dhcp"
Network = IPv4Network | IPv6Network


def addresses(every: list[Draft], target: Estate) -> list[Cost]:
    """Block what asks for an address that is taken; return what is needed of external pools."""
    networks = {d.row["id"]: d for d in every if d.kind == "networks"}
    taken = Taken(target)
    planned: dict[tuple[str, str], Draft] = {}
    for draft in moved(every, "ports"):
        if draft.match.action is Action.CREATE:
            home = _target(networks, draft.row["network_id"])
            draft.problems += _port(draft, home, taken, planned)
    for draft in moved(every, "load_balancers"):
        home = _target(networks, draft.row["vip_network_id"])
        vip = draft.row["vip_address"]
        holder = taken.address(home, vip) if home and vip else None
        if holder and draft.match.action is Action.CREATE:
            draft.problems.append(f"Its address {vip} is held there by {_words(holder)}.")
    for draft in moved(every, "subnets"):
        if draft.match.action is Action.CREATE:
            draft.problems += _subnet(draft, networks.get(draft.row["network_id"]), target)
    for draft in moved(every, "floating_ips"):
        if draft.match.action is Action.CREATE:
            home = _target(networks, draft.row["floating_network_id"])
            draft.problems += _floating(draft.row, home, taken)
    for draft in moved(every, "routers"):
        draft.problems += _router(draft, networks, target)
        if draft.match.action is Action.CREATE:
            draft.problems += _gateway(draft.row, networks, taken)
    return list(_pools(every, networks, taken, target))


class Taken:
    """Which port has an address or a MAC, by network of the target; each looked up once."""

    def __init__(self, target: Estate) -> None:
        self.target = target
        self._by_address: dict[str, dict[str, Row]] = {}
        self._by_mac: dict[str, dict[str, Row]] = {}
        self._all: dict[str, set[str]] = {}
        self._ranges: dict[str, list[Network]] = {}

    def address(self, network_id: str, address: str) -> Row | None:
        """Return the port that has *address*."""
        self._look(network_id)
        return self._by_address[network_id].get(address)

    def mac(self, network_id: str, mac: str) -> Row | None:
        """Return the port that has *mac*."""
        self._look(network_id)
        return self._by_mac[network_id].get(mac)

    def all(self, network_id: str) -> set[str]:
        """Return every address that is taken, with floating IPs that are bound to nothing."""
        self._look(network_id)
        return self._all[network_id]

    def ranges(self, network_id: str) -> list[Network]:
        """Return the ranges of the network's subnets."""
        self._look(network_id)
        return self._ranges[network_id]

    def _look(self, network_id: str) -> None:
        if network_id in self._by_address:
            return
        ports = self.target.where("ports", "network_id", network_id)
        self._by_mac[network_id] = {port["mac_address"]: port for port in ports}
        self._by_address[network_id] = {
            fixed["ip_address"]: port for port in ports for fixed in port["fixed_ips"] or ()
        }
        floating = self.target.where("floating_ips", "floating_network_id", network_id)
        self._all[network_id] = set(self._by_address[network_id])
        self._all[network_id] |= {each["floating_ip_address"] for each in floating}
        subnets = self.target.where("subnets", "network_id", network_id)
        self._ranges[network_id] = [ip_network(s["cidr"], strict=False) for s in subnets]


def _target(networks: dict[str, Draft], network_id: str) -> str | None:
    draft = networks.get(network_id)
    return draft.match.target_id if draft else None


def _port(
    draft: Draft, home: str | None, taken: Taken, planned: dict[tuple[str, str], Draft]
) -> Iterator[str]:
    row = draft.row
    for fixed in row["fixed_ips"] or ():
        address = fixed["ip_address"]
        other = planned.setdefault((home or row["network_id"], address), draft)
        if other is not draft:
            yield (
                f"Its address {address} is also that of port {other.label}, and both would be in "
                "one network; leave one of their servers out, or map their networks apart."
            )
        holder = taken.address(home, address) if home else None
        if holder:
            yield f"Its address {address} is held at the target by {_words(holder)}."
    holder = taken.mac(home, row["mac_address"]) if home else None
    if holder:
        yield f"Its MAC {row['mac_address']} is that of {_words(holder)} at the target."


def _words(port: Row) -> str:
    owner = port["device_owner"] or ""
    if owner == DHCP:
        return f"the DHCP port {port['id']}; delete that port, and the agent takes another address"
    if owner.startswith("network:"):
        return f"port {port['id']} ({owner}); give that another address"
    return f"port {port['id']} of {port['device_id'] or 'nothing'}; delete or renumber it"


def _subnet(draft: Draft, network: Draft | None, target: Estate) -> Iterator[str]:
    if network is None or not network.match.target_id:
        return
    if network.mapping and network.match.action is Action.ADOPT:
        yield (
            f"{network.mapping}: that network has no subnet {draft.row['cidr']}, and is not ours "
            "to change; add the subnet there, or map the network elsewhere."
        )
        return
    for other in target.where("subnets", "network_id", network.match.target_id):
        if _overlap(draft.row["cidr"], other["cidr"]):
            yield (
                f"Its range {draft.row['cidr']} overlaps with subnet {other['name'] or ''} "
                f"({other['id']}) {other['cidr']} in the same network; map the network elsewhere."
            )


def _overlap(one: str, other: str) -> bool:
    a, b = ip_network(one, strict=False), ip_network(other, strict=False)
    return a.version == b.version and a.overlaps(b)


def _router(draft: Draft, networks: dict[str, Draft], target: Estate) -> Iterator[str]:
    """A router takes no two subnets that overlap: what it has there against what it gets."""
    router_id = draft.match.target_id
    if not router_id:
        return
    there = [
        subnet["cidr"]
        for port in routers.interfaces(router_id, target)
        for fixed in port["fixed_ips"] or ()
        if (subnet := target.get("subnets", fixed["subnet_id"]))
    ]
    have = set(there)
    for port in draft.row["interfaces"]:
        for fixed in port["fixed_ips"] or ():
            wide = [c for c in have if ip_address(fixed["ip_address"]) in ip_network(c)]
            if wide and not _target(networks, port["network_id"]):
                yield (
                    f"Its interface {fixed['ip_address']} overlaps with {wide[0]}, on which the "
                    "target's router is already; take that interface off."
                )


def _gateway(row: Row, networks: dict[str, Draft], taken: Taken) -> Iterator[str]:
    """Judge the addresses outside that a new router is to keep."""
    kept = row["target_addresses"]
    home = _target(networks, row["external_gateway"]["network_id"]) if kept else None
    if home is None:
        return
    for fixed in kept:
        address = fixed["ip_address"]
        if holder := taken.address(home, address):
            yield f"Its address {address} outside is held at the target by {_words(holder)}."
        elif address in taken.all(home):
            yield (
                f"Its address {address} outside is that of a floating IP at the target; release "
                "that one."
            )


def _floating(row: Row, home: str | None, taken: Taken) -> Iterator[str]:
    if home is None:
        return
    address = row["floating_ip_address"]
    holder = taken.address(home, address)
    if holder:
        yield f"Its address is held at the target by {_words(holder)}."
    elif address in taken.all(home):
        yield "Its address is that of another floating IP at the target; release that one."
    ranges, number = taken.ranges(home), ip_address(address)
    if ranges and not any(number in each for each in ranges):
        cidrs = ", ".join(str(each) for each in ranges)
        yield (
            f"Its address is in no subnet of the target's network ({cidrs}); add one "
            "with its range there."
        )


def _pools(
    every: list[Draft], networks: dict[str, Draft], taken: Taken, target: Estate
) -> Iterator[Cost]:
    """Yield what floating IPs and routers need of each external network; block the routers."""
    wanted: dict[str, list[Draft]] = {}
    for draft in [*moved(every, "floating_ips"), *moved(every, "routers")]:
        row = draft.row
        outside = row.get("floating_network_id") or (row.get("external_gateway") or {}).get(
            "network_id"
        )
        home = _target(networks, outside) if outside else None
        if home and not draft.match.target_id:
            wanted.setdefault(home, []).append(draft)
    for home, those in wanted.items():
        free = _free(target.where("subnets", "network_id", home), taken.all(home))
        label = target.label("networks", home) or home
        cost = Cost(scope=label, resource="addresses", needed=len(those), free=free)
        yield cost
        for draft in those if not cost.fits else ():
            if draft.kind == "routers":
                draft.problems.append(
                    f"Its external network {label} has {free} addresses left at the target, and "
                    f"the plan needs {len(those)}; release some, or widen its pools."
                )


def _free(subnets: Iterable[Row], taken: set[str]) -> int | None:
    """Return how many addresses are left in the IPv4 pools; None when there are none to count."""
    ranges = [
        (int(ip_address(pool["start"])), int(ip_address(pool["end"])))
        for subnet in subnets
        if subnet["ip_version"] == 4
        for pool in subnet["allocation_pools"] or ()
    ]
    if not ranges:
        return None
    numbers = [int(ip_address(address)) for address in taken if "." in address]
    used = sum(any(low <= number <= high for low, high in ranges) for number in numbers)
    return sum(high - low + 1 for low, high in ranges) - used
