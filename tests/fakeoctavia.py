"""Octavia's load balancers on a `FakeCloud`, as its API answers and refuses."""

from dataclasses import dataclass, field
from typing import Any

from tests.fakecloud import Answer, FakeCloud, Request

Raw = dict[str, Any]

COMMON = {"name", "description", "admin_state_up", "tags"}
TLS = {"tls_ciphers", "tls_versions", "alpn_protocols"}
KNOWN = {
    "loadbalancer": COMMON
    | {
        "project_id", "provider", "flavor_id", "availability_zone", "vip_address", "vip_port_id",
        "vip_subnet_id", "vip_network_id", "vip_qos_policy_id", "additional_vips", "listeners",
        "pools",
    },
    "listener": COMMON | TLS
    | {
        "protocol", "protocol_port", "connection_limit", "default_tls_container_ref",
        "sni_container_refs", "default_pool", "default_pool_id", "l7policies", "insert_headers",
        "timeout_client_data", "timeout_member_connect", "timeout_member_data",
        "timeout_tcp_inspect", "client_ca_tls_container_ref", "client_authentication",
        "client_crl_container_ref", "allowed_cidrs",
    },
    "pool": COMMON | TLS
    | {
        "protocol", "lb_algorithm", "session_persistence", "healthmonitor", "members",
        "tls_container_ref", "ca_tls_container_ref", "crl_container_ref", "tls_enabled",
    },
    "member": {
        "name", "admin_state_up", "address", "protocol_port", "weight", "backup", "subnet_id",
        "monitor_port", "monitor_address", "tags",
    },
    "healthmonitor": {
        "name", "type", "delay", "timeout", "max_retries_down", "max_retries", "http_method",
        "url_path", "expected_codes", "admin_state_up", "tags", "http_version", "domain_name",
    },
    "l7policy": COMMON
    | {
        "action", "redirect_pool", "redirect_url", "redirect_prefix", "position", "rules",
        "redirect_http_code",
    },
    "rule": {"type", "compare_type", "key", "value", "invert", "admin_state_up", "tags"},
}  # fmt: skip
"""What a POST of one of each may have, by version 2.26: Octavia refuses what it does not know."""


@dataclass
class FakeOctavia:
    """
    An Octavia that remembers.

    Attributes:
        polls: So often a load balancer is PENDING before it is what *becomes* says.
    """

    cloud: FakeCloud
    becomes: str = "ACTIVE"
    polls: int = 1
    balancers: dict[str, Raw] = field(default_factory=dict)
    listeners: list[Raw] = field(default_factory=list)
    pools: list[Raw] = field(default_factory=list)
    monitors: list[Raw] = field(default_factory=list)
    policies: list[Raw] = field(default_factory=list)
    members: dict[str, list[Raw]] = field(default_factory=dict)
    rules: dict[str, list[Raw]] = field(default_factory=dict)
    amphorae: list[Raw] = field(default_factory=list)
    flavors: list[Raw] = field(default_factory=list)
    providers: tuple[str, ...] = ("amphora", "octavia")
    _left: dict[str, int] = field(default_factory=dict)
    _made: int = 0

    def __post_init__(self) -> None:
        lists = {
            "loadbalancers": lambda: list(self.balancers.values()),
            "listeners": lambda: self.listeners,
            "pools": lambda: self.pools,
            "healthmonitors": lambda: self.monitors,
            "l7policies": lambda: self.policies,
            "flavors": lambda: self.flavors,
            "providers": lambda: [{"name": n, "description": n} for n in self.providers],
        }
        for name, rows in lists.items():
            self._route("GET", f"/lbaas/{name}", lambda _, n=name, r=rows: {n: r()})
        self._route("GET", "/octavia/amphorae", lambda _: {"amphorae": self.amphorae})
        parts = {
            "/lbaas/pools/{id}/members": lambda r: {"members": self.members[r.parts["id"]]},
            "/lbaas/l7policies/{id}/rules": lambda r: {"rules": self.rules[r.parts["id"]]},
            "/lbaas/loadbalancers/{id}": self._show,
            "/lbaas/loadbalancers/{id}/status": self._status,
        }
        for path, handler in parts.items():
            self._route("GET", path, handler)
        self._route("POST", "/lbaas/loadbalancers", self._create)
        self._route("PUT", "/lbaas/loadbalancers/{id}", self._update)
        self._route("DELETE", "/lbaas/loadbalancers/{id}", self._delete)

    def _route(self, method: str, path: str, handler: Any) -> None:
        self.cloud.route(method, "load-balancer", path, handler)

    # ---- what it does

    def _create(self, request: Request) -> Answer:
        body = request.json()["loadbalancer"]
        if unknown := _unknown("loadbalancer", body):
            return _fault(400, f"Unknown attribute: {unknown}")
        if not (body.get("vip_subnet_id") or body.get("vip_network_id")):
            return _fault(400, "VIP must contain one of: port_id, network_id, subnet_id.")
        names = [pool["name"] for pool in body.get("pools", [])]
        if len(set(names)) != len(names) or not all(names):
            return _fault(400, "Pool names must be unique when creating a fully populated one.")
        for each in self.balancers.values():
            if each["vip_address"] == body["vip_address"]:
                return _fault(409, f"IP address {body['vip_address']} already allocated")
        self._made += 1
        made = self.add(f"LB{self._made}", body, status="PENDING_CREATE", operating="OFFLINE")
        self._left[made["id"]] = self.polls
        return Answer(201, {"loadbalancer": made})

    def add(self, id_: str, body: Raw, status: str = "ACTIVE", operating: str = "ONLINE") -> Raw:
        """Have a load balancer as *body* says, which is that of a POST."""
        pool_ids = {}
        for place, given in enumerate(body.get("pools", [])):
            pool_ids[given["name"]] = self._add_pool(id_, f"{id_}-p{place}", given)
        for place, given in enumerate(body.get("listeners", [])):
            self._add_listener(id_, f"{id_}-l{place}", given, pool_ids)
        same = {"name": "", "description": "", "tags": [], "availability_zone": None}
        same |= {"flavor_id": "", "provider": "amphora", "vip_qos_policy_id": None}
        said = {k: v for k, v in body.items() if k not in ("listeners", "pools")}
        self.balancers[id_] = {
            **same, "admin_state_up": True, "additional_vips": [], **said, "id": id_,
            "vip_port_id": f"{id_}-vip", "provisioning_status": status,
            "operating_status": operating, "created_at": "2026-03-01T00:00:00",
            "vip_network_id": body.get("vip_network_id", "N1"),
            "listeners": [], "pools": [],
        }  # fmt: skip
        return self.balancers[id_]

    def _add_pool(self, id_: str, pool_id: str, given: Raw) -> str:
        monitor = given.get("healthmonitor")
        plain = {"description": "", "tags": [], "session_persistence": None, "tls_enabled": False}
        self.pools.append({
            **plain, "admin_state_up": True,
            **{k: v for k, v in given.items() if k not in ("members", "healthmonitor")},
            "id": pool_id, "loadbalancers": [{"id": id_}], "project_id": "p",
            "healthmonitor_id": f"{pool_id}-hm" if monitor else None,
            "members": [{"id": f"{pool_id}-m"} for _ in given.get("members", [])],
        })  # fmt: skip
        weights = {"weight": 1, "backup": False, "admin_state_up": True, "monitor_port": None}
        self.members[pool_id] = [{**weights, "id": f"{pool_id}-m{i}", **member}
                                 for i, member in enumerate(given.get("members", []))]  # fmt: skip
        if monitor:
            more = {"id": f"{pool_id}-hm", "pools": [{"id": pool_id}], "http_version": None}
            self.monitors.append({**monitor, **more, "admin_state_up": True, "name": ""})
        return pool_id

    def _add_listener(self, id_: str, listener_id: str, given: Raw, pools: Raw) -> None:
        default = given.get("default_pool")
        defaults = {"description": "", "tags": [], "connection_limit": -1, "insert_headers": {}}
        defaults |= {"sni_container_refs": [], "timeout_client_data": 50000, "hsts_preload": False}
        self.listeners.append({
            **defaults, "admin_state_up": True, "allowed_cidrs": None, "name": "",
            **{k: v for k, v in given.items() if k not in ("default_pool", "l7policies")},
            "id": listener_id, "loadbalancers": [{"id": id_}], "project_id": "p",
            "default_pool_id": pools[default["name"]] if default else None,
        })  # fmt: skip
        for place, said in enumerate(given.get("l7policies", [])):
            policy_id = f"{listener_id}-x{place}"
            to = said.get("redirect_pool")
            empty = {"description": "", "tags": [], "redirect_url": None, "redirect_prefix": None}
            self.policies.append({
                **empty, "redirect_http_code": None, "admin_state_up": True, "name": "",
                **{k: v for k, v in said.items() if k not in ("rules", "redirect_pool")},
                "id": policy_id, "listener_id": listener_id, "project_id": "p",
                "redirect_pool_id": pools[to["name"]] if to else None,
                "rules": [{"id": f"{policy_id}-r"} for _ in said.get("rules", [])],
            })  # fmt: skip
            self.rules[policy_id] = [{"invert": False, "admin_state_up": True, "id": "r", **rule}
                                     for rule in said.get("rules", [])]  # fmt: skip

    def _show(self, request: Request) -> Raw | Answer:
        found = self.balancers.get(request.parts["id"])
        if found is None:
            return _missing(request)
        if self._left.get(found["id"], 0) > 0:
            self._left[found["id"]] -= 1
        elif found["provisioning_status"] == "PENDING_DELETE":
            self.remove(found["id"])
            return _missing(request)
        elif found["provisioning_status"] == "PENDING_UPDATE":
            found["provisioning_status"] = "ACTIVE"
        elif found["provisioning_status"] == "PENDING_CREATE":
            online = "ONLINE" if self.becomes == "ACTIVE" else "OFFLINE"
            found |= {"provisioning_status": self.becomes, "operating_status": online}
        return {"loadbalancer": dict(found)}

    def remove(self, id_: str) -> None:
        """Forget a load balancer and all below it."""
        del self.balancers[id_]
        for rows in (self.listeners, self.pools):
            rows[:] = [row for row in rows if row["loadbalancers"][0]["id"] != id_]
        self.monitors[:] = [m for m in self.monitors if not m["id"].startswith(f"{id_}-")]
        self.policies[:] = [p for p in self.policies if not p["id"].startswith(f"{id_}-")]

    def _status(self, request: Request) -> Raw | Answer:
        found = self.balancers.get(request.parts["id"])
        if found is None:
            return _missing(request)
        state = {"provisioning_status": found["provisioning_status"]}
        tree = {"id": found["id"], "name": found["name"], **state, "listeners": []}
        for listener in self.listeners:
            if listener["loadbalancers"][0]["id"] != found["id"]:
                continue
            below = [p for p in self.policies if p["listener_id"] == listener["id"]]
            used = {listener["default_pool_id"], *(p["redirect_pool_id"] for p in below)}
            pools = [
                {
                    "id": pool["id"], "name": pool["name"], **state,
                    "members": [{**m, **state} for m in self.members[pool["id"]]],
                }
                for pool in self.pools
                if pool["id"] in used
            ]  # fmt: skip
            said = {"id": listener["id"], "name": listener["name"], **state, "pools": pools}
            tree["listeners"].append(said)
        return {"statuses": {"loadbalancer": tree}}

    def _update(self, request: Request) -> Raw | Answer:
        found = self.balancers.get(request.parts["id"])
        if found is None:
            return _missing(request)
        if found["provisioning_status"].startswith("PENDING"):
            return _immutable(found)
        found |= {**request.json()["loadbalancer"], "provisioning_status": "PENDING_UPDATE"}
        return {"loadbalancer": dict(found)}

    def _delete(self, request: Request) -> Answer:
        found = self.balancers.get(request.parts["id"])
        if found is None:
            return _missing(request)
        if found["provisioning_status"].startswith("PENDING"):
            return _immutable(found)
        if request.query.get("cascade") != "true":
            return _fault(400, f"Cannot delete Load Balancer {found['id']} - it has children")
        found["provisioning_status"] = "PENDING_DELETE"
        self._left[found["id"]] = self.polls
        return Answer(204, body=b"")


def _unknown(kind: str, body: Raw) -> str:
    """Return what of *body* or below it Octavia does not know."""
    below = {"listeners": "listener", "pools": "pool", "members": "member",
             "l7policies": "l7policy", "rules": "rule"}  # fmt: skip
    if foreign := sorted(set(body) - KNOWN[kind]):
        return f"{kind}: {', '.join(foreign)}"
    for name, of in below.items():
        for each in body.get(name, []):
            if found := _unknown(of, each):
                return found
    monitor = body.get("healthmonitor")
    return _unknown("healthmonitor", monitor) if monitor else ""


def _fault(status: int, words: str) -> Answer:
    return Answer(status, {"faultcode": "Client", "faultstring": words, "debuginfo": None})


def _missing(request: Request) -> Answer:
    return _fault(404, f"Load Balancer {request.parts['id']} not found.")


def _immutable(found: Raw) -> Answer:
    state = found["provisioning_status"]
    return _fault(409, f"Invalid state {state} of loadbalancer resource {found['id']}")
