"""DNS names and domains that ports have of their own, and whether the target takes them."""

from collections.abc import Collection, Iterator

from pumphouse.tables import Row

NAMES = "dns-integration"
DOMAINS = "dns-domain-ports"


def fitting(port: Row, extensions: Collection[str]) -> Row:
    """Return a port's row with ``lost_dns``: what a Neutron with *extensions* has no place for."""
    lost = [
        column
        for column, needed in (("dns_name", NAMES), ("dns_domain", DOMAINS))
        if port[column] and needed not in extensions
    ]
    return {**port, **dict.fromkeys(lost), "lost_dns": {column: port[column] for column in lost}}


def is_own(port: Row, server: Row | None) -> bool:
    """Tell whether a port has a DNS name that Nova does not give it by itself."""
    return bool(port["dns_name"]) and not (server and port["dns_name"] == server["hostname"])


def losses(port: Row, server: Row | None) -> Iterator[str]:
    """Yield what a copy of a port will not have of its DNS name and domain."""
    lost = port.get("lost_dns") or {}
    if is_own({"dns_name": lost.get("dns_name")}, server):
        yield f"Its DNS name {lost['dns_name']}: the target's network service has none."
    if domain := lost.get("dns_domain"):
        yield f"Its DNS domain {domain}: the target's ports have that of their network."


def own(server: Row) -> dict[str, str]:
    """Return, by port, the DNS names that a server's ports have of their own, subports too."""
    named = {port["id"]: port for port in server["ports"] if is_own(port, server)}
    named |= {port["id"]: port for port in server.get("subports", ()) if port["dns_name"]}
    return {id_: str(port["dns_name"]) for id_, port in named.items()}
