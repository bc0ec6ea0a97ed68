"""What is sent to Octavia to make a whole load balancer in one call."""

from typing import Any

from pumphouse.balancers import pool_names
from pumphouse.bodies import Ids, present, tags
from pumphouse.tables import Row


def load_balancer(row: Row, ids: Ids) -> dict[str, Any]:
    """
    Return the body of a load balancer with everything below it.

    Pools stand beside the listeners, which name theirs: so several may share one.
    """
    names = pool_names(row["pools"])
    subnets = ids["subnets"]
    more = [
        {"subnet_id": subnets[vip["subnet_id"]], "ip_address": vip["ip_address"]}
        for vip in row["additional_vips"] or ()
    ]
    groups = [ids["security_groups"][id_] for id_ in row["vip_security_group_ids"] or ()]
    subnet_id = subnets.get(row["vip_subnet_id"] or "")
    body = {
        "name": row["name"],
        "description": row["description"] or "",
        "project_id": ids["projects"][row["project_id"]],
        "admin_state_up": bool(row["is_admin_state_up"]),
        "provider": row["provider"],
        "flavor_id": row["target_flavor_id"],
        "availability_zone": row["target_zone"],
        "vip_address": row["vip_address"],
        "vip_subnet_id": subnet_id,
        "vip_network_id": None if subnet_id else ids["networks"][row["vip_network_id"]],
        "vip_qos_policy_id": ids["qos_policies"].get(row["vip_qos_policy_id"] or ""),
        "additional_vips": more or None,
        "vip_sg_ids": groups or None,
        "listeners": [listener(each, names) for each in row["listeners"]],
        "pools": [pool(each, names, ids) for each in row["pools"]],
        "tags": tags(row),
    }
    return present(body)


def listener(row: Row, names: dict[str, str]) -> dict[str, Any]:
    """Return the body of a listener with its policies; pools are meant by their names."""
    default = names.get(row["default_pool_id"] or "")
    body = {
        **_common(row),
        "protocol": row["protocol"],
        "protocol_port": row["protocol_port"],
        "default_pool": {"name": default} if default else None,
        "l7policies": [policy(each, names) for each in row["policies"]],
        **(row["options"] or {}),
    }
    return present(body)


def policy(row: Row, names: dict[str, str]) -> dict[str, Any]:
    """Return the body of an L7 policy with its rules."""
    to = names.get(row["redirect_pool_id"] or "")
    same = ("action", "position", "redirect_url", "redirect_prefix", "redirect_http_code")
    body = {
        **_common(row),
        **{name: row[name] for name in same},
        "redirect_pool": {"name": to} if to else None,
        "rules": row["rules"],
    }
    return present(body)


def pool(row: Row, names: dict[str, str], ids: Ids) -> dict[str, Any]:
    """Return the body of a pool with its members and its health monitor."""
    options = row["options"] or {}
    body = {
        **_common(row),
        "name": names[row["id"]],
        "protocol": row["protocol"],
        "lb_algorithm": row["lb_algorithm"],
        "session_persistence": row["session_persistence"],
        "members": [member(each, ids) for each in row["members"]],
        "healthmonitor": row["monitor"],
        **(options if options.get("tls_enabled") else {}),
    }
    return present(body)


def member(row: Row, ids: Ids) -> dict[str, Any]:
    """Return the body of a member, on the copy of its subnet."""
    said = {name: value for name, value in row.items() if name not in ("subnet_id", "vnic_type")}
    # The subnet may be gone at the source: then Octavia reaches its members by routes.
    said["subnet_id"] = ids["subnets"].get(row.get("subnet_id") or "")
    if row.get("vnic_type") == "direct":
        said["request_sriov"] = True
    return present(said)


def _common(row: Row) -> dict[str, Any]:
    """Return what everything of a load balancer has."""
    return {
        "name": row["name"] or None,
        "description": row["description"] or None,
        "admin_state_up": bool(row["is_admin_state_up"]),
        "tags": row["tags"] or None,
    }
