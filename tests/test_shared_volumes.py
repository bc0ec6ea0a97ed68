"""A volume that several servers share: the last one that lets go of its copy deletes it."""

from typing import Any

import pytest

from pumphouse.checks import WAS
from pumphouse.config import Timeouts
from pumphouse.errors import Conflict, WaitFailed
from pumphouse.models import Action, Mover
from pumphouse.plan import Item
from pumphouse.tasks import crossing_disks, images, servers, volume_movers, volumes
from pumphouse.tasks.cutover import CutOver

VOLUME = {
    "id": "v", "name": "data", "is_multiattach": True, "size_gib": 2, "host": "old@rbd#x",
    "attachments": [{"server_id": "a"}, {"server_id": "b"}],
}  # fmt: skip


def cutover(server_id: str) -> CutOver:
    nothing: Any = None
    row = {"id": server_id, "attached": [VOLUME], "image_id": "i", "ports": []}
    item = Item(kind="servers", source_id=server_id, name=server_id, action=Action.CREATE,
                reason="", row=row, mover=Mover.REBUILD)  # fmt: skip
    return CutOver(source=nothing, target=nothing, sign_in=nothing, item=item, ids={},
                   timeouts=Timeouts())  # fmt: skip


@pytest.fixture(name="used")
def _used(monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], list[str]]:
    """Return who uses the copy, and what was discarded; to delete a server lets go of it."""
    users, discarded = {"A", "B"}, list[str]()
    monkeypatch.setattr(servers, "find_copy", lambda api, row: {"id": row["id"].upper()})
    monkeypatch.setattr(servers, "delete_server", lambda api, id_, timeout_s: users.discard(id_))
    monkeypatch.setattr(servers, "delete_snapshots", lambda api, id_: None)
    monkeypatch.setattr(images, "delete_copies", lambda api, id_: None)
    monkeypatch.setattr(crossing_disks, "find_copy", lambda api, id_: {"id": "V"})
    monkeypatch.setattr(volumes, "users", lambda api, id_: sorted(users))
    monkeypatch.setattr(
        volume_movers, "discard", lambda carrier, volume, mover: discarded.append(volume["id"])
    )
    return users, discarded


def test_the_last_server_that_lets_go_deletes_the_copy(
    used: tuple[set[str], list[str]],
) -> None:
    """As long as another one's copy has it, it stays: Cinder would refuse, and it is in use."""
    _, discarded = used
    crossing_disks.delete_copies(cutover("a"))
    assert discarded == []
    crossing_disks.delete_copies(cutover("b"))
    assert discarded == ["v"]


def test_bytes_that_a_server_has_changed_since_are_not_used(
    used: tuple[set[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ran again after they were copied, and another copy has them: all is taken back."""
    one = cutover("a")
    one.is_resumed, one.live = True, {"status": "ACTIVE"}
    with pytest.raises(Conflict, match="ran since an earlier run copied volume V"):
        one.do_stop()


def test_a_server_that_came_to_the_volume_since_is_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would go on writing to it at the source."""
    one = cutover("a")
    one.live = {"status": "ACTIVE", "os-extended-volumes:volumes_attached": [{"id": "v"}]}
    monkeypatch.setattr(volumes, "read_volume", lambda api, id_: {"status": "in-use", "size": 2})
    monkeypatch.setattr(volumes, "users", lambda api, id_: ["b", "a"])
    one.check_drift()
    monkeypatch.setattr(volumes, "users", lambda api, id_: ["b", "a", "c"])
    with pytest.raises(WaitFailed, match="It is attached to a, b, c; run again"):
        one.check_drift()


@pytest.mark.parametrize(("journal", "reached"), [({WAS: "ACTIVE"}, "check"), ({}, "lock")])
def test_what_an_earlier_run_has_done_is_taken_back_too(
    journal: dict[str, str], reached: str
) -> None:
    """It may have come further than the step that failed now; unless the journal is another's."""
    one = cutover("a")
    one.is_resumed, one.journal = True, journal
    assert one._reached("lock") == reached
