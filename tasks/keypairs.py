"""Copies of users' key pairs."""

from pumphouse.bodies import Ids
from pumphouse.plan import Item
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import Effect

MICROVERSION = "2.10"
"""The first in which an administrator may give a key to somebody else."""


def make_keypair(api: Api, item: Item, ids: Ids) -> str:
    """Import a public key for its user. Its name is unique for the user."""
    row = item.row
    body = {
        "name": row["name"],
        "type": row["type"] or "ssh",
        "public_key": row["public_key"],
        "user_id": ids["users"][row["user_id"]],
    }
    api.call("POST", "compute", "/os-keypairs", json={"keypair": body}, microversion=MICROVERSION)
    return f"{body['user_id']}:{row['name']}"


EFFECTS: dict[str, Effect] = {"keypairs": make_keypair}
