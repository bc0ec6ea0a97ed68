"""Copies of server groups, made by their owners: Nova gives a group to whoever asks for it."""

from pumphouse import server_groups
from pumphouse.bodies import Ids
from pumphouse.plan import Item
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import Effect
from pumphouse.tasks.owners import owner


def make_server_group(api: Api, item: Item, ids: Ids) -> str:
    """Create a server group. An earlier one is found by what it demands, and its members."""
    row = item.row
    user, project = ids["users"].get(row["user_id"], ""), ids["projects"][row["project_id"]]
    with owner(api.cloud, api, user, project) as (acting, _):
        answer = acting.call(
            "POST",
            "compute",
            "/os-server-groups",
            json={"server_group": server_groups.body(row)},
            microversion=acting.microversion("compute"),
        )
        api.changes += acting.changes
    return str(answer.json()["server_group"]["id"])


EFFECTS: dict[str, Effect] = {"server_groups": make_server_group}
