"""What a fresh cloud needs before anyone can use it: roles, users, endpoints, defaults."""

from typing import Any

from lab.api import Api
from lab.configs.block_storage import BACKEND
from lab.files import mark
from lab.layout import EXTERNAL_NETWORK, PASSWORD, REGION, VOLUME_TYPE, Cloud
from lab.roster import compute_hosts

SERVICE_USERS = ("placement", "glance", "nova", "neutron", "cinder")
EXTERNAL_CIDR = "198.51.100.0/24"
EXTERNAL_POOL = {"start": "198.51.100.10", "end": "198.51.100.250"}


def fill_catalog(cloud: Cloud) -> None:
    """Create roles, service users and endpoints; a second run does nothing."""
    done = cloud.home / "catalog.done"
    if done.exists():
        return
    api = Api(cloud)
    roles = {
        name: _ensure_named(api, "role", {"name": name})
        for name in ("admin", "service", "manager", "member", "reader")
    }
    project = _ensure_named(api, "project", {"name": "service", "domain_id": "default"})
    for name in SERVICE_USERS:
        body = {
            "name": name,
            "password": PASSWORD,
            "domain_id": "default",
            "default_project_id": project,
        }
        user = _ensure_named(api, "user", body)
        # Cinder takes Nova's requests only with a token that has the role "service".
        for role in ("admin", "service"):
            _grant(api, project, user, roles[role])
    # Newer Keystone checks EC2 signatures only for callers with this role.
    _grant(api, api.project_id, _ensure_named(api, "user", {"name": "admin"}), roles["service"])
    _fill_endpoints(api, cloud)
    mark(done)


def create_defaults(cloud: Cloud) -> None:
    """Create the default volume type and the external network, the same in both clouds."""
    done = cloud.home / "defaults.done"
    if done.exists():
        return
    api = Api(cloud)
    base = f"/{api.project_id}/types"
    if VOLUME_TYPE not in {kind["name"] for kind in api.get("cinder", base)["volume_types"]}:
        kind = {"name": VOLUME_TYPE, "extra_specs": {"volume_backend_name": BACKEND}}
        api.post("cinder", base, {"volume_type": kind})
    _create_external_network(api)
    mark(done)


def services_missing(cloud: Cloud) -> set[str]:
    """Return the hosts and services that do not report as up yet."""
    api = Api(cloud)
    compute = api.get("nova", "/os-services?binary=nova-compute")["services"]
    volume = api.get("cinder", f"/{api.project_id}/os-services")["services"]
    missing = set(compute_hosts(cloud)) - {s["host"] for s in compute if s["state"] == "up"}
    return missing | (
        {"cinder-scheduler", "cinder-volume"} - {s["binary"] for s in volume if s["state"] == "up"}
    )


def _fill_endpoints(api: Api, cloud: Cloud) -> None:
    release = cloud.release
    wanted = (
        ("placement", "placement", ""),
        ("glance", "image", ""),
        ("nova", "compute", "/v2.1"),
        ("neutron", "network", ""),
        ("cinder", release.volume_service, release.volume_path),
    )
    for name, kind, path in wanted:
        service = _ensure_named(api, "service", {"name": name, "type": kind})
        have = api.get("keystone", f"/endpoints?service_id={service}")["endpoints"]
        for interface in {"public", "internal", "admin"} - {e["interface"] for e in have}:
            endpoint = {
                "service_id": service,
                "interface": interface,
                "region_id": REGION,
                "url": cloud.url(name, path),
            }
            api.post("keystone", "/endpoints", {"endpoint": endpoint})


def _create_external_network(api: Api) -> None:
    found = api.get("neutron", f"/networks?name={EXTERNAL_NETWORK}")["networks"]
    network = found[0] if found else _post_network(api)
    if not network["subnets"]:
        subnet = {
            "name": f"{EXTERNAL_NETWORK}-v4",
            "network_id": network["id"],
            "ip_version": 4,
            "cidr": EXTERNAL_CIDR,
            "enable_dhcp": False,
            "allocation_pools": [EXTERNAL_POOL],
        }
        api.post("neutron", "/subnets", {"subnet": subnet})


def _post_network(api: Api) -> dict[str, Any]:
    network = {
        "name": EXTERNAL_NETWORK,
        "router:external": True,
        "provider:network_type": "flat",
        "provider:physical_network": "physnet1",
    }
    answer: dict[str, Any] = api.post("neutron", "/networks", {"network": network})["network"]
    return answer


def _ensure_named(api: Api, kind: str, body: dict[str, str]) -> str:
    """Return the id of an identity resource with this name, made when there is none."""
    found = api.get("keystone", f"/{kind}s?name={body['name']}")[f"{kind}s"]
    if found:
        return str(found[0]["id"])
    return str(api.post("keystone", f"/{kind}s", {kind: body})[kind]["id"])


def _grant(api: Api, project: str, user: str, role: str) -> None:
    api.call("PUT", "keystone", f"/projects/{project}/users/{user}/roles/{role}", None)
