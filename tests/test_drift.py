"""What counts as drift, and what is only a plan's own progress."""

import pytest

from pumphouse.drift import differences, drift, header_differences
from pumphouse.estimates import FEWEST, Rates, makespan_s, preparation_s, rates
from pumphouse.fingerprints import changes, fingerprint
from pumphouse.ledger import Entry, Status, entry, table
from pumphouse.models import Action, Mover
from pumphouse.plan import Item, PlanRow
from pumphouse.plan_files import Header

ROW = PlanRow(
    kind="servers", source_id="v1", name="web", action=Action.CREATE, reason="None there.",
    fingerprint="aa", mover=Mover.IMAGE, losses=("Its zone.",),
)  # fmt: skip


def other(**values: object) -> PlanRow:
    return ROW.model_copy(update=values)


@pytest.mark.parametrize(
    "now",
    [
        ROW,
        other(action=Action.UPDATE, target_id="V1"),
        other(action=Action.SKIP, target_id="V1", fingerprint="bb"),
        other(action=Action.ADOPT, target_id="V1"),
        other(losses=()),
        other(reason="Other words."),
        other(downtime_estimate_s=99.0),
    ],
)
def test_progress_is_no_drift(now: PlanRow) -> None:
    """What a run of the plan did, fewer losses, and other estimates are fine."""
    assert drift([ROW], [now]) == []


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (other(fingerprint="bb"), "its content at the source changed"),
        (other(action=Action.BLOCKED, reason="It is paused."), "create → blocked (It is paused)"),
        (other(mapping="mappings.x"), "mapping: none → mappings.x"),
        (other(mover=Mover.REBUILD), "mover: image → rebuild"),
        (other(losses=("Its zone.", "Its tag.")), "it would now lose: Its tag"),
    ],
)
def test_what_the_plan_rests_on_is_drift(now: PlanRow, said: str) -> None:
    """Each difference is one readable sentence about the row."""
    (found,) = drift([ROW], [now])
    assert said in found.sentence
    assert found.sentence.startswith("servers web (v1) changed: ")


def test_what_an_edited_mover_loses_was_chosen() -> None:
    """Another mover loses something else: that is what the editor asked for."""
    now = other(losses=("Its root disk.",))
    assert drift([ROW], [now], edited={ROW.key}) == []
    assert len(drift([ROW], [now])) == 1


def test_another_thing_at_the_target_is_drift() -> None:
    """An adopted thing that was replaced is not the one that was approved."""
    adopted = other(action=Action.ADOPT, target_id="V1")
    (found,) = drift([adopted], [other(action=Action.ADOPT, target_id="V2")])
    assert found.what == ("at the target: V1 → V2",)
    assert drift([adopted], [ROW])[0].what[0].startswith("action: adopt → create")


def test_rows_that_came_and_went_are_drift() -> None:
    """The selection is made again: what is new or gone is said."""
    came, went = other(source_id="v2", name="new"), ROW
    assert [d.change for d in drift([went], [came])] == ["removed", "added"]


def test_columns_that_changed_are_named_where_they_are_known() -> None:
    """An explanation replaces the general sentence."""
    (found,) = drift([ROW], [other(fingerprint="b")], lambda row: ["ram_mib: 1 → 2"])
    assert found.what == ("ram_mib: 1 → 2",)


def test_a_diff_tells_everything() -> None:
    """Two files are compared field by field, progress too."""
    done = other(action=Action.SKIP, target_id="V1", losses=())
    (found,) = differences([ROW], [done])
    assert "action: create → skip" in found.what
    assert "target_id: none → V1" in found.what
    assert "no longer loses: Its zone" in found.what
    assert differences([ROW], [ROW]) == []


SERVER = {
    "id": "v1", "name": "web", "status": "ACTIVE", "host": "cmp1", "metadata": {"a": "b"},
    "tags": [], "ports": [{"id": "p"}], "attached": [{"id": "d", "status": "in-use"}],
}  # fmt: skip


def test_a_diff_tells_another_reason_of_the_same_action() -> None:
    """What is in the way now is not what was: another thing must be done about it."""
    paused = other(action=Action.BLOCKED, reason="It is paused; unpause it.")
    suspended = other(action=Action.BLOCKED, reason="It is suspended; resume it.")
    (found,) = differences([paused], [suspended])
    assert found.what == ("reason: It is paused; unpause it → It is suspended; resume it",)


def test_a_diff_tells_that_something_else_was_asked_for() -> None:
    """Two plans with equal rows are not equal when one was limited, or moves otherwise."""
    old = Header(site="lab", made_at="now", include=("project:shop",), mover=Mover.IMAGE)
    assert header_differences(old, old.model_copy(update={"made_at": "then", "rows": 7})) == []
    changed = {"exclude": ("tag:x", "v2"), "kinds": ("images",)}
    (found,) = header_differences(old, old.model_copy(update=changed))
    assert found.sentence == (
        "plan of lab changed: exclude: none → tag:x, v2; kinds: none → images."
    )


def test_a_fingerprint_takes_whatever_a_cloud_may_say() -> None:
    """Numbers of more than 64 bits, letters of any sort; and tells what differs."""
    profiles = [{"n": 1 << 70}, {"n": 1 << 71}, {"n": "grün"}, {"n": "gruen"}, {"n": None}, None]
    found = [fingerprint("ports", {"id": "p", "binding_profile_": each}) for each in profiles]
    assert len(set(found)) == len(found)
    assert {len(each) for each in found} == {16}


def test_our_own_cut_over_leaves_a_fingerprint_alone() -> None:
    """Stopped, moved by Nova, with our journal and its volume detached: the same content."""
    after = SERVER | {
        "status": "SHUTOFF", "host": "cmp2", "is_locked": True,
        "metadata": {"a": "b", "pumphouse:was": "ACTIVE"},
        "attached": [{"id": "d", "status": "available"}],
    }  # fmt: skip
    assert fingerprint("servers", SERVER) == fingerprint("servers", after)
    bound = {"id": "f", "port_id": "p", "floating_ip_address": "1.2.3.4"}
    assert fingerprint("floating_ips", bound) == fingerprint(
        "floating_ips", bound | {"port_id": None}
    )


def test_changes_are_named_by_column() -> None:
    """A person reads what changed, from what to what."""
    assert changes("servers", SERVER, SERVER | {"name": "new", "host": "x"}) == ["name: web → new"]


def moved(size_gib: int, downtime_s: float, kind: str = "servers") -> Item:
    return Item(
        kind=kind, source_id=str(size_gib), name="n", action=Action.CREATE, reason="r",
        size_bytes=size_gib << 30, downtime_estimate_s=downtime_s,
    )  # fmt: skip


def test_estimates_come_from_what_was_measured() -> None:
    """Three cut-overs make a line; with fewer it is assumed, and so said."""
    entries = [
        entry(moved(size, 1.0), Status.DONE).model_copy(
            update={"downtime_s": 20.0 + 5 * size, "seconds": 1.0}
        )
        for size in (1, 4, 10)
    ]
    found = rates([table(entries)])
    assert found.servers == 3
    assert found.downtime_s(2 << 30) == pytest.approx(30.0)
    assert "from 3 measured cut-overs: 20 s" in found.origin
    few = rates([table(entries[:2])])
    assert (few.servers, few.base_s) == (0, Rates().base_s)
    assert "assumed" in few.origin


def copied(kind: str) -> Entry:
    """Return the entry of a GiB that was copied in 4 s."""
    values = {"seconds": 4.0, "bytes": 1 << 30}
    return entry(moved(1, 0, kind), Status.DONE).model_copy(update=values)


def test_copies_are_measured_too() -> None:
    """Images and volumes give the rate of what is copied before."""
    image = copied("images")
    found = rates([table([image])])
    assert found.copy_bytes_per_s == pytest.approx((1 << 30) / 4)
    assert "copies from 1 measured ones" in found.origin


def test_what_was_not_copied_says_nothing_of_rates() -> None:
    """A volume that went with its server, or was handed over, has a size and sent nothing."""
    with_server = entry(moved(100, 0, "volumes"), Status.DONE)
    handed_over = with_server.model_copy(update={"seconds": 3.0, "source_id": "other"})
    found = rates([table([copied("images"), with_server, handed_over])])
    assert (found.copies, found.copy_bytes_per_s) == (1, pytest.approx((1 << 30) / 4))


def test_a_way_back_is_no_cut_over() -> None:
    """Rollbacks have ledgers, servers and downtimes; nothing is copied in them."""
    back = entry(moved(1, 0), Status.DONE).model_copy(
        update={"action": "return", "downtime_s": 9.0, "seconds": 9.0}
    )
    deleted = copied("images").model_copy(update={"action": "delete"})
    found = rates([table([back] * FEWEST), table([deleted])])
    assert (found.servers, found.copies) == (0, 0)


def test_a_falling_line_is_not_believed() -> None:
    """Larger disks do not make downtimes shorter, whatever three measurements say."""
    entries = [
        entry(moved(size, 1.0), Status.DONE).model_copy(update={"downtime_s": 50.0 - size})
        for size in (1, 4, 10)
    ]
    found = rates([table(entries)])
    assert found.bytes_per_s == Rates().bytes_per_s
    assert found.base_s >= 1


def test_work_side_by_side_takes_as_long_as_its_longest_row() -> None:
    """Each begins as soon as a place is free."""
    assert makespan_s([3, 3, 3, 3], 2) == 6
    assert makespan_s([], 2) == 0
    assert makespan_s([30.0, 60.0], 2) == 60
    assert preparation_s(10, [5.0, 7.0], 1) == preparation_s(10, [], 1) + 12
