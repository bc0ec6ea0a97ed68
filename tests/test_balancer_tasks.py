"""Load balancers: made whole, waited for, switched to, and deleted, against Octavia's answers."""

import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest

from pumphouse.bodies import tag
from pumphouse.errors import (
    Interrupted,
    PumphouseError,
    RequestFailed,
    Unverified,
    WaitFailed,
)
from pumphouse.models import Action
from pumphouse.plan import Item, Plan
from pumphouse.planning import plan
from pumphouse.selection import Selection, chosen
from pumphouse.tasks import balancers, vip_addresses
from pumphouse.tasks.api import Api
from tests.fakecloud import Answer, FakeCloud, Request
from tests.fakeoctavia import FakeOctavia
from tests.tenants import estate, target
from tests.test_balancers import BODY, IDS, furnished, read

PATH = "/lbaas/loadbalancers"


class FakeAddresses:
    """Neutron's floating IPs, and every holder that each has had."""

    def __init__(self, cloud: FakeCloud, id_: str, port_id: str | None) -> None:
        self.row: dict[str, Any] = {"id": id_, "port_id": port_id, "tags": set()}
        path = f"/floatingips/{id_}"
        cloud.route("GET", "network", path, lambda _: {"floatingip": {"port_id": self.port_id}})
        cloud.route("PUT", "network", path, self._bind)
        cloud.route("PUT", "network", f"{path}/tags/{{tag}}", self._tag)
        cloud.route("DELETE", "network", f"{path}/tags/{{tag}}", self._untag)

    @property
    def port_id(self) -> str | None:
        found: str | None = self.row["port_id"]
        return found

    @property
    def tags(self) -> set[str]:
        found: set[str] = self.row["tags"]
        return found

    def _bind(self, request: Request) -> Any:
        self.row |= request.json()["floatingip"]
        return {"floatingip": {}}

    def _tag(self, request: Request) -> Answer:
        self.tags.add(unquote(request.parts["tag"]))
        return Answer(201, body=b"")

    def _untag(self, request: Request) -> Answer:
        self.tags.discard(unquote(request.parts["tag"]))
        return Answer(204, body=b"")


@pytest.fixture
def here() -> Iterator[FakeOctavia]:
    """A source with load balancer lb1."""
    with FakeCloud() as cloud:
        octavia = FakeOctavia(cloud)
        octavia.add("lb1", BODY)
        yield octavia


@pytest.fixture
def there() -> Iterator[FakeOctavia]:
    """A target without load balancers."""
    with FakeCloud() as cloud:
        yield FakeOctavia(cloud)


def planned(here: FakeOctavia, there: FakeOctavia, **fip: Any) -> Plan:
    """Return the plan of project shop with both Octavias as they are now."""
    src, dst = furnished(), target()
    src["floating_ips"][-1] |= fip
    found = read(here, src)
    read(there, dst)
    dst["projects"].append({**src["projects"][0], "id": "P1", "tags": [tag("p1")]})
    # The fake does not know that networks have other ids at the target.
    dst["networks"].append({**src["networks"][0], "id": "N1", "tags": [tag("n1")]})
    return plan(chosen(Selection(include=("project:shop",)), found), found, estate(dst))


def item(made: Plan) -> Item:
    (found,) = made.of("load_balancers")
    return found


def make(there: FakeOctavia, one: Item, timeout_s: float = 20, **options: Any) -> str:
    with Api(there.cloud.block(), "target") as api:
        return balancers.make(api, one, IDS, timeout_s, **options)


# ---- making


def test_a_whole_load_balancer_is_made_in_one_call(here: FakeOctavia, there: FakeOctavia) -> None:
    """What the target then has does the same; a plan made now finds it by its tag."""
    one = item(planned(here, there))
    assert make(there, one) == "LB1"
    (sent,) = there.cloud.sent("POST", "load-balancer")
    assert sent.path == PATH
    assert there.balancers["LB1"]["provisioning_status"] == "ACTIVE"
    again = item(planned(here, there, port_id=None))
    assert (again.action, again.reason) == (Action.SKIP, "Copied before.")


def test_a_second_run_writes_nothing(here: FakeOctavia, there: FakeOctavia) -> None:
    """What is whole is looked at, and taken as its tenant may have changed it meanwhile."""
    make(there, item(planned(here, there)))
    there.members["LB1-p0"].clear()
    again = item(planned(here, there))
    assert again.action is Action.UPDATE
    before = len(there.cloud.sent())
    assert make(there, again) == "LB1"
    assert [r.method for r in there.cloud.sent()[before:]] == ["GET"]


def test_one_that_a_killed_run_began_is_waited_for(here: FakeOctavia, there: FakeOctavia) -> None:
    """It is not made twice: the tag came with the one call."""
    one = item(planned(here, there))
    stop = threading.Event()
    stop.set()
    there.polls = 5
    with pytest.raises(Interrupted):
        make(there, one, stop=stop)
    again = item(planned(here, there))
    assert again.target_id == "LB1"
    assert make(there, again) == "LB1"
    assert list(there.balancers) == ["LB1"]


def test_one_in_error_is_deleted_whole_and_told(here: FakeOctavia, there: FakeOctavia) -> None:
    """Nothing of it is left, and the message says so; the next run makes it."""
    there.becomes = "ERROR"
    one = item(planned(here, there))
    with pytest.raises(WaitFailed) as caught:
        make(there, one)
    words = str(caught.value)
    assert "load balancer web (LB1) of the target to be ACTIVE: It became ERROR." in words
    assert "It was deleted with all below it, and the source's is as before" in words
    assert there.balancers == {}
    (sent,) = there.cloud.sent("DELETE", "load-balancer")
    assert sent.query == {"cascade": "true"}
    there.becomes = "ACTIVE"
    assert make(there, item(planned(here, there))) == "LB2"


def test_one_in_error_that_cannot_be_deleted_is_told_and_made_again_later(
    here: FakeOctavia, there: FakeOctavia
) -> None:
    """The message names it and the way; the next run deletes what has never worked."""
    there.becomes = "ERROR"
    there.cloud.fault("DELETE", "load-balancer", f"{PATH}/LB1", status=500, times=3)
    with pytest.raises(WaitFailed, match=r"It could not be deleted .* --cascade"):
        make(there, item(planned(here, there)))
    there.becomes = "ACTIVE"
    again = item(planned(here, there))
    assert "it is made again" in again.reason
    assert make(there, again) == "LB2"
    assert list(there.balancers) == ["LB2"]


def test_one_in_error_that_has_worked_is_left_alone(here: FakeOctavia, there: FakeOctavia) -> None:
    """A failed amphora is no reason to throw away what its tenant uses."""
    make(there, item(planned(here, there)))
    there.balancers["LB1"] |= {"provisioning_status": "ERROR", "operating_status": "ERROR"}
    with pytest.raises(WaitFailed, match="has worked before, so it was left alone: fail it over"):
        make(there, item(planned(here, there)))
    assert list(there.balancers) == ["LB1"]


def test_one_that_stays_pending_is_told(here: FakeOctavia, there: FakeOctavia) -> None:
    """Octavia lets nobody delete it meanwhile, and the message says what the next run does."""
    there.polls = 10**6
    with pytest.raises(WaitFailed) as caught:
        make(there, item(planned(here, there)), timeout_s=0.3)
    words = str(caught.value)
    assert "load balancer web (LB1) of the target to be ACTIVE" in words
    assert "It stays, as Octavia lets nobody delete it meanwhile." in words
    assert there.cloud.sent("DELETE", "load-balancer") == []


def test_what_octavia_refuses_is_said_in_its_words(here: FakeOctavia, there: FakeOctavia) -> None:
    """A conflict by its fault string; a quota as a quota, although Octavia says 403."""
    one = item(planned(here, there))
    there.add("other", {**BODY, "listeners": [], "pools": []})
    with pytest.raises(RequestFailed, match=r"IP address 10\.0\.0\.10 already allocated"):
        make(there, one)
    words = "Quota has been met for resources: Load Balancer"
    there.cloud.fault("POST", "load-balancer", PATH, status=403, message=words)
    with pytest.raises(RequestFailed, match="Raise the quota of project Default/shop"):
        make(there, one)


def test_what_lacks_something_is_not_called_a_copy(here: FakeOctavia, there: FakeOctavia) -> None:
    """Members behind each listener and every status are compared; what differs is deleted."""
    one = item(planned(here, there))
    listeners = [{"id": "l", "name": "http", "provisioning_status": "ERROR", "pools": []}]
    tree = {"id": "LB1", "name": "web", "provisioning_status": "ACTIVE", "listeners": listeners}
    there.cloud.route(
        "GET", "load-balancer", f"{PATH}/{{id}}/status", {"statuses": {"loadbalancer": tree}}
    )
    with pytest.raises(WaitFailed) as caught:
        make(there, one)
    words = (
        "(LB1) of the target to be whole: load_balancers web (lb1) was copied to LB1, but they "
        "differ (http is ERROR; listener http: ['10.0.0.5:80'] != []; listener tcp: [] != None). "
        "It was deleted with all below it"
    )
    assert words in str(caught.value)
    assert there.balancers == {}
    assert item(planned(here, there)).action is Action.CREATE


def test_what_could_not_be_compared_is_not_left_as_a_copy(
    here: FakeOctavia, there: FakeOctavia
) -> None:
    """The next run would take it as it is: it goes, or the message says that it must."""
    there.cloud.fault("GET", "load-balancer", f"{PATH}/LB1/status", status=404)
    there.cloud.fault("DELETE", "load-balancer", f"{PATH}/LB1", status=500, times=3)
    with pytest.raises(WaitFailed, match="--cascade, before the next run, which would take it"):
        make(there, item(planned(here, there)))
    assert list(there.balancers) == ["LB1"]


# ---- floating IPs


def switched(
    here: FakeOctavia, there: FakeOctavia, old: FakeAddresses, new: FakeAddresses
) -> list[str]:
    one = item(planned(here, there, port_id=old.port_id, tags=sorted(old.tags)))
    with Api(here.cloud.block(), "source") as source, Api(there.cloud.block(), "t") as target_:
        return vip_addresses.take_over(source, target_, one, "LB1", IDS)


@pytest.fixture
def old(here: FakeOctavia) -> FakeAddresses:
    """The source's floating IP, at the source's load balancer."""
    return FakeAddresses(here.cloud, "fl3", "lb1-vip")


@pytest.fixture
def new(there: FakeOctavia) -> FakeAddresses:
    """The target's, bound to nothing."""
    return FakeAddresses(there.cloud, "FL3", None)


def test_a_floating_ip_goes_over(
    here: FakeOctavia, there: FakeOctavia, old: FakeAddresses, new: FakeAddresses
) -> None:
    """Off at the source before it is on at the target; nothing is left on it."""
    make(there, item(planned(here, there)))
    assert switched(here, there, old, new) == ["198.51.100.9"]
    assert (old.port_id, new.port_id, old.tags) == (None, "LB1-vip", set())
    assert new.row["fixed_ip_address"] == "10.0.0.10"


def test_a_floating_ip_that_does_not_arrive_goes_back(
    here: FakeOctavia, there: FakeOctavia, old: FakeAddresses, new: FakeAddresses
) -> None:
    """The source's load balancer serves as before, and the message says so."""
    make(there, item(planned(here, there)))
    there.cloud.fault("PUT", "network", "/floatingips/FL3", status=409, times=1)
    with pytest.raises(WaitFailed, match="It leads to the source's as before"):
        switched(here, there, old, new)
    assert (old.port_id, new.port_id, old.tags) == ("lb1-vip", None, set())


def test_a_switch_that_was_killed_half_way_goes_on(
    here: FakeOctavia, there: FakeOctavia, old: FakeAddresses, new: FakeAddresses
) -> None:
    """Bound nowhere, only the tag knows where it was going; that is enough."""
    make(there, item(planned(here, there)))
    old.row |= {"port_id": None, "tags": {"pumphouse:vip=lb1"}}
    assert item(planned(here, there, port_id=None, tags=["pumphouse:vip=lb1"])).action is (
        Action.UPDATE
    )
    assert switched(here, there, old, new) == ["198.51.100.9"]
    assert (old.port_id, new.port_id, old.tags) == (None, "LB1-vip", set())


def test_what_cannot_be_taken_back_either_is_said(
    here: FakeOctavia, there: FakeOctavia, old: FakeAddresses, new: FakeAddresses
) -> None:
    """The target is gone in the middle: the tag stays, and the next run goes on with it."""
    make(there, item(planned(here, there)))
    there.cloud.fault("GET", "network", "/floatingips/FL3", status=500)
    with pytest.raises(PumphouseError, match="may lead nowhere"):
        switched(here, there, old, new)
    assert (old.port_id, old.tags) == (None, {"pumphouse:vip=lb1"})


# ---- deleting


def test_a_load_balancer_is_deleted_with_all_below_it(here: FakeOctavia) -> None:
    """What Octavia is at is waited for; one that is gone is fine; the second time too."""
    here.balancers["lb1"]["provisioning_status"] = "PENDING_UPDATE"
    here._left["lb1"] = 2
    with Api(here.cloud.block(), "source") as api:
        for _ in range(2):
            balancers.delete(api, "lb1", 20)
    assert here.balancers == {}
    (sent,) = here.cloud.sent("DELETE", "load-balancer")
    assert sent.query == {"cascade": "true"}


def test_a_copy_is_looked_at_before_its_source_is_deleted(there: FakeOctavia) -> None:
    """Between the plan and now it may have failed or gone."""
    there.add("LB1", BODY)
    with Api(there.cloud.block(), "target") as api:
        balancers.require_active(api, "web (lb1)", "LB1")
        there.balancers["LB1"]["provisioning_status"] = "ERROR"
        with pytest.raises(Unverified, match="the copy is ERROR"):
            balancers.require_active(api, "web (lb1)", "LB1")
        there.balancers.clear()
        with pytest.raises(Unverified, match="the copy is gone"):
            balancers.require_active(api, "web (lb1)", "LB1")


def test_marks_come_off_and_other_tags_stay(there: FakeOctavia) -> None:
    """Once; a copy that is gone is fine."""
    there.add("LB1", {**BODY, "tags": ["blue", tag("lb1")]})
    with Api(there.cloud.block(), "target") as api:
        for id_ in ("LB1", "LB1", "gone"):
            balancers.unmark(api, id_, tag("lb1"))
    assert there.balancers["LB1"]["tags"] == ["blue"]
    assert len(there.cloud.sent("PUT", "load-balancer")) == 1
