"""
Ports of no device: addresses that a project keeps, as servers that share one do (VRRP).

No cut-over takes over what leads to them, since nothing says which servers are behind them.
"""

from collections.abc import Collection, Iterable, Iterator

from pumphouse import balancers, trunks
from pumphouse.estate import Estate
from pumphouse.tables import Row


def owned(estate: Estate, projects: Iterable[str], left_out: Collection[str]) -> list[Row]:
    """
    Return the ports of *projects* that are of nothing: no device, trunk or load balancer.

    left_out: Networks that stay, and with them their ports.
    """
    of_others = {
        id_ for t in estate.rows("trunks") for id_ in (t["port_id"], *trunks.subport_ids(t))
    }
    for row in estate.rows("load_balancers"):
        of_others |= balancers.ports(row, estate)
    return [
        port
        for project in sorted(projects)
        for port in estate.where("ports", "project_id", project)
        if not port["device_id"]
        and not port["device_owner"]
        and port["id"] not in of_others
        and port["network_id"] not in left_out
    ]


def marked(ports: Iterable[Row], of_others: Iterable[Row]) -> list[Row]:
    """Return *ports*; those of no device that are not *of_others* have ``is_spare``."""
    those = {port["id"] for port in of_others}
    return [
        port if port["device_id"] or port["id"] in those else {**port, "is_spare": True}
        for port in ports
    ]


def leading(floating_ips: Iterable[Row], ports: Iterable[Row]) -> list[Row]:
    """Return *floating_ips*; those that lead to a spare one of *ports* have ``spare_port``."""
    spare = {port["id"]: port for port in ports if port.get("is_spare")}
    return [
        {**row, "spare_port": spare[row["port_id"]]} if row["port_id"] in spare else row
        for row in floating_ips
    ]


def losses(floating_ip: Row) -> Iterator[str]:
    """Yield that a floating IP's copy leads nowhere until somebody binds it."""
    if port := floating_ip.get("spare_port"):
        name, address = port["name"] or port["mac_address"], floating_ip["floating_ip_address"]
        yield (
            f"That it leads to port {name} ({port['id']}), which is of no server: it stays so at "
            "the source, and its copy is bound to nothing. When the servers behind it have moved, "
            f"take it off at the source (openstack floating ip unset --port {address}), and bind "
            f"it at the target (openstack floating ip set --port COPY_OF_THE_PORT {address})."
        )
