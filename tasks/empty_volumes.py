"""Volumes of the target that Cinder makes empty, for bytes that do not come through Cinder."""

from pumphouse import bodies
from pumphouse.errors import RequestFailed, WaitFailed
from pumphouse.models import Mover
from pumphouse.tables import Row
from pumphouse.tasks.api import Api
from pumphouse.tasks.carrying import Carrier, note_mover
from pumphouse.tasks.volumes import act, read_volume, settle, unfinished
from pumphouse.tasks.waiting import poll

NAME_ID = "os-vol-mig-status-attr:name_id"
HOST = "os-vol-host-attr:host"


def image_name(raw: Row) -> str:
    """Return what Cinder calls a volume's image: a volume that was retyped keeps its first."""
    return f"volume-{raw.get(NAME_ID) or raw['id']}"


def make_empty(carrier: Carrier, volume: Row, mover: Mover) -> Row:
    """Let the target's owner make an empty volume, marked as not whole; return it when it is."""
    note_mover(carrier.source, volume, mover)
    body = bodies.volume(volume, None) | unfinished(volume, mover)
    answer = carrier.acting.call("POST", "block-storage", "/volumes", json={"volume": body})
    made = answer.json()["volume"]["id"]
    what = f"volume {volume['name']} ({made}) to be available"

    def done(raw: Row) -> bool:
        if raw["status"].startswith("error"):
            raise WaitFailed(what, f"It became {raw['status']}.")
        return bool(raw["status"] == "available")

    return poll(
        what, lambda: read_volume(carrier.target, made), done, carrier.timeout_s, carrier.stop
    )


def forget(api: Api, volume_id: str, timeout_s: float) -> None:
    """Let a cloud forget a volume, and wait until it has: no image is touched. Unknown is fine."""

    def gone() -> bool:
        try:
            status = read_volume(api, volume_id)["status"]
        except RequestFailed as failed:
            if failed.status == 404:
                return True
            raise
        if status.startswith("error"):
            raise WaitFailed(f"volume {volume_id} to be forgotten", f"It became {status}.")
        return False

    try:
        if settle(api, volume_id, timeout_s)["status"] != "deleting":
            act(api, volume_id, "os-unmanage")
    except RequestFailed as failed:
        if failed.status != 404:
            raise
    poll(f"volume {volume_id} to be forgotten by the {api.name}", gone, bool, timeout_s)
