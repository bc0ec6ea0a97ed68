"""
How a copy is found at the target, and what must be equal: one rule for each kind.

Ids differ between clouds, so resources refer to each other by label. A copy that we made
carries its source's id; what has no such mark is found by its natural key, and then taken
as it is (*adopted*) or, if it differs, left alone (*conflict*).
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from pumphouse import balancers, memberships, policies, routers, security_rules, trunks, zones
from pumphouse.estate import Estate
from pumphouse.images import UNFINISHED, have_same_bytes
from pumphouse.images import parts as image_parts
from pumphouse.models import OWN_ID, SOURCE_ID, Action
from pumphouse.tables import Row

MIGRATED_TO = "pumphouse:migrated_to"
"""Metadata key of a source server that arrived: the id of its copy."""

SHAREABLE = (
    "images", "networks", "subnet_pools", "address_scopes", "qos_policies", "address_groups",
    "security_groups",
)  # fmt: skip
"""What a project may share with others, who can then know its id."""

UNPROVEN = (
    "The target has one of that name, and the two have no hash in common to show that their bytes "
    "are the same; rename one, or, if you know that they are, lead this one to the target's in "
    "mappings.images.names."
)

Facts = Mapping[str, Any]
Read = Callable[[Row, Estate], Any]


@dataclass(frozen=True)
class Rule:
    """
    One kind's rule.

    Attributes:
        key: Its natural key, in labels; None when names mean nothing for the kind.

        must: What must be equal, or the two are different things.

        parts: What belongs to it and is added when the copy lacks it; never taken away.
    """

    key: Read | None
    must: Read
    parts: Callable[[Row, Estate], frozenset[Hashable]] = lambda row, estate: frozenset()


@dataclass(frozen=True)
class Match:
    """What the target has of one source row, and what follows from it."""

    action: Action
    target_id: str | None
    reason: str
    missing: tuple[Hashable, ...] = ()


def mark(row: Row) -> str | None:
    """Return the source id that a copy carries, or None."""
    for column in ("metadata", "properties"):
        marks = row.get(column) or {}
        if marks.get(SOURCE_ID) and is_own(row["id"], marks):
            return str(marks[SOURCE_ID])
    for tag in row.get("tags") or []:
        if tag.startswith(f"{SOURCE_ID}="):
            return str(tag.partition("=")[2])
    if is_unfinished(row):
        return str(row["description"].partition("=")[2])
    return None


def is_own(id_: str, marks: Facts) -> bool:
    """Tell whether *marks* are those of the resource *id_*, and not inherited from a copy."""
    return bool(marks.get(OWN_ID, id_) == id_)


def is_unfinished(row: Row) -> bool:
    """Tell whether a copy still says of itself that its making was cut short."""
    if UNFINISHED in (row.get("properties") or {}):
        return True
    return (row.get("description") or "").startswith(f"{SOURCE_ID}=")


def _nothing(row: Row, estate: Estate) -> dict[str, Any]:
    return {}


def _fields(*names: str) -> Read:
    return lambda row, estate: {name: row[name] for name in names}


def _in_domain(row: Row, estate: Estate) -> Hashable:
    return estate.label("domains", row["domain_id"]), row["name"]


def _in_project(row: Row, estate: Estate) -> Hashable:
    return estate.label("projects", row["project_id"]), row["name"]


def _by_name(row: Row, estate: Estate) -> Hashable:
    name: str = row["name"]
    return name


def _role_key(row: Row, estate: Estate) -> Hashable:
    return estate.label("domains", row["domain_id"]), row["name"]


def _flavor_parts(row: Row, estate: Estate) -> frozenset[Hashable]:
    access = {("access", estate.label("projects", p)) for p in row["access_project_ids"] or []}
    return frozenset(access | {("spec", k, v) for k, v in (row["extra_specs"] or {}).items()})


def _flavor(row: Row, estate: Estate) -> dict[str, Any]:
    numbers = ("vcpus", "ram_mib", "disk_gib", "ephemeral_gib", "swap_mib", "is_public")
    # A flavor that only servers remember has no factor: any will do.
    factor = {} if row["rxtx_factor"] is None else {"rxtx_factor": row["rxtx_factor"]}
    return {n: row[n] for n in numbers} | factor


def _is_for_all(image: Row) -> bool:
    """Tell whether everybody may see an image: of those one name is to mean one thing."""
    return image["visibility"] in ("public", "community")


def _image_key(row: Row, estate: Estate) -> Hashable:
    if _is_for_all(row):
        return row["visibility"], row["name"]
    return estate.label("projects", row["owner_id"]), row["name"]


def _image(row: Row, estate: Estate) -> dict[str, Any]:
    return {n: row[n] for n in ("disk_format", "container_format", "size_bytes", "checksum")}


def _network(row: Row, estate: Estate) -> dict[str, Any]:
    facts = {"is_external": bool(row["is_external"]), "is_shared": bool(row["is_shared"])}
    if row["is_external"] or row["is_shared"]:
        for name in ("provider_type", "provider_physical_network", "provider_segmentation_id"):
            facts[name] = row[name]
        if row["segments"]:
            facts["segments"] = row["segments"]
    return facts


def _subnet_key(row: Row, estate: Estate) -> Hashable:
    return estate.label("networks", row["network_id"]), row["cidr"]


def _router(row: Row, estate: Estate) -> dict[str, Any]:
    gateway = (row["external_gateway"] or {}).get("network_id")
    return {"gateway": estate.label("networks", gateway)}


def _interfaces(row: Row, estate: Estate) -> frozenset[Hashable]:
    ports = row.get("interfaces")
    if ports is None:
        ports = routers.interfaces(row["id"], estate)
    return frozenset(
        (estate.label("networks", port["network_id"]), fixed["ip_address"])
        for port in ports
        for fixed in port["fixed_ips"] or []
    )


def _router_parts(row: Row, estate: Estate) -> frozenset[Hashable]:
    routes = {("route", each["destination"], each["nexthop"]) for each in row["routes"] or []}
    return _interfaces(row, estate) | routes


def rule_key(
    rule: Row, group: str | None, remote: str | None, addresses: str | None
) -> tuple[Hashable, ...]:
    """
    Return what a security group rule says.

    remote, addresses: Labels of its remote group, and of its remote address group.
    """
    return (
        *security_rules.said(rule),
        "itself" if remote is not None and remote == group else remote,
        addresses,
    )


def _rules(row: Row, estate: Estate) -> frozenset[Hashable]:
    rules = row.get("rules")
    if rules is None:
        rules = estate.where("security_group_rules", "security_group_id", row["id"])
    group = estate.label("security_groups", row["id"])
    return frozenset(
        rule_key(
            rule,
            group,
            estate.label("security_groups", rule["remote_group_id"]),
            estate.label("address_groups", rule["remote_address_group_id"]),
        )
        for rule in policies.carried(rules, estate)
    )


def _port_key(row: Row, estate: Estate) -> Hashable:
    return estate.label("networks", row["network_id"]), row["mac_address"]


def _port(row: Row, estate: Estate) -> dict[str, Any]:
    return {"addresses": sorted(f["ip_address"] for f in row["fixed_ips"] or [])}


def _floating_key(row: Row, estate: Estate) -> Hashable:
    return estate.label("networks", row["floating_network_id"]), row["floating_ip_address"]


def _floating(row: Row, estate: Estate) -> dict[str, Any]:
    return {"project": estate.label("projects", row["project_id"])}


RULES: dict[str, Rule] = {
    "domains": Rule(_by_name, _fields("is_enabled")),
    "projects": Rule(
        _in_domain,
        lambda row, estate: {
            "is_enabled": row["is_enabled"],
            "parent": memberships.parent(row, estate),
        },
    ),
    "roles": Rule(_role_key, _nothing),
    "users": Rule(_in_domain, _fields("is_enabled")),
    "implied_roles": Rule(memberships.implied_key, _nothing),
    "groups": Rule(_in_domain, _nothing),
    "group_members": Rule(memberships.member_key, _nothing),
    "assignments": Rule(memberships.assignment_key, _nothing),
    "qos_specs": Rule(_by_name, _fields("consumer", "specs")),
    "volume_types": Rule(_by_name, _nothing),
    "flavors": Rule(_by_name, _flavor, _flavor_parts),
    "keypairs": Rule(
        lambda row, estate: (estate.label("users", row["user_id"]), row["name"]),
        _fields("fingerprint", "type"),
    ),
    "images": Rule(_image_key, _image, image_parts),
    "qos_policies": Rule(_in_project, policies.shared, policies.qos_rules),
    "address_scopes": Rule(policies.versioned_key, policies.shared),
    "subnet_pools": Rule(policies.versioned_key, policies.pool, policies.prefixes),
    "address_groups": Rule(_in_project, _nothing, policies.group_addresses),
    "networks": Rule(_in_project, _network),
    "subnets": Rule(
        _subnet_key, _fields("gateway_ip", "is_dhcp_enabled", "ipv6_address_mode", "ipv6_ra_mode")
    ),
    "security_groups": Rule(_in_project, _nothing, _rules),
    "routers": Rule(_in_project, _router, _router_parts),
    "ports": Rule(_port_key, _port),
    "trunks": Rule(trunks.key, _nothing, trunks.parts),
    "floating_ips": Rule(_floating_key, _floating),
    "zones": Rule(_by_name, zones.must, zones.parts),
    "load_balancers": Rule(balancers.key, balancers.must, balancers.parts),
    "snapshots": Rule(None, _fields("size_gib")),
    "volumes": Rule(None, _fields("size_gib")),
    "servers": Rule(None, _nothing),
}
"""By kind. Quotas and server groups are compared apart: they have no names of their own."""


def match(kind: str, row: Row, source: Estate, target: Estate) -> Match:
    """Return what the target has of *row* and what is to be done about it."""
    rule = RULES[kind]
    bearers = target.grouped(kind, "mark", mark).get(row["id"], [])
    marked = [found for found in bearers if _is_home(kind, row, found, source, target)]
    if len(marked) > 1:
        ids = ", ".join(found["id"] for found in marked)
        return Match(
            Action.CONFLICT, None, f"{len(marked)} copies exist ({ids}); delete all but one."
        )
    if marked:
        return _marked(rule, row, marked[0], source, target)
    named = _named(kind, rule, row, source, target)
    if not named:
        return Match(Action.CREATE, None, "The target has none.")
    if len(named) > 1:
        return Match(
            Action.CONFLICT,
            None,
            f"The target has {len(named)} of that name; rename all but one, or the source's.",
        )
    return _adoptable(kind, rule, row, named[0], source, target)


def _is_home(kind: str, row: Row, found: Row, source: Estate, target: Estate) -> bool:
    """
    Tell whether a marked row is where we would have made it.

    A tenant can write the mark of what the source shares on a thing of its own, which others
    would then be given.
    """
    if kind not in SHAREABLE:
        return True
    ours, theirs = (one.get("project_id") or one.get("owner_id") for one in (row, found))
    home = target.get("projects", theirs)
    if not home or not source.get("projects", ours):
        return True
    return mark(home) == ours or source.label("projects", ours) == target.label("projects", theirs)


def _named(kind: str, rule: Rule, row: Row, source: Estate, target: Estate) -> list[Row]:
    """Return the target's bearers of the natural key that are nobody else's copy."""
    if rule.key is None:
        return []
    key = rule.key(row, source)
    bearers = target.grouped(kind, "key", lambda found: rule.key(found, target))  # type: ignore[misc]
    # A default group is shared by all whose projects become one, whoever has marked it.
    takes_marked = _is_default(kind, row)
    every = [found for found in bearers.get(key, []) if takes_marked or mark(found) is None]
    if kind == "images" and not _is_for_all(row):
        # Private images may share a name: only what is the same for sure makes it the same image.
        return [found for found in every if have_same_bytes(row, found)]
    return every


def _is_default(kind: str, row: Row) -> bool:
    """Tell whether it is the security group that every project has from its beginning."""
    return kind == "security_groups" and bool(row["name"] == "default")


def _identity(row: Row) -> str | None:
    """Return the id of a row, or a key pair's own; relations of others have none."""
    if "id" in row:
        return str(row["id"])
    return f"{row['user_id']}:{row['name']}" if "name" in row else None


def _marked(rule: Rule, row: Row, copy: Row, source: Estate, target: Estate) -> Match:
    missing = rule.parts(row, source) - rule.parts(copy, target)
    differing = differences(rule.must(row, source), rule.must(copy, target))
    if copy.get("status") in ("queued", "saving", "error", "ERROR", "killed"):
        return Match(
            Action.UPDATE, copy["id"], f"An earlier copy is {copy['status']}; it is made again."
        )
    if is_unfinished(copy):
        return Match(Action.UPDATE, copy["id"], "An earlier run began it and was cut short.")
    if missing:
        count = f"{len(missing)} part(s)"
        return Match(
            Action.UPDATE, copy["id"], f"The copy lacks {count}.", tuple(sorted(missing, key=str))
        )
    if differing:
        changed = "; ".join(differing)
        return Match(Action.SKIP, copy["id"], f"Copied before; changed since: {changed}.")
    return Match(Action.SKIP, copy["id"], "Copied before.")


def _adoptable(
    kind: str, rule: Rule, row: Row, found: Row, source: Estate, target: Estate
) -> Match:
    id_ = _identity(found)
    differing = differences(rule.must(row, source), rule.must(found, target))
    missing = rule.parts(row, source) - rule.parts(found, target)
    home = target.get("projects", found.get("project_id")) or {}
    if kind in policies.UNMARKED and mark(home) == row["project_id"]:
        # Nobody but us can have made it there before; its tenant may have changed it since.
        lacking = [f"lacking {', '.join(sorted(map(str, missing)))}"] if missing else []
        changed = "; ".join(differing + lacking)
        since = f"; changed since: {changed}" if changed else ""
        return Match(Action.SKIP, id_, f"Copied before{since}.")
    if _is_default(kind, row) and mark(home) == row["project_id"] and mark(found) is None:
        parts = tuple(sorted(missing, key=str))
        return Match(Action.UPDATE, id_, "No run has made it equal yet.", parts)
    if kind == "images":
        is_same = have_same_bytes(row, found)
        if is_same is None:
            return Match(Action.CONFLICT, id_, UNPROVEN)
        differing = [words for words in differing if not words.startswith("checksum:")]
        differing += [] if is_same else ["its bytes, by their hash"]
    if kind == "flavors":
        theirs = found["extra_specs"] or {}
        ours = {k: v for k, v in (row["extra_specs"] or {}).items() if k in theirs}
        differing += differences(ours, theirs)
    if differing:
        return Match(
            Action.CONFLICT,
            id_,
            f"The target's differs ({'; '.join(differing)}); rename one or make them equal.",
        )
    # An image of theirs is shared with whom they like.
    if not missing or kind == "images":
        return Match(Action.ADOPT, id_, "An equal one exists.")
    if kind == "flavors" or _is_default(kind, row):
        reason = f"It exists and lacks {len(missing)} part(s)."
        if kind == "flavors":
            reason += _added_specs(missing)
        return Match(Action.UPDATE, id_, reason, tuple(sorted(missing, key=str)))
    return Match(
        Action.CONFLICT,
        id_,
        f"The target's lacks {len(missing)} part(s) and is not ours to change; rename one.",
    )


def _added_specs(missing: frozenset[Hashable]) -> str:
    """Return a sentence about what is added to a flavor of the target: all who use it notice."""
    specs = sorted(p for p in missing if isinstance(p, tuple) and p[0] == "spec")
    words = ", ".join(f"{key}={value}" for _, key, value in specs)
    return f" Extra specs that it gets, for everybody: {words}." if words else ""


def differences(wanted: Facts, found: Facts) -> list[str]:
    """Return ``field: source != target`` for each field that is not equal."""
    return [
        f"{name}: {wanted[name]!r} != {found.get(name)!r}"
        for name in wanted
        if wanted[name] != found.get(name)
    ]
