"""Port forwardings of floating IPs: they go with the servers that they lead to, and return."""

from typing import Any

import pytest

from pumphouse import forwardings
from pumphouse.closure import closure
from pumphouse.errors import Conflict
from pumphouse.fingerprints import fingerprint
from pumphouse.forwardings import Forwarding
from pumphouse.models import Action
from pumphouse.plan import Item, Plan
from pumphouse.planning import plan
from pumphouse.selection import Chosen, Selection, chosen
from pumphouse.tasks.api import Api
from pumphouse.tasks.forwardings import put, take_off
from tests.fakecloud import Answer, FakeCloud, Request
from tests.tenants import Rows, estate, row, source, target

WEB = {
    "id": "pf1", "protocol": "tcp", "external": "8080", "internal": "80", "port_id": "po1",
    "address": "10.0.0.5", "description": "Shop",
}  # fmt: skip
RANGE = {**WEB, "id": "pf2", "external": "9000:9009", "internal": "9000:9009", "description": ""}
EVERY = (forwardings.EXTENSION, forwardings.RANGES, forwardings.DESCRIPTION)


def forwarding(*those: dict[str, Any]) -> Rows:
    """Return a source whose second floating IP forwards ports."""
    rows = source()
    rows["floating_ips"][1] |= {"router_id": "ro1", "port_forwardings": list(those)}
    return rows


def planned(here: Rows, *words: str, aliases: tuple[str, ...] = EVERY) -> Plan:
    there = {**target(), "network_extensions": [{"alias": a, "name": a} for a in aliases]}
    found = estate(here)
    return plan(chosen(Selection(include=words), found), found, estate(there))


def item(made: Plan, key: str) -> Item:
    return next(each for each in made.items if each.key == key)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"external_port": 8080, "internal_port": 80}, ("8080", "80")),
        ({"external_port_range": "8080:8080", "internal_port_range": "80:80"}, ("8080", "80")),
        ({"external_port_range": "90:99", "internal_port_range": "80:80"}, ("90:99", "80")),
    ],
)
def test_a_port_and_several_ports_are_told_apart(raw: dict[str, Any], said: Any) -> None:
    """Neutron says one port in two ways, and several in one."""
    known = {"id": "x", "protocol": "udp", "internal_port_id": "p", "internal_ip_address": "a"}
    made = forwardings.row({**known, **raw})
    assert (made["external"], made["internal"]) == said


def test_the_body_says_ranges_only_where_there_are_some() -> None:
    """A Neutron without ranges takes single ports all the same."""
    one = forwardings.body(Forwarding(**WEB), "PO1")
    assert one == {
        "protocol": "tcp", "internal_port_id": "PO1", "internal_ip_address": "10.0.0.5",
        "external_port": 8080, "internal_port": 80, "description": "Shop",
    }  # fmt: skip
    many = forwardings.body(Forwarding(**{**RANGE, "internal": "80"}), "PO1")
    assert (many["external_port_range"], many["internal_port_range"]) == ("9000:9009", "80:80")
    assert "description" not in many


def test_a_server_brings_the_floating_ips_that_forward_to_it() -> None:
    """They are bound to no port; another server's stay with that."""
    made = planned(forwarding(WEB), "web-1")
    assert item(made, "floating_ips:fl2").action is Action.CREATE
    assert "floating_ips:fl2" in item(made, "servers:v1").depends_on
    assert made.obstacles == []
    other = planned(forwarding({**WEB, "port_id": "po2"}), "web-1")
    assert [i for i in other.of("floating_ips") if i.source_id == "fl2"] == []


def test_a_floating_ip_of_a_server_that_is_left_out_stays() -> None:
    """A project brings its spare ones, but not what a server that stays is reached by."""
    here = estate(forwarding(WEB))
    found = closure(here, Chosen(project_ids=("p1",), server_ids=()))
    assert [each["id"] for each in found["floating_ips"]] == []


def test_a_port_of_no_server_goes_with_the_first_server_of_its_floating_ip() -> None:
    """It is switched with that server, and its forwarding is carried."""
    rows = forwarding(WEB, {**WEB, "id": "pf3", "external": "53", "port_id": "vip"})
    vip = {"id": "vip", "mac_address": "fa:9", "device_id": "", "device_owner": ""}
    fixed = [{"subnet_id": "s1", "ip_address": "10.0.0.9"}]
    rows["ports"].append({**rows["ports"][0], **vip, "fixed_ips": fixed})
    made = planned(rows, "web-1")
    assert [p["id"] for p in item(made, "servers:v1").row["subports"]] == ["vip"]
    assert item(made, "ports:vip").action is Action.CREATE


@pytest.mark.parametrize(
    ("aliases", "lost"),
    [(EVERY, ""), (EVERY[:1], "tcp 9000:9009"), (("qos",), "tcp 8080, tcp 9000:9009")],
)
def test_what_the_target_takes_not_is_said(aliases: tuple[str, ...], lost: str) -> None:
    """None at all, or none of several ports."""
    made = planned(forwarding(WEB, RANGE), "web-1", aliases=aliases)
    found = item(made, "floating_ips:fl2").losses if lost != "tcp 8080, tcp 9000:9009" else ()
    assert [words for words in found if "port forwarding" in words] == (
        [f"Its 1 port forwarding(s) ({lost}): the target's network service takes no such ones."]
        if lost == "tcp 9000:9009"
        else []
    )
    those = item(made, "servers:v1").row["forwardings"]
    kept = [one["external"] for each in those for one in each["those"] if one["is_carried"]]
    assert len(kept) == {"": 2, "tcp 9000:9009": 1}.get(lost, 0)


def test_one_that_leads_to_no_server_is_a_loss() -> None:
    """There is no cut-over in which its address could change hands."""
    made = planned(forwarding({**WEB, "port_id": "po2"}), "floating_ips:fl2")
    assert "lead to no server" in " ".join(item(made, "floating_ips:fl2").losses)


def test_what_a_killed_run_took_off_is_found_by_the_journal() -> None:
    """The floating IPs that the server had come along, though nothing leads to it any more."""
    rows = forwarding()
    rows["floating_ips"][0]["port_id"] = None
    rows["servers"][0]["metadata"] |= {
        "pumphouse:fip:fl1": "po1", **forwardings.noted("fl2", Forwarding(**WEB)),
    }  # fmt: skip
    made = planned(rows, "web-1")
    assert {i.source_id for i in made.of("floating_ips")} == {"fl1", "fl2"}
    assert item(made, "servers:v1").row["forwardings"][0]["servers"] == ["v1"]


def test_more_than_its_metadata_can_note_is_said_before() -> None:
    """They are noted before anything is touched, and Nova limits how many keys there are."""
    rows = forwarding(WEB)
    quota = {"project_id": "p1", "service": "compute", "resource": "metadata_items", "limit": 30}
    rows["quotas"].append(quota)
    assert (
        "metadata_items is 30; raise it to 35."
        in item(planned(rows, "web-1"), "servers:v1").reason
    )
    quota["limit"] = -1
    assert planned(rows, "web-1").obstacles == []


def test_the_journal_says_all_that_there_was() -> None:
    """Descriptions too, which may be as long as a value of metadata."""
    those = [Forwarding(**{**WEB, "description": "x" * 255}), Forwarding(**RANGE)]
    journal = {k: v for one in those for k, v in forwardings.noted("fl2", one).items()}
    assert forwardings.read(journal) == {"fl2": those}
    assert max(map(len, journal.values())) == 255


def test_a_cut_over_is_no_drift() -> None:
    """The forwardings leave the source with the server."""
    with_some, without = (forwarding(*those)["floating_ips"][1] for those in ((WEB,), ()))
    prints = [fingerprint("floating_ips", row("floating_ips", **f)) for f in (with_some, without)]
    assert prints[0] == prints[1]


class Neutron:
    """The forwardings of one floating IP, as Neutron keeps them."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.has: dict[str, dict[str, Any]] = {}
        path = "/floatingips/f/port_forwardings"
        cloud.route("GET", "network", path, lambda _: {"port_forwardings": [*self.has.values()]})
        cloud.route("POST", "network", path, self.create)
        cloud.route("DELETE", "network", f"{path}/{{id}}", self.delete)

    def create(self, request: Request) -> Answer:
        id_ = f"n{len(self.has)}"
        self.has[id_] = {"id": id_, **request.json()["port_forwarding"]}
        return Answer(201, {"port_forwarding": self.has[id_]})

    def delete(self, request: Request) -> Answer:
        del self.has[request.parts["id"]]
        return Answer(204)


def test_they_are_made_once_and_taken_off_by_what_they_say() -> None:
    """Ids differ every time: a second run makes nothing, and what leads elsewhere stays."""
    those = [Forwarding(**WEB), Forwarding(**RANGE)]
    with FakeCloud() as cloud, Api(cloud.block(), "target") as api:
        neutron = Neutron(cloud)
        put(api, "f", those, {"po1": "PO1"})
        put(api, "f", those, {"po1": "PO1"})
        assert len(cloud.sent("POST", "network")) == 2
        take_off(api, "f", those, {"po1": "another"})
        assert len(neutron.has) == 2
        take_off(api, "f", those, {"po1": "PO1"})
        assert neutron.has == {}


def test_an_outer_port_that_leads_elsewhere_is_a_conflict() -> None:
    """Somebody else has taken it meanwhile: nothing is overwritten."""
    with FakeCloud() as cloud, Api(cloud.block(), "target") as api:
        Neutron(cloud)
        put(api, "f", [Forwarding(**WEB)], {"po1": "PO1"})
        with pytest.raises(Conflict, match="tcp 8080 is forwarded to"):
            put(api, "f", [Forwarding(**WEB)], {"po1": "another"})
