"""Trunks: which come along, with which ports, and what must be the same of them."""

from collections.abc import Hashable, Iterable

from pumphouse.estate import Estate
from pumphouse.tables import Row


def chosen(
    estate: Estate, ports: Iterable[Row], whole: Iterable[str], servers: Iterable[str]
) -> list[Row]:
    """
    Return the trunks of *ports*, and those of whole projects that no server uses.

    servers: Those that move: a trunk of another one stays with it.
    """
    moving = {*servers, "", None}
    used = [t for port in ports for t in estate.where("trunks", "port_id", port["id"])]
    owned = [t for project in sorted(whole) for t in estate.where("trunks", "project_id", project)]
    spare = [t for t in owned if (_parent(t, estate) or {}).get("device_id") in moving]
    return list({trunk["id"]: trunk for trunk in used + spare}.values())


def ports(trunks: Iterable[Row], estate: Estate) -> list[Row]:
    """Return the parents and subports of *trunks*."""
    ids = [id_ for trunk in trunks for id_ in (trunk["port_id"], *subport_ids(trunk))]
    return [row for id_ in ids if (row := estate.get("ports", id_))]


def subport_ids(trunk: Row) -> list[str]:
    """Return the ids of a trunk's subports."""
    return [sub["port_id"] for sub in trunk["sub_ports"] or ()]


def of_server(row: Row, estate: Estate) -> list[Row]:
    """Return the trunks on the ports of a server."""
    return [t for port in row["ports"] for t in estate.where("trunks", "port_id", port["id"])]


def key(row: Row, estate: Estate) -> Hashable:
    """Return the key of a trunk: the network and MAC of its parent."""
    parent = _parent(row, estate) or {"network_id": None, "mac_address": row["port_id"]}
    return estate.label("networks", parent["network_id"]), parent["mac_address"]


def parts(row: Row, estate: Estate) -> frozenset[Hashable]:
    """Return the parts of a trunk: its subports, each by what it is called inside."""
    return frozenset(
        (sub["segmentation_type"], sub["segmentation_id"]) for sub in row["sub_ports"] or ()
    )


def blockers(server: Row, estate: Estate) -> list[str]:
    """Return why a server cannot move with its trunks: the target takes none."""
    known = {trunk["port_id"] for trunk in of_server(server, estate)}
    return [
        f"Its port {port['id']} is a trunk's parent, and the target's network service has no "
        "trunks; enable them there, or take the trunk off."
        for port in server["ports"]
        if port["trunk_details"] and port["id"] not in known
    ]


def _parent(trunk: Row, estate: Estate) -> Row | None:
    return estate.get("ports", trunk["port_id"])
