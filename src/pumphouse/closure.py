"""Everything that chosen projects and servers depend on, as rows of the source's tables."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from pumphouse import (
    balancers,
    flavors,
    forwardings,
    images,
    memberships,
    policies,
    quota_sets,
    routers,
    snapshots,
    spare_ports,
    trunks,
    volume_types,
    zones,
)
from pumphouse.estate import Estate
from pumphouse.exclusions import without
from pumphouse.tables import Row

if TYPE_CHECKING:
    # The words of a selection are the kinds of a closure: at run time it imports this module.
    from pumphouse.selection import Chosen

KINDS = (
    "domains",
    "projects",
    "roles",
    "implied_roles",
    "users",
    "groups",
    "group_members",
    "assignments",
    "qos_specs",
    "volume_types",
    "quotas",
    "flavors",
    "keypairs",
    "server_groups",
    "images",
    "qos_policies",
    "address_scopes",
    "subnet_pools",
    "address_groups",
    "networks",
    "subnets",
    "security_groups",
    "routers",
    "rbac_policies",
    "zones",
    "ports",
    "trunks",
    "floating_ips",
    "load_balancers",
    "snapshots",
    "volumes",
    "servers",
)
"""The kinds that a migration carries, each after everything that it refers to."""

T = TypeVar("T")

Rows = dict[str, list[Row]]
"""Rows by kind; a kind without rows is an empty list."""


def closure(estate: Estate, what: "Chosen") -> Rows:
    """
    Return the rows that *what* needs, by kind in the order of `KINDS`.

    Beside its table's columns, a security group has ``rules``, a zone ``recordsets``, a router
    ``interfaces`` (its ports there; of its routes it keeps those by them), an assignment, quota
    and keypair an ``id`` made of its key, a load balancer all below it, a quota all ``limits`` of
    one service, and a server ``volumes``, ``ports`` and ``subports`` as rows, and
    ``forwardings``: what `pumphouse.forwardings.of_server` says. Ports and floating IPs have what
    `pumphouse.spare_ports` says of them.
    """
    servers = _pick(estate, "servers", what.server_ids)
    whole = set(what.project_ids)
    homes = whole | {row["project_id"] for row in servers}

    def alone(kind: str) -> list[Row]:
        return _pick(estate, kind, what.others.get(kind, ()))

    def kept(kind: str, rows: Iterable[Row]) -> list[Row]:
        away = what.left_out.get(kind, frozenset())
        return [row for row in _by_id(rows) if row["id"] not in away]

    found: Rows = {kind: [] for kind in KINDS}
    found["volumes"] = kept("volumes", _volumes(estate, what.server_ids, whole) + alone("volumes"))
    _add_snapshots(estate, found, alone("snapshots"), what)
    ports = [p for i in what.server_ids for p in estate.where("ports", "device_id", i)]
    ports += alone("ports")
    ports += spare_ports.owned(estate, whole, what.left_out.get("networks", ()))
    found["trunks"] = _by_id(
        trunks.chosen(estate, ports, whole, what.server_ids) + alone("trunks")
    )
    lead = forwardings.leads(estate)
    found["servers"] = [_server(estate, row, lead) for row in servers]
    below = [port for row in found["servers"] for port in row["subports"]]
    below += trunks.ports(found["trunks"], estate)
    found["ports"] = spare_ports.marked(_by_id(ports + below), below)
    found["flavors"] = flavors.used(estate, servers, homes, _every(estate, "flavors", what))
    found["images"] = _with_kernels(
        estate, servers, kept("images", _images(estate, servers, whole) + alone("images"))
    )
    _add_types(estate, found, what)
    joined = _pick(estate, "server_groups", [row.get("group_id") for row in servers])
    owned = _owned(estate, "server_groups", whole)
    found["server_groups"] = _by_id(joined + owned + alone("server_groups"))
    owned = _owned(estate, "load_balancers", whole) + alone("load_balancers")
    found["load_balancers"] = balancers.chosen(kept("load_balancers", owned), estate)
    floating = _floating_ips(estate, found, whole, lead) + alone("floating_ips")
    ours = [fip["id"] for row in found["load_balancers"] for fip in row["floating_ips"]]
    floating += _pick(estate, "floating_ips", ours)
    found["floating_ips"] = spare_ports.leading(kept("floating_ips", floating), found["ports"])
    _add_networks(estate, found, whole, homes, what)
    groups = [row["id"] for row in alone("security_groups")]
    groups += [i for r in found["load_balancers"] for i in r["vip_security_group_ids"] or ()]
    found["security_groups"] = _security_groups(estate, found["ports"], whole, groups)
    policies.add(estate, found, whole, {kind: alone(kind) for kind in policies.EXTENSIONS})
    owned = _owned(estate, "zones", whole)
    found["zones"] = zones.chosen(kept("zones", owned + alone("zones")), estate)
    _add_identity(estate, found, homes, what)
    return without(found, what.left_out) if what.left_out else found


def _add_snapshots(estate: Estate, found: Rows, alone: list[Row], what: "Chosen") -> None:
    """Add the snapshots that were chosen, and if asked for those of all volumes found."""
    asked = found["volumes"] if what.snapshots else []
    away = what.left_out.get("snapshots", frozenset())
    rows = snapshots.wanted(estate, asked, alone)
    found["snapshots"] = [row for row in rows if row["id"] not in away]
    counts = Counter(row["volume_id"] for row in found["snapshots"])
    found["volumes"] = [
        {**row, "carried_snapshots": counts[row["id"]]} if row["id"] in counts else row
        for row in found["volumes"]
    ]


def _add_types(estate: Estate, found: Rows, what: "Chosen") -> None:
    """Add the types of the volumes found, and the QoS specs of these types."""
    users: dict[str, set[str]] = {}
    for row in found["volumes"] + found["snapshots"]:
        if row["volume_type"] is not None:
            users.setdefault(row["volume_type"], set()).add(row["project_id"])
    used = [r for name in sorted(users) for r in estate.where("volume_types", "name", name)]
    found["volume_types"] = [
        volume_types.for_users(row, users.get(row["name"], ()))
        for row in _by_id(used + _every(estate, "volume_types", what))
    ]
    specs = [row["qos_specs_id"] for row in found["volume_types"]]
    found["qos_specs"] = _by_id(
        _pick(estate, "qos_specs", specs) + _every(estate, "qos_specs", what)
    )


def _every(estate: Estate, kind: str, what: "Chosen") -> list[Row]:
    """Return what was chosen of *kind* by itself: all of it when everything was asked for."""
    if what.is_everything:
        return estate.rows(kind)
    return _pick(estate, kind, what.others.get(kind, ()))


def _pick(estate: Estate, kind: str, ids: Iterable[str | None]) -> list[Row]:
    return [row for id_ in _unique(ids) if (row := estate.get(kind, id_))]


def _unique(values: Iterable[T | None]) -> list[T]:
    return list(dict.fromkeys(v for v in values if v is not None))


def _owned(estate: Estate, kind: str, projects: Iterable[str]) -> list[Row]:
    return [
        row for project in sorted(projects) for row in estate.where(kind, "project_id", project)
    ]


def _volumes(estate: Estate, servers: Iterable[str], whole: set[str]) -> list[Row]:
    wanted = set(servers)
    return [
        row
        for row in estate.rows("volumes")
        if wanted & {a["server_id"] for a in row["attachments"] or []}
        # What is attached to a server that was left out stays with that server.
        or (row["project_id"] in whole and not row["attachments"])
    ]


def device_order(volume: Row, server_id: str) -> tuple[int, str]:
    """Return a sort key that puts /dev/vdb before /dev/vdaa."""
    device = next(
        (a["device"] or "" for a in volume["attachments"] or [] if a["server_id"] == server_id), ""
    )
    return len(device), device


def _server(estate: Estate, row: Row, lead: Mapping[str, list[str]]) -> Row:
    attached = [
        volume for entry in row["volumes"] or [] if (volume := estate.get("volumes", entry["id"]))
    ]
    ports = estate.where("ports", "device_id", row["id"])
    below = trunks.ports(trunks.of_server({"ports": ports}, estate), estate)
    forwarded = forwardings.of_server(row, lead, estate)
    below += forwardings.idle_ports(row, forwarded, estate)
    return {
        **row,
        "key_name": None if _is_keyless(estate, row) else row["key_name"],
        "lost_key": row["key_name"] if _is_keyless(estate, row) else None,
        "attached": sorted(attached, key=lambda v: device_order(v, row["id"])),
        "ports": ports,
        "subports": _by_id(port for port in below if port not in ports),
        "forwardings": forwarded,
    }


def _is_keyless(estate: Estate, row: Row) -> bool:
    """Tell whether a server names a key pair that its user no longer has."""
    if not row["key_name"] or estate.table("keypairs") is None:
        return False
    theirs = estate.where("keypairs", "user_id", row["user_id"])
    return row["key_name"] not in [pair["name"] for pair in theirs]


def _images(estate: Estate, servers: list[Row], whole: set[str]) -> list[Row]:
    used = _pick(estate, "images", [row["image_id"] for row in servers])
    owned = [row for row in estate.rows("images") if row["owner_id"] in whole]
    return [row for row in _by_id(used + owned) if row["status"] in images.READABLE]


def _with_kernels(estate: Estate, servers: list[Row], rows: list[Row]) -> list[Row]:
    """Return the images *rows* after the kernels and ramdisks that they and servers name."""
    return _by_id(_pick(estate, "images", images.needed(rows + servers)) + rows)


def _by_id(rows: Iterable[Row]) -> list[Row]:
    return list({row["id"]: row for row in rows}.values())


def _floating_ips(
    estate: Estate, found: Rows, whole: set[str], lead: Mapping[str, list[str]]
) -> list[Row]:
    """Return those of ports and servers found, of cut-overs cut short, and spare ones."""
    ports, servers = found["ports"], found["servers"]
    used = [fip for port in ports for fip in estate.where("floating_ips", "port_id", port["id"])]
    ids = [each["id"] for row in servers for each in row["forwardings"]]
    ids += [id_ for row in servers for id_ in forwardings.taken_off(row)]
    spare = [
        row
        for row in _owned(estate, "floating_ips", whole)
        # What leads to a server that was left out stays with that server.
        if not row["port_id"] and not lead.get(row["id"])
    ]
    return _by_id(used + _pick(estate, "floating_ips", ids) + spare)


def _add_networks(
    estate: Estate, found: Rows, whole: set[str], homes: set[str], what: "Chosen"
) -> None:
    """Add networks, their subnets, and the routers that the projects have on them."""
    alone = set(what.others.get("routers", ()))
    lone = [port["network_id"] for id_ in alone for port in routers.interfaces(id_, estate)]
    lone += [row["network_id"] for row in _pick(estate, "subnets", what.others.get("subnets", ()))]
    lone += balancers.network_ids(found["load_balancers"], estate)
    networks = _by_id(
        _pick(estate, "networks", [port["network_id"] for port in found["ports"]])
        + _pick(estate, "networks", [*what.others.get("networks", ()), *lone])
        + _owned(estate, "networks", whole)
        + _pick(estate, "networks", [f["floating_network_id"] for f in found["floating_ips"]])
    )
    joined = {row["id"] for row in networks} - what.left_out.get("networks", frozenset())
    for router in estate.rows("routers"):
        interfaces = routers.interfaces(router["id"], estate)
        shared = [port for port in interfaces if port["network_id"] in joined]
        is_ours = router["project_id"] in whole or router["id"] in alone
        if is_ours or (router["project_id"] in homes and shared):
            routes = routers.reachable(router, shared, estate)
            found["routers"].append({**router, "interfaces": shared, "routes": routes})
    gateways = [(row["external_gateway"] or {}).get("network_id") for row in found["routers"]]
    found["networks"] = _by_id(networks + _pick(estate, "networks", gateways))
    found["subnets"] = [
        subnet
        for network in found["networks"]
        for subnet in estate.where("subnets", "network_id", network["id"])
    ]


def _security_groups(
    estate: Estate, ports: list[Row], whole: set[str], alone: list[str]
) -> list[Row]:
    """Return the groups of *ports* and, again and again, the groups that their rules name."""
    left = deque(dict.fromkeys(g for port in ports for g in port["security_group_ids"] or []))
    left += [*alone, *(row["id"] for row in _owned(estate, "security_groups", whole))]
    found: dict[str, Row] = {}
    while left:
        id_ = left.popleft()
        row = None if id_ in found else estate.get("security_groups", id_)
        if row is None:
            continue
        rules = estate.where("security_group_rules", "security_group_id", id_)
        found[id_] = {**row, "rules": rules}
        left += _unique(rule["remote_group_id"] for rule in rules)
    return list(found.values())


def _add_identity(estate: Estate, found: Rows, homes: set[str], what: "Chosen") -> None:
    """Add the projects that own anything found; users, roles and quotas of *homes* only."""
    owners = [
        row.get("project_id") or row.get("owner_id") for rows in found.values() for row in rows
    ]
    found["projects"] = memberships.with_parents(estate, sorted(homes) + _unique(owners))
    named = {kind: _every(estate, kind, what) for kind in ("domains", "users", "groups", "roles")}
    memberships.add(estate, found, homes, named, what.is_everything)
    owning = ("servers", "volumes", "snapshots", "server_groups")
    people = [row["user_id"] for kind in owning for row in found[kind]]
    people += [row["user_id"] for row in found["assignments"] + found["group_members"]]
    found["users"] = _by_id(_pick(estate, "users", people) + named["users"])
    found["keypairs"] = [
        {**row, "id": f"{row['user_id']}:{row['name']}"}
        for user in _unique(row["id"] for row in found["users"])
        for row in estate.where("keypairs", "user_id", user)
    ]
    found["quotas"] = quota_sets.grouped(_owned(estate, "quotas", homes))
    scoped = found["projects"] + found["users"] + found["groups"] + found["roles"]
    domains = [row["domain_id"] for row in scoped + found["assignments"]]
    found["domains"] = _by_id(_pick(estate, "domains", domains) + named["domains"])
