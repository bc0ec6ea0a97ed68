"""An image arrives whole and proven, or nothing of it is left."""

import threading
from typing import Any

import pytest

from pumphouse.errors import CopyFailed, Interrupted, WaitFailed
from pumphouse.images import UNFINISHED
from pumphouse.models import OWN_ID, SOURCE_ID
from pumphouse.tasks import claims
from pumphouse.tasks.images import copy_image, delete_copies
from tests.fakeglance import BYTES, Pair, pair, record

FILE = "/images/{id}/file"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pumphouse.tasks.images.time.sleep", lambda seconds: None)


def copied(clouds: Pair, **options: Any) -> tuple[str, str]:
    return copy_image(clouds.source, clouds.target, clouds.image, "P1", **options)


def test_bytes_arrive_with_length_and_mark() -> None:
    """One upload of the same bytes, not chunked, without Expect; the copy carries its source."""
    with pair() as clouds:
        told: list[tuple[int, int]] = []
        copy_id, checksum = copied(clouds, progress=lambda done, size: told.append((done, size)))
        (upload,) = clouds.target_cloud.sent("PUT", "image", FILE)
        assert upload.body == BYTES
        assert upload.headers["content-length"] == str(len(BYTES))
        assert "expect" not in upload.headers
        assert "transfer-encoding" not in upload.headers
        copy = clouds.target_glance.images[copy_id]
        assert (copy[SOURCE_ID], copy["owner"]) == ("i1", "P1")
        assert checksum == f"sha512:{copy['os_hash_value']}"
        assert told[-1] == (len(BYTES), len(BYTES))


def test_a_second_run_writes_nothing() -> None:
    """A finished copy is found by its mark."""
    with pair() as clouds:
        first = copied(clouds)
        before = len(clouds.target_cloud.sent())
        assert copied(clouds) == first
        assert {r.method for r in clouds.target_cloud.sent()[before:]} == {"GET"}


def test_a_copy_that_was_cut_short_is_made_anew() -> None:
    """What a killed run left queued is deleted, not filled."""
    with pair() as clouds:
        left = {"id": "old", "status": "queued", SOURCE_ID: "i1", "name": "base"}
        clouds.target_glance.images["old"] = left
        copy_id, _ = copied(clouds)
        assert list(clouds.target_glance.images) == [copy_id]


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_copy_that_another_run_is_at_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, is_killed: bool
) -> None:
    """It is not deleted under that run; when that dies over it, it is made anew."""
    with pair() as clouds:
        theirs = {"id": "old", "status": "saving", SOURCE_ID: "i1", UNFINISHED: "x h 1 1"}
        clouds.target_glance.images["old"] = theirs | {"name": "base"}
        asked: list[str] = []

        def rival(note: str, key: str) -> str:
            asked.append(note)
            if len(asked) < 3:
                return "Run x copies it."
            if not is_killed:
                clouds.target_glance.images["old"] = record("old") | {SOURCE_ID: "i1"}
            return ""

        monkeypatch.setattr(claims, "rival", rival)
        copy_id, _ = copied(clouds)

        assert asked == ["x h 1 1"] * 3
        assert (copy_id == "old") is not is_killed
        assert list(clouds.target_glance.images) == [copy_id]
        assert UNFINISHED not in clouds.target_glance.images[copy_id]


def test_another_run_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, and what it has made is left to it."""
    with pair() as clouds:
        theirs = {"id": "old", "status": "saving", SOURCE_ID: "i1", UNFINISHED: "x h 1 1"}
        clouds.target_glance.images["old"] = theirs | {"name": "base"}
        monkeypatch.setattr(claims, "rival", lambda note, key: "Run x copies it.")
        with pytest.raises(WaitFailed, match="Run x copies it"):
            copied(clouds, patience_s=0.1)
        assert list(clouds.target_glance.images) == ["old"]


@pytest.mark.parametrize(
    ("side", "method", "fault"),
    [
        ("source", "GET", {"cut_at": 1 << 20}),
        ("source", "GET", {"status": 500}),
        ("source", "GET", {"reset": True}),
        ("target", "PUT", {"read_at_most": 1 << 20}),
        ("target", "PUT", {"status": 503}),
        ("target", "PUT", {"status": 401}),
        ("target", "PUT", {"status": 429, "retry_after": 1}),
    ],
    ids=["cut while reading", "500", "reset", "reset while writing", "503", "401", "429"],
)
def test_a_transfer_that_breaks_once_is_repeated_whole(
    side: str, method: str, fault: dict[str, Any]
) -> None:
    """After a fault in the middle there is one copy, with all the bytes."""
    with pair() as clouds:
        cloud = clouds.source_cloud if side == "source" else clouds.target_cloud
        cloud.fault(method, "image", FILE, times=1, **fault)
        copy_id, _ = copied(clouds)
        assert list(clouds.target_glance.images) == [copy_id]
        assert clouds.target_glance.images[copy_id]["size"] == len(BYTES)


def test_a_token_that_expires_is_renewed() -> None:
    """Both ends may ask for a new login in the middle of a run."""
    with pair() as clouds:
        copied(clouds)
        clouds.target_glance.images.clear()
        clouds.source_cloud.expire_tokens()
        clouds.target_cloud.expire_tokens()
        copy_id, _ = copied(clouds)
        assert list(clouds.target_glance.images) == [copy_id]
        assert clouds.target_cloud.logins == 2


def test_a_transfer_that_always_breaks_leaves_nothing() -> None:
    """After three attempts the error says so, and the target is as before."""
    with pair() as clouds:
        clouds.source_cloud.fault("GET", "image", FILE, cut_at=1000)
        with pytest.raises(CopyFailed, match=r"base \(i1\).*Nothing is left"):
            copied(clouds)
        assert clouds.target_glance.images == {}
        assert len(clouds.target_cloud.sent("POST", "image", "/images")) == 3


def test_a_full_quota_is_not_tried_again() -> None:
    """413 does not heal: one attempt, the cloud's own words, nothing left."""
    with pair() as clouds:
        clouds.target_cloud.fault("PUT", "image", FILE, status=413, message="Quota exceeded.")
        with pytest.raises(CopyFailed, match="413"):
            copied(clouds)
        assert clouds.target_glance.images == {}
        assert len(clouds.target_cloud.sent("POST", "image", "/images")) == 1


def test_other_bytes_are_found_by_their_hash() -> None:
    """A source whose bytes are not those of its record gives no copy."""
    with pair() as clouds:
        clouds.source_glance.images["i1"]["os_hash_value"] = "0" * 128
        with pytest.raises(CopyFailed, match="sha512 of the copy differs"):
            copied(clouds)
        assert clouds.target_glance.images == {}


def test_a_wrong_size_is_found() -> None:
    """Fewer bytes than the record says are a broken transfer."""
    with pair() as clouds:
        clouds.source_glance.images["i1"]["size"] = len(BYTES) + 1
        with pytest.raises(CopyFailed, match=f"{len(BYTES)} of {len(BYTES) + 1} bytes"):
            copied(clouds)
        assert clouds.target_glance.images == {}


def test_without_a_hash_at_the_source_the_worker_hashes() -> None:
    """An image of an old Glance is proven by what passed through us."""
    with pair() as clouds:
        clouds.source_glance.images["i1"] |= {"os_hash_algo": None, "os_hash_value": None}
        _, checksum = copied(clouds)
        assert checksum.startswith("sha512:")


def test_a_stop_signal_ends_a_copy() -> None:
    """A cancelled run leaves no half image."""
    with pair() as clouds:
        stop = threading.Event()
        stop.set()
        clouds.source_cloud.fault("GET", "image", FILE, delay_s=1)
        with pytest.raises(Interrupted):
            copied(clouds, stop=stop)
        assert clouds.target_glance.images == {}


def finished(clouds: Pair) -> tuple[str, dict[str, Any]]:
    """Copy the image as one that is protected, deactivated and shared; return the copy."""
    row = {
        **clouds.image,
        "visibility": "shared",
        "is_protected": True,
        "status": "deactivated",
        "grants": {"P2": "accepted", "P3": "pending"},
    }
    copy_id, _ = copy_image(clouds.source, clouds.target, row, "P1")
    return copy_id, clouds.target_glance.images[copy_id]


def test_members_state_and_protection_come_after_the_bytes() -> None:
    """The copy has them all, and no longer says that it is unfinished; a second run only reads."""
    with pair() as clouds:
        copy_id, copy = finished(clouds)
        assert (copy["status"], copy["protected"], UNFINISHED in copy) == (
            "deactivated", True, False,
        )  # fmt: skip
        assert clouds.target_glance.members[copy_id] == {"P2": "accepted", "P3": "pending"}
        before = len(clouds.target_cloud.sent())
        assert finished(clouds)[0] == copy_id
        assert {r.method for r in clouds.target_cloud.sent()[before:]} == {"GET"}


def test_a_copy_that_was_not_finished_is_finished() -> None:
    """Killed after the bytes: the next run does not send them again, and does the rest."""
    with pair() as clouds:
        left = record("t9", visibility="shared") | {SOURCE_ID: "i1", UNFINISHED: "yes"}
        clouds.target_glance.images = {"t9": left}
        copy_id, copy = finished(clouds)
        assert (copy_id, copy["protected"], UNFINISHED in copy) == ("t9", True, False)
        assert clouds.target_cloud.sent("PUT", "image", FILE) == []


def test_what_a_tenant_changed_later_stays() -> None:
    """A copy that was finished once is not protected or deactivated again."""
    with pair() as clouds:
        copy_id, copy = finished(clouds)
        copy |= {"status": "active", "protected": False}
        clouds.target_glance.members[copy_id]["P2"] = "rejected"
        finished(clouds)
        assert (copy["status"], copy["protected"]) == ("active", False)
        assert clouds.target_glance.members[copy_id]["P2"] == "rejected"


def test_a_hidden_copy_is_found() -> None:
    """Glance lists hidden images only when asked for them."""
    with pair() as clouds:
        clouds.source_glance.images["i1"]["os_hidden"] = True
        first = copied(clouds)
        assert copied(clouds) == first
        assert len(clouds.target_glance.images) == 1


def test_what_a_tenant_made_of_a_copy_is_no_copy() -> None:
    """Nova writes the marks of a server's image into every image that its tenant makes of it."""
    with pair() as clouds:
        copy_id, _ = copied(clouds, mark="s1")
        images = clouds.target_glance.images
        assert images[copy_id][OWN_ID] == copy_id
        images["backup"] = images[copy_id] | {"id": "backup", "name": "nightly"}

        delete_copies(clouds.target, "s1")

        assert list(images) == ["backup"]
