"""A volume that is handed over has one image and one owner, wherever a run is cut short."""

from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pumphouse.checks import MOVER_KEY
from pumphouse.config import MigrateOptions
from pumphouse.errors import CephFailed, Conflict, Unverified, WaitFailed
from pumphouse.models import SOURCE_ID
from pumphouse.tasks import managed, volume_movers, volumes
from pumphouse.tasks.carrying import Carrier
from pumphouse.tasks.rbd import Image

VOLUME = {
    "id": "s1", "name": "data", "host": "old@shared#x", "size_gib": 1, "metadata": {},
    "description": "", "volume_type": "fast", "is_bootable": False, "image_metadata": {},
}  # fmt: skip
OPTIONS = MigrateOptions(
    shared_backends={"shared": "new@shared#x"},
    rbd={"source": {"pools": {"shared": "pool"}}},  # type: ignore[arg-type]
)


class Cut(BaseException):
    """Ends a run where it is, as a kill does."""


class World:
    """A pool and two Cinders; it is cut short at the *at*-th change."""

    def __init__(self) -> None:
        self.pool = {"volume-s1": "bytes"}
        self.ids = {"volume-s1": "0a"}
        self.rows: dict[str, dict[str, Any]] = {"s1": {"id": "s1", "metadata": {}}}
        self.watching: list[str] = []
        self.snapshots_of: list[str] = []
        self.changes = 0
        self.at = 0
        self.stuck = ""

    def changed(self, act: Callable[[], Any]) -> Any:
        """Do *act*, and cut the run short after it if it is its turn."""
        act()
        self.changes += 1
        if self.changes == self.at:
            raise Cut

    # ---- Ceph

    def info(self, image: Image) -> dict[str, Any] | None:
        """Tell of an image."""
        return {"id": self.ids[image.name], "size": 1 << 30} if image.name in self.pool else None

    def names(self, pool: str) -> list[str]:
        """Tell what the directory has: each image once, by the name that a rename came to."""
        return [name for name in self.pool if name != self.stuck]

    def snapshots(self, image: Image) -> list[str]:
        """Tell of its snapshots."""
        return self.snapshots_of

    def watchers(self, image: Image) -> list[str]:
        """Tell who has it open."""
        return self.watching

    def call(self, *words: str) -> str:
        """Tell what was written to it."""
        return self.pool[words[1].rpartition("/")[2]]

    def change(self, *words: str) -> None:
        """Remove an image."""
        self.changed(lambda: self.pool.pop(words[1].rpartition("/")[2]))

    def rename(self, image: Image, name: str) -> None:
        """Give it another name; the old stays if the rename is to be cut off."""
        assert name not in self.pool
        self.ids[name] = self.ids[image.name]
        if self.stuck:
            self.pool[name] = self.pool[image.name]
            raise CephFailed("source", "rename", "no answer")
        self.changed(lambda: self.pool.update({name: self.pool.pop(image.name)}))

    # ---- Cinder

    def make(self, carrier: Carrier, volume: Any, mover: Any) -> Any:
        """Make an empty volume at the target."""
        copy = {
            "id": "t1", "name": "data", "size": 1, "status": "available", "attachments": [],
            "metadata": {SOURCE_ID: "s1"}, "os-vol-host-attr:host": "new@shared#x",
        }  # fmt: skip
        self.rows["s1"]["metadata"] = {MOVER_KEY: "manage"}
        self.ids["volume-t1"] = "0b"
        self.changed(lambda: (self.rows.update(t1=copy), self.pool.update({"volume-t1": ""})))
        return copy

    def forget(self, api: Any, id_: str, timeout_s: float) -> None:
        """Forget a volume."""
        self.changed(lambda: self.rows.pop(id_))

    @property
    def owners(self) -> list[str]:
        """Return the names of the images with bytes."""
        return [name for name, content in self.pool.items() if content]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world in which the source has the volume."""
    found = World()
    monkeypatch.setattr(managed, "find_copy", lambda api, id_: found.rows.get("t1"))
    monkeypatch.setattr(managed, "read_volume", lambda api, id_: found.rows[id_])
    monkeypatch.setattr(managed, "settle", lambda api, id_, timeout_s: found.rows[id_])
    monkeypatch.setattr(managed, "make_empty", found.make)
    monkeypatch.setattr(managed, "forget", found.forget)
    monkeypatch.setattr(managed, "complete", lambda api, copy, volume: None)
    monkeypatch.setattr(
        managed, "forget_mover", lambda api, id_: found.rows[id_]["metadata"].clear()
    )
    monkeypatch.setattr(Carrier, "source_rbd", property(lambda self: Pool(found)))
    return found


class Pool:
    """The world's pool, as `Rbd` shows it."""

    timeout_s = 0.0

    def __init__(self, world: World) -> None:
        self._world = world

    def pool(self, host: str) -> str:
        """Name the pool."""
        return "pool"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)


def carrier() -> Carrier:
    """Return what moves the volume."""
    nobody = cast(Any, SimpleNamespace(name="nobody"))
    return Carrier(nobody, nobody, None, OPTIONS, 1)


def test_it_has_one_owner_wherever_a_run_is_cut_short(world: World) -> None:
    """Carried on, it is the target's; given back, it is the source's, and nothing is left."""
    managed.take(carrier(), VOLUME)
    steps, world.at = world.changes, 0
    assert steps == 3
    for at in range(1, steps + 1):
        for carries_on in (True, False):
            world.__init__()  # type: ignore[misc]
            world.at = at
            with pytest.raises(Cut):
                managed.take(carrier(), VOLUME)
            assert len(world.owners) == 1
            if carries_on:
                managed.take(carrier(), VOLUME)
                assert world.pool == {"volume-t1": "bytes"}
            managed.give_back(carrier(), VOLUME)
            assert world.pool == {"volume-s1": "bytes"}
            assert world.rows == {"s1": {"id": "s1", "metadata": {}}}


@pytest.mark.parametrize("at", [1, 2])
def test_a_way_back_that_was_cut_short_is_finished(world: World, at: int) -> None:
    """Either way: given back once more, or handed over once more."""
    for again in (managed.give_back, managed.take):
        world.__init__()  # type: ignore[misc]
        managed.take(carrier(), VOLUME)
        world.changes, world.at = 0, at
        with pytest.raises(Cut):
            managed.give_back(carrier(), VOLUME)
        assert world.owners == ["volume-s1"]
        again(carrier(), VOLUME)
        assert world.owners == ["volume-s1" if again is managed.give_back else "volume-t1"]


def test_an_empty_copy_from_before_an_extension_is_made_anew(world: World) -> None:
    """A killed run made it; to be seen after the stop only, it would fail the cut-over."""
    managed.prepare(carrier(), VOLUME)
    world.rows["t1"]["size"] = 3

    assert managed.prepare(carrier(), VOLUME)["size"] == 1

    managed.take(carrier(), VOLUME)
    world.rows["t1"]["size"] = 3
    # Extended at the target, it has the bytes: it stays.
    assert managed.prepare(carrier(), VOLUME)["size"] == 3
    assert world.owners == ["volume-t1"]


def test_what_is_open_somewhere_is_not_renamed(world: World) -> None:
    """Two clients that write to one image destroy it."""
    world.watching = ["10.0.0.1"]
    with pytest.raises(Exception, match=r"10\.0\.0\.1 has it"):
        managed.take(carrier(), VOLUME)
    assert world.owners == ["volume-s1"]


def test_an_image_with_snapshots_stays(world: World) -> None:
    """They would go along, and the source's Cinder would lose them."""
    world.snapshots_of = ["volume-c.clone_snap"]
    assert "1 snapshot(s), volume-c.clone_snap" in managed.problems(carrier(), VOLUME)[0]
    with pytest.raises(CephFailed, match="clone_snap"):
        managed.take(carrier(), VOLUME)
    assert world.owners == ["volume-s1"]


def test_two_images_with_bytes_are_nobodys_to_remove(world: World) -> None:
    """Only what Cinder made, and nobody wrote to, is removed."""
    world.make(carrier(), VOLUME, None)
    world.pool["volume-t1"] = "others"
    for act in (managed.take, managed.give_back):
        with pytest.raises(CephFailed, match="has data too"):
            act(carrier(), VOLUME)
    assert world.pool == {"volume-s1": "bytes", "volume-t1": "others"}


@pytest.mark.parametrize("content", ["bytes", ""])
@pytest.mark.parametrize("spare", ["volume-s1", "volume-t1"])
def test_one_image_under_two_names_is_never_removed(
    world: World, content: str, spare: str
) -> None:
    """A rename was cut off: what takes the spare name away is said, whatever is tried."""
    world.pool["volume-s1"], world.stuck = content, spare
    with pytest.raises(CephFailed, match="no answer"):
        managed.take(carrier(), VOLUME)
    both = {"volume-s1": content, "volume-t1": content}
    world.rows["s1"] |= {"name": "data", "os-vol-host-attr:host": VOLUME["host"]}
    for act in (
        managed.give_back,
        managed.bring_home,
        managed.bring_there,
        managed.prepare,
        managed.take,
        managed.require_taken,
        lambda carrier, volume: managed.let_go(carrier, volume["id"]),
    ):
        with pytest.raises(CephFailed, match=rf"`rados -p pool rm rbd_id\.{spare}`") as failed:
            act(carrier(), VOLUME)
        assert "which of the two" not in str(failed.value)
        assert world.pool == both
        assert set(world.rows) == {"s1", "t1"}

    # Somebody did as it says.
    del world.pool[spare]
    world.stuck = ""
    managed.give_back(carrier(), VOLUME)
    assert world.pool == {"volume-s1": content}


def test_a_rename_that_left_the_old_name_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ceph only warns when it could not remove that, and calls the rename done."""
    world.stuck = "volume-s1"
    rename = world.rename

    def warned(image: Image, name: str) -> None:
        with suppress(CephFailed):
            rename(image, name)

    monkeypatch.setattr(world, "rename", warned)
    with pytest.raises(CephFailed, match=r"rm rbd_id\.volume-s1`"):
        managed.take(carrier(), VOLUME)


def test_another_back_end_is_another_pool(world: World) -> None:
    """A rename there would give the target's Cinder nothing."""
    world.make(carrier(), VOLUME, None)["os-vol-host-attr:host"] = "new@other#y"
    with pytest.raises(CephFailed, match="is on new@other#y"):
        managed.take(carrier(), VOLUME)
    assert world.owners == ["volume-s1"]


def test_a_volume_that_a_server_uses_there_is_not_taken_away(world: World) -> None:
    """It would lose its disk while it runs."""
    managed.take(carrier(), VOLUME)
    world.rows["t1"]["attachments"] = [{"server_id": "x"}]
    with pytest.raises(Conflict, match="still has it"):
        managed.give_back(carrier(), VOLUME)
    assert world.owners == ["volume-t1"]


def test_the_source_forgets_only_what_the_target_has(world: World) -> None:
    """Looked up in the pool, right before; and it forgets, it does not delete."""
    world.rows["s1"] |= {"name": "data", "os-vol-host-attr:host": VOLUME["host"]}
    with pytest.raises(Unverified, match="still the source's"):
        managed.let_go(carrier(), "s1")
    managed.take(carrier(), VOLUME)
    managed.let_go(carrier(), "s1")
    assert world.pool == {"volume-t1": "bytes"}
    assert "s1" not in world.rows


def test_what_was_taken_over_is_never_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no copy: these are the only bytes there are."""
    raw = {"id": "t1", "name": "data", "status": "available", "metadata": {MOVER_KEY: "manage"}}
    monkeypatch.setattr(volumes, "read_volume", lambda api, id_: raw)
    with pytest.raises(Conflict, match="never deleted"):
        volumes.delete_volume(cast(Any, None), "t1", 1)
    assert volumes.unfinished(VOLUME, managed.Mover.MANAGE)["metadata"][MOVER_KEY] == "manage"


@pytest.mark.parametrize(("looks", "is_made"), [(0, False), (1, True)])
def test_a_volume_that_a_server_got_since_stays(
    world: World, monkeypatch: pytest.MonkeyPatch, looks: int, is_made: bool
) -> None:
    """Before anything is touched; or right before the rename, and what was made is taken back."""
    left = [None] * looks

    def look(*_: Any) -> None:
        if not left:
            raise WaitFailed("volume data", "Server x has it.")
        left.pop()

    monkeypatch.setattr(volumes, "require_free", look)
    monkeypatch.setattr(volumes, "as_of", lambda *_: "noon")

    with pytest.raises(WaitFailed, match="Server x has it"):
        volume_movers.move_detached(carrier(), VOLUME, "P", managed.Mover.MANAGE)

    assert world.pool == {"volume-s1": "bytes"}
    assert list(world.rows) == ["s1"]
    assert bool(world.changes) is is_made
