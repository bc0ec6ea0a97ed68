"""The small, realistic tenants of the source cloud."""

from lab.connections import connect
from lab.layout import Lab
from lab.output import say
from lab.purging import purge_project
from lab.tenants.images import ensure_images
from lab.tenants.networks import ensure_networks
from lab.tenants.projects import (
    PROJECTS,
    ensure_flavors,
    ensure_projects,
    ensure_quotas,
    remove_identities,
)
from lab.tenants.servers import ensure_servers
from lab.tenants.types import ensure_volume_types
from lab.tenants.volumes import ensure_volumes


def populate_small(lab: Lab) -> None:
    """Create both tenants at the source and what they rest on at the target.

    A second run finds everything by its name and changes nothing.
    """
    admin = connect(lab.cloud("source"))
    for cloud in lab.clouds:
        ensure_volume_types(connect(cloud))
    projects = ensure_projects(admin)
    ensure_quotas(admin, projects)
    ensure_flavors(admin, projects)
    say("projects, users, roles, quotas and flavors")
    owners = {name: connect(lab.cloud("source"), f"{name}-deployer", name) for name in PROJECTS}
    ensure_images(admin, owners)
    say("images")
    for name, owner in owners.items():
        ensure_networks(owner, name)
    say("networks, routers and security groups")
    for name, owner in owners.items():
        ensure_volumes(owner, name)
    say("volumes")
    for name, owner in owners.items():
        ensure_servers(owner, name)
    say("servers, floating addresses and attachments")


def remove_small(lab: Lab) -> None:
    """Remove the tenants and all that they own from the source."""
    admin = connect(lab.cloud("source"))
    for name in PROJECTS:
        project = admin.identity.find_project(name)
        if project:
            purge_project(admin, project.id)
            say(f"removed what project {name} owned")
    remove_identities(admin)
