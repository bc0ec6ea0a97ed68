"""Fill a `FakeCloud` with every listing that a discovery reads."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pumphouse.listings import LISTINGS, RAW
from tests import answers
from tests.fakecloud import FakeCloud, Request

Raw = dict[str, Any]
RECORDED: dict[str, list[Raw]] = json.loads(
    (Path(__file__).parent / "recorded" / "zed.json").read_text()
)

LIMITS = {"cores": {"limit": 20, "in_use": 2, "reserved": 0}}


def furnish(cloud: FakeCloud, servers: int = 5, page: int = 1000) -> None:
    """
    Make *cloud* answer every listing, and every call for one thing that no listing has.

    There are *servers* servers with a volume and a port each, and one or a few of all else.
    """
    rows: dict[str, list[Raw]] = {
        **RECORDED,
        "servers": [answers.server(i) for i in range(servers)],
        "volumes": [answers.volume(i) for i in range(servers)],
        "ports": [{**RECORDED["ports"][0], "id": answers.uuid("port", i)} for i in range(servers)],
        "projects": [answers.project(i) for i in range(3)],
        "images": [answers.image(i) for i in range(3)],
        "hypervisors": [answers.hypervisor(i) for i in range(3)],
    }
    for name, listing in {**LISTINGS, **RAW}.items():
        links = listing.paging == "links"
        found = rows.get(name, [])
        cloud.listing(listing.service, listing.path, listing.key, found, page, links)
    # Two listings share a path and differ in what is asked: hidden images, effective roles.
    _choose(cloud, "image", "/images", "images", "os_hidden", rows["images"], [])
    effective = [{"user": {"id": "user-1"}, "role": {"id": "r"}, "scope": {}}]
    _choose(
        cloud, "identity", "/role_assignments", "role_assignments", "effective",
        rows["assignments"], effective,
    )  # fmt: skip
    _one_by_one(cloud)


def _choose(
    cloud: FakeCloud, service: str, path: str, key: str, asked: str, plain: Any, other: Any
) -> None:
    def handler(request: Request) -> Mapping[str, Any]:
        return {key: other if asked in request.query else plain}

    cloud.route("GET", service, path, handler)


def _one_by_one(cloud: FakeCloud) -> None:
    inference = {"prior_role": {"id": "role-1"}, "implies": [{"id": "role-2"}]}
    cloud.route("GET", "identity", "/role_inferences", {"role_inferences": [inference]})
    cloud.route("GET", "identity", "/groups/{id}/users", {"users": [{"id": "user-1"}]})
    credentials = {"application_credentials": RECORDED["application_credentials"]}
    cloud.route("GET", "identity", "/users/{id}/application_credentials", credentials)
    cloud.route("GET", "compute", "/os-keypairs", {"keypairs": RECORDED["keypairs"]})
    access = {"flavor_access": [{"flavor_id": "f", "tenant_id": answers.project_id(1)}]}
    cloud.route("GET", "compute", "/flavors/{id}/os-flavor-access", access)
    cloud.route("GET", "compute", "/os-quota-sets/{id}/detail", {"quota_set": LIMITS})
    cloud.route("GET", "block-storage", "/os-quota-sets/{id}", {"quota_set": LIMITS})
    cloud.route(
        "GET", "network", "/quotas/{id}/details", {"quota": {"port": {"limit": 5, "used": 1}}}
    )
    cloud.route("GET", "image", "/images/{id}/members", {"members": []})
    access = {"volume_type_access": [{"project_id": answers.project_id(1)}]}
    cloud.route("GET", "block-storage", "/types/{id}/os-volume-type-access", access)
    cloud.route("GET", "block-storage", "/types/{id}/encryption", {})
    inventories = {"inventories": answers.INVENTORIES}
    cloud.route("GET", "placement", "/resource_providers/{id}/inventories", inventories)
    usages = {"usages": {"VCPU": 12, "PCPU": 4, "MEMORY_MB": 2048, "DISK_GB": 100}}
    cloud.route("GET", "placement", "/resource_providers/{id}/usages", usages)
