"""Port forwardings of floating IPs: taken off one cloud, put on the other. Safe to repeat."""

from collections.abc import Iterable, Mapping

from pumphouse import forwardings
from pumphouse.errors import Conflict, RequestFailed
from pumphouse.forwardings import Forwarding
from pumphouse.tasks.api import Api


def listed(api: Api, floating_ip_id: str) -> list[Forwarding]:
    """Return the forwardings of a floating IP; none of one that is gone."""
    try:
        found = api.list("network", _path(floating_ip_id), "port_forwardings")
    except RequestFailed as failed:
        if failed.status != 404:
            raise
        return []
    return [Forwarding(**forwardings.row(raw)) for raw in found]


def put(
    api: Api, floating_ip_id: str, wanted: Iterable[Forwarding], ports: Mapping[str, str]
) -> None:
    """
    Make the forwardings that a floating IP lacks of *wanted*.

    ports: By the port that each leads to at the source: the one that it leads to here.

    Raises:
        Conflict: One of them leads elsewhere.
    """
    there = {one.key: one for one in listed(api, floating_ip_id)}
    for one in wanted:
        found, port_id = there.get(one.key), ports[one.port_id]
        if found is None:
            body = {"port_forwarding": forwardings.body(one, port_id)}
            api.call("POST", "network", _path(floating_ip_id), json=body)
        elif (found.port_id, found.address, found.internal) != (
            port_id,
            one.address,
            one.internal,
        ):
            raise Conflict("floating_ips", floating_ip_id, [
                f"{one.label} is forwarded to {found.address} port {found.internal} already; take "
                "that off"
            ])  # fmt: skip


def take_off(
    api: Api, floating_ip_id: str, those: Iterable[Forwarding], ports: Mapping[str, str]
) -> None:
    """Delete *those* forwardings of a floating IP that still lead to our *ports*, as in `put`."""
    ours = {(one.key, ports.get(one.port_id)) for one in those}
    for found in listed(api, floating_ip_id):
        if (found.key, found.port_id) in ours:
            api.delete("network", f"{_path(floating_ip_id)}/{found.id}")


def _path(floating_ip_id: str) -> str:
    return f"/floatingips/{floating_ip_id}/port_forwardings"
