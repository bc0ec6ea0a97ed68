"""
Load balancers: what belongs to one, how a copy is known and compared, and what it loses.

Octavia makes a whole one in a single call, and its tags take our mark. Its port, its amphorae
and their ports are Octavia's own: the target's makes others. Floating IPs of its address go
over last, when the servers behind it have moved.
"""

from collections.abc import Hashable, Iterable, Mapping

from pumphouse.estate import Estate
from pumphouse.tables import Row

SERVICE = "load-balancer"
SWITCHING = "pumphouse:vip="
"""Tag of a source's floating IP that is on its way to the copy of the load balancer named."""


def chosen(rows: Iterable[Row], estate: Estate) -> list[Row]:
    """
    Return load balancers with their ``listeners``, ``pools`` and ``floating_ips``.

    Also with ``server_ids``, the servers behind them, and ``strangers``, the members that are
    nothing of this cloud.
    """
    found = []
    for row in rows:
        every = pools(row["id"], estate)
        addresses = sorted({m["address"] for pool in every for m in pool["members"]})
        ports = {a: _port_of(a, row, every, estate) for a in addresses}
        devices = [port["device_id"] for port in ports.values() if port and port["device_id"]]
        found.append(
            {
                **row,
                "listeners": listeners(row["id"], estate),
                "pools": every,
                "floating_ips": floating_ips(row, estate),
                "server_ids": sorted({id_ for id_ in devices if estate.get("servers", id_)}),
                "strangers": [a for a, port in ports.items() if port is None],
            }
        )
    return found


def _port_of(address: str, row: Row, every: Iterable[Row], estate: Estate) -> Row | None:
    """Return the port that a member's address means: on its subnet, else where it is at all."""
    subnets = {m.get("subnet_id") for p in every for m in p["members"] if m["address"] == address}
    by_address = estate.grouped("ports", "address", _first_address)
    there = by_address.get(address, [])
    near = [
        port
        for port in there
        if any(fixed["subnet_id"] in subnets for fixed in port["fixed_ips"] or ())
        or (None in subnets and port["network_id"] == row["vip_network_id"])
    ]
    return next(iter(near or there), None)


def _first_address(port: Row) -> str | None:
    fixed = port["fixed_ips"] or ()
    return fixed[0]["ip_address"] if fixed else None


def listeners(id_: str, estate: Estate) -> list[Row]:
    """Return the listeners of a load balancer with their ``policies``, in order of their ports."""
    same = ("id", "name", "description", "protocol", "protocol_port", "default_pool_id",
            "is_admin_state_up", "options", "tags")  # fmt: skip
    found = estate.where("lb_listeners", "load_balancer_id", id_)
    found = sorted(found, key=lambda row: (row["protocol_port"], row["protocol"]))
    return [
        {**{name: row[name] for name in same}, "policies": _policies(row["id"], estate)}
        for row in found
    ]


def _policies(id_: str, estate: Estate) -> list[Row]:
    same = ("name", "description", "action", "position", "redirect_pool_id", "redirect_url",
            "redirect_prefix", "redirect_http_code", "is_admin_state_up", "rules",
            "tags")  # fmt: skip
    found = estate.where("lb_policies", "listener_id", id_)
    found = sorted(found, key=lambda row: row["position"])
    return [{name: row[name] for name in same} for row in found]


def pools(id_: str, estate: Estate) -> list[Row]:
    """Return the pools of a load balancer with their ``monitor``, by name and id."""
    same = ("id", "name", "description", "protocol", "lb_algorithm", "session_persistence",
            "is_admin_state_up", "members", "options", "tags")  # fmt: skip
    found = estate.where("lb_pools", "load_balancer_id", id_)
    found = sorted(found, key=lambda row: (row["name"] or "", row["id"]))
    return [
        {
            **{name: row[name] for name in same},
            "monitor": (estate.get("lb_monitors", row["health_monitor_id"]) or {}).get("options"),
        }
        for row in found
    ]


def floating_ips(row: Row, estate: Estate) -> list[Row]:
    """Return the floating IPs that lead to a load balancer, or are on their way to its copy."""
    bound = [
        fip for port in vip_ports(row) for fip in estate.where("floating_ips", "port_id", port)
    ]
    by_tag = estate.grouped("floating_ips", "switching", switching)
    every = {fip["id"]: fip for fip in bound + by_tag.get(row["id"], [])}
    same = ("id", "floating_ip_address", "fixed_ip_address", "port_id")
    return [
        {**{name: fip[name] for name in same}, "is_switching": switching(fip) == row["id"]}
        for fip in every.values()
    ]


def switching(fip: Row) -> str | None:
    """Return the id of the source's load balancer to whose copy a floating IP is on its way."""
    marks = [tag for tag in fip["tags"] or () if tag.startswith(SWITCHING)]
    return marks[0].removeprefix(SWITCHING) if marks else None


def vip_ports(row: Row) -> list[str]:
    """Return the ids of the ports that have a load balancer's addresses."""
    more = [vip.get("port_id") for vip in row["additional_vips"] or ()]
    return [port for port in (row["vip_port_id"], *more) if port]


def ports(row: Row, estate: Estate) -> set[str]:
    """Return the ids of all ports that go with a load balancer: its own and its amphorae's."""
    amphorae = estate.where("amphorae", "load_balancer_id", row["id"])
    own = {port for a in amphorae for port in (a["vrrp_port_id"], a["ha_port_id"]) if port}
    return own | set(vip_ports(row))


def subnet_ids(row: Row) -> list[str]:
    """Return the ids of the subnets that a load balancer names: its addresses' and members'."""
    more = [vip.get("subnet_id") for vip in row["additional_vips"] or ()]
    behind = [member.get("subnet_id") for pool in row["pools"] for member in pool["members"]]
    return list(dict.fromkeys(id_ for id_ in (row["vip_subnet_id"], *more, *behind) if id_))


def network_ids(rows: Iterable[Row], estate: Estate) -> list[str]:
    """Return the ids of the networks that load balancers are on and reach."""
    found = []
    for row in rows:
        subnets = (estate.get("subnets", id_) for id_ in subnet_ids(row))
        found += [row["vip_network_id"], *(s["network_id"] for s in subnets if s)]
    return list(dict.fromkeys(id_ for id_ in found if id_))


def pool_names(rows: Iterable[Row]) -> dict[str, str]:
    """Return, by id, the name that each pool of one load balancer is made under."""
    rows = list(rows)
    names = [row["name"] for row in rows]
    return {
        row["id"]: row["name"]
        if row["name"] and names.count(row["name"]) == 1
        else f"{row['name'] or 'pool'}-{row['id'][:8]}"
        for row in rows
    }


# ---- how a copy is compared


def key(row: Row, estate: Estate) -> Hashable:
    """Return what no two load balancers share: the address and its network."""
    return estate.label("networks", row["vip_network_id"]), row["vip_address"]


def must(row: Row, estate: Estate) -> Row:
    """Return what each listener of a load balancer does, in words equal in both clouds."""
    every = row.get("pools")
    if every is None:
        every = pools(row["id"], estate)
    words = {pool["id"]: _pool_words(pool) for pool in every}
    found = row["listeners"] if "listeners" in row else listeners(row["id"], estate)
    does = {
        f"listener {each['protocol']} {each['protocol_port']}": _listener_words(each, words)
        for each in found
    }
    return {"project": estate.label("projects", row["project_id"]), **does}


def parts(row: Row, estate: Estate) -> frozenset[Hashable]:
    """Return the floating IPs that lead to a load balancer; one on its way is never whole."""
    given = row["floating_ips"] if "floating_ips" in row else floating_ips(row, estate)
    found = {("floating", fip["floating_ip_address"]) for fip in given}
    return frozenset(
        found | {("unfinished", f["floating_ip_address"]) for f in given if f["is_switching"]}
    )


def _pool_words(pool: Row) -> str:
    members = sorted(
        f"{m['address']}:{m['protocol_port']}*{m.get('weight', 1)}" for m in pool["members"]
    )
    monitor = pool["monitor"] or {}
    words = [pool["protocol"], pool["lb_algorithm"], *members]
    words += [f"{n}={v}" for n, v in sorted((pool["session_persistence"] or {}).items())]
    words += [f"{n}={monitor[n]}" for n in sorted(monitor) if n not in ("name", "tags")]
    return " ".join(str(word) for word in words)


def _listener_words(listener: Row, pools: Mapping[str, str]) -> str:
    said = [pools.get(listener["default_pool_id"] or "", "no pool")]
    for policy in listener["policies"]:
        to = pools.get(policy["redirect_pool_id"] or "") or policy["redirect_url"]
        rules = [
            f"{r.get('type')} {r.get('compare_type')} {r.get('key', '')}{r.get('value')}"
            for r in policy["rules"]
        ]
        said.append(f"{policy['action']} {to or policy['redirect_prefix']} if {sorted(rules)}")
    return "; ".join(said)
