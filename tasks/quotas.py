"""Copies of a project's limits in compute, volume and network."""

from pumphouse.bodies import Ids
from pumphouse.plan import Item
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import Effect

PATHS = {
    "compute": ("compute", "/os-quota-sets/{}", "quota_set"),
    "volume": ("block-storage", "/os-quota-sets/{}", "quota_set"),
    "network": ("network", "/quotas/{}", "quota"),
}
"""By the table's service: Api service, path for a project, key."""


def set_quota(api: Api, item: Item, ids: Ids) -> str:
    """
    Set those of a project's limits that the target knows and that differ there.

    Names change between releases and volume types make names of their own, so what the target
    does not have is left out. A second run finds them equal and sends nothing. Of a project that
    is there only those are set that the plan says: larger ones of others may be kept.
    """
    row = item.row
    project_id = ids["projects"][row["project_id"]]
    service, path, key = PATHS[row["service"]]
    there = api.get(service, path.format(project_id))[key]
    wanted = {
        name: limit
        for name, limit in row["limits"].items()
        if name in there and there[name] != limit and name in (item.missing or row["limits"])
    }
    if wanted:
        if service == "compute":
            # The check against what is used is ours: the copy may not fill it at once.
            wanted["force"] = True
        api.call("PUT", service, path.format(project_id), json={key: wanted}, retry=True)
    return f"{project_id}:{row['service']}"


EFFECTS: dict[str, Effect] = {"quotas": set_quota}
