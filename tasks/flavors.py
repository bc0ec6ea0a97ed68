"""Copies of flavors with extra specs and access."""

from typing import Any

from pumphouse import bodies
from pumphouse.bodies import Ids
from pumphouse.errors import RequestFailed
from pumphouse.models import SOURCE_ID
from pumphouse.plan import Item
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import Effect, is_new

FLAVOR_MICROVERSION = "2.61"


def make_flavor(api: Api, item: Item, ids: Ids) -> str:
    """
    Create a flavor, or add the specs and the access that it lacks. Nothing is taken away.

    It keeps its id when that is free, since scripts name flavors by it. Until it is whole its
    description says whose copy it is: what is not ours gets only what the plan says it lacks.
    """
    row = item.row
    flavor_id = item.target_id
    body, mark = bodies.flavor(row), f"{SOURCE_ID}={row['id']}"
    if is_new(item) or flavor_id is None:
        flavor_id = _create(api, {**body, "description": mark})
    path, version = f"/flavors/{flavor_id}", FLAVOR_MICROVERSION
    is_begun = api.get("compute", path, None, version)["flavor"].get("description") == mark
    _add_specs(api, flavor_id, item, is_begun)
    if not row["is_public"] or any(part[0] == "access" for part in item.missing):
        _give_access(api, flavor_id, row, ids)
    if is_begun:
        whole = {"flavor": {"description": body.get("description")}}
        api.call("PUT", "compute", path, json=whole, microversion=version, retry=True)
    return flavor_id


def _create(api: Api, body: dict[str, Any]) -> str:
    options: dict[str, Any] = {"microversion": FLAVOR_MICROVERSION}
    try:
        answer = api.call("POST", "compute", "/flavors", json={"flavor": body}, **options)
    except RequestFailed as failed:
        if failed.status != 409:
            raise
        body = {**body, "id": "auto"}
        answer = api.call("POST", "compute", "/flavors", json={"flavor": body}, **options)
    return str(answer.json()["flavor"]["id"])


def _add_specs(api: Api, flavor_id: str, item: Item, is_begun: bool) -> None:
    """Write the extra specs that it lacks: all to our own, else those that the plan names."""
    path = f"/flavors/{flavor_id}/os-extra_specs"
    wanted = item.row["extra_specs"] or {}
    if not is_begun:
        named = {part[1] for part in item.missing if part[0] == "spec"}
        wanted = {k: v for k, v in wanted.items() if k in named}
    there = api.get("compute", path)["extra_specs"] if wanted else {}
    if specs := {k: v for k, v in wanted.items() if k not in there}:
        api.call("POST", "compute", path, json={"extra_specs": specs}, retry=True)


def _give_access(api: Api, flavor_id: str, row: dict[str, Any], ids: Ids) -> None:
    listed = api.list("compute", f"/flavors/{flavor_id}/os-flavor-access", "flavor_access")
    have = {entry["tenant_id"] for entry in listed}
    # A public one has none; its servers need it all the same where the target's is private.
    for project in dict.fromkeys([*row["access_project_ids"], *row["server_project_ids"]]):
        target = ids["projects"].get(project)
        if target and target not in have:
            # Several projects of the source may be one there.
            have.add(target)
            body = {"addTenantAccess": {"tenant": target}}
            api.call("POST", "compute", f"/flavors/{flavor_id}/action", json=body)


EFFECTS: dict[str, Effect] = {"flavors": make_flavor}
