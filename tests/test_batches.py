"""One bad item of many fails itself and what depends on it, and no other."""

import threading
from typing import Any

import pytest

from pumphouse.bodies import tag
from pumphouse.errors import Interrupted, MissingRights, RequestFailed, WaitFailed
from pumphouse.ledger import Status
from pumphouse.models import Action
from pumphouse.plan import Item
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import do_batch
from pumphouse.tasks.flavors import make_flavor
from pumphouse.tasks.networks import create, finish, make_network, make_rules
from pumphouse.tasks.quotas import set_quota
from pumphouse.tasks.waiting import poll
from tests import tenants
from tests.fakecloud import Answer, FakeCloud, Request
from tests.tenants import row as row_of
from tests.tenants import source


def item(source_id: str, action: Action = Action.CREATE, **values: Any) -> Item:
    made = {"kind": "networks", "name": source_id, "reason": "why", "action": action}
    return Item(source_id=source_id, **{**made, **values})


def failing(api: Api, one: Item, ids: Any) -> str:
    if one.source_id == "bad":
        raise RequestFailed("target", "POST /networks", 409, "There is one of that name.")
    return f"T-{one.source_id}"


def run(items: list[Item], **options: Any) -> dict[str, Status]:
    with FakeCloud() as cloud, Api(cloud.block(), "target") as api:
        entries = do_batch(api, items, failing, {}, options.pop("failed", frozenset()), **options)
    return {entry.source_id: entry.status for entry in entries}


def test_one_bad_of_many() -> None:
    """A conflict at the target fails one item; its dependents are left; the rest is done."""
    child = item("child", depends_on=("networks:bad",))
    expected = {"a": Status.DONE, "bad": Status.FAILED, "child": Status.LEFT, "z": Status.DONE}
    assert run([item("a"), item("bad"), child, item("z")]) == expected


def test_what_nobody_foresaw_fails_one_item_only() -> None:
    """Another exception than ours is an entry too, with its type and place; the others go on."""

    def unforeseen(api: Api, one: Item, ids: Any) -> str:
        return str(ids["networks"][one.row["near"]])

    rows = [{"near": "gone"}, {"near": "n"}]
    items = [item(f"i{at}", row=row) for at, row in enumerate(rows)]
    with FakeCloud() as cloud, Api(cloud.block(), "target") as api:
        known = {"networks": {"n": "N"}}
        bad, good = do_batch(api, items, unforeseen, known, frozenset())
    assert (bad.status, good.status, good.target_id) == (Status.FAILED, Status.DONE, "N")
    assert "KeyError: 'gone', test_batches.py line" in bad.message


def test_what_failed_earlier_counts() -> None:
    """A dependency of an earlier batch leaves an item too."""
    child = item("child", depends_on=("projects:p",))
    assert run([child], failed=frozenset({"projects:p"})) == {"child": Status.LEFT}


def test_what_is_there_is_found_and_not_touched() -> None:
    """Adopted and skipped items never reach an effect."""
    assert run([item("bad", Action.ADOPT), item("b", Action.SKIP)]) == {
        "bad": Status.FOUND,
        "b": Status.FOUND,
    }


def test_a_cancelled_batch_stops_between_items() -> None:
    """After the stop signal nothing more is begun."""
    stop = threading.Event()
    stop.set()
    assert run([item("a")], stop=stop) == {"a": Status.LEFT}


def test_a_missing_right_is_an_entry_too() -> None:
    """403 for one thing leaves the others alone."""

    def forbidden(api: Api, one: Item, ids: Any) -> str:
        raise MissingRights("target", "POST /networks", "admin")

    with FakeCloud() as cloud, Api(cloud.block(), "target") as api:
        (entry,) = do_batch(api, [item("a")], forbidden, {}, frozenset())
    assert (entry.status, "Grant admin" in entry.message) == (Status.FAILED, True)


class Neutron:
    """One kind of Neutron resource, with tags only by their own call."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.found: dict[str, Any] = {}
        cloud.route("POST", "network", "/networks", self._create)
        cloud.route("GET", "network", "/networks/{id}", lambda request: {"network": self.found})
        cloud.route("PUT", "network", "/networks/{id}", self._update)
        cloud.route("PUT", "network", "/networks/{id}/tags", self._tag)

        cloud.route("POST", "network", "/rbac-policies", self._share)

    def _create(self, request: Request) -> Answer:
        body = request.json()["network"]
        if body.get("mtu", 0) > 1442:
            words = "Invalid input for operation: Requested MTU is too big, maximum is 1442."
            return Answer(400, {"NeutronError": {"message": words}})
        self.found = {"id": "N", "tags": [], **body}
        return Answer(201, {"network": self.found})

    def _share(self, request: Request) -> Answer:
        # The first such policy makes a network external.
        self.found["router:external"] = True
        return Answer(201, {"rbac_policy": {"id": "R"}})

    def _update(self, request: Request) -> dict[str, Any]:
        self.found |= request.json()["network"]
        return {"network": self.found}

    def _tag(self, request: Request) -> dict[str, Any]:
        self.found |= request.json()
        return request.json()


BODY = {"name": "front", "description": "mine", "tags": ["blue", tag("n1")]}


def test_a_network_is_marked_from_its_first_moment() -> None:
    """The description is the mark until the tags are there; a later run finishes it."""
    with FakeCloud() as cloud, Api(cloud.block(retries=0), "target") as api:
        neutron = Neutron(cloud)
        cloud.fault("PUT", "network", "/networks/{id}/tags", times=1, status=500)
        with pytest.raises(RequestFailed):
            create(api, "networks", "network", BODY)
        assert neutron.found["description"] == tag("n1")
        assert finish(api, "networks", "network", "N", BODY) == "N"
        assert (neutron.found["description"], neutron.found["tags"]) == ("mine", BODY["tags"])
        before = len(cloud.sent("PUT"))
        finish(api, "networks", "network", "N", BODY)
        assert len(cloud.sent("PUT")) == before


def network(**values: Any) -> Item:
    row = {**source()["networks"][1], **values}
    return item("nx", row=row_of("networks", **row) | {"is_limited": True}, name="ext")


IDS = {"projects": {"p0": "P0"}}


def test_a_network_that_is_external_for_some_is_so_for_its_own_project_first() -> None:
    """By a policy, not by the flag; one that a killed run left without is completed."""
    with FakeCloud() as cloud, Api(cloud.block(retries=0), "target") as api:
        neutron = Neutron(cloud)
        cloud.fault("POST", "network", "/rbac-policies", times=1, status=500)
        with pytest.raises(RequestFailed):
            make_network(api, network(), IDS)
        assert (neutron.found["router:external"], neutron.found["description"]) == (
            False, tag("nx"),
        )  # fmt: skip
        again = network().model_copy(update={"target_id": "N", "action": Action.UPDATE})
        assert make_network(api, again, IDS) == ("N", "")
        assert make_network(api, again, IDS) == ("N", "")
        assert (neutron.found["router:external"], neutron.found["description"]) == (True, "")
        policies = [request.json() for request in cloud.sent("POST", "network", "/rbac-policies")]
    assert [each["rbac_policy"]["target_tenant"] for each in policies[1:]] == ["P0"]


def test_a_network_gets_the_mtu_that_the_target_carries() -> None:
    """Geneve takes more of a packet than VXLAN: the ledger says what is left, in every run."""
    one = item("n1", row=row_of("networks", **source()["networks"][0]) | {"mtu": 1450})
    with FakeCloud() as cloud, Api(cloud.block(retries=0), "target") as api:
        neutron = Neutron(cloud)
        (done,) = do_batch(api, [one], make_network, {"projects": {"p1": "P1"}}, frozenset())
        assert (done.status, done.target_id, neutron.found["mtu"]) == (Status.DONE, "N", 1442)
        assert (
            done.message == "why Its MTU is 1442, not 1450: the target's networks carry no more."
        )
        again = one.model_copy(update={"target_id": "N", "action": Action.UPDATE})
        (more,) = do_batch(api, [again], make_network, {"projects": {"p1": "P1"}}, frozenset())
        assert (more.message, len(cloud.sent("POST", "network", "/networks"))) == (done.message, 2)


def test_a_network_that_fits_is_made_as_it_is() -> None:
    """And another refusal is one."""
    one = item("n1", row=row_of("networks", **source()["networks"][0]) | {"mtu": 1400})
    with FakeCloud() as cloud, Api(cloud.block(retries=0), "target") as api:
        Neutron(cloud)
        cloud.fault("POST", "network", "/networks", times=1, status=400, message="No.")
        (refused,) = do_batch(api, [one], make_network, {"projects": {"p1": "P1"}}, frozenset())
        (done,) = do_batch(api, [one], make_network, {"projects": {"p1": "P1"}}, frozenset())
    assert (refused.status, done.status, done.message) == (Status.FAILED, Status.DONE, "why")


def test_a_new_group_is_made_exact() -> None:
    """Neutron's own rules that the source lacks go; the source's come; a second run rests."""
    listed: list[dict[str, Any]] = [
        {"id": "own", "security_group_id": "G", "direction": "egress", "ethertype": "IPv4"}
    ]

    def add(request: Request) -> Answer:
        listed.append({"id": "new", **request.json()["security_group_rule"]})
        return Answer(201, {})

    def remove(request: Request) -> Answer:
        listed[:] = [rule for rule in listed if rule["id"] != request.parts["id"]]
        return Answer(204)

    rule = dict.fromkeys(
        ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "description",
         "remote_address_group_id")
    )  # fmt: skip
    rule |= {"security_group_id": "g", "direction": "ingress", "ether_type": "IPv4"}
    group = item(
        "g",
        kind="security_groups",
        row={
            "project_id": "p",
            "rules": [
                {**rule, "remote_group_id": "g"},
                # Without its address group it would let everybody in: it is not made.
                {**rule, "remote_group_id": None, "remote_address_group_id": "a"},
            ],
        },
    )
    ids = {"security_groups": {"g": "G"}, "projects": {"p": "P"}, "address_groups": {}}
    with FakeCloud() as cloud, Api(cloud.block(), "target") as api:
        path = "/security-group-rules"
        cloud.route("GET", "network", path, lambda request: {"security_group_rules": listed})
        cloud.route("POST", "network", path, add)
        cloud.route("DELETE", "network", path + "/{id}", remove)
        make_rules(api, group, ids)
        assert [(r["id"], r["direction"], r["remote_group_id"]) for r in listed] == [
            ("new", "ingress", "G")
        ]
        before = len(cloud.requests)
        make_rules(api, group, ids)
        assert {r.method for r in cloud.requests[before:]} == {"GET"}


def test_a_flavor_says_whose_copy_it_is_until_it_is_whole() -> None:
    """One that is cut short is ours, whatever its name; one of theirs keeps what it says."""
    row = tenants.row("flavors", **tenants.source()["flavors"][0], description="Small ones.")
    made = item("f1", kind="flavors", row={**row, "server_project_ids": ["p1"]})
    there: dict[str, Any] = {}
    with FakeCloud() as cloud, Api(cloud.block(), "target") as api:
        for method, path in (("POST", "/flavors"), ("GET", "/flavors/f1"), ("PUT", "/flavors/f1")):

            def answer(request: Request) -> Any:
                there.update(request.json()["flavor"] if request.body else {})
                return {"flavor": there}

            cloud.route(method, "compute", path, answer)
        cloud.route("GET", "compute", "/flavors/f1/os-extra_specs", {"extra_specs": {}})
        cloud.route("GET", "compute", "/flavors/f1/os-flavor-access", {"flavor_access": []})
        specs = "/flavors/f1/os-extra_specs"
        cloud.route("POST", "compute", specs, Answer(500))
        with pytest.raises(RequestFailed):
            make_flavor(api, made, {"projects": {}})
        assert there["description"] == "pumphouse:source_id=f1"
        cloud.route("POST", "compute", specs, {"extra_specs": {}})
        begun = made.model_copy(update={"action": Action.UPDATE, "target_id": "f1"})
        make_flavor(api, begun, {"projects": {}})
        assert there["description"] == "Small ones."
        there["description"] = "Theirs."
        make_flavor(api, begun, {"projects": {}})
        assert there["description"] == "Theirs."


def group_of_two_rules() -> Item:
    rule = dict.fromkeys(
        ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "description",
         "remote_address_group_id", "remote_group_id")
    )  # fmt: skip
    rule |= {"security_group_id": "g", "direction": "ingress", "ether_type": "IPv4"}
    rules = [{**rule, "protocol": "tcp"}, {**rule, "protocol": "udp"}]
    row = {"project_id": "p", "rules": rules}
    return item("g", kind="security_groups", row=row)


def test_the_rules_of_a_group_are_made_in_one_call() -> None:
    """If one of them came to be meanwhile nothing was made: then each is asked for."""
    ids = {"security_groups": {"g": "G"}, "projects": {"p": "P"}, "address_groups": {}}
    path = "/security-group-rules"
    with FakeCloud() as cloud, Api(cloud.block(), "target") as api:
        cloud.route("GET", "network", path, {"security_group_rules": []})
        cloud.route("POST", "network", path, Answer(201, {}))
        make_rules(api, group_of_two_rules(), ids)
        (sent,) = cloud.sent("POST", "network", path)
        assert [r["protocol"] for r in sent.json()["security_group_rules"]] == ["tcp", "udp"]
        cloud.fault("POST", "network", path, status=409, times=2, message="It exists already.")
        make_rules(api, group_of_two_rules(), ids)
        assert [*cloud.sent("POST", "network", path)[-1].json()] == ["security_group_rule"]
        assert len(cloud.sent("POST", "network", path)) == 4


def test_only_limits_that_differ_are_sent() -> None:
    """What the target does not know, or the plan keeps, is left out; equal ones send nothing."""
    quota = item(
        "p:network",
        kind="quotas",
        row={"project_id": "p", "service": "network", "limits": {"port": 7, "old": 1}},
    )
    ids = {"projects": {"p": "P"}}
    with FakeCloud() as cloud, Api(cloud.block(), "target") as api:
        there = {"port": 5}
        cloud.route("GET", "network", "/quotas/{id}", lambda request: {"quota": there})

        def change(request: Request) -> dict[str, Any]:
            there.update(request.json()["quota"])
            return {"quota": there}

        cloud.route("PUT", "network", "/quotas/{id}", change)
        set_quota(api, quota, ids)
        set_quota(api, quota, ids)
        assert [r.json() for r in cloud.sent("PUT")] == [{"quota": {"port": 7}}]
        there |= {"network": 9}
        row = {**quota.row, "limits": {"port": 8, "network": 1}}
        changed = {"action": Action.UPDATE, "missing": ("port",), "row": row}
        set_quota(api, quota.model_copy(update=changed), ids)
        assert there == {"port": 8, "network": 9}


def test_waits_end() -> None:
    """A wait ends by success, by its time-out, or by the stop signal."""
    assert poll("x", lambda: 1, lambda value: value == 1, 1) == 1
    with pytest.raises(WaitFailed, match="within 0 s"):
        poll("x", lambda: 1, lambda value: False, 0)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        poll("x", lambda: 1, lambda value: False, 10, stop)
