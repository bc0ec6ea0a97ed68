"""Copies of volume types, with their QoS specs, their encryption and who may use them."""

from typing import Any

from pumphouse import volume_types
from pumphouse.bodies import Ids
from pumphouse.models import SOURCE_ID
from pumphouse.plan import Item
from pumphouse.tables import Row
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import Effect, is_new


def make_qos_specs(api: Api, item: Item, ids: Ids) -> str:
    """Create QoS specs. Their name is unique, so a second one cannot come to be."""
    row = item.row
    body = {**(row["specs"] or {}), "name": row["name"], "consumer": row["consumer"]}
    made = api.call("POST", "block-storage", "/qos-specs", json={"qos_specs": body}).json()
    return str(made["qos_specs"]["id"])


def make_volume_type(api: Api, item: Item, ids: Ids) -> str:
    """
    Create a volume type, or complete one that a killed run began.

    Which backend serves it is the target's affair. Until it is whole its description says whose
    copy it is: what is taken for equal must not be half of it.
    """
    row = item.row
    type_id = item.target_id
    if is_new(item) or type_id is None:
        body = {
            "name": row["name"],
            "description": f"{SOURCE_ID}={row['id']}",
            "os-volume-type-access:is_public": bool(row["is_public"]),
            "extra_specs": volume_types.specs(row),
        }
        made = api.call("POST", "block-storage", "/types", json={"volume_type": body}).json()
        type_id = str(made["volume_type"]["id"])
    _encrypt(api, type_id, row)
    if qos := ids.get("qos_specs", {}).get(row["qos_specs_id"] or ""):
        # Cinder takes a second time as the first.
        path = f"/qos-specs/{qos}/associate"
        api.call("GET", "block-storage", path, params={"vol_type_id": type_id}, retry=True)
    if not row["is_public"]:
        _give_access(api, type_id, row, ids)
    whole = {"volume_type": {"description": row["description"] or ""}}
    api.call("PUT", "block-storage", f"/types/{type_id}", json=whole, retry=True)
    return type_id


def _encrypt(api: Api, type_id: str, row: Row) -> None:
    path = f"/types/{type_id}/encryption"
    if row["encryption"] and not api.get("block-storage", path).get("provider"):
        body: dict[str, Any] = {"encryption": row["encryption"]}
        api.call("POST", "block-storage", path, json=body)


def _give_access(api: Api, type_id: str, row: Row, ids: Ids) -> None:
    path = f"/types/{type_id}/os-volume-type-access"
    listed = api.get("block-storage", path)["volume_type_access"]
    have = {entry["project_id"] for entry in listed}
    for project in row["access_project_ids"] or []:
        target = ids["projects"].get(project)
        if target and target not in have:
            # Several projects of the source may be one there.
            have.add(target)
            access = {"addProjectAccess": {"project": target}}
            api.call("POST", "block-storage", f"/types/{type_id}/action", json=access)


EFFECTS: dict[str, Effect] = {"qos_specs": make_qos_specs, "volume_types": make_volume_type}
