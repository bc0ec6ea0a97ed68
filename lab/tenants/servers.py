"""Servers of the tenants, made by the tenants' own users."""

import base64
import struct
from dataclasses import dataclass, field

from openstack.connection import Connection

from lab.layout import EXTERNAL_NETWORK
from lab.tenants.images import GOLDEN_IMAGE, PORTAL_IMAGE, PUBLIC_IMAGE
from lab.tenants.projects import PRIVATE_FLAVOR, SMALL_FLAVOR

SERVER_S = 300
USER_DATA = b"#cloud-config\npackages: [nginx]\n"


@dataclass(frozen=True)
class Plan:
    """What one server of a tenant is like."""

    name: str
    networks: tuple[str, ...]
    groups: tuple[str, ...]
    image: str | None = PUBLIC_IMAGE
    flavor: str = SMALL_FLAVOR
    root_volume: str | None = None
    volumes: tuple[str, ...] = ()
    server_group: str | None = None
    floating: bool = False
    stopped: bool = False
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    user_data: bytes | None = None


SERVERS = {
    "acme": (
        Plan(
            "web-1", ("acme-frontend",), ("web",), server_group="web", floating=True,
            tags=("shop", "web"), metadata={"role": "web", "tier": "1"}, user_data=USER_DATA,
        ),
        Plan(
            "web-2", ("acme-frontend",), ("web",), server_group="web",
            tags=("shop", "web"), metadata={"role": "web", "tier": "1"}, user_data=USER_DATA,
        ),
        Plan(
            "db-1", ("acme-backend",), ("database",), image=GOLDEN_IMAGE,
            flavor=PRIVATE_FLAVOR, volumes=("db-1-data", "db-1-wal", "db-1-archive"),
            metadata={"role": "database"},
        ),
        Plan(
            "app-1", ("acme-backend", "acme-frontend"), ("web", "database"), image=None,
            root_volume="app-1-root", metadata={"role": "app"},
        ),
        Plan("batch-1", ("acme-backend",), ("default",), stopped=True, tags=("nightly",)),
    ),
    "umbrella": (
        Plan(
            "portal-1", ("umbrella-net",), ("web",), image=PORTAL_IMAGE, floating=True,
            volumes=("portal-uploads",), metadata={"role": "portal"},
        ),
        # One more than a cloud has hosts: some host has two, and can send them separate ways.
        *(
            Plan(name, ("umbrella-net",), ("web",), image=PORTAL_IMAGE)
            for name in ("portal-2", "report-1", "mail-1")
        ),
    ),
}  # fmt: skip


def ensure_servers(owner: Connection, project: str) -> None:
    """Create the servers of a project, all at once, then what hangs on them."""
    _ensure_keypair(owner)
    plans = SERVERS[project]
    servers = {plan.name: _ensure_server(owner, plan) for plan in plans}
    for plan in plans:
        server = servers[plan.name]
        if server.status not in ("ACTIVE", "SHUTOFF"):
            server = owner.compute.wait_for_server(server, wait=SERVER_S)
        _finish(owner, plan, server)


def public_key(seed: int) -> str:
    """Return a well-formed ssh key that nobody has the private half of."""
    kind = b"ssh-ed25519"
    blob = struct.pack(">I", len(kind)) + kind + struct.pack(">I", 32) + bytes([seed] * 32)
    return f"{kind.decode()} {base64.b64encode(blob).decode()} deployer"


def _ensure_keypair(owner: Connection) -> None:
    if not owner.compute.find_keypair("deployer"):
        owner.compute.create_keypair(name="deployer", public_key=public_key(7))


def _ensure_server(owner: Connection, plan: Plan):
    found = owner.compute.find_server(plan.name)
    if found:
        return found
    body = {
        "name": plan.name,
        "flavor_id": owner.compute.find_flavor(plan.flavor).id,
        "networks": [{"port": _ensure_port(owner, plan, name)} for name in plan.networks],
        "key_name": "deployer",
        "metadata": plan.metadata,
    }
    if plan.image:
        body["image_id"] = owner.image.find_image(plan.image).id
    if plan.root_volume:
        volume = owner.block_storage.find_volume(plan.root_volume)
        body["block_device_mapping_v2"] = [
            {
                "uuid": volume.id,
                "source_type": "volume",
                "destination_type": "volume",
                "boot_index": 0,
                "delete_on_termination": False,
            }
        ]
    if plan.user_data:
        body["user_data"] = base64.b64encode(plan.user_data).decode()
    if plan.server_group:
        body["scheduler_hints"] = {"group": _ensure_server_group(owner, plan.server_group)}
    return owner.compute.create_server(**body)


def _ensure_port(owner: Connection, plan: Plan, network: str) -> str:
    name = f"{plan.name}-{network}"
    found = owner.network.find_port(name)
    if not found:
        project_id = owner.current_project_id
        groups = [
            owner.network.find_security_group(group, project_id=project_id).id
            for group in plan.groups
        ]
        network_id = owner.network.find_network(network).id
        found = owner.network.create_port(name=name, network_id=network_id, security_groups=groups)
    return str(found.id)


def _ensure_server_group(owner: Connection, name: str) -> str:
    found = owner.compute.find_server_group(name)
    return str((found or owner.compute.create_server_group(name=name, policy="anti-affinity")).id)


def _finish(owner: Connection, plan: Plan, server) -> None:
    if plan.tags:
        owner.compute.put(
            f"/servers/{server.id}/tags", json={"tags": list(plan.tags)}, microversion="2.26"
        ).raise_for_status()
    attached = {item.volume_id for item in owner.compute.volume_attachments(server)}
    for name in plan.volumes:
        volume = owner.block_storage.find_volume(name)
        if volume.id not in attached:
            owner.compute.create_volume_attachment(server, volume_id=volume.id)
            # The next one may only follow when this one has its device.
            owner.block_storage.wait_for_status(volume, "in-use", wait=SERVER_S)
    if plan.floating:
        _ensure_floating(owner, plan)
    if plan.stopped and server.status != "SHUTOFF":
        owner.compute.stop_server(server)
        owner.compute.wait_for_server(server, status="SHUTOFF", wait=SERVER_S)


def _ensure_floating(owner: Connection, plan: Plan) -> None:
    port = owner.network.find_port(f"{plan.name}-{plan.networks[0]}")
    if not list(owner.network.ips(port_id=port.id)):
        outside = owner.network.find_network(EXTERNAL_NETWORK)
        owner.network.create_ip(
            floating_network_id=outside.id, port_id=port.id, description=plan.name
        )
