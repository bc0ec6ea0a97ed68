"""What is asked and changed on the way from pool to pool, before the stop and after."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pumphouse.checks import AS_OF
from pumphouse.config import MigrateOptions
from pumphouse.errors import CephFailed, Unverified
from pumphouse.models import SOURCE_ID, Mover
from pumphouse.tasks import rbd_copies, volume_movers, volumes
from pumphouse.tasks.carrying import Carrier
from pumphouse.tasks.rbd import Image, Rbd, gib

HOST = "os-vol-host-attr:host"
VOLUME = {"id": "s1", "name": "data", "host": "old@rbd#x", "size_gib": 1}
COPY = {
    "id": "t1", "status": "available", "description": "half", "metadata": {SOURCE_ID: "s1"},
    HOST: "new@rbd#x", "size": 1,
}  # fmt: skip
OPTIONS = MigrateOptions(
    rbd={  # type: ignore[arg-type]
        "source": {"pools": {"rbd": "here"}},
        "target": {"pools": {"rbd": "there"}},
        "remainder_mib": 1,
    }
)


class End:
    """A pool with one image: its snapshots, and what it was asked."""

    def __init__(self, pool: str, *snapshots: str) -> None:
        self.name = pool
        self.names = list(snapshots)
        self.asked: list[str] = []
        self.fault = ""
        self.size = 8

    def pool(self, host: str) -> str:
        """Name the pool."""
        return self.name

    def info(self, image: Image) -> dict[str, Any]:
        """Tell of the image."""
        self.asked.append("info")
        return {"size": self.size}

    def snapshots(self, image: Image) -> list[str]:
        """Tell of its snapshots."""
        self.asked.append("snapshots")
        return list(self.names)

    def call(self, *words: str) -> str:
        """Tell what was written to it: nothing."""
        self.asked.append(words[0])
        return ""

    def change(self, *words: str) -> None:
        """Make or remove a snapshot; at a fault it is refused, or done and the answer lost."""
        name, fault, self.fault = words[2].rpartition("@")[2], self.fault, ""
        if fault != "refused":
            self.names.append(name) if words[1] == "create" else self.names.remove(name)
        if fault:
            raise CephFailed("source", " ".join(words), fault)

    remove_snapshot = Rbd.remove_snapshot


@pytest.fixture(name="ends")
def _ends(monkeypatch: pytest.MonkeyPatch) -> tuple[End, End]:
    """Return both pools; the target's Cinder has an empty copy, of which *asked* notes reads."""
    here, there = End("here", "backup"), End("there")

    def digest(end: End) -> Any:
        return SimpleNamespace(data_bytes=5, size=end.size, hexdigest=lambda: "d")

    def send(source: End, target: End, image: Any, twin: Any, snapshot: str, *_: Any) -> Any:
        target.names.append(snapshot)
        target.size = source.size
        return digest(source)

    def read(end: End, image: Any, snapshot: str, since: str | None, *_: Any) -> Any:
        end.asked.append(f"{since}..{snapshot}")
        return digest(end)

    def find(api: Any, id_: str) -> Any:
        there.asked.append("find")
        return COPY

    monkeypatch.setattr(rbd_copies, "send", send)
    monkeypatch.setattr(rbd_copies, "read_back", read)
    monkeypatch.setattr(rbd_copies, "find_copy", find)
    monkeypatch.setattr(rbd_copies, "read_volume", lambda api, id_: VOLUME | {HOST: "old@rbd#x"})
    monkeypatch.setattr(rbd_copies, "set_flags", lambda api, id_, volume: None)
    monkeypatch.setattr(
        rbd_copies, "describe", lambda api, copy, volume: there.asked.append("whole")
    )
    monkeypatch.setattr(rbd_copies, "_is_unfinished", lambda copy, volume: True)
    monkeypatch.setattr(Carrier, "source_rbd", property(lambda self: here))
    monkeypatch.setattr(Carrier, "target_rbd", property(lambda self: there))
    return here, there


def carrier(**values: Any) -> Carrier:
    """Return what carries; nobody answers at the clouds."""
    api = cast(Any, None)
    return Carrier(api, api, None, OPTIONS, 1, **values)


def test_after_the_stop_nothing_is_asked_that_was_known(ends: tuple[End, End]) -> None:
    """A run that copied ahead goes on with what it knows, and reads back when it is sent."""
    known: dict[str, Any] = {}
    assert rbd_copies.bulk(carrier(known=known), VOLUME) == 5
    for end in ends:
        end.asked.clear()

    moved = rbd_copies.finish(carrier(known=known), VOLUME)

    assert (moved.target_id, moved.checksum, moved.bytes) == ("t1", "rbd:8", 5)
    assert [end.asked for end in ends] == [[], []]

    rbd_copies.prove(carrier(known=known), VOLUME)

    assert [end.asked for end in ends] == [[], ["pumphouse-1..pumphouse-2", "whole"]]
    # Its server is down until then: to remove them can wait.
    both = ["pumphouse-1", "pumphouse-2"]
    assert [end.names for end in ends] == [["backup", *both], both]


def test_a_run_that_carries_on_looks_first(ends: tuple[End, End]) -> None:
    """The one that copied ahead is dead: what both images have says how far it came."""
    rbd_copies.bulk(carrier(), VOLUME)

    rbd_copies.finish(carrier(), VOLUME)

    assert [end.names for end in ends] == [
        ["backup", "pumphouse-1", "pumphouse-2"],
        ["pumphouse-1", "pumphouse-2"],
    ]
    assert "find" in ends[1].asked


def test_what_a_killed_run_sent_is_compared_by_the_next(ends: tuple[End, End]) -> None:
    """It died while its server booted: both ends are read, from the pass before the last."""
    rbd_copies.bulk(carrier(), VOLUME)
    rbd_copies.finish(carrier(), VOLUME)
    for end in ends:
        end.asked.clear()

    rbd_copies.prove(carrier(), VOLUME)

    assert ends[0].asked[-1] == "pumphouse-1..pumphouse-2"
    assert ends[1].asked[-2:] == ["pumphouse-1..pumphouse-2", "whole"]


def test_what_is_whole_is_not_proven_again(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that died after the proof left nothing to prove; its snapshots go with the rest."""
    monkeypatch.setattr(rbd_copies, "_is_unfinished", lambda copy, volume: False)

    rbd_copies.prove(carrier(), VOLUME)

    assert [end.asked for end in ends] == [[], ["find"]]


def test_a_copy_that_nothing_proves_is_not_called_whole(ends: tuple[End, End]) -> None:
    """Somebody removed the snapshots that both ends had: there is nothing to compare."""
    with pytest.raises(Unverified, match="have no snapshot in common"):
        rbd_copies.prove(carrier(), VOLUME)

    assert "whole" not in ends[1].asked


def test_a_size_that_differs_is_seen(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest is of what is no zeros: it does not tell how long the image is."""
    other = SimpleNamespace(size=9, hexdigest=lambda: "d")
    monkeypatch.setattr(rbd_copies, "read_back", lambda *_: other)

    with pytest.raises(Unverified, match="size: 8 bytes != 9 bytes"):
        rbd_copies.bulk(carrier(), VOLUME)


def test_a_volume_that_was_extended_on_the_way_is_not_taken(ends: tuple[End, End]) -> None:
    """Its image at the target grew with it, and Cinder there would cut it off at an extension."""
    known: dict[str, Any] = {}
    rbd_copies.bulk(carrier(known=known), VOLUME)
    ends[0].size = 2 << 30

    with pytest.raises(Unverified, match="2 GiB was sent != 1 GiB of the copy"):
        rbd_copies.finish(carrier(known=known), VOLUME)
    # What a killed run had sent so is not called whole by the next one.
    with pytest.raises(Unverified, match="2 GiB was sent != 1 GiB of the copy"):
        rbd_copies.prove(carrier(), VOLUME)

    assert "whole" not in ends[1].asked


def test_a_copy_from_before_an_extension_is_made_anew(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed run made it; Cinder makes one of the size that the volume has now."""
    here, there = ends
    rbd_copies.bulk(carrier(), VOLUME)
    here.size = 2 << 30
    monkeypatch.setattr(
        rbd_copies, "delete_volume", lambda api, id_, timeout_s: there.asked.append("deleted")
    )
    monkeypatch.setattr(
        rbd_copies, "make_empty", lambda carrier, row, mover: COPY | {"size": row["size_gib"]}
    )

    rbd_copies.bulk(carrier(), VOLUME | {"size_gib": 2})

    assert "deleted" in there.asked
    assert there.names == ["pumphouse-1"]


@pytest.mark.parametrize(("long", "whole"), [(1, 1), (1 << 30, 1), ((1 << 30) + 1, 2)])
def test_a_part_of_a_gib_counts_as_one(long: int, whole: int) -> None:
    """So Cinder counts an image that it was given to manage."""
    assert gib(long) == whole


def test_only_our_snapshots_are_removed(ends: tuple[End, End]) -> None:
    """At both ends when it has arrived, and what was left before the source's is deleted."""
    rbd_copies.bulk(carrier(), VOLUME)
    rbd_copies.tidy(carrier(), VOLUME)
    assert [end.names for end in ends] == [["backup"], []]

    for end in ends:
        end.names.append("pumphouse-7")
    rbd_copies.tidy_late(carrier(), "s1")
    assert [end.names for end in ends] == [["backup"], []]


@pytest.mark.parametrize("fault", ["refused", "lost"])
def test_a_snapshot_is_removed_at_the_second_try(ends: tuple[End, End], fault: str) -> None:
    """Nothing would do it later but the end of the source's volume."""
    rbd_copies.bulk(carrier(), VOLUME)
    ends[0].fault = fault

    rbd_copies.tidy(carrier(), VOLUME)

    assert [end.names for end in ends] == [["backup"], []]


def test_a_copy_says_how_old_it_is_before_it_is_whole(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of before the first pass: who uses the volume while it is copied, makes that differ."""
    _, there = ends
    monkeypatch.setattr(volumes, "as_of", lambda api, id_: f"noon, {len(there.asked)} asked")
    monkeypatch.setattr(
        volumes, "note", lambda api, id_, marks: there.asked.append(f"{id_}: {marks[AS_OF]}")
    )

    monkeypatch.setattr(volumes, "require_free", lambda *_: None)

    volume_movers.move_detached(carrier(), VOLUME, "P", Mover.RBD)

    assert there.asked.index("t1: noon, 0 asked") < there.asked.index("whole")
