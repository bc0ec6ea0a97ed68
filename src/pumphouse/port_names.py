"""DNS names, domains and other things that a Neutron without some extension does not take."""

from collections.abc import Collection, Iterator

from pumphouse.tables import Row

NAMES = "dns-integration"
DOMAINS = "dns-domain-ports"
SECURITY = "port-security"

NEEDED: dict[str, dict[str, str]] = {
    "networks": {"dns_domain": NAMES, "is_port_security_enabled": SECURITY},
    "subnets": {"dns_publish_fixed_ip": "subnet-dns-publish-fixed-ip"},
    "ports": {"dns_name": NAMES, "dns_domain": DOMAINS, "is_port_security_enabled": SECURITY},
    "floating_ips": {"dns_name": NAMES, "dns_domain": NAMES},
}
"""By kind and column: the extension that a Neutron must have to take it."""


def fitting(kind: str, row: Row, extensions: Collection[str]) -> Row:
    """Return a row with ``lost``, by column: what a Neutron with *extensions* has no place for."""
    lost = {
        column: row[column]
        for column, needed in NEEDED[kind].items()
        if row[column] not in (None, "") and needed not in extensions
    }
    return {**row, **dict.fromkeys(lost), "lost": lost} if lost else row


def is_own(port: Row, server: Row | None) -> bool:
    """Tell whether a port has a DNS name that Nova does not give it by itself."""
    return bool(port["dns_name"]) and not (server and port["dns_name"] == server["hostname"])


def losses(row: Row, server: Row | None = None) -> Iterator[str]:
    """Yield what a copy of a port, of *server* if any, or of another row will not have of it."""
    lost = row.get("lost") or {}
    if is_own({"dns_name": lost.get("dns_name")}, server):
        yield f"Its DNS name {lost['dns_name']}: the target's network service has none."
    if domain := lost.get("dns_domain"):
        is_port = "mac_address" in row
        why = "ports have that of their network" if is_port else "network service has none"
        yield f"Its DNS domain {domain}: the target's {why}."
    if lost.get("dns_publish_fixed_ip"):
        yield "That its addresses are published in DNS: the target's network service cannot."
    if lost.get("is_port_security_enabled") is False:
        yield "That its port security is off: the target's network service filters every port."


def own(server: Row) -> dict[str, str]:
    """Return, by port, the DNS names that a server's ports have of their own, subports too."""
    named = {port["id"]: port for port in server["ports"] if is_own(port, server)}
    named |= {port["id"]: port for port in server.get("subports", ()) if port["dns_name"]}
    return {id_: str(port["dns_name"]) for id_, port in named.items()}
