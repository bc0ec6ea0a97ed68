"""DNS zones: read, chosen, compared, made with their record sets, and deleted at the source."""

from collections.abc import Iterator
from typing import Any

import pytest

from pumphouse import tables
from pumphouse.bodies import tag
from pumphouse.closure import closure
from pumphouse.errors import MissingRights, RequestFailed, Unverified
from pumphouse.estate import Estate
from pumphouse.ledger import Entry, Status
from pumphouse.models import SOURCE_ID, Action, Role
from pumphouse.plan import DONE, Item, Plan
from pumphouse.planning import plan
from pumphouse.selection import Chosen, Selection, chosen
from pumphouse.tasks import zones as tasks
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import do_batch
from pumphouse.tasks.extraction import batches
from pumphouse.tasks.readers import CloudReader, Reading
from tests.fakecloud import VERSIONS, FakeCloud
from tests.fakedns import FakeDns
from tests.tenants import Rows, estate, source, target
from tests.test_finalization import judged, moved

A = {"name": "www.shop.example.", "type": "A", "records": ["198.51.100.7"], "ttl": 60}
MX = {"name": "shop.example.", "type": "MX", "records": ["10 a.example.", "20 b.example."]}
WITHOUT = tuple(service for service in VERSIONS if service != "dns")


@pytest.fixture
def here() -> Iterator[FakeDns]:
    """A source whose project shop has a zone with two record sets, and one below it."""
    with FakeCloud() as cloud:
        dns = FakeDns(cloud, servers=("ns1.old.example.", "ns2.old.example."))
        dns.add("eu.shop.example.", "p1", {**A, "name": "www.eu.shop.example."})
        delegation = {"name": "eu.shop.example.", "type": "NS", "records": ["ns1.old.example."]}
        dns.add("shop.example.", "p1", A, MX, delegation, description="The shop.")
        dns.add("other.example.", "p2")
        yield dns


@pytest.fixture
def there() -> Iterator[FakeDns]:
    """A target without zones."""
    with FakeCloud() as cloud:
        yield FakeDns(cloud)


def read(cloud: FakeCloud, rows: Rows) -> Estate:
    """Return *rows* with the DNS tables as they are read from *cloud*."""
    with CloudReader(cloud.block(), Role.SOURCE, 2) as reader:
        for kind in ("zones", "recordsets"):
            rows[kind] = [row for page in batches(kind, Reading(reader)) for row in page]
    return estate(rows)


def planned(here: FakeDns, there: FakeDns, *words: str, has_moved: bool = True) -> Plan:
    """Return the plan of *words*; the target has our copy of the project if it has moved."""
    src, dst = source(), target()
    if has_moved:
        tags = [f"{SOURCE_ID}=p1"]
        dst["projects"].append({**src["projects"][0], "id": "P1", "tags": tags})
    found = read(here.cloud, src)
    what = chosen(Selection(include=words or ("project:shop",)), found)
    return plan(what, found, read(there.cloud, dst))


def do(there: FakeDns, made: Plan, timeout_s: float = 20) -> list[Entry]:
    """Make the zones of a plan, as its batch does."""

    def effect(api: Api, item: Item, ids: Any) -> str:
        return tasks.make_zone(api, item, ids, timeout_s)

    with Api(there.cloud.block(), "target") as api:
        return do_batch(api, made.of("zones"), effect, {"projects": {"p1": "P1"}}, frozenset())


def zone(made: Plan, name: str = "shop.example.") -> Item:
    (found,) = [item for item in made.of("zones") if item.name == name]
    return found


def test_zones_of_all_projects_are_read_page_by_page() -> None:
    """Each page is asked with the header that the link to the next one does not carry."""
    with FakeCloud() as cloud:
        rows = [{"id": f"z{i}", "name": f"z{i}.", "type": "PRIMARY"} for i in range(5)]
        cloud.listing("dns", "/zones", "zones", rows, page=2)
        with CloudReader(cloud.block(), Role.SOURCE, 1) as reader:
            found = [row for page in batches("zones", Reading(reader)) for row in page]
        sent = cloud.sent("GET", "dns", "/zones")
    assert [row["id"] for row in found] == ["z0", "z1", "z2", "z3", "z4"]
    assert tables.problems("zones", tables.frame("zones", found)) == []
    assert [r.headers.get("x-auth-all-projects") for r in sent] == ["true"] * 3
    assert sent[0].query["limit"] == "max"


def test_a_cloud_without_designate_has_no_zones() -> None:
    """An empty table and a note; a missing right is an error that names what was refused."""
    with (
        FakeCloud(services=WITHOUT) as cloud,
        CloudReader(cloud.block(), Role.SOURCE, 1) as reader,
    ):
        reading = Reading(reader)
        assert list(batches("zones", reading)) == []
        assert reading.notes == ["Cloud source has no dns service."]
    with FakeCloud() as cloud, CloudReader(cloud.block(), Role.SOURCE, 1) as reader:
        cloud.fault("GET", "dns", "/recordsets", status=403)
        with pytest.raises(MissingRights, match="GET /recordsets"):
            list(batches("recordsets", Reading(reader)))


def test_a_project_brings_its_zones_and_a_server_does_not(here: FakeDns) -> None:
    """With the sets that are its tenant's, each after the zone that it lies in."""
    found = read(here.cloud, source())
    rows = closure(found, Chosen(project_ids=("p1",), server_ids=()))["zones"]
    assert [row["name"] for row in rows] == ["shop.example.", "eu.shop.example."]
    kinds = [(s["name"], s["type"]) for s in rows[0]["recordsets"]]
    assert kinds == [(A["name"], "A"), (MX["name"], "MX"), ("eu.shop.example.", "NS")]
    assert closure(found, Chosen(project_ids=(), server_ids=("v1",)))["zones"] == []


def test_a_zone_moves_whole_and_a_second_run_writes_nothing(here: FakeDns, there: FakeDns) -> None:
    """In its project, with all its sets and its own description; then it is found."""
    made = planned(here, there)
    assert made.obstacles == []
    assert [entry.status for entry in do(there, made)] == [Status.DONE, Status.DONE]
    assert there.says("shop.example.") == here.says("shop.example.")
    assert there.says("eu.shop.example.") == here.says("eu.shop.example.")
    (copy,) = [z for z in there.zones.values() if z["name"] == "shop.example."]
    assert (copy["project_id"], copy["description"]) == ("P1", "The shop.")

    again = planned(here, there)
    assert {item.action for item in again.of("zones")} == {Action.SKIP}
    before = len(there.cloud.requests)
    assert {entry.status for entry in do(there, again)} == {Status.FOUND}
    assert len(there.cloud.requests) == before


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_zone_that_was_cut_off_is_completed(here: FakeDns, there: FakeDns, after: int) -> None:
    """Nothing is made twice, whichever of its sets was the first to fail."""
    there.cloud.fault("POST", "dns", "/zones/{id}/recordsets", status=503, times=1, after=after)
    (failed, *_) = do(there, planned(here, there, "zones:shop.example."))
    assert failed.status is Status.FAILED
    assert [z["description"] for z in there.zones.values()] == [tag("z-shop.example.")]

    again = planned(here, there, "zones:shop.example.")
    assert zone(again).reason == "An earlier run began it and was cut short."
    assert [entry.status for entry in do(there, again)] == [Status.DONE]
    assert there.says("shop.example.") == here.says("shop.example.")
    assert [z["description"] for z in there.zones.values()] == ["The shop."]


@pytest.mark.parametrize(
    ("becomes", "polls", "said"),
    [("ERROR", 1, "It became ERROR."), ("ACTIVE", 10**6, "It did not happen within 0.5 s.")],
)
def test_a_zone_that_its_name_servers_do_not_take_is_an_error(
    here: FakeDns, there: FakeDns, becomes: str, polls: int, said: str
) -> None:
    """It says which zone, what is made, and what to do; the next run goes on with it."""
    there.becomes, there.polls = becomes, polls
    (failed, *_) = do(there, planned(here, there, "zones:shop.example."), timeout_s=0.5)
    assert failed.status is Status.FAILED
    assert "zone shop.example. (z-shop.example.) of the target to be ACTIVE" in failed.message
    assert said in failed.message
    assert "with its 3 record set(s), and stays: look at the name servers" in failed.message
    there.becomes, there.polls = "ACTIVE", 0
    there.zones["z-shop.example."]["status"] = "PENDING"
    there._left.clear()
    assert [e.status for e in do(there, planned(here, there, "zones:shop.example."))] == [
        Status.DONE
    ]


def test_a_set_that_somebody_else_made_is_no_copy(here: FakeDns, there: FakeDns) -> None:
    """A record set of that name with other records is told, and not overwritten."""
    made = planned(here, there, "zones:shop.example.")
    copy = there.add("shop.example.", "P1", {**A, "records": ["192.0.2.1"]})
    copy["description"] = tag("z-shop.example.")
    again = planned(here, there, "zones:shop.example.")
    (failed, *_) = do(there, again)
    assert made.obstacles == []
    assert "www.shop.example. A: ['198.51.100.7'] != ['192.0.2.1']" in failed.message


def test_a_secondary_zone_has_masters_and_no_sets(here: FakeDns, there: FakeDns) -> None:
    """Its records come from its masters, which must let the target's name servers."""
    here.add("sec.example.", "p1", type="SECONDARY", masters=["192.0.2.3"], ttl=None)
    made = planned(here, there, "zones:sec.example.")
    assert "must allow transfers" in zone(made, "sec.example.").losses[0]
    assert [entry.status for entry in do(there, made)] == [Status.DONE]
    (copy,) = there.zones.values()
    assert (copy["type"], copy["masters"], copy["project_id"]) == (
        "SECONDARY", ["192.0.2.3"], "P1",
    )  # fmt: skip
    (sent,) = there.cloud.sent("POST", "dns", "/zones")
    assert set(sent.json()) == {"name", "type", "masters", "description"}


def test_the_name_of_a_floating_address_is_said_to_be_lost(here: FakeDns, there: FakeDns) -> None:
    """Of a zone that is Designate's; one in a zone of the project travels with that."""
    names = [
        {"name": f"{host}.100.51.198.in-addr.arpa.", "type": "PTR", "records": [f"{host}.shop."]}
        for host in (7, 8)
    ]
    here.add("7.100.51.198.in-addr.arpa.", "p2", names[0])
    here.add("8.100.51.198.in-addr.arpa.", "p1", names[1])
    made = planned(here, there)

    mail, web = made.of("floating_ips")
    assert "openstack ptr record set REGION:FLOATING_IP 7.shop." in " ".join(mail.losses)
    assert web.losses == ()


def test_what_a_zone_loses_is_said(here: FakeDns, there: FakeDns) -> None:
    """Its delegation is for people; attributes and shares are not carried."""
    here.zones["z-shop.example."] |= {"attributes": {"tier": "gold"}, "shared": True}
    words = " ".join(zone(planned(here, there)).losses)
    assert "the source's name servers (ns1.old.example., ns2.old.example.) until" in words
    assert "Its attributes (tier=gold)" in words
    assert "Its shares with other projects" in words


def test_an_equal_zone_of_another_project_is_taken_and_a_different_one_is_not(
    here: FakeDns, there: FakeDns
) -> None:
    """A zone of a project that was there is not ours to change."""
    there.add("shop.example.", "P9", A)
    src, dst = source(), target()
    dst["projects"].append({**src["projects"][0], "id": "P9", "tags": []})
    found = read(here.cloud, src)
    what = chosen(Selection(include=("zones:shop.example.",)), found)
    made = plan(what, found, read(there.cloud, dst))
    assert zone(made).action is Action.CONFLICT
    for each in list(here.recordsets.values()):
        if each["name"] != A["name"] and each["type"] not in ("SOA", "NS"):
            del here.recordsets[each["id"]]
        if each["type"] == "NS" and each["name"] == "eu.shop.example.":
            here.recordsets.pop(each["id"], None)
    found = read(here.cloud, src)
    made = plan(what, found, read(there.cloud, dst))
    assert (zone(made).action, zone(made).reason) == (Action.ADOPT, "An equal one exists.")


def test_what_a_tenant_changed_at_the_target_is_left_alone(here: FakeDns, there: FakeDns) -> None:
    """A zone in a project of ours is ours; what its tenant did since is not undone."""
    do(there, planned(here, there))
    there.recordsets = {i: s for i, s in there.recordsets.items() if s["type"] != "MX"}
    item = zone(planned(here, there))
    assert item.action is Action.SKIP
    assert "Copied before; changed since: lacking" in item.reason


def test_a_target_without_designate_blocks_zones(here: FakeDns) -> None:
    """They are not lost without a word; the sentence says how to leave them out."""
    src, dst = source(), target()
    found = read(here.cloud, src)
    dst["services"] = [{"id": "k", "type": "identity", "name": "keystone"}]
    what = chosen(Selection(include=("project:shop",)), found)
    made = plan(what, found, estate(dst))
    assert zone(made).action is Action.BLOCKED
    assert "(--exclude zones:shop.example.)" in zone(made).reason
    out = Selection(include=("project:shop",), exclude=("zones:shop.example.",))
    assert [i.name for i in plan(chosen(out, found), found, estate(dst)).of("zones")] == [
        "eu.shop.example."
    ]
    dst["services"].append({"id": "d", "type": "dns", "name": "designate"})
    assert plan(what, found, estate(dst)).obstacles == []


def test_zones_in_each_other_of_two_projects_are_blocked(here: FakeDns, there: FakeDns) -> None:
    """Designate would refuse the second one: said before, for those that are there too."""
    there.add("example.", "P0")
    made = planned(here, there)
    assert "Zone example. is of project Default/admin" in zone(made).reason
    here.zones["z-eu.shop.example."]["project_id"] = "p2"
    del there.zones["z-example."]
    made = planned(here, there, "project:shop", "project:other")
    assert "eu.shop.example. is of project Default/other" in zone(made).reason
    assert "shop.example. is of project Default/shop" in zone(made, "eu.shop.example.").reason


@pytest.mark.parametrize(
    ("values", "said"),
    [({"type": "CATALOG"}, "It is a CATALOG zone"), ({"action": "DELETE"}, "being deleted")],
)
def test_what_is_no_tenants_zone_is_blocked(
    here: FakeDns, there: FakeDns, values: dict[str, Any], said: str
) -> None:
    """A pool's own zone, and one that is going."""
    here.zones["z-shop.example."] |= values
    assert said in zone(planned(here, there)).reason


def test_a_change_of_the_serial_is_no_drift(here: FakeDns, there: FakeDns) -> None:
    """Designate counts it up by itself; a changed record is one."""
    before = zone(planned(here, there)).fingerprint
    here.zones["z-shop.example."]["serial"] += 1
    assert zone(planned(here, there)).fingerprint == before
    (record,) = [s for s in here.recordsets.values() if s["name"] == A["name"]]
    record["ttl"] = 61
    assert zone(planned(here, there)).fingerprint != before


# ---- finalize


def both(old: FakeDns, new: FakeDns) -> tuple[Rows, Rows]:
    """Return both clouds with project shop moved whole, and their zones as they are now."""
    src, dst = moved()
    read(old.cloud, src)
    read(new.cloud, dst)
    return src, dst


def test_zones_go_from_the_source_when_their_copies_equal_them(
    here: FakeDns, there: FakeDns
) -> None:
    """The lower one first; the reason says what goes with them."""
    do(there, planned(here, there))
    found = judged(*both(here, there))
    gone = [key for key, r in found.items() if r.kind == "zones" and r.is_removed]
    assert gone == ["zones:z-eu.shop.example.", "zones:z-shop.example."]
    assert "finds nothing afterwards" in found[gone[0]].reason
    assert found["projects:p1"].is_removed
    with Api(here.cloud.block(), "source") as api:
        for key in gone:
            tasks.delete_zone(api, key.partition(":")[2], 20)
            tasks.delete_zone(api, key.partition(":")[2], 20)
    assert set(here.zones) == {"z-other.example."}


def test_a_zone_whose_copy_is_another_one_stays(here: FakeDns, there: FakeDns) -> None:
    """A record that the source got since, a young copy, and name servers that both write to."""
    do(there, planned(here, there))
    here._put(here.zones["z-eu.shop.example."], {**A, "name": "new.eu.shop.example."})
    found = judged(*both(here, there))
    stays = found["zones:z-eu.shop.example."].reason
    assert stays == "Its copy lacks or has changed 1 record set(s): new.eu.shop.example. A."
    assert found["zones:z-shop.example."].reason == "1 zone(s) below it stay."
    assert "2 zones" in found["projects:p1"].reason


def test_a_young_zone_and_one_on_shared_name_servers_stay(here: FakeDns, there: FakeDns) -> None:
    """The grace period counts from the copy; what both clouds publish on is abandoned by hand."""
    do(there, planned(here, there))
    for copy in there.zones.values():
        copy["created_at"] = "2026-03-09T00:00:00"
    found = judged(*both(here, there))
    assert "Its grace period ends at 2026-03-16" in found["zones:z-eu.shop.example."].reason
    for each in there.recordsets.values():
        if each["type"] == "NS" and each["name"] == each["zone_name"]:
            each["records"] = ["ns2.old.example."]
    found = judged(*both(here, there))
    assert "Both clouds publish it on ns2.old.example." in found["zones:z-eu.shop.example."].reason


def test_a_zone_is_compared_once_more_right_before(here: FakeDns, there: FakeDns) -> None:
    """What somebody entered while other things were deleted is not lost with it."""
    do(there, planned(here, there))
    own = copy = "z-eu.shop.example."
    with Api(here.cloud.block(), "source") as old, Api(there.cloud.block(), "target") as new:
        tasks.require_copied(old, new, own, copy)
        here._put(here.zones[own], {**A, "name": "new.eu.shop.example."})
        with pytest.raises(Unverified, match=r"the copy lacks new.eu.shop.example. A"):
            tasks.require_copied(old, new, own, copy)
        with pytest.raises(Unverified, match="the copy is gone"):
            tasks.require_copied(old, new, own, "z-none")
        tasks.require_copied(old, new, "z-none", copy)


def test_a_zone_that_does_not_go_is_an_error(here: FakeDns) -> None:
    """One with a zone below it is refused in Designate's words; a shared one goes."""
    here.zones["z-other.example."]["shared"] = True
    with Api(here.cloud.block(), "source") as api:
        with pytest.raises(RequestFailed, match="delete any subzones"):
            tasks.delete_zone(api, "z-shop.example.", 5)
        tasks.delete_zone(api, "z-other.example.", 5)
    assert "z-other.example." not in here.zones


def test_every_item_that_is_left_to_do_reaches_its_effect(here: FakeDns, there: FakeDns) -> None:
    """A zone travels in the batches of a migration, after the projects."""
    from pumphouse.tasks.bookkeeping import BATCHES
    from pumphouse.tasks.migration import EFFECTS

    assert BATCHES.index("projects") < BATCHES.index("zones")
    assert EFFECTS["zones"] is tasks.make_zone
    assert all(item.action not in DONE for item in planned(here, there).of("zones"))
