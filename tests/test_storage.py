"""Inventories on disk and elsewhere: whole or not there, found again, taken over while young."""

import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from pumphouse import tables
from pumphouse.errors import ConfigError, TableMissing
from pumphouse.models import Role
from pumphouse.tasks import storage
from pumphouse.tasks.storage import Folder, Manifest, StoredTable

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
REGIONS = tables.frame("regions", [{"id": "RegionOne"}])


def stored(kind: str, minutes_ago: int = 0, failure: str = "", note: str = "") -> StoredTable:
    """A table of the source, read *minutes_ago* before noon."""
    read_at = NOON - timedelta(minutes=minutes_ago)
    return StoredTable(
        role=Role.SOURCE, kind=kind, rows=1, calls=3, read_at=read_at, failure=failure, note=note
    )


def keep(url: str, name: str, *found: StoredTable, cloud: str = "http://a/v3") -> Folder:
    """Store an inventory of site ``lab``, the tables that did not fail with one row each."""
    site = storage.inventories(url, "lab")
    folder = site / name / "source"
    for table in found:
        if not table.failure:
            storage.write_table(folder, table.kind, REGIONS)
    manifest = Manifest(
        site="lab",
        role=Role.SOURCE,
        cloud=cloud,
        made_at=NOON,
        tables={table.kind: table for table in found},
    )
    storage.write_manifest(folder, manifest)
    storage.point(site, Role.SOURCE, name)
    return folder


@pytest.fixture(params=["folder", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder, and an object store that knows no folders."""
    return str(tmp_path) if request.param == "folder" else f"memory://{tmp_path.name}"


def test_an_inventory_is_found_again(url: str) -> None:
    """By site and role, with its notes, failures and age."""
    keep(
        url,
        "one",
        stored("regions", minutes_ago=5, note="Hm."),
        stored("users", failure="It broke."),
    )

    found = storage.latest(url, "lab", Role.SOURCE)

    assert list(found["regions"]["id"]) == ["RegionOne"]
    assert found.notes == {"regions": "Hm."}
    assert found.read_at == NOON - timedelta(minutes=5)
    with pytest.raises(TableMissing, match=r"It broke\."):
        found["users"]


def test_the_newest_is_the_one_last_pointed_at(url: str) -> None:
    """And the older ones stay."""
    keep(url, "one", stored("regions"))
    keep(url, "two", stored("regions"))

    assert storage.latest(url, "lab", Role.SOURCE).location.endswith("two/source")
    assert [name for name, _ in storage.manifests(url, "lab")] == ["one", "two"]


def test_before_the_first_discovery_the_message_says_what_to_do(url: str) -> None:
    """Not a FileNotFoundError."""
    with pytest.raises(ConfigError, match="no inventory of the target yet; run pumphouse disc"):
        storage.latest(url, "lab", Role.TARGET)
    with pytest.raises(ConfigError, match="There is no inventory here"):
        storage.load(storage.inventories(url, "lab") / "nothing" / "source")
    assert storage.manifests(url, "lab") == []


def test_a_lost_file_is_told(tmp_path: Path) -> None:
    """Somebody cleaned up by hand."""
    folder = keep(str(tmp_path), "one", stored("regions"))
    Path(folder.path, "regions.parquet").unlink()

    with pytest.raises(TableMissing, match=r"regions\.parquet is gone"):
        storage.load(folder)["regions"]


def test_only_the_tables_asked_for_are_read(tmp_path: Path) -> None:
    """A question about servers does not wait for the ports."""
    keep(str(tmp_path), "one", stored("regions"), stored("users"))

    assert "users" not in storage.latest(str(tmp_path), "lab", Role.SOURCE, ["regions"])


@pytest.mark.parametrize(
    ("minutes", "cloud", "expected"),
    [
        (0, "http://a/v3", []),
        (10, "http://a/v3", ["regions"]),
        (100, "http://a/v3", ["regions", "users"]),
        (100, "http://b/v3", []),
    ],
)
def test_tables_are_taken_over_while_young(
    url: str, minutes: int, cloud: str, expected: list[str]
) -> None:
    """Never failed ones, never another cloud's, and with an age of zero none at all."""
    keep(
        url,
        "one",
        stored("regions", minutes_ago=5),
        stored("users", minutes_ago=50),
        stored("roles", failure="It broke."),
    )
    site = storage.inventories(url, "lab")

    found = storage.reusable(site, Role.SOURCE, cloud, timedelta(minutes=minutes), NOON)

    assert [table.kind for _, table in found] == expected


def test_a_table_that_was_taken_over_keeps_its_age(url: str) -> None:
    """Else it could be taken over for ever."""
    folder = keep(url, "one", stored("regions", minutes_ago=5))
    target = storage.inventories(url, "lab") / "two" / "source"

    again = storage.reuse(folder, stored("regions", minutes_ago=5), target)

    assert again.read_at == NOON - timedelta(minutes=5)
    assert again.is_reused
    assert again.calls == 0
    assert storage.read_table(target, "regions") is not None


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    """A file is replaced whole while others read it."""
    folder, seen, stop = Folder(str(tmp_path)), set(), threading.Event()
    contents = [bytes([n]) * 200_000 for n in range(1, 4)]
    folder.write("f", contents[0])

    def look() -> None:
        while not stop.is_set():
            seen.add(folder.read("f"))

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(20):
        for content in contents:
            folder.write("f", content)
    stop.set()
    reader.join()

    assert seen <= set(contents)
    assert folder.names() == ["f"]


def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no litter."""
    folder = Folder(str(tmp_path))
    folder.write("f", b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        folder.write("f", b"new")

    assert folder.names() == ["f"]
    assert folder.read("f") == b"old"


def test_a_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` in the configuration."""
    monkeypatch.setenv("HOME", str(tmp_path))

    assert (Folder("~/data/") / "x").location == f"{tmp_path}/data/x"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("foo://x/plans", "Protocol not known: foo"),
        ("s3://bucket/plans", "Install s3fs"),
        ("github://x/plans", "missing"),
    ],
)
def test_a_place_that_cannot_be_opened_is_wrong_input(
    url: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip of the pen or a package that is not there: no traceback."""
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ConfigError, match=said) as caught:
        Folder(url)
    assert (caught.value.origin, "storage.url" in str(caught.value)) == (url, True)


@pytest.mark.parametrize("what", ["a file", "locked"])
def test_a_place_that_cannot_be_read_is_wrong_input(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no empty storage: other failures than that nothing is there are told."""
    url = tmp_path / "place"
    url.touch()
    if what == "locked":

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        for name in ("ls", "cat_file"):
            monkeypatch.setattr(LocalFileSystem, name, refuse)
    said = "Not a directory" if what == "a file" else "Permission denied"
    with pytest.raises(ConfigError, match=f"cannot be read: {said}") as caught:
        storage.latest(str(url), "lab", Role.SOURCE)
    assert caught.value.origin == f"{url}/inventories/lab/latest-source.json"
    with pytest.raises(ConfigError, match=f"cannot be read: {said}") as caught:
        storage.manifests(str(url), "lab")
    assert caught.value.origin == f"{url}/inventories/lab"


@pytest.mark.parametrize("said", ["File exists", "Not a directory", "Permission denied"])
def test_a_place_that_cannot_be_written_is_wrong_input(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read of a cloud has nowhere to go: said before it is read."""
    place = tmp_path / "place"
    if said == "Permission denied":

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, said)

        place.mkdir()
        monkeypatch.setattr("tempfile.mkdtemp", refuse)
    else:
        place.touch()
    folder = place / "x" if said == "Not a directory" else place
    with pytest.raises(ConfigError, match=f"cannot be written: {said}; storage.url") as caught:
        Folder(str(folder)).require_writable()
    assert caught.value.origin == str(folder)


def test_looking_whether_a_place_can_be_written_leaves_nothing(url: str) -> None:
    """But the folder, where there are folders; and again is fine."""
    folder = Folder(f"{url}/runs")
    folder.require_writable()
    folder.require_writable()
    assert folder.names() == []


def test_names_sort_by_time() -> None:
    """So that the last in a listing is the newest."""
    earlier = storage.named(NOON, "zzzz")

    assert earlier < storage.named(NOON + timedelta(seconds=1), "aaaa")


def test_only_the_newest_inventories_are_kept(tmp_path: Path) -> None:
    """A cloud whose newest one is old keeps it, and what is no inventory is not touched."""
    site = storage.inventories(str(tmp_path), "s")
    made = [storage.named(NOON + timedelta(minutes=minute), "run") for minute in range(5)]
    for name in made:
        (site / name / "source").write(storage.MANIFEST, b"{}")
    (site / "notes").write("of-an-operator.txt", b"keep me")
    storage.point(site, Role.SOURCE, made[4])
    storage.point(site, Role.TARGET, made[0])

    gone = storage.prune(site, 2)

    assert gone == made[1:3]
    assert {made[0], *made[3:], "notes"} <= set(site.names())
    assert not set(gone) & set(site.names())
    assert storage.prune(site, 2) == []
