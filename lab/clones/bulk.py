"""The medium and the large size: a few real servers and very many copies of them."""

import json
import os
import shutil
import time
from pathlib import Path

from openstack.connection import Connection

from lab.clones.hosts import ensure_paper_hosts, real_hosts
from lab.clones.rows import Tables
from lab.clones.servers import Clone, Template
from lab.connections import connect
from lab.layout import Cloud, Lab
from lab.lifecycle import restart
from lab.output import say
from lab.purging import purge_project
from lab.tenants.images import PUBLIC_IMAGE
from lab.tenants.projects import SMALL_FLAVOR

COUNTS = {"medium": 400, "large": 10_000}
PAPER_HOSTS = 40
PROJECTS = tuple(f"bulk-{number}" for number in range(1, 6))
# Servers of the first two projects have a volume.
WITH_VOLUME = PROJECTS[:2]
VOLUME_BYTES = 2**30


def populate_bulk(lab: Lab, size: str) -> None:
    """Bring the number of servers in the bulk projects up to that of the size."""
    cloud = lab.cloud("source")
    admin = connect(cloud)
    templates = {name: _ensure_template(admin, name, place) for place, name in enumerate(PROJECTS)}
    say(f"{len(templates)} servers to copy from")
    tables = Tables(lab, cloud.name)
    begin = time.monotonic()
    # Medium clones live: they stop, migrate and snapshot. Large ones are only looked at.
    living = size == "medium"
    hosts = (
        real_hosts(tables, cloud.hosts)
        if living
        else ensure_paper_hosts(tables, cloud.hosts[0], PAPER_HOSTS)
    )
    made = 0
    for project_id, server_id in templates.values():
        have = len(tables.select("nova_cell1.instances", project_id=project_id))
        wanted = COUNTS[size] // len(templates) - have
        if wanted <= 0:
            continue
        template = Template(tables, server_id)
        # Numbers, and with them addresses, of deleted clones are not used again.
        first = tables.count("nova_cell1.instances", project_id=project_id)
        for clone in template.clone(wanted, first, hosts):
            made += 1
            if living:
                _give_disks(cloud, server_id, clone)
        template.count_usage(wanted)
        tables.commit()
    say(f"{made} servers copied in {time.monotonic() - begin:.1f} s")
    if made and living:
        restart(lab, [f"{cloud.name}-nova-compute-{host}" for host in cloud.hosts])


def _ensure_template(admin: Connection, name: str, place: int) -> tuple[str, str]:
    """Return the ids of a project and of the one server in it that was really booted."""
    identity = admin.identity
    project = identity.find_project(name) or identity.create_project(
        name=name, domain_id="default", tags=["bulk"]
    )
    user = identity.find_user("admin")
    identity.assign_project_role_to_user(project, user, identity.find_role("admin"))
    _ensure_quotas(admin, project.id)
    owner = admin.connect_as_project(project)
    server = owner.compute.find_server(f"{name}-node")
    if not server:
        port = _ensure_port(owner, name, place)
        server = owner.compute.create_server(
            name=f"{name}-node",
            flavor_id=owner.compute.find_flavor(SMALL_FLAVOR).id,
            image_id=owner.image.find_image(PUBLIC_IMAGE).id,
            networks=[{"port": port.id}],
            metadata={"fleet": name},
        )
    server = owner.compute.wait_for_server(server, wait=300)
    if name in WITH_VOLUME and not server.attached_volumes:
        volume = owner.block_storage.create_volume(name=f"{name}-data", size=1)
        owner.block_storage.wait_for_status(volume, "available", wait=120)
        owner.compute.create_volume_attachment(server, volume_id=volume.id)
        owner.block_storage.wait_for_status(volume, "in-use", wait=120)
    return project.id, server.id


def _ensure_quotas(admin: Connection, project_id: str) -> None:
    many = 20_000
    admin.compute.update_quota_set(project_id, cores=many, instances=many, ram=many * 512)
    admin.block_storage.update_quota_set(project_id, volumes=many, gigabytes=many)
    admin.network.update_quota(project_id, ports=many)


def _ensure_port(owner: Connection, name: str, place: int):
    network = owner.network.find_network(name) or owner.network.create_network(name=name)
    cidr = f"10.{100 + place}.0.0/16"
    subnet = owner.network.find_subnet(name) or owner.network.create_subnet(
        name=name, network_id=network.id, ip_version=4, cidr=cidr
    )
    # Clones count up from this address.
    address = {"subnet_id": subnet.id, "ip_address": f"10.{100 + place}.1.0"}
    return owner.network.find_port(f"{name}-node") or owner.network.create_port(
        name=f"{name}-node", network_id=network.id, fixed_ips=[address]
    )


def _give_disks(cloud: Cloud, template_id: str, clone: Clone) -> None:
    """Give a clone what the lab's driver expects of a running server, and sparse volumes."""
    instances = cloud.home / "nova" / "instances"
    state = instances / "_hosts" / clone.host / clone.server_id
    state.parent.mkdir(parents=True, exist_ok=True)
    state.write_text(json.dumps([clone.instance_name, 1]))
    disk = instances / template_id / "disk"
    if disk.exists():
        copy = instances / clone.server_id / "disk"
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(disk, copy)
    for volume_id in clone.volumes.values():
        _sparse(cloud.home / "cinder" / "volumes" / f"volume-{volume_id}", VOLUME_BYTES)


def _sparse(path: Path, size_bytes: int) -> None:
    path.touch()
    os.truncate(path, size_bytes)


def remove_bulk(lab: Lab) -> None:
    """Remove the bulk projects through the API: minutes for the medium size.

    After the large size, `down --wipe` and a start from the snapshot is the faster way.
    """
    admin = connect(lab.cloud("source"))
    for name in PROJECTS:
        project = admin.identity.find_project(name)
        if project:
            purge_project(admin, project.id)
            admin.identity.delete_project(project)
            say(f"removed project {name}")
