"""Copies of QoS policies, address scopes, subnet pools, address groups and RBAC policies."""

from typing import Any

from pumphouse import bodies_network as bodies
from pumphouse.bodies import Ids
from pumphouse.plan import Item
from pumphouse.policies import qos_rule_key
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import Effect
from pumphouse.tasks.networks import make


def make_qos_policy(api: Api, item: Item, ids: Ids) -> str:
    """Create a QoS policy with its rules, or give one of ours the rules that it lacks."""
    body = bodies.qos_policy(item.row, ids)
    policy_id = make(api, item, "qos/policies", "policy", body, tags_at="policies")
    there = api.get("network", f"/qos/policies/{policy_id}")["policy"]["rules"]
    have = {qos_rule_key(rule) for rule in there}
    for rule in item.row["rules"] or ():
        if qos_rule_key(rule) not in have:
            path = f"/qos/policies/{policy_id}/{rule['type']}_rules"
            key = f"{rule['type']}_rule"
            api.call("POST", "network", path, json={key: bodies.qos_rule(rule)})
    return policy_id


def make_address_scope(api: Api, item: Item, ids: Ids) -> str:
    """Create an address scope; it carries no mark and is found by name, version and project."""
    return _made(api, "address-scopes", "address_scope", bodies.address_scope(item.row, ids))


def make_subnet_pool(api: Api, item: Item, ids: Ids) -> str:
    """Create a subnet pool, or give one of ours the prefixes that it lacks."""
    pool_id = make(api, item, "subnetpools", "subnetpool", bodies.subnet_pool(item.row, ids))
    if item.missing:
        path = f"/subnetpools/{pool_id}/add_prefixes"
        api.call("PUT", "network", path, json={"prefixes": list(item.missing)}, retry=True)
    return pool_id


def make_address_group(api: Api, item: Item, ids: Ids) -> str:
    """Create an address group; it carries no mark and is found by name and project."""
    return _made(api, "address-groups", "address_group", bodies.address_group(item.row, ids))


def make_rbac_policy(api: Api, item: Item, ids: Ids) -> str:
    """Share one thing with one project, or with everybody; a share that is there is enough."""
    body = bodies.rbac_policy(item.row, ids)
    asked = {"object_id": body["object_id"], "action": body["action"]}
    for there in api.list("network", "/rbac-policies", "rbac_policies", params=asked):
        if there["target_tenant"] == body["target_tenant"]:
            return str(there["id"])
    return _made(api, "rbac-policies", "rbac_policy", body)


def _made(api: Api, path: str, key: str, body: dict[str, Any]) -> str:
    return str(api.call("POST", "network", f"/{path}", json={key: body}).json()[key]["id"])


EFFECTS: dict[str, Effect] = {
    "qos_policies": make_qos_policy,
    "address_scopes": make_address_scope,
    "subnet_pools": make_subnet_pool,
    "address_groups": make_address_group,
    "rbac_policies": make_rbac_policy,
}
