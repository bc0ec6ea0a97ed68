"""Copies of networks, subnets, security groups and routers."""

import re
from collections.abc import Hashable, Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from pumphouse import bodies
from pumphouse.bodies import Ids
from pumphouse.comparison import rule_key
from pumphouse.errors import CopyFailed, RequestFailed
from pumphouse.models import SOURCE_ID
from pumphouse.plan import Item
from pumphouse.policies import AS_EXTERNAL
from pumphouse.rows_network import security_group_rule
from pumphouse.tables import Row
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import Effect, is_new

AT_ONCE = timedelta(seconds=5)
"""Within it Neutron has given a group its own rules."""

TOO_BIG = re.compile(r"MTU is too big, maximum is (\d+)")
"""What ML2 says of a network whose MTU is more than its type carries at this cloud."""


def create(api: Api, path: str, key: str, body: dict[str, Any], tags_at: str = "") -> str:
    """
    Create one of Neutron's resources with its tags and return its id.

    tags_at: The path of its tags, where that is not *path*.

    Neutron takes tags only after the create. Until then the description is the mark, so that
    a run that is killed between the two calls leaves nothing that the next one cannot find.
    """
    made = begin(api, path, key, body)
    if any(tag.startswith(SOURCE_ID) for tag in body.get("tags", [])):
        _mark(api, path, key, made, body, tags_at)
    return str(made["id"])


def begin(api: Api, path: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
    """Create a resource that says of itself that it is unfinished, until `finish`; return it."""
    marked = [tag for tag in body.get("tags", []) if tag.startswith(SOURCE_ID)]
    plain = {name: value for name, value in body.items() if name != "tags"}
    if marked:
        plain["description"] = marked[0]
    made: dict[str, Any] = api.call("POST", "network", f"/{path}", json={key: plain}).json()[key]
    return made


def finish(
    api: Api, path: str, key: str, id_: str, body: dict[str, Any], tags_at: str = ""
) -> str:
    """Give a resource its tags and description, if a killed run left it without."""
    _complete(api, path, key, api.get("network", f"/{path}/{id_}")[key], body, tags_at)
    return id_


def _complete(
    api: Api, path: str, key: str, found: dict[str, Any], body: dict[str, Any], tags_at: str = ""
) -> None:
    if (found.get("description") or "").startswith(SOURCE_ID):
        _mark(api, path, key, found, body, tags_at)


def _mark(
    api: Api, path: str, key: str, made: dict[str, Any], body: dict[str, Any], tags_at: str
) -> None:
    """Turn the mark in the description into a tag, and a group's own rules into none."""
    # Once it is marked, a later run takes a rule that the source lacks for its tenant's.
    _delete_rules(api, made.get("security_group_rules", ()))
    tagged = f"/{tags_at or path}/{made['id']}/tags"
    api.call("PUT", "network", tagged, json={"tags": body["tags"]}, retry=True)
    described = {key: {"description": body.get("description") or ""}}
    api.call("PUT", "network", f"/{path}/{made['id']}", json=described, retry=True)


def make(
    api: Api, item: Item, path: str, key: str, body: dict[str, Any], tags_at: str = ""
) -> str:
    """Create a resource, or finish the one that an interrupted run began."""
    if item.target_id:
        return finish(api, path, key, item.target_id, body, tags_at)
    return create(api, path, key, body, tags_at)


def make_network(api: Api, item: Item, ids: Ids) -> tuple[str, str]:
    """Create a network; its mark goes with it, so it is found by the next run."""
    body = bodies.network(item.row, ids)
    network_id = item.target_id or _begin_network(api, body)
    found = api.get("network", f"/networks/{network_id}")["network"]
    if item.row.get("is_limited") and not found["router:external"]:
        _open_for_owner(api, network_id, body["project_id"])
    _complete(api, "networks", "network", found, body)
    wanted, mtu = body.get("mtu") or 0, found.get("mtu") or 0
    words = f"Its MTU is {mtu}, not {wanted}: the target's networks carry no more."
    return network_id, words if mtu < wanted else ""


def _begin_network(api: Api, body: dict[str, Any]) -> str:
    """Create a network, with less than its MTU where that is all that the target carries."""
    try:
        return str(begin(api, "networks", "network", body)["id"])
    except RequestFailed as failed:
        said = TOO_BIG.search(failed.reason)
        if failed.status != 400 or said is None:
            raise
    return str(begin(api, "networks", "network", body | {"mtu": int(said[1])})["id"])


def _open_for_owner(api: Api, network_id: str, project_id: str) -> None:
    """
    Make a network external for its own project. Its policies for others are copied later.

    Neutron makes a network external with its first such policy, and routers need that before.
    """
    policy = {
        "project_id": project_id,
        "object_type": "network",
        "object_id": network_id,
        "action": AS_EXTERNAL,
        "target_tenant": project_id,
    }
    api.call("POST", "network", "/rbac-policies", json={"rbac_policy": policy})


def make_subnet(api: Api, item: Item, ids: Ids) -> str:
    """Create a subnet with the same CIDR, pools and gateway."""
    return make(api, item, "subnets", "subnet", bodies.subnet(item.row, ids))


def make_security_group(api: Api, item: Item, ids: Ids) -> str:
    """
    Create a security group without rules: these may name groups that are not there yet.

    Every project has a group ``default`` from its beginning, which is taken.
    """
    row = item.row
    if row["name"] == "default" and not item.target_id:
        project = ids["projects"][row["project_id"]]
        found = api.list(
            "network",
            "/security-groups",
            "security_groups",
            params={"project_id": project, "name": "default"},
        )
        if found:
            return str(found[0]["id"])
    body = bodies.security_group(row, ids)
    return make(api, item, "security-groups", "security_group", body)


def make_rules(api: Api, item: Item, ids: Ids) -> str:
    """
    Give a security group its rules.

    A group that this run made is made exact: Neutron gives each new group rules of its own,
    which the source's may not have. One that was there only gets what it lacks.

    Raises:
        CopyFailed: A rule names a group that could not be made. The others are there.
    """
    group_id = ids["security_groups"][item.source_id]
    project_id = ids["projects"][item.row["project_id"]]
    listed = api.list(
        "network",
        "/security-group-rules",
        "security_group_rules",
        params={"security_group_id": group_id},
    )
    there = {raw["id"]: _key(security_group_rule(raw), group_id) for raw in listed}
    # A rule whose remote is an address group says "anybody" without it: it is left out.
    groups = {None, *ids["address_groups"]}
    carried = [rule for rule in item.row["rules"] if rule["remote_address_group_id"] in groups]
    strange = {rule["remote_group_id"] for rule in carried} - {None, *ids["security_groups"]}
    carried = [rule for rule in carried if rule["remote_group_id"] not in strange]
    wanted = {_translated(rule, ids): rule for rule in carried}
    have = set(there.values())
    lacking = [rule for key, rule in wanted.items() if key not in have]
    _create_rules(api, [bodies.rule(rule, group_id, project_id, ids) for rule in lacking])
    if strange:
        raise CopyFailed(
            "security group",
            f"{item.name} ({item.source_id})",
            f"Rules of it name {', '.join(sorted(strange))}, which could not be made.",
            "Its other rules are at the target; run the same migration again.",
        )
    surplus = [raw for raw in listed if there[raw["id"]] not in wanted]
    if item.name == "default":
        _finish_default(api, item, group_id, project_id, surplus)
    elif is_new(item):
        _delete_rules(api, surplus)
    return group_id


def _finish_default(
    api: Api, item: Item, group_id: str, project_id: str, surplus: list[dict[str, Any]]
) -> None:
    """
    Make a group ``default`` exact once, and mark it then: until then no run was through with it.

    One that this run found new loses every rule that the source's lacks. Of one that is unmarked
    in a project that we made only Neutron's own: the others are its tenant's.
    """
    if not is_new(item):
        group = api.get("network", f"/security-groups/{group_id}")["security_group"]
        if any(each.startswith(SOURCE_ID) for each in group["tags"]):
            return
        project = api.get("identity", f"/projects/{project_id}")["project"]
        if bodies.tag(item.row["project_id"]) not in project["tags"]:
            return
        surplus = [rule for rule in surplus if _is_neutrons(rule, group)]
    _delete_rules(api, surplus)
    tag = quote(bodies.tag(item.source_id), safe="")
    api.call("PUT", "network", f"/security-groups/{group_id}/tags/{tag}", retry=True)


def _is_neutrons(rule: dict[str, Any], group: dict[str, Any]) -> bool:
    """Tell whether a rule came with its group."""
    made, began = (datetime.fromisoformat(each["created_at"]) for each in (rule, group))
    return made - began < AT_ONCE


def _delete_rules(api: Api, rules: Iterable[dict[str, Any]]) -> None:
    for rule in rules:
        api.call("DELETE", "network", f"/security-group-rules/{rule['id']}")


def _create_rules(api: Api, wanted: list[dict[str, Any]]) -> None:
    """Create rules in one call: Neutron makes all of them or none. If one is there, one by one."""
    if len(wanted) > 1:
        body = {"security_group_rules": wanted}
        try:
            api.call("POST", "network", "/security-group-rules", json=body)
        except RequestFailed as failed:
            if failed.status != 409:
                raise
        else:
            return
    for each in wanted:
        _create_rule(api, each)


def _create_rule(api: Api, body: dict[str, Any]) -> None:
    try:
        api.call("POST", "network", "/security-group-rules", json={"security_group_rule": body})
    except RequestFailed as failed:
        if failed.status != 409 or "exists" not in failed.reason.lower():
            raise


def _key(rule: Row, group_id: str) -> Hashable:
    return rule_key(rule, group_id, rule["remote_group_id"], rule["remote_address_group_id"])


def _translated(rule: Row, ids: Ids) -> Hashable:
    """Return what a source rule says with the target's ids."""
    remote, addresses = rule["remote_group_id"], rule["remote_address_group_id"]
    groups = ids["security_groups"]
    return rule_key(
        rule,
        groups[rule["security_group_id"]],
        groups[remote] if remote else None,
        ids["address_groups"][addresses] if addresses else None,
    )


def make_router(api: Api, item: Item, ids: Ids) -> str:
    """Create a router, or complete one: its interfaces with their addresses, then its routes."""
    row = item.row
    router_id = make(api, item, "routers", "router", bodies.router(row, ids))
    ports = api.list("network", "/ports", "ports", params={"device_id": router_id})
    have = {f["ip_address"] for port in ports for f in port["fixed_ips"]}
    gateways = {s["gateway_ip"]: s["id"] for s in _subnets(api, row, ids)}
    for port in row["interfaces"]:
        for fixed in port["fixed_ips"] or []:
            if fixed["ip_address"] not in have:
                _join(api, router_id, port, fixed, ids, gateways)
    _set_routes(api, router_id, row["routes"] or [])
    return router_id


def _subnets(api: Api, row: Row, ids: Ids) -> list[dict[str, Any]]:
    wanted = {ids["subnets"][f["subnet_id"]] for p in row["interfaces"] for f in p["fixed_ips"]}
    return [api.get("network", f"/subnets/{id_}")["subnet"] for id_ in sorted(wanted)]


def _join(
    api: Api, router_id: str, port: Row, fixed: Row, ids: Ids, gateways: dict[str, str]
) -> None:
    subnet_id = ids["subnets"][fixed["subnet_id"]]
    path = f"/routers/{router_id}/add_router_interface"
    if gateways.get(fixed["ip_address"]) == subnet_id:
        api.call("PUT", "network", path, json={"subnet_id": subnet_id})
        return
    # Not the subnet's gateway: an interface with that address must be a port of its own.
    made = {
        "network_id": ids["networks"][port["network_id"]],
        "project_id": ids["projects"][port["project_id"]] if port["project_id"] else None,
        "fixed_ips": [{"subnet_id": subnet_id, "ip_address": fixed["ip_address"]}],
        "tags": [bodies.tag(port["id"])],
    }
    body = {k: v for k, v in made.items() if v}
    port_id = _left_port(api, body) or begin(api, "ports", "port", body)["id"]
    api.call("PUT", "network", path, json={"port_id": port_id})
    described = {"port": {"description": ""}}
    api.call("PUT", "network", f"/ports/{port_id}", json=described, retry=True)


def _left_port(api: Api, body: dict[str, Any]) -> str | None:
    """Return the port that `begin` made of *body* in a run that did not join it to its router."""
    (mark,) = body["tags"]
    params = {"network_id": body["network_id"], "description": mark}
    address = body["fixed_ips"][0]["ip_address"]
    for found in api.list("network", "/ports", "ports", params=params):
        has = {fixed["ip_address"] for fixed in found["fixed_ips"]}
        if found["description"] == mark and not found["device_id"] and address in has:
            return str(found["id"])
    return None


def _set_routes(api: Api, router_id: str, wanted: list[dict[str, str]]) -> None:
    if not wanted:
        return
    path = f"/routers/{router_id}"
    routes = api.get("network", path)["router"]["routes"]
    missing = [route for route in wanted if route not in routes]
    if missing:
        body = {"router": {"routes": routes + missing}}
        api.call("PUT", "network", path, json=body, retry=True)


EFFECTS: dict[str, Effect] = {
    "networks": make_network,
    "subnets": make_subnet,
    "security_groups": make_security_group,
    "routers": make_router,
}
