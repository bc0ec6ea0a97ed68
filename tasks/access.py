"""
What one cloud lets us do: who we are, which services answer, which reads are refused.

Nothing here writes. These are plain functions, for `pumphouse config check`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from keystoneauth1 import exceptions as ksa
from keystoneauth1.identity.base import BaseIdentityPlugin

from pumphouse.errors import MissingRights, RequestFailed
from pumphouse.tasks.api import MAJOR_VERSION, Api, ServiceMissing, first_line, unreachable


@dataclass(frozen=True)
class Identity:
    """Who the cloud says we are. `scope` is a project, a domain or the whole system."""

    user: str
    scope: str
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Service:
    """One service of the catalogue, or what is wrong with it in `problem`."""

    name: str
    endpoint: str = ""
    microversions: str = ""
    used: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Right:
    """One thing the job needs to read; `refused` is the cloud's answer, empty when granted."""

    what: str
    call: str
    refused: str = ""


@dataclass(frozen=True)
class _Probe:
    what: str
    service: str
    path: str


PROBES: Sequence[_Probe] = (
    _Probe("projects", "identity", "/projects?limit=1"),
    _Probe("users", "identity", "/users?limit=1"),
    _Probe("role assignments", "identity", "/role_assignments?include_names=true"),
    _Probe("domains", "identity", "/domains"),
    _Probe("servers of all projects", "compute", "/servers/detail?all_tenants=1&limit=1"),
    _Probe("hypervisors", "compute", "/os-hypervisors?limit=1"),
    _Probe("compute services", "compute", "/os-services"),
    _Probe("host aggregates", "compute", "/os-aggregates"),
    _Probe("network quotas of all projects", "network", "/quotas"),
    _Probe("network agents", "network", "/agents"),
    _Probe("volume services", "block-storage", "/os-services"),
    _Probe("storage pools", "block-storage", "/scheduler-stats/get_pools"),
    _Probe("resource providers", "placement", "/resource_providers"),
    _Probe("load balancers of all projects", "load-balancer", "/octavia/amphorae?limit=1"),
    _Probe("DNS zones of all projects", "dns", "/zones?all_projects=true&limit=1"),
)
"""Reads that only an administrator may do. Keystone, Nova and Cinder refuse them to others."""

NEEDS_ADMIN_ROLE = ("images of all projects", "networks of all projects")
"""Glance and Neutron refuse nothing: they leave out what a mere member may not see."""


def identity(api: Api) -> Identity:
    """
    Return who we are at the cloud.

    Raises:
        CloudUnreachable: Keystone does not answer or does not let us in.
    """
    session = api.connection.session
    assert isinstance(session.auth, BaseIdentityPlugin)
    try:
        access = session.auth.get_access(session)
    except ksa.ClientException as error:
        raise unreachable(api.name, error) from error
    scope = "the whole system" if access.system_scoped else "no project"
    if access.project_name:
        scope = f"project {access.project_name} ({access.project_domain_name})"
    elif access.domain_name:
        scope = f"domain {access.domain_name}"
    user = f"{access.username} ({access.user_domain_name or access.user_domain_id})"
    return Identity(user, scope, tuple(sorted(access.role_names or ())))


def services(api: Api) -> list[Service]:
    """Return every service that Pumphouse knows, in a fixed order."""
    return [_service(api, name) for name in MAJOR_VERSION]


def _service(api: Api, name: str) -> Service:
    try:
        endpoint = api.adapter(name).get_endpoint() or ""
        data = api.adapter(name).get_endpoint_data()
        used = api.microversion(name) or ""
    except ServiceMissing:
        return Service(name, problem="not in the catalogue")
    except ksa.ClientException as error:
        return Service(name, problem=first_line(error))
    if data is None or not data.max_microversion:
        return Service(name, endpoint)
    low = ".".join(map(str, data.min_microversion or ()))
    high = ".".join(map(str, data.max_microversion))
    return Service(name, endpoint, f"{low} to {high}", used)


def rights(api: Api, me: Identity, present: Sequence[Service]) -> list[Right]:
    """Try each of `PROBES` at the services that are *present*, and say what was refused."""
    usable = {service.name for service in present if not service.problem}
    found = [_right(api, probe) for probe in PROBES if probe.service in usable]
    refused = "" if "admin" in me.roles else "the role admin is missing"
    found += [Right(what, "role admin", refused) for what in NEEDS_ADMIN_ROLE]
    return found


def _right(api: Api, probe: _Probe) -> Right:
    call = f"GET {probe.service} {probe.path.partition('?')[0]}"
    try:
        api.get(probe.service, probe.path)
    except MissingRights as error:
        return Right(probe.what, call, f"403: {error.needed}")
    except RequestFailed as error:
        return Right(probe.what, call, f"{error.status or 'no answer'}: {error.reason}")
    return Right(probe.what, call)
