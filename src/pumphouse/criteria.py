"""
What an operator writes to choose things of the source, and which rows it means.

    everything                              the whole cloud
    project:shop  host:cmp1  zone:az1       a project whole; servers by where they are
    flavor:m1.tiny  image:cirros            servers by what they were made of
    network:front  tag:blue  metadata:tier=web  group:web
    web-1                                   one server, by name or id
    volumes:data  networks:front            one thing of a kind, by name or id
    servers[status == "ACTIVE" and ram_mib <= 2048]
    hypervisors[vcpus > 64]                 whatever a condition over a table finds
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pumphouse.closure import KINDS
from pumphouse.errors import ConfigError
from pumphouse.estate import Estate
from pumphouse.expressions import selected
from pumphouse.schemas import SCHEMAS
from pumphouse.tables import Row

EVERYTHING = "everything"
SHOWN = 12
"""How many names an error lists before it says how many more there are."""

_CONDITION = re.compile(r"^([a-z_]+)\[(.*)\]$", re.DOTALL)
_NAMED = re.compile(r"^([a-z_]+):(.+)$", re.DOTALL)

Found = list[tuple[str, str]]
"""Kind and id of each thing that is meant."""


@dataclass(frozen=True)
class Criterion:
    """One criterion: its word or kind, and a value or condition."""

    what: str
    value: str
    is_condition: bool = False


def parsed(text: str) -> Criterion:
    """
    Return the criterion that *text* says.

    Raises:
        ConfigError: It is none; says which there are.
    """
    text = text.strip()
    if text == EVERYTHING:
        return Criterion(EVERYTHING, "")
    if given := _CONDITION.match(text):
        kind, condition = given[1], given[2]
        if kind not in CONDITIONED:
            raise ConfigError(
                f"selection {text!r}",
                [f"{kind} cannot be selected by; these can: {', '.join(sorted(CONDITIONED))}."],
            )
        if not condition.strip():
            raise ConfigError(
                f"selection {text!r}",
                [f"The condition is empty; say {EVERYTHING} for the whole cloud."],
            )
        return Criterion(kind, condition, is_condition=True)
    given = _NAMED.match(text)
    if not given:
        return Criterion("server", text)
    if given[1] not in SERVERS_BY and given[1] not in KINDS and given[1] != "project":
        words = ", ".join(["project", *SERVERS_BY])
        raise ConfigError(
            f"selection {text!r}",
            [f"{given[1]} is no criterion; there are {words}, and the kinds {', '.join(KINDS)}."],
        )
    return Criterion(given[1], given[2].strip())


def found(criterion: Criterion, estate: Estate, problems: list[str]) -> Found:
    """Return what *criterion* means in *estate*; say in *problems* if that is nothing."""
    what, value = criterion.what, criterion.value
    if what == EVERYTHING:
        return [("projects", row["id"]) for row in estate.rows("projects")] + [
            ("servers", row["id"]) for row in estate.rows("servers")
        ]
    if criterion.is_condition:
        return _fulfilling(what, value, estate, problems)
    if what in ("project", "projects"):
        return _named("projects", "project", value, estate, problems)
    if what in ("server", "servers"):
        return _named("servers", "server", value, estate, problems)
    if what in SERVERS_BY:
        return [("servers", id_) for id_ in SERVERS_BY[what](value, estate, problems)]
    return _named(what, what, value, estate, problems)


def _fulfilling(kind: str, condition: str, estate: Estate, problems: list[str]) -> Found:
    table = estate.table(kind)
    if table is None:
        problems.append(f"The table {kind} of the source was not read.")
        return []
    ids = set(selected(condition, table, kind).index)
    rows = [row for at, row in zip(table.index, estate.rows(kind), strict=True) if at in ids]
    return CONDITIONED[kind](rows, estate)


def _named(kind: str, what: str, name: str, estate: Estate, problems: list[str]) -> Found:
    """Return the thing that *name* means, by id, else by path, else by name."""
    if kind in KEYED:
        problems.append(f"{kind} have no names; choose by a condition: {kind}[...].")
        return []
    column = "floating_ip_address" if kind == "floating_ips" else "name"
    rows = estate.where(kind, "id", name) or estate.where(kind, column, name)
    if not rows and "/" in name:
        paths = estate.grouped(kind, "label", lambda row: estate.label(kind, row["id"]))
        rows = paths.get(name, [])
    if not rows:
        there = sorted({row[column] for row in estate.rows(kind) if row[column]})
        problems.append(f"No {what} {name!r}; there are {some(there)}.")
    elif len(rows) > 1:
        ids = ", ".join(row["id"] for row in rows)
        problems.append(f"{len(rows)} {what}s are named {name!r}; give the id of one: {ids}.")
        return []
    return [(kind, row["id"]) for row in rows]


def some(names: list[str]) -> str:
    """Return the first of *names*, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "none") + more


def _by_host(value: str, estate: Estate, problems: list[str]) -> list[str]:
    hosts = {row["host"] for kind in ("servers", "hypervisors") for row in estate.rows(kind)}
    return _servers("host", "host", value, hosts, estate, problems)


def _by_zone(value: str, estate: Estate, problems: list[str]) -> list[str]:
    zones = {row["availability_zone"] for row in estate.rows("servers")}
    zones |= {row["name"] for row in estate.where("availability_zones", "service", "compute")}
    return _servers("zone", "availability_zone", value, zones, estate, problems)


def _servers(
    what: str,
    column: str,
    value: str,
    known: Iterable[str | None],
    estate: Estate,
    problems: list[str],
) -> list[str]:
    there = sorted(name for name in known if name)
    if value not in there:
        problems.append(f"No {what} {value!r}; there are {some(there)}.")
    return [row["id"] for row in estate.where("servers", column, value)]


def _by_flavor(value: str, estate: Estate, problems: list[str]) -> list[str]:
    names = {row["flavor_name"] for row in estate.rows("servers")}
    names |= {row["name"] for row in estate.rows("flavors")}
    given = estate.get("flavors", value)
    name = given["name"] if given else value
    return _servers("flavor", "flavor_name", name, names, estate, problems)


def _by_image(value: str, estate: Estate, problems: list[str]) -> list[str]:
    images = estate.where("images", "id", value) or estate.where("images", "name", value)
    servers = estate.where("servers", "image_id", value)
    if not images and not servers:
        there = sorted({row["name"] for row in estate.rows("images") if row["name"]})
        problems.append(f"No image {value!r}; there are {some(there)}.")
    # Images of one name are one to who asks for the servers that were made of them.
    found = [row for image in images for row in estate.where("servers", "image_id", image["id"])]
    return [row["id"] for row in found or servers]


def _by_network(value: str, estate: Estate, problems: list[str]) -> list[str]:
    networks = [id_ for _, id_ in _named("networks", "network", value, estate, problems)]
    return [
        port["device_id"]
        for network in networks
        for port in estate.where("ports", "network_id", network)
        if estate.get("servers", port["device_id"])
    ]


def _by_tag(value: str, estate: Estate, problems: list[str]) -> list[str]:
    servers = [row["id"] for row in estate.rows("servers") if value in (row["tags"] or ())]
    if not servers:
        there = sorted({tag for row in estate.rows("servers") for tag in row["tags"] or ()})
        problems.append(f"No server has the tag {value!r}; there are {some(there)}.")
    return servers


def _by_metadata(value: str, estate: Estate, problems: list[str]) -> list[str]:
    key, sign, wanted = value.partition("=")
    servers = [
        row["id"]
        for row in estate.rows("servers")
        if key in (row["metadata"] or {}) and (not sign or row["metadata"][key] == wanted)
    ]
    if not servers:
        there = sorted({name for row in estate.rows("servers") for name in row["metadata"] or ()})
        problems.append(f"No server has the metadata {value!r}; there are keys {some(there)}.")
    return servers


def _by_group(value: str, estate: Estate, problems: list[str]) -> list[str]:
    groups = [id_ for _, id_ in _named("server_groups", "group", value, estate, problems)]
    rows = [row for id_ in groups for row in estate.where("server_groups", "id", id_)]
    members = [id_ for row in rows for id_ in row["member_ids"] or ()]
    return [id_ for id_ in members if estate.get("servers", id_)]


SERVERS_BY: dict[str, Callable[[str, Estate, list[str]], list[str]]] = {
    "host": _by_host,
    "zone": _by_zone,
    "flavor": _by_flavor,
    "image": _by_image,
    "network": _by_network,
    "tag": _by_tag,
    "metadata": _by_metadata,
    "group": _by_group,
    "server": lambda value, estate, problems: [],
}
"""Words that choose servers by something about them."""

KEYED = (
    "assignments", "group_members", "implied_roles", "quotas", "keypairs", "rbac_policies",
)  # fmt: skip
"""Kinds whose rows have no id or name of their own: they come with what they belong to."""


def _themselves(kind: str) -> Callable[[list[Row], Estate], Found]:
    return lambda rows, estate: [(kind, row["id"]) for row in rows]


def _servers_of(
    ids: Callable[[Row, Estate], Iterable[str | None]],
) -> Callable[[list[Row], Estate], Found]:
    def servers(rows: list[Row], estate: Estate) -> Found:
        named = dict.fromkeys(id_ for row in rows for id_ in ids(row, estate))
        return [("servers", id_) for id_ in named if id_ and estate.get("servers", id_)]

    return servers


def _on(hosts: Iterable[str], estate: Estate) -> list[str]:
    return [row["id"] for host in hosts for row in estate.where("servers", "host", host)]


CONDITIONED: dict[str, Callable[[list[Row], Estate], Found]] = {
    **{kind: _themselves(kind) for kind in KINDS if kind not in KEYED and kind in SCHEMAS},
    "hypervisors": _servers_of(lambda row, estate: _on([row["host"]], estate)),
    "compute_services": _servers_of(lambda row, estate: _on([row["host"]], estate)),
    "aggregates": _servers_of(lambda row, estate: _on(row["hosts"] or (), estate)),
    "availability_zones": _servers_of(
        lambda row, estate: [
            r["id"] for r in estate.where("servers", "availability_zone", row["name"])
        ]
    ),
    "server_groups": _servers_of(lambda row, estate: row["member_ids"] or ()),
    "ports": _servers_of(lambda row, estate: [row["device_id"]]),
    "attachments": _servers_of(lambda row, estate: [row["server_id"]]),
    "keypairs": _servers_of(
        lambda row, estate: [
            r["id"]
            for r in estate.where("servers", "user_id", row["user_id"])
            if r["key_name"] == row["name"]
        ]
    ),
    "snapshots": lambda rows, estate: [("volumes", row["volume_id"]) for row in rows],
}
"""Tables that conditions may be over, and what is chosen by their rows."""
