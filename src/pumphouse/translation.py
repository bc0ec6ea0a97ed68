"""
The source's tables as the target calls things: the mappings of the configuration, applied.

Pure. Everything later compares and copies the translated rows, so that nothing else needs to
know that names may differ.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from pumphouse import (
    balancer_limits,
    bonds,
    forwardings,
    hostnames,
    port_names,
    quota_sets,
    routers,
    server_groups,
)
from pumphouse.comparison import mark
from pumphouse.estate import SCOPED, Estate
from pumphouse.flavors import NUMBERS, embedded
from pumphouse.mappings import Mappings, PlaceMapping
from pumphouse.policies import unsupported
from pumphouse.tables import Row

_ID = re.compile(r"^(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$")


@dataclass(frozen=True)
class Applied:
    """
    What a mapping says of one thing of the source.

    Attributes:
        rule: The key of the configuration, and from what to what.

        target_id: The thing at the target that is used, whatever it differs in; or our own copy.

        problem: Why it cannot be followed, and what would help; empty when it can.

        is_merging: Whether the operator wrote its name down, and so may mean to merge.
    """

    rule: str
    target_id: str | None = None
    problem: str = ""
    is_merging: bool = False


@dataclass
class Translation:
    """The translated source, and what was applied to each id of each kind."""

    estate: Estate
    mappings: Mappings
    applied: dict[tuple[str, str], Applied] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def of(self, kind: str, id_: str) -> Applied | None:
        """Return what was applied to one thing; None when no mapping speaks of it."""
        return self.applied.get((kind, id_))


def translated(source: Estate, target: Estate, mappings: Mappings) -> Translation:
    """Return *source* as *mappings* and what the *target* has of them make it."""
    made = Translation(source, mappings)
    labels: dict[tuple[str, str], str | None] = {}
    flavors: dict[str, tuple[str, Row | None]] = {}
    types: dict[str, str] = {}
    for kind in Mappings.KINDS:
        rows = source.rows(kind) + (_embedded(source) if kind == "flavors" else [])
        changed = [_renamed(kind, row, source, target, made) for row in rows]
        pairs = [(old, new) for old, new in zip(rows, changed, strict=True) if new is not old]
        for row in rows:
            said = made.of(kind, row["id"])
            if said and said.target_id:
                labels[kind, row["id"]] = target.label(kind, said.target_id)
        if kind == "flavors":
            flavors = {old["name"]: (new["name"], _used(old, target, made)) for old, new in pairs}
        if kind == "volume_types":
            types = {old["name"]: new["name"] for old, new in pairs}
        if pairs or labels:
            here = len(source.rows(kind))
            # A flavor that only servers remember becomes a row when a mapping speaks of it.
            more = [new for old, new in pairs if old["id"].startswith("embedded:")]
            made.estate = made.estate.replaced({kind: changed[:here] + more}, labels)
        _note_unknown(kind, mappings.of(kind).names, rows, source, made)
    _place(source, target, made, flavors, types, labels)
    routed = [_routed(row, target, mappings) for row in source.rows("routers")]
    made.estate = made.estate.replaced({"routers": routed}, labels)
    made.estate = made.estate.replaced(_taken(made.estate, target), labels)
    balanced = balancer_limits.translated(source, target, mappings.tls_containers)
    made.estate = made.estate.replaced(balanced, labels)
    # What the target has no place for is as if the source had none: the losses say what it means.
    missing: dict[str, list[Row]] = {kind: [] for kind in unsupported(target)}
    made.estate = made.estate.replaced(missing, labels)
    return made


def _renamed(kind: str, row: Row, source: Estate, target: Estate, made: Translation) -> Row:
    """Return *row* under the name that it has at the target; the row itself if it keeps it."""
    mapping = made.mappings.of(kind)
    key = _named(kind, row, source, mapping.names)
    if key is not None:
        return _entered(kind, row, key, mapping.names[key], target, made)
    if mapping.template and row["name"]:
        name = _filled(mapping.template, kind, row, source)
        made.applied[kind, row["id"]] = Applied(
            f"mappings.{kind}.template: {row['name']} → {name}"
        )
        return {**row, "name": name}
    if kind == "flavors" and mapping.unnamed == "smallest":
        return _smallest(row, target, made)
    return row


def _named(kind: str, row: Row, source: Estate, names: Mapping[str, str]) -> str | None:
    """Return the key of *names* that means *row*: its id, its path, or its name."""
    if not names:
        return None
    for key in (row["id"], source.label(kind, row["id"]), row["name"]):
        if key in names:
            return str(key)
    return None


def _entered(kind: str, row: Row, key: str, wanted: str, target: Estate, made: Translation) -> Row:
    rule = f"mappings.{kind}.names: {key} → {wanted}"
    there = _there(kind, row, wanted, target, made.estate)
    found = [each for each in there if mark(each) == row["id"]] or there
    applied = Applied(rule, is_merging=True)
    name = wanted
    if len(found) > 1:
        ids = ", ".join(each["id"] for each in found)
        problem = f"{rule}: the target has {len(found)} of that name ({ids}); give the id of one."
        applied = Applied(rule, problem=problem)
    elif found:
        applied, name = Applied(rule, found[0]["id"], is_merging=True), found[0]["name"]
    elif _ID.match(wanted) or (kind in SCOPED and "/" in wanted):
        applied = Applied(rule, problem=f"{rule}: the target has none; make it, or name another.")
    made.applied[kind, row["id"]] = applied
    return row if applied.problem else {**row, "name": name}


def _there(kind: str, row: Row, wanted: str, target: Estate, so_far: Estate) -> list[Row]:
    """Return what the target has under *wanted*: by id, by path, beside the row, or anywhere."""
    if found := target.where(kind, "id", wanted):
        return found
    named = target.where(kind, "name", wanted)
    if kind not in SCOPED:
        return named
    by_path = target.grouped(kind, "label", lambda each: target.label(kind, each["id"]))
    if found := by_path.get(wanted, []):
        return found
    parent, column = SCOPED[kind]
    if found := by_path.get(f"{so_far.label(parent, row[column]) or '-'}/{wanted}", []):
        return found
    # Networks of the administrator are meant by their plain name; another tenant's are not.
    return [r for r in named if kind == "networks" and (r["is_external"] or r["is_shared"])]


def _filled(template: str, kind: str, row: Row, source: Estate) -> str:
    project_id = row.get("project_id") or row.get("owner_id")
    project = source.get("projects", row["id"] if kind == "projects" else project_id) or {}
    domain_id = row.get("domain_id") or project.get("domain_id")
    domain = source.get("domains", domain_id) or {}
    return template.format(
        name=row["name"], project=project.get("name") or "", domain=domain.get("name") or ""
    )


def _smallest(row: Row, target: Estate, made: Translation) -> Row:
    """Return *row* under the name of the smallest flavor of the target that holds it."""
    same = target.where("flavors", "name", row["name"])
    if any(all(each[n] == row[n] for n in NUMBERS) for each in same):
        return row
    specs = row["extra_specs"] or {}
    fitting = [
        each
        for each in target.rows("flavors")
        if each["is_public"]
        and not each["is_disabled"]
        and (each["extra_specs"] or {}) == specs
        and all((each[n] or 0) >= (row[n] or 0) for n in NUMBERS)
    ]
    rule = f"mappings.flavors.unnamed: smallest for {row['name']}"
    if not fitting:
        size = f"{row['vcpus']} vCPUs, {row['ram_mib']} MiB and {row['disk_gib']} GiB"
        problem = (
            f"{rule}: no public flavor of the target has {size} and the same extra specs; "
            "add one, or name one in mappings.flavors.names."
        )
        made.applied["flavors", row["id"]] = Applied(rule, problem=problem)
        return row
    best = min(fitting, key=lambda each: ([each[n] or 0 for n in NUMBERS], each["name"]))
    made.applied["flavors", row["id"]] = Applied(
        f"{rule} → {best['name']}", best["id"], is_merging=True
    )
    return {**row, "name": best["name"]}


def _embedded(source: Estate) -> list[Row]:
    """Return the flavors that servers have and the cloud no longer has."""
    known = {row["name"] for row in source.rows("flavors")}
    first: dict[str, Row] = {}
    for row in source.rows("servers"):
        if row["flavor_name"] and row["flavor_name"] not in known:
            first.setdefault(row["flavor_name"], row)
    return [embedded(row) for row in first.values()]


def _used(row: Row, target: Estate, made: Translation) -> Row | None:
    said = made.of("flavors", row["id"])
    return target.get("flavors", said.target_id) if said else None


def _note_unknown(
    kind: str, names: Iterable[str], rows: Iterable[Row], source: Estate, made: Translation
) -> None:
    """Say which entries mean nothing that the source has: often a slip of the pen."""
    if not names:
        return
    known = {
        key
        for row in rows
        for key in (row.get("id"), source.label(kind, row.get("id")), row["name"])
    }
    made.notes += [
        f"mappings.{kind}.names has {name!r}, which the source does not have."
        for name in names
        if name not in known
    ]


def _place(
    source: Estate,
    target: Estate,
    made: Translation,
    flavors: Mapping[str, tuple[str, Row | None]],
    types: Mapping[str, str],
    labels: Mapping[tuple[str, str], str | None],
) -> None:
    """Give servers and volumes the target's flavors, types, zones and groups, and their users."""
    zones = {
        service: {r["name"] for r in target.where("availability_zones", "service", service)}
        for service in ("compute", "volume")
    }
    of_servers = zones["compute"] - zones["volume"]
    places = made.mappings.availability_zones
    _note_unknown("availability_zones", places.names, _zones(source), source, made)
    in_groups = made.mappings.server_groups.names
    _note_unknown("server_groups", in_groups, source.rows("server_groups"), source, made)
    groups = server_groups.translated(source, made.estate, target, made.mappings.server_groups)
    there = {row["id"]: row["target_group_id"] for row in groups}
    servers = []
    for row in source.rows("servers"):
        name, flavor = flavors.get(row["flavor_name"], (row["flavor_name"], None))
        numbers = {n: flavor[n] for n in ("vcpus", "ram_mib")} if flavor else {}
        zone = row["pinned_availability_zone"]
        group = next((i for i in row["server_group_ids"] or () if i in there), None)
        more = {
            "flavor_name": name,
            "target_zone": _zone(zone, zones["compute"], places),
            "group_id": group,
            "target_group_id": there.get(group),
        }
        servers.append({**row, **numbers, **more})
    held = bonds.holders(source.rows("servers"))
    volumes = [
        {
            **row,
            "attachments": bonds.attachments(row, held.get(row["id"], ())),
            "volume_type": types.get(row["volume_type"], row["volume_type"]),
            "target_zone": _zone(row["availability_zone"], zones["volume"], places, of_servers),
        }
        for row in source.rows("volumes")
    ]
    limits = quota_sets.renamed(source.rows("quotas"), types) if types else source.rows("quotas")
    changed = {"servers": servers, "volumes": volumes, "server_groups": groups, "quotas": limits}
    made.estate = made.estate.replaced(changed, labels)


def _zones(source: Estate) -> list[Row]:
    """Return every zone that the source has, or that a server or volume of it names."""
    columns = (("servers", "pinned_availability_zone"), ("volumes", "availability_zone"))
    named = [{"name": row[column]} for kind, column in columns for row in source.rows(kind)]
    return source.rows("availability_zones") + named


def _zone(
    name: str | None,
    there: set[str],
    places: PlaceMapping,
    others: Collection[str] = frozenset(),
) -> str | None:
    """Return the zone that is asked for; an entry that leads to one of *others* is not meant."""
    if not name or (name not in places.names and places.unnamed == "drop"):
        return None
    wanted = places.names.get(name, name)
    is_meant = name in places.names and wanted not in others
    return wanted if wanted in there or is_meant else None


def _taken(source: Estate, target: Estate) -> dict[str, list[Row]]:
    """Return servers, ports and floating IPs with what the target has a place for."""
    extensions = {row["alias"] for row in target.rows("network_extensions")}
    changed = {"servers": [hostnames.fitting(row, extensions) for row in source.rows("servers")]}
    fips = source.rows("floating_ips")
    if extensions and any(row["port_forwardings"] for row in fips):
        changed["floating_ips"] = [
            forwardings.fitting(row, extensions) if row["port_forwardings"] else row
            for row in fips
        ]
    for kind, needed in port_names.NEEDED.items():
        if extensions and not extensions.issuperset(needed.values()):
            rows = changed.get(kind) or source.rows(kind)
            changed[kind] = [port_names.fitting(kind, row, extensions) for row in rows]
    return changed


def _routed(row: Row, target: Estate, mappings: Mappings) -> Row:
    """Give a router the addresses that it keeps outside, and the flags that fit the target."""
    outside = (row["external_gateway"] or {}).get("external_fixed_ips") or []
    return {
        **row,
        "target_addresses": outside if mappings.router_addresses == "same" else [],
        "target_flags": routers.fitting(row, target),
    }
