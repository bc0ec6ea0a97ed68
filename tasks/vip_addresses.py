"""Floating IPs of load balancers: from source to copy, one holder at a time."""

from urllib.parse import quote

from pumphouse.balancers import SWITCHING
from pumphouse.bodies import Ids
from pumphouse.errors import PumphouseError, WaitFailed
from pumphouse.plan import Item
from pumphouse.tables import Row
from pumphouse.tasks import balancers
from pumphouse.tasks.api import Api
from pumphouse.tasks.ports import bind


def take_over(source: Api, target: Api, item: Item, copy_id: str, ids: Ids) -> list[str]:
    """
    Bind a load balancer's floating IPs to its copy, and return their addresses. Safe to repeat.

    A tag on the source's floating IP says that it is under way: between taking it off and
    binding it nothing else does.

    Raises:
        WaitFailed: One could not be bound; the message says where it leads.
    """
    copy = balancers.read(target, copy_id)
    if copy is None:
        raise WaitFailed(f"load balancer {item.name} ({copy_id}) of the target", "It is gone.")
    done = []
    for fip in item.row["floating_ips"]:
        if there := ids["floating_ips"].get(fip["id"]):
            _one(source, target, item, fip, there, copy["vip_port_id"])
            done.append(str(fip["floating_ip_address"]))
    return done


def _one(source: Api, target: Api, item: Item, fip: Row, there: str, port_id: str) -> None:
    tag = f"/floatingips/{fip['id']}/tags/{quote(SWITCHING + item.source_id, safe='')}"
    source.call("PUT", "network", tag, retry=True)
    address = fip["fixed_ip_address"] or item.row["vip_address"]
    try:
        bind(source, fip["id"], None)
        bind(target, there, port_id, address)
    except PumphouseError as error:
        what = f"floating IP {fip['floating_ip_address']} at load balancer {item.label}'s copy"
        back = fip["port_id"] or item.row["vip_port_id"]
        try:
            bind(target, there, None)
            bind(source, fip["id"], back, address)
            source.call("DELETE", "network", tag, retry=True)
        except PumphouseError as worse:
            left = f"It could not be taken back ({worse}) and may lead nowhere."
        else:
            left = "It leads to the source's as before."
        reason = f"{error} {left} Run the same migration again, which goes on with it."
        raise WaitFailed(what, reason) from error
    source.call("DELETE", "network", tag, retry=True)
