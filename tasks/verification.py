"""Whether the target server is what its source was."""

from collections.abc import Iterable, Mapping
from typing import Any

from pumphouse import checks
from pumphouse.checks import WAS
from pumphouse.comparison import mark
from pumphouse.errors import Unverified
from pumphouse.forwardings import Forwarding
from pumphouse.tasks import device_tags, forwardings, ports, servers, volumes
from pumphouse.tasks.crossing import Crossing
from pumphouse.verdicts import ATTACHED


def verify(crossing: Crossing) -> None:
    """
    Compare the target server, as it is now, with its source.

    Raises:
        Unverified: With every difference.
    """
    assert crossing.copy is not None
    crossing.copy = servers.read_server(crossing.target, crossing.copy["id"])
    source = crossing.row | {"status": crossing.journal[WAS]}
    if crossing.lost:
        source["key_name"] = crossing.copy.get("key_name")
    found = checks.same_server(source, crossing.copy, _carried(crossing))
    if found:
        raise Unverified("servers", crossing.item.label, crossing.copy["id"], found)


def _carried(crossing: Crossing) -> Mapping[str, Any]:
    assert crossing.copy is not None
    server_id = str(crossing.copy["id"])
    attached = [volumes.read_volume(crossing.target, v["id"]) for v in crossing.copy[ATTACHED]]
    attached.sort(key=lambda raw: _device(raw, server_id))
    wanted_floating = sorted(
        (crossing.ids["floating_ips"][fip], crossing.ids["ports"][value[0]])
        for fip, value in crossing.floating()
    )
    owner = (crossing.copy["user_id"], crossing.copy["tenant_id"])
    wanted_owner = (
        owner[0] if crossing.lost else crossing.ids["users"][crossing.row["user_id"]],
        crossing.project_id,
    )
    named = crossing.names()
    group = crossing.ids.get("server_groups", {}).get(crossing.row.get("group_id") or "")
    return {
        "group": _group(crossing.copy) if group else None,
        "wanted_group": group,
        "tags_inside": _tags_inside(crossing, attached) if crossing.tags_inside else {},
        "wanted_tags_inside": crossing.tags_inside,
        "volumes": [mark(raw) for raw in attached],
        "wanted_volumes": [v["id"] for v in crossing.row["attached"]],
        "addresses": servers.addresses(crossing.copy),
        "wanted_addresses": servers.addresses(crossing.live),
        "floating": _bound(crossing, [fip for fip, _ in wanted_floating]),
        "wanted_floating": wanted_floating,
        "names": {port: ports.read_port(crossing.target, port).get("dns_name") for port in named},
        "wanted_names": named,
        "forwarded": _forwarded(crossing),
        "wanted_forwarded": sorted(
            (fip, *_told(one, crossing.target_ports[one.port_id]))
            for fip, those in crossing.forwarded().items()
            for one in those
        ),
        "owner": owner,
        "wanted_owner": wanted_owner,
    }


def _group(copy: Mapping[str, Any]) -> str | None:
    groups = copy["server_groups"]
    return str(groups[0]) if groups else None


def _tags_inside(crossing: Crossing, attached: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return what NICs and disks of the copy are called inside, disks by the source's ids."""
    assert crossing.copy is not None
    sources = {raw["id"]: mark(dict(raw)) or raw["id"] for raw in attached}
    found = device_tags.read(crossing.target, crossing.copy["id"])
    return {sources.get(of, of): tag for of, tag in found.items()}


def _bound(crossing: Crossing, fips: Iterable[str]) -> list[tuple[str, str]]:
    found = []
    for fip in fips:
        raw = crossing.target.get("network", f"/floatingips/{fip}")["floatingip"]
        found.append((fip, raw["port_id"]))
    return sorted(found)


def _forwarded(crossing: Crossing) -> list[tuple[str, ...]]:
    """Return the port forwardings that lead to its ports, by the source's floating IPs."""
    ours = set(crossing.target_ports.values())
    return sorted(
        (fip, *_told(one, one.port_id))
        for fip in crossing.forwarded()
        for one in forwardings.listed(crossing.target, crossing.ids["floating_ips"][fip])
        if one.port_id in ours
    )


def _told(one: Forwarding, port_id: str) -> tuple[str, ...]:
    return one.protocol, one.external, one.internal, one.address, one.description, port_id


def _device(volume: Mapping[str, Any], server_id: str) -> tuple[int, str]:
    for attachment in volume.get("attachments") or []:
        if attachment["server_id"] == server_id:
            device = attachment["device"] or ""
            return len(device), device
    return 0, ""
