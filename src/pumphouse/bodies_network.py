"""Request bodies of what networks refer to: QoS policies, pools, scopes, groups, shares."""

from typing import Any

from pumphouse.bodies import Ids, present, tags
from pumphouse.policies import EVERYBODY, RULE_OWN, object_key
from pumphouse.tables import Row


def qos_policy(row: Row, ids: Ids) -> dict[str, Any]:
    """Return the body of a QoS policy, without its rules."""
    body = {
        "name": row["name"],
        "description": row["description"] or "",
        "project_id": ids["projects"][row["project_id"]],
        "shared": bool(row["is_shared"]),
        "is_default": row["is_default"] or None,
        "tags": tags(row),
    }
    return present(body)


def qos_rule(rule: Row) -> dict[str, Any]:
    """Return the body of a rule of a QoS policy."""
    return present({name: value for name, value in rule.items() if name not in RULE_OWN})


def address_scope(row: Row, ids: Ids) -> dict[str, Any]:
    """Return the body of an address scope."""
    return {
        "name": row["name"],
        "project_id": ids["projects"][row["project_id"]],
        "ip_version": row["ip_version"],
        "shared": bool(row["is_shared"]),
    }


def subnet_pool(row: Row, ids: Ids) -> dict[str, Any]:
    """Return the body of a subnet pool; which one is the default is the target's to say."""
    body = {
        "name": row["name"],
        "description": row["description"] or "",
        "project_id": ids["projects"][row["project_id"]],
        "prefixes": row["prefixes"],
        "default_prefixlen": row["default_prefix_length"],
        "min_prefixlen": row["min_prefix_length"],
        "max_prefixlen": row["max_prefix_length"],
        "default_quota": row["default_quota"],
        "address_scope_id": ids["address_scopes"].get(row["address_scope_id"] or ""),
        "shared": bool(row["is_shared"]),
        "tags": tags(row),
    }
    return present(body)


def address_group(row: Row, ids: Ids) -> dict[str, Any]:
    """Return the body of an address group, with its addresses."""
    return {
        "name": row["name"],
        "description": row["description"] or "",
        "project_id": ids["projects"][row["project_id"]],
        "addresses": row["addresses"] or [],
    }


def trunk(row: Row, ids: Ids) -> dict[str, Any]:
    """Return the body of a trunk on the copies of its ports."""
    return {
        "name": row["name"] or "",
        "description": row["description"] or "",
        "project_id": ids["projects"][row["project_id"]],
        "port_id": ids["ports"][row["port_id"]],
        "admin_state_up": bool(row["is_admin_state_up"]),
        "sub_ports": [subport(each, ids) for each in row["sub_ports"] or ()],
        "tags": tags(row),
    }


def subport(row: Row, ids: Ids) -> dict[str, Any]:
    """Return one subport of a trunk, as its body has them."""
    same = {name: row[name] for name in ("segmentation_type", "segmentation_id")}
    return {"port_id": ids["ports"][row["port_id"]], **same}


def rbac_policy(row: Row, ids: Ids) -> dict[str, Any]:
    """Return the body of an RBAC policy."""
    kind, _, source_id = object_key(row).partition(":")
    whom = row["target_project_id"]
    return {
        "project_id": ids["projects"][row["project_id"]],
        "object_type": row["object_type"],
        "object_id": ids[kind][source_id],
        "action": row["action"],
        "target_tenant": EVERYBODY if whom == EVERYBODY else ids["projects"][whom],
    }
