"""Projects, people, quotas and flavors of the tenants."""

from openstack.connection import Connection
from openstack.identity.v3.project import Project

from lab.layout import PASSWORD

PROJECTS = {"acme": "Online shop of Acme", "umbrella": "Customer portal of Umbrella"}
SMALL_FLAVOR = "m1.small"
PRIVATE_FLAVOR = "acme.database"
GROUP = "auditors"


def ensure_projects(admin: Connection) -> dict[str, Project]:
    """Create each project with a deployer, an auditor and the group of all auditors."""
    identity = admin.identity
    group = identity.find_group(GROUP) or identity.create_group(name=GROUP, domain_id="default")
    member, reader = (identity.find_role(name) for name in ("member", "reader"))
    projects = {}
    for name, description in PROJECTS.items():
        project = identity.find_project(name) or identity.create_project(
            name=name, domain_id="default", description=description, tags=["customer"]
        )
        projects[name] = project
        deployer = _ensure_user(admin, f"{name}-deployer", project)
        auditor = _ensure_user(admin, f"{name}-auditor", project)
        identity.assign_project_role_to_user(project, deployer, member)
        identity.assign_project_role_to_user(project, auditor, reader)
        identity.assign_project_role_to_group(project, group, reader)
        identity.add_user_to_group(auditor, group)
    return projects


def ensure_quotas(admin: Connection, projects: dict[str, Project]) -> None:
    """Set quotas that differ from the defaults."""
    acme = projects["acme"]
    admin.compute.update_quota_set(acme, cores=64, instances=30, ram=131072)
    admin.block_storage.update_quota_set(acme, volumes=40, gigabytes=2000, snapshots=30)
    admin.network.update_quota(acme.id, networks=20, ports=300, floating_ips=20)
    admin.compute.update_quota_set(projects["umbrella"], cores=16, instances=8)


def ensure_flavors(admin: Connection, projects: dict[str, Project]) -> None:
    """Create a public flavor and one that only Acme may use."""
    compute = admin.compute
    if not compute.find_flavor(SMALL_FLAVOR):
        compute.create_flavor(name=SMALL_FLAVOR, ram=512, vcpus=1, disk=1)
    flavor = compute.find_flavor(PRIVATE_FLAVOR, get_extra_specs=True)
    if not flavor:
        flavor = compute.create_flavor(
            name=PRIVATE_FLAVOR, ram=2048, vcpus=2, disk=2, is_public=False
        )
    specs = {"hw:cpu_policy": "shared", "quota:disk_read_iops_sec": "500"}
    compute.create_flavor_extra_specs(flavor, specs)
    allowed = {access["tenant_id"] for access in compute.get_flavor_access(flavor)}
    if projects["acme"].id not in allowed:
        compute.flavor_add_tenant_access(flavor, projects["acme"].id)


def remove_identities(admin: Connection) -> None:
    """Remove the flavors, users, projects and the group."""
    for name in (SMALL_FLAVOR, PRIVATE_FLAVOR):
        flavor = admin.compute.find_flavor(name)
        if flavor:
            admin.compute.delete_flavor(flavor)
    image = admin.image.find_image("debian-12")
    if image:
        admin.image.delete_image(image)
    for name in PROJECTS:
        for role in ("deployer", "auditor"):
            user = admin.identity.find_user(f"{name}-{role}")
            if user:
                admin.identity.delete_user(user)
        project = admin.identity.find_project(name)
        if project:
            admin.identity.delete_project(project)
    group = admin.identity.find_group(GROUP)
    if group:
        admin.identity.delete_group(group)


def _ensure_user(admin: Connection, name: str, project: Project):
    return admin.identity.find_user(name) or admin.identity.create_user(
        name=name,
        password=PASSWORD,
        domain_id="default",
        default_project_id=project.id,
        email=f"{name}@{project.name}.example",
    )
