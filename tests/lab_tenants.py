"""A tenant that a test has for itself, and the proof that it left nothing behind."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from random import choice
from typing import Any

from openstack.connection import Connection

from lab.connections import connect
from lab.layout import EXTERNAL_NETWORK, PASSWORD, VOLUME_TYPE, Cloud
from lab.purging import purge_project
from lab.tenants.images import ensure_image

WAIT_S = 180
# kind -> id -> (name, id of the project or nothing)
Resources = dict[str, dict[str, tuple[str, str]]]


@dataclass(frozen=True)
class Tenant:
    """A project with one member; `connection` is the member's.

    Every name begins with the tenant's own, which is how copies of it are found.
    """

    name: str
    project_id: str
    connection: Connection
    admin: Connection

    def create_network(self, cidr: str = "10.77.0.0/24", slaac: str = "") -> Any:
        """Create a network with one subnet, or two: *slaac* is the range of an IPv6 one."""
        network = self.connection.network.create_network(name=f"{self.name}-net")
        create = self.connection.network.create_subnet
        create(name=f"{self.name}-subnet", network_id=network.id, ip_version=4, cidr=cidr)
        if slaac:
            modes = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
            name = f"{self.name}-subnet-6"
            create(name=name, network_id=network.id, ip_version=6, cidr=slaac, **modes)
        return network

    def create_image(self, size_mib: int = 4, **properties: Any) -> Any:
        """Create a private image of random bytes, the same ones for the same name."""
        return ensure_image(self.connection, f"{self.name}-image", size_mib, **properties)

    def create_flavor(self, **numbers: Any) -> Any:
        """Create a public flavor; one that is not public belongs to the tenant."""
        body = {"ram": 64, "vcpus": 1, "disk": 1, **numbers}
        flavor = self.admin.compute.create_flavor(name=f"{self.name}-flavor", **body)
        if not flavor.is_public:
            self.admin.compute.flavor_add_tenant_access(flavor, self.project_id)
        return flavor

    def create_volume(self, size_gib: int = 1, **attributes: Any) -> Any:
        """Create a volume and wait until it is available."""
        storage = self.connection.block_storage
        body = {"name": f"{self.name}-volume", "volume_type": VOLUME_TYPE, **attributes}
        volume = storage.create_volume(size=size_gib, **body)
        return storage.wait_for_status(volume, "available", failures=["error"], wait=WAIT_S)

    def create_server(self, image: Any, flavor: Any, network: Any, **attributes: Any) -> Any:
        """Boot a server with one port and wait until it is ACTIVE."""
        body = {"name": f"{self.name}-server", **attributes}
        server = self.connection.compute.create_server(
            flavor_id=flavor.id, image_id=image.id, networks=[{"uuid": network.id}], **body
        )
        return self.connection.compute.wait_for_server(server, wait=WAIT_S)

    def share_volume(self, volume: Any, servers: Iterable[Any]) -> None:
        """Attach a volume to several servers, one after another, and wait for each."""
        storage = self.connection.block_storage
        for count, server in enumerate(servers, 1):
            self.connection.compute.create_volume_attachment(server, volume_id=volume.id)
            deadline = time.monotonic() + WAIT_S
            while len(storage.get_volume(volume.id).attachments) < count:
                # Its status is in-use from the first one on.
                assert time.monotonic() < deadline, f"{volume.id} is not attached to {server.id}"
                time.sleep(0.5)

    def expose(self, server: Any, network: Any) -> Any:
        """Give a server a router to the outside and a floating IP there; return that."""
        admin = self.admin.network
        outside = admin.find_network(EXTERNAL_NETWORK)
        gateway = {"network_id": outside.id}
        mine = {"project_id": self.project_id}
        name = f"{self.name}-router"
        router = admin.create_router(name=name, external_gateway_info=gateway, **mine)
        (subnet,) = admin.subnets(network_id=network.id)
        admin.add_interface_to_router(router, subnet_id=subnet.id)
        (port,) = admin.ports(device_id=server.id)
        address = spare_address(self.admin, outside)["ip_address"]
        place = {"floating_network_id": outside.id, "floating_ip_address": address}
        return admin.create_ip(port_id=port.id, **place, **mine)


def spare_address(admin: Connection, outside: Any) -> dict[str, str]:
    """Return a place on the external network that no pool gives to anybody else."""
    (subnet,) = (s for s in admin.network.subnets(network_id=outside.id) if s.ip_version == 4)
    hosts = list(ip_network(subnet.cidr).hosts())
    ends = [ip_address(p[end]) for p in subnet.allocation_pools for end in ("start", "end")]
    taken = {subnet.gateway_ip} | {
        f["ip_address"] for p in admin.network.ports(network_id=outside.id) for f in p.fixed_ips
    }
    spare = [h for h in hosts if not min(ends) <= h <= max(ends) and str(h) not in taken]
    return {"subnet_id": subnet.id, "ip_address": str(choice(spare or hosts[-50:]))}


def create_tenant(cloud: Cloud, admin: Connection, name: str) -> Tenant:
    """Create a project and a user who is its member."""
    identity = admin.identity
    project = identity.create_project(name=name, domain_id="default")
    user = identity.create_user(
        name=f"{name}-user", password=PASSWORD, domain_id="default", default_project_id=project.id
    )
    identity.assign_project_role_to_user(project, user, identity.find_role("member"))
    return Tenant(name, project.id, connect(cloud, user.name, name), admin)


def remove_named(admin: Connection, name: str) -> None:
    """Remove a tenant, or the copy of one, and all that has its name."""
    for project in [p for p in admin.identity.projects() if p.name.startswith(name)]:
        purge_project(admin, project.id)
        admin.identity.delete_project(project)
    for user in [u for u in admin.identity.users() if u.name.startswith(name)]:
        admin.identity.delete_user(user)
    for image in [i for i in admin.image.images() if (i.name or "").startswith(name)]:
        admin.image.delete_image(image)
    for flavor in [f for f in admin.compute.flavors(is_public=None) if f.name.startswith(name)]:
        admin.compute.delete_flavor(flavor)


def resources(admin: Connection) -> Resources:
    """Return every resource of a cloud that a test could leave behind."""
    every = {"all_projects": True}
    return {
        "project": _indexed(admin.identity.projects()),
        "user": _indexed(admin.identity.users()),
        "flavor": _indexed(admin.compute.flavors(is_public=None)),
        "server": _indexed(admin.compute.servers(**every)),
        "server group": _indexed(admin.compute.server_groups(**every)),
        "volume": _indexed(admin.block_storage.volumes(**every)),
        "snapshot": _indexed(admin.block_storage.snapshots(**every)),
        "image": _indexed(admin.image.images()),
        "network": _indexed(admin.network.networks()),
        "subnet": _indexed(admin.network.subnets()),
        "router": _indexed(admin.network.routers()),
        "floating IP": _indexed(admin.network.ips()),
        "security group": _indexed(admin.network.security_groups()),
        # Ports of no project belong to a router or a floating IP, which are listed.
        "port": _indexed(port for port in admin.network.ports() if port.project_id),
    }


def leaks(before: Mapping[str, Any], after: Mapping[str, Any], label: str) -> list[str]:
    """Return a sentence for everything that is new, except in strangers' new projects.

    Somebody else may work in the same lab; names of this session begin with `label`.
    """
    strangers = {
        project_id
        for project_id, (name, _) in after["project"].items()
        if project_id not in before["project"] and not name.startswith(label)
    }
    return [
        f"{kind} {name} ({identity})"
        for kind, items in after.items()
        for identity, (name, project_id) in items.items()
        if identity not in before[kind]
        and project_id not in strangers
        and identity not in strangers
        and (project_id or name.startswith(label))
    ]


def _indexed(items: Iterable[Any]) -> dict[str, tuple[str, str]]:
    return {item.id: (item.name or "", _project(item)) for item in items}


def _project(item: Any) -> str:
    """Return the id of an item's project; images name their owner."""
    for attribute in ("project_id", "owner_id", "owner"):
        value = getattr(item, attribute, None)
        if value:
            return str(value)
    return ""
