"""What was left out of a plan stays, whatever would bring it, with what belongs to it alone."""

from collections.abc import Iterable, Mapping

from pumphouse import policies
from pumphouse.tables import Row

LEFT_OUT = "It is left out; the target's is used."
"""Why nothing is done about what is left out and the rest needs all the same."""

BELONGS: dict[str, tuple[tuple[str, str], ...]] = {
    "implied_roles": (("roles", "prior_role_id"), ("roles", "implied_role_id")),
    "group_members": (("groups", "group_id"), ("users", "user_id")),
    "assignments": (
        ("roles", "role_id"), ("users", "user_id"), ("groups", "group_id"),
        ("projects", "project_id"), ("domains", "domain_id"),
    ),
    "quotas": (("projects", "project_id"),),
    "keypairs": (("users", "user_id"),),
    "subnets": (("networks", "network_id"),),
}  # fmt: skip
"""By kind: what its rows belong to, and the column with the id: they go with that."""


def without(
    rows: Mapping[str, list[Row]], left_out: Mapping[str, Iterable[str]]
) -> dict[str, list[Row]]:
    """Return *rows*, by kind, without those whose ids are *left_out* and what belongs to them."""
    away = {f"{kind}:{id_}" for kind, ids in left_out.items() for id_ in ids}
    return {kind: [row for row in of if not away & _keys(kind, row)] for kind, of in rows.items()}


def _keys(kind: str, row: Row) -> set[str]:
    """Return the key of a row, and of what it belongs to."""
    keys = {f"{kind}:{row['id']}", *(f"{of}:{row[name]}" for of, name in BELONGS.get(kind, ()))}
    return keys | {policies.object_key(row)} if kind == "rbac_policies" else keys
