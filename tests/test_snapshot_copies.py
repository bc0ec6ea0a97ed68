"""A snapshot is copied once, whatever an earlier run left of it."""

from typing import Any, cast

import pytest

from pumphouse.config import MigrateOptions
from pumphouse.models import SOURCE_ID
from pumphouse.tables import Row
from pumphouse.tasks import images, snapshots, volumes
from pumphouse.tasks.api import Api
from pumphouse.tasks.carrying import Carrier

ROW: Row = {
    "id": "s1", "name": "before", "description": "d", "volume_id": "v1", "volume_name": "data",
    "size_gib": 1, "status": "available", "metadata": {"why": "upgrade"}, "is_bootable": False,
    "image_metadata": {}, "volume_type": "fast", "is_encrypted": False, "target_zone": None,
}  # fmt: skip


class Cinder:
    """The volumes and snapshots of one cloud; everything is available at once."""

    name = "cinder"

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Row]] = {"volumes": {}, "snapshots": {}}
        self.made: list[str] = []

    def call(self, method: str, service: str, path: str, json: Any = None, **_: Any) -> Any:
        kind = path.split("/")[1]
        if method == "DELETE":
            self.kept[kind].pop(path.split("/")[2])
            return None
        (asked,) = json.values()
        id_ = f"{self.name}-{kind}-{len(self.made)}"
        self.kept[kind][id_] = {"status": "available", "metadata": {}, **asked, "id": id_}
        self.made.append(kind)
        answer = {kind[:-1]: self.kept[kind][id_]}
        return type("Answer", (), {"json": lambda self: answer})()

    def get(self, service: str, path: str) -> Any:
        _, kind, id_ = path.split("/")
        return {kind[:-1]: self.kept[kind][id_]}

    def list(self, service: str, path: str, key: str, params: Any) -> Any:
        return list(self.kept[key].values())


@pytest.fixture(name="clouds")
def _clouds(monkeypatch: pytest.MonkeyPatch) -> tuple[Cinder, Cinder]:
    """Return two clouds between which bytes need no time."""
    source, target = Cinder(), Cinder()

    def create(api: Any, owner: Any, volume: Row, *_: Any) -> str:
        body = {"name": volume["name"], "metadata": {SOURCE_ID: volume["id"]}}
        made: str = target.call("POST", "", "/volumes", {"volume": body}).json()["volume"]["id"]
        return made

    def listed(api: Any, key: str, value: str) -> list[Row]:
        return [v for v in api.kept["volumes"].values() if v["metadata"].get(key) == value]

    monkeypatch.setattr(volumes, "listed", listed)
    monkeypatch.setattr(volumes, "read_volume", lambda api, id_: api.kept["volumes"][id_])
    monkeypatch.setattr(volumes, "delete_uploads", lambda api, id_: None)
    monkeypatch.setattr(
        volumes, "delete_volume", lambda api, id_, _: api.kept["volumes"].pop(id_, None)
    )
    monkeypatch.setattr(volumes, "upload", lambda *_: "image")
    monkeypatch.setattr(volumes, "create", create)
    monkeypatch.setattr(images, "delete_copies", lambda *_: None)
    monkeypatch.setattr(images, "read_image", lambda *_: {"size_bytes": 7})
    monkeypatch.setattr(images, "copy_image", lambda *_: ("copy", "sha512:x"))
    return source, target


def copied(clouds: tuple[Cinder, Cinder]) -> str:
    source, target = (cast(Api, cloud) for cloud in clouds)
    carrier = Carrier(source, target, target, MigrateOptions(), timeout_s=5)
    return snapshots.copy(carrier, ROW, "P").target_id


def test_a_copy_is_made_once(clouds: tuple[Cinder, Cinder]) -> None:
    """With its metadata and the mark; nothing temporary stays; a second time makes nothing."""
    source, target = clouds
    first = copied(clouds)
    assert target.kept["snapshots"][first]["metadata"] == {"why": "upgrade", SOURCE_ID: "s1"}
    assert source.kept["volumes"] == {}
    made = list(target.made)
    assert copied(clouds) == first
    assert target.made == made == ["volumes", "snapshots"]


def test_the_volume_of_a_killed_run_is_used(clouds: tuple[Cinder, Cinder]) -> None:
    """Its bytes are there: they are not carried a second time."""
    source, target = clouds
    first = copied(clouds)
    del target.kept["snapshots"][first]
    again = copied(clouds)
    assert target.made == ["volumes", "snapshots", "snapshots"]
    (volume,) = target.kept["volumes"]
    assert target.kept["snapshots"][again]["volume_id"] == volume
    assert len(source.made) == 1


def test_what_a_killed_run_left_at_the_source_is_deleted(clouds: tuple[Cinder, Cinder]) -> None:
    """A temporary volume says of which snapshot it is."""
    source, _ = clouds
    left = {"id": "t", "status": "available", "metadata": {snapshots.TEMPORARY: "s1"}}
    source.kept["volumes"]["t"] = left
    copied(clouds)
    assert source.kept["volumes"] == {}


def test_a_failure_leaves_nothing_temporary(
    clouds: tuple[Cinder, Cinder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks on the way, the source has only what is its own."""
    source, target = clouds

    def broken(*_: Any) -> None:
        raise OSError("gone")

    monkeypatch.setattr(images, "copy_image", broken)
    with pytest.raises(OSError, match="gone"):
        copied(clouds)
    assert (source.kept["volumes"], target.made) == ({}, [])
