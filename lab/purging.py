"""Removing everything that a project owns, as the admin of its cloud."""

import contextlib
import time
from collections.abc import Callable, Iterable

from openstack import exceptions
from openstack.connection import Connection

PURGE_S = 180.0


def purge_project(admin: Connection, project_id: str) -> None:
    """Delete servers, volumes, images and networks of a project; the project stays."""
    # Nova deletes no port that is a trunk's parent: the server would end in ERROR.
    for trunk in list(admin.network.trunks(project_id=project_id)):
        admin.network.delete_trunk(trunk)
    _purge_servers(admin, project_id)
    _purge_volumes(admin, project_id)
    for image in list(admin.image.images(owner=project_id)):
        if image.is_protected:
            admin.image.update_image(image, is_protected=False)
        admin.image.delete_image(image)
    _purge_networks(admin, project_id)


def _purge_servers(admin: Connection, project_id: str) -> None:
    def left() -> list:
        return list(admin.compute.servers(all_projects=True, project_id=project_id))

    for server in left():
        admin.compute.delete_server(server, ignore_missing=True)
    _wait_gone(left, "servers")
    for group in list(admin.compute.server_groups(all_projects=True)):
        if group.project_id == project_id:
            admin.compute.delete_server_group(group)


def _purge_volumes(admin: Connection, project_id: str) -> None:
    storage = admin.block_storage

    def snapshots() -> list:
        return list(storage.snapshots(all_projects=True, project_id=project_id))

    def volumes() -> list:
        return list(storage.volumes(all_projects=True, project_id=project_id))

    for snapshot in snapshots():
        storage.delete_snapshot(snapshot, ignore_missing=True)
    _wait_gone(snapshots, "snapshots")
    # Nova deletes those of its servers that it was told to.
    for volume in [each for each in volumes() if each.status != "deleting"]:
        storage.delete_volume(volume, ignore_missing=True, cascade=True)
    _wait_gone(volumes, "volumes")


def _purge_networks(admin: Connection, project_id: str) -> None:
    network = admin.network
    for address in list(network.ips(project_id=project_id)):
        # One that forwards ports is bound to none, has a router all the same, and is kept by them.
        if address.router_id and not address.port_id:
            for forwarding in list(network.port_forwardings(address)):
                network.delete_port_forwarding(forwarding, address)
        network.delete_ip(address)
    for router in list(network.routers(project_id=project_id)):
        _purge_router(admin, router)
    _delete(network.ports(project_id=project_id), network.delete_port)
    for policy in list(network.rbac_policies(project_id=project_id)):
        with contextlib.suppress(exceptions.NotFoundException):
            network.delete_rbac_policy(policy)
    _delete(network.networks(project_id=project_id), network.delete_network)
    _delete(network.subnet_pools(project_id=project_id), network.delete_subnet_pool)
    _delete(network.address_scopes(project_id=project_id), network.delete_address_scope)
    _delete(network.qos_policies(project_id=project_id), network.delete_qos_policy)
    groups = list(network.security_groups(project_id=project_id))
    for group in groups:
        rules = list(network.security_group_rules(security_group_id=group.id))
        _delete(rules, network.delete_security_group_rule)
    _delete(groups, network.delete_security_group)
    _delete(network.address_groups(project_id=project_id), network.delete_address_group)


def _purge_router(admin: Connection, router) -> None:
    admin.network.update_router(router, routes=[])
    for port in list(admin.network.ports(device_id=router.id)):
        if port.device_owner.startswith("network:router_interface"):
            admin.network.remove_interface_from_router(router, port_id=port.id)
    admin.network.delete_router(router)


def _delete(items: Iterable, delete: Callable) -> None:
    for item in list(items):
        delete(item, ignore_missing=True)


def _wait_gone(left: Callable[[], list], what: str) -> None:
    end = time.monotonic() + PURGE_S
    while items := left():
        if time.monotonic() > end:
            states = ", ".join(f"{item.name} ({item.id}) is {item.status}" for item in items)
            raise TimeoutError(f"{what} were not deleted within {PURGE_S:.0f} s: {states}")
        time.sleep(0.5)
