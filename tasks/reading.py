"""Read what a migration looks at: both clouds, anew, into tables."""

from concurrent.futures import ThreadPoolExecutor

from prefect import task
from prefect.cache_policies import NO_CACHE

from pumphouse.blocks.site import Site
from pumphouse.estate import Estate
from pumphouse.models import Role
from pumphouse.tasks import storage as stored
from pumphouse.tasks.discovery import AFTER_SERVERS, Job, order, read_and_store
from pumphouse.tasks.readers import CloudReader
from pumphouse.tasks.storage import Folder

READ = (
    "domains", "projects", "users", "groups", "group_members", "roles", "implied_roles",
    "assignments", "quotas", "flavors", "keypairs",
    "servers", "hypervisors", "images", "networks", "subnets", "routers", "ports",
    "floating_ips", "security_groups", "security_group_rules", "volume_types", "volumes",
    "application_credentials", "availability_zones", "compute_services", "rbac_policies",
    "server_groups", "snapshots", "volume_services", "qos_policies", "address_scopes",
    "subnet_pools", "address_groups", "network_extensions", "network_agents", "trunks",
    "qos_specs", "services", "zones", "recordsets", "load_balancers", "lb_listeners", "lb_pools",
    "lb_monitors", "lb_policies", "lb_flavors", "lb_providers", "lb_zones", "amphorae",
)  # fmt: skip
"""The tables that a migration looks at."""


@task(task_run_name="read the {role}", cache_policy=NO_CACHE)
def read_cloud(pair: Site, role: Role, folder: Folder) -> str:
    """
    Store the tables that a migration looks at, and return where.

    Nothing is taken over from an earlier inventory: a plan rests on what is there now.
    """
    with CloudReader(pair.cloud(role), role, pair.limits.api_calls) as reader:
        for kinds in ([k for k in order(READ) if k not in AFTER_SERVERS], list(AFTER_SERVERS)):
            jobs = [Job(role=role, kind=k, reader=reader, folder=folder) for k in kinds]
            with ThreadPoolExecutor(pair.limits.api_calls) as pool:
                list(pool.map(read_and_store, jobs))
    return folder.location


def estate(folder: Folder) -> Estate:
    """Return what `read_cloud` stored."""
    tables = {kind: stored.read_table(folder, kind) for kind in READ}
    return Estate({kind: table for kind, table in tables.items() if table is not None})
