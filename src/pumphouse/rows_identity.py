"""Rows of the identity tables and of the quotas, from what Keystone and the quota APIs answer."""

from collections.abc import Iterator, Mapping
from typing import Any

from pumphouse.tables import Row

Raw = Mapping[str, Any]
"""One object as an API gives it."""


def taken(raw: Raw, same: str, **renamed: str) -> Row:
    """Return the fields *same* (blank-separated) and the *renamed* ones (column=field)."""
    row = {name: raw.get(name) for name in same.split()}
    row.update((column, raw.get(field)) for column, field in renamed.items())
    return row


def service(raw: Raw) -> Row:
    """Return the row of a catalogue service."""
    return taken(raw, "id name type description", is_enabled="enabled")


def endpoint(raw: Raw, services: Mapping[str, Raw]) -> Row:
    """Return the row of an endpoint; *services* by id give its service's name and type."""
    of = services.get(raw["service_id"], {})
    row = taken(raw, "id service_id region_id interface url", is_enabled="enabled")
    return row | {"service_name": of.get("name"), "service_type": of.get("type")}


def region(raw: Raw) -> Row:
    """Return the row of a region."""
    return taken(raw, "id description parent_region_id")


def domain(raw: Raw) -> Row:
    """Return the row of a domain."""
    return taken(raw, "id name description tags options", is_enabled="enabled")


def project(raw: Raw) -> Row:
    """Return the row of a project."""
    same = "id name domain_id parent_id description is_domain tags options"
    return taken(raw, same, is_enabled="enabled")


def user(raw: Raw, providers: Mapping[str, str]) -> Row:
    """Return the row of a user; *providers* gives the identity providers of federated ones."""
    same = "id name domain_id email description default_project_id password_expires_at options"
    row = taken(raw, same, is_enabled="enabled")
    return row | {"identity_provider": providers.get(raw["id"])}


def group(raw: Raw) -> Row:
    """Return the row of a group."""
    return taken(raw, "id name domain_id description")


def role(raw: Raw) -> Row:
    """Return the row of a role."""
    return taken(raw, "id name domain_id description options")


def implied_roles(raw: Raw) -> Iterator[Row]:
    """Yield a row for each role that a prior role implies."""
    for implied in raw["implies"]:
        yield {"prior_role_id": raw["prior_role"]["id"], "implied_role_id": implied["id"]}


def assignment(raw: Raw) -> Row:
    """Return the row of a role assignment."""
    scope = raw.get("scope", {})
    return {
        "role_id": raw["role"]["id"],
        "user_id": raw.get("user", {}).get("id"),
        "group_id": raw.get("group", {}).get("id"),
        "project_id": scope.get("project", {}).get("id"),
        "domain_id": scope.get("domain", {}).get("id"),
        "system": "all" if scope.get("system", {}).get("all") else None,
        "is_inherited": "OS-INHERIT:inherited_to" in scope,
    }


def application_credential(raw: Raw, user_id: str) -> Row:
    """Return the row of an application credential; Keystone never shows its secret again."""
    row = taken(raw, "id name project_id description expires_at", is_unrestricted="unrestricted")
    return row | {"user_id": user_id, "roles": [r.get("name") for r in raw.get("roles", [])]}


def quota(project_id: str, of: str, raw: Raw) -> Iterator[Row]:
    """Yield the rows of one project's quota of the service *of*, limits with their use."""
    for resource, value in raw.items():
        if isinstance(value, Mapping):
            yield {
                "project_id": project_id,
                "service": of,
                "resource": resource,
                "limit": value["limit"],
                "used": value.get("in_use", value.get("used")),
            }
