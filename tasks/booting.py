"""Boot the copy of a server as its owner, on disks and ports that are there already."""

from pumphouse import bodies, bonds
from pumphouse.errors import PumphouseError
from pumphouse.tasks import device_tags, ports, servers, volumes
from pumphouse.tasks.api import Api
from pumphouse.tasks.crossing import Crossing
from pumphouse.tasks.crossing_disks import set_deletion


def boot(crossing: Crossing, owner: Api) -> servers.Server:
    """Ask for the copy; return what is known of it then."""
    row = crossing.row
    for volume in bonds.shared(row):
        copy_id, timeout_s = crossing.volume_ids[volume["id"]], crossing.timeouts.volume_s
        volumes.await_turn(crossing.target, copy_id, timeout_s, crossing.stop)
    # Nova takes no port with another name than its server, as an earlier boot may have left it.
    ports.name(crossing.target, dict.fromkeys(crossing.names(), ""))
    by_mac = {port["mac_address"]: port["id"] for port in row["ports"]}
    order = [by_mac[mac] for mac, _ in servers.addresses(crossing.live) if mac in by_mac]
    order += [port["id"] for port in row["ports"] if port["id"] not in order]
    # What is no copy goes with its server only when that is verified: see `let_go`.
    taken = {v["id"]: {"delete_on_termination": False} for v in crossing.managed}
    entries = [v | taken.get(v["id"], {}) for v in row["volumes"] or []]
    body = bodies.server(
        row | {"volumes": entries},
        crossing.flavor_id,
        crossing.image_id,
        [crossing.volume_ids[v["id"]] for v in row["attached"]],
        [crossing.ids["ports"][id_] for id_ in order],
    )
    there = {mac: crossing.ids["ports"][id_] for mac, id_ in by_mac.items()}
    device_tags.put(body, crossing.tags_inside, there | crossing.volume_ids)
    if crossing.lost:
        # A key belongs to a user: another one cannot name it. It is on the disk already.
        body.pop("key_name", None)
    version = owner.microversion("compute")
    if version and tuple(map(int, version.split("."))) >= (2, 90) and row.get("target_hostname"):
        body["hostname"] = row["target_hostname"]
    asked = {"server": body} | bodies.hints(row, crossing.ids)
    answer = owner.call("POST", "compute", "/servers", json=asked, microversion=version)
    return {"id": answer.json()["server"]["id"], "status": "BUILD"}


def let_go(crossing: Crossing) -> None:
    """Let Nova delete volumes with their server as at the source. A failure is told."""
    assert crossing.copy is not None
    deleted = {v["id"] for v in crossing.row["volumes"] or [] if v["delete_on_termination"]}
    try:
        for volume in crossing.managed:
            if volume["id"] in deleted:
                set_deletion(crossing, crossing.copy["id"], volume, True)
    except PumphouseError as error:
        crossing.log(f"A volume is not deleted with its server any more: {error}")
