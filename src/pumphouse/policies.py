"""What networks refer to and what says who may use them: QoS, pools, scopes, groups, shares."""

from collections.abc import Hashable, Iterable

from pumphouse.estate import Estate
from pumphouse.tables import Row

EXTENSIONS: dict[str, tuple[str, ...]] = {
    "qos_policies": ("qos",),
    "address_scopes": ("address-scope",),
    "subnet_pools": ("subnet_allocation",),
    "address_groups": ("address-group", "security-groups-remote-address-group"),
    "rbac_policies": ("rbac-policies",),
    "trunks": ("trunk",),
}
"""By kind: the extensions that a Neutron must have to take it."""

SHARED: dict[str, str] = {
    "network": "networks",
    "qos_policy": "qos_policies",
    "security_group": "security_groups",
    "address_scope": "address_scopes",
    "subnetpool": "subnet_pools",
    "address_group": "address_groups",
}
"""By the type of an RBAC policy's object: its kind."""

BY_FLAG = ("network", "qos_policy", "address_scope", "subnetpool")
"""Types that are shared with everybody by a flag of their own, which makes the policy."""

EVERYBODY = "*"

AS_SHARED, AS_EXTERNAL = "access_as_shared", "access_as_external"

RULE_OWN = ("id", "qos_policy_id", "type", "tags")
"""What a QoS rule has beside what it says."""

UNMARKED = ("address_scopes", "address_groups", "server_groups", "zones")
"""Kinds that take no tags: a copy is known by its name, in a project that is ours."""


def versioned_key(row: Row, estate: Estate) -> Hashable:
    """Return the key of a pool or scope: there is often one of a name for each IP version."""
    return estate.label("projects", row["project_id"]), row["name"], row["ip_version"]


def pool(row: Row, estate: Estate) -> dict[str, object]:
    """Return what must be equal of subnet pools."""
    scope = estate.label("address_scopes", row["address_scope_id"])
    return {"is_shared": bool(row["is_shared"]), "address_scope": scope}


def shared(row: Row, estate: Estate) -> dict[str, object]:
    """Return whether everybody may use it."""
    return {"is_shared": bool(row["is_shared"])}


def prefixes(row: Row, estate: Estate) -> frozenset[Hashable]:
    """Return the parts of a subnet pool."""
    return frozenset(row["prefixes"] or ())


def group_addresses(row: Row, estate: Estate) -> frozenset[Hashable]:
    """Return the parts of an address group."""
    return frozenset(row["addresses"] or ())


def qos_rule_key(rule: Row) -> Hashable:
    """Return what a QoS rule says: its type, and its values without ids."""
    said = {name: value for name, value in rule.items() if name not in RULE_OWN}
    return rule["type"], tuple(sorted((k, v) for k, v in said.items() if v is not None))


def qos_rules(row: Row, estate: Estate) -> frozenset[Hashable]:
    """Return the parts of a QoS policy."""
    return frozenset(qos_rule_key(rule) for rule in row["rules"] or ())


def carried(rules: Iterable[Row], estate: Estate) -> list[Row]:
    """
    Return the security group rules that can be told faithfully.

    A rule whose remote is an address group says "anybody" without it: it is left out.
    """
    return [
        rule
        for rule in rules
        if not rule["remote_address_group_id"]
        or estate.get("address_groups", rule["remote_address_group_id"])
    ]


def add(estate: Estate, found: dict[str, list[Row]], whole: set[str], alone: Row) -> None:
    """
    Add the policies, pools, scopes and address groups that what is found refers to.

    whole: Projects that bring all they own.
    alone: By kind, rows that were chosen by themselves.
    """

    def named(kind: str, ids: Iterable[str | None]) -> list[Row]:
        owned = [r for p in sorted(whole) for r in estate.where(kind, "project_id", p)]
        used = [row for id_ in ids if (row := estate.get(kind, id_))]
        return list({row["id"]: row for row in used + owned + alone[kind]}.values())

    users = [row for kind in ("networks", "ports", "floating_ips") for row in found[kind]]
    users += [row["external_gateway"] or {} for row in found["routers"]]
    users += [{"qos_policy_id": row["vip_qos_policy_id"]} for row in found["load_balancers"]]
    found["qos_policies"] = named("qos_policies", [row.get("qos_policy_id") for row in users])
    used = [row["subnet_pool_id"] for row in found["subnets"]]
    found["subnet_pools"] = named("subnet_pools", used)
    scopes = [row["address_scope_id"] for row in found["subnet_pools"]]
    found["address_scopes"] = named("address_scopes", scopes)
    rules = [rule for group in found["security_groups"] for rule in group["rules"]]
    groups = [rule["remote_address_group_id"] for rule in rules]
    found["address_groups"] = named("address_groups", groups)
    found["networks"] = [_limited(row, estate) for row in found["networks"]]
    found["rbac_policies"] = [
        policy
        for kind in SHARED.values()
        for row in found[kind]
        for policy in estate.where("rbac_policies", "object_id", row["id"])
        if not is_flag(policy)
    ]


def _limited(network: Row, estate: Estate) -> Row:
    """Return a network with ``is_limited`` if it is external, and that only for some projects."""
    whom = {
        policy["target_project_id"]
        for policy in estate.where("rbac_policies", "object_id", network["id"])
        if policy["action"] == AS_EXTERNAL
    }
    is_limited = network["is_external"] and whom and EVERYBODY not in whom
    return {**network, "is_limited": True} if is_limited else network


def is_flag(policy: Row) -> bool:
    """Tell whether an RBAC policy is only the trace of its object's own flag."""
    return policy["target_project_id"] == EVERYBODY and policy["object_type"] in BY_FLAG


def name(policy: Row, source: Estate) -> str:
    """Return what an RBAC policy is called."""
    kind = SHARED[policy["object_type"]]
    whom = policy["target_project_id"]
    to = "everybody" if whom == EVERYBODY else source.label("projects", whom)
    return f"{policy['action']} of {source.label(kind, policy['object_id'])} for {to}"


def object_key(policy: Row) -> str:
    """Return the key of the item that an RBAC policy shares."""
    return f"{SHARED[policy['object_type']]}:{policy['object_id']}"


def unsupported(target: Estate) -> list[str]:
    """Return the kinds that the target's Neutron does not take; none when that is not known."""
    there = {row["alias"] for row in target.rows("network_extensions")}
    return [kind for kind, needs in EXTENSIONS.items() if there and not there.issuperset(needs)]
