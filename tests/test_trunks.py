"""A server's trunks come with it: parents, subports, and what they are called inside."""

from typing import Any

from pumphouse import bodies_network, trunks
from pumphouse.bodies import tag
from pumphouse.checks import WAS
from pumphouse.closure import closure
from pumphouse.models import Action
from pumphouse.plan import Item, Plan
from pumphouse.planning import plan
from pumphouse.selection import Chosen, Selection, chosen
from pumphouse.tasks.crossing import PORT, Crossing
from pumphouse.tasks.ports import make_trunk
from tests.fakecloud import Answer, FakeCloud
from tests.tenants import Rows, estate, row, source, target

SUB = {"port_id": "po3", "segmentation_type": "vlan", "segmentation_id": 7}
IDS = {"projects": {"p1": "P1"}, "ports": {"po1": "PO1", "po3": "PO3"}}


def trunked(**values: Any) -> Rows:
    """Return a source whose server v1 has a trunk with a subport on another network."""
    rows = source()
    rows["networks"].append({**rows["networks"][0], "id": "n9", "name": "inside"})
    rows["subnets"].append({**rows["subnets"][0], "id": "s9", "network_id": "n9"})
    below = {"id": "po3", "network_id": "n9", "mac_address": "fa:9", "device_id": ""}
    fixed = [{"subnet_id": "s9", "ip_address": "10.0.0.9"}]
    rows["ports"].append({**rows["ports"][0], **below, "fixed_ips": fixed})
    rows["ports"][0]["trunk_details"] = {"trunk_id": "tr1"}
    rows["trunks"][0] |= {"sub_ports": [SUB], "is_admin_state_up": True, "tags": ["t"], **values}
    return rows


def planned(here: Rows, there: Rows) -> Plan:
    found = estate(here)
    return plan(chosen(Selection(include=("web-1",)), found), found, estate(there))


def item(made: Plan, key: str) -> Item:
    return next(each for each in made.items if each.key == key)


def test_a_server_brings_its_trunk_with_all_below_it() -> None:
    """Trunk, subport and its network; the trunk after its ports, the server after the trunk."""
    made = planned(trunked(), target())
    assert item(made, "networks:n9").action is Action.CREATE
    assert {"ports:po1", "ports:po3"} <= set(item(made, "trunks:tr1").depends_on)
    assert "trunks:tr1" in item(made, "servers:v1").depends_on
    assert made.obstacles == []


def test_the_body_names_the_copies_of_its_ports() -> None:
    """Parent and subports are the target's; the mark goes into the tags."""
    body = bodies_network.trunk(row("trunks", **trunked()["trunks"][0]), IDS)
    assert (body["port_id"], body["tags"]) == ("PO1", ["t", tag("tr1")])
    assert body["sub_ports"] == [{**SUB, "port_id": "PO3"}]


def test_a_target_without_trunks_blocks_the_server() -> None:
    """A server whose trunk cannot be made does not move half."""
    there = {**target(), "network_extensions": [{"alias": "router"}]}
    made = planned(trunked(), there)
    assert made.of("trunks") == []
    assert "has no trunks" in item(made, "servers:v1").reason


def test_a_trunk_of_a_server_that_stays_stays() -> None:
    """A project that moves without one of its servers leaves that server's trunk."""
    here = estate(trunked())
    assert closure(here, Chosen(project_ids=("p1",), server_ids=()))["trunks"] == []
    free = trunked()
    free["ports"][0]["device_id"] = ""
    rows = closure(estate(free), Chosen(project_ids=("p1",), server_ids=()))
    assert [t["id"] for t in rows["trunks"]] == ["tr1"]
    assert {p["id"] for p in rows["ports"]} == {"po1", "po3"}


def test_subports_go_down_and_up_with_their_server() -> None:
    """No address of a subport is alive in both clouds; one that was down stays down."""
    here = estate(trunked())
    (server,) = closure(here, Chosen(project_ids=(), server_ids=("v1",)))["servers"]
    assert [p["id"] for p in server["subports"]] == ["po3"]
    found = Item(kind="servers", source_id="v1", name="web-1", action=Action.CREATE, reason="",
                 row=server)  # fmt: skip
    nothing: Any = None
    crossing = Crossing(source=nothing, target=nothing, sign_in=nothing, item=found, ids={},
                        timeouts=nothing, journal={WAS: "ACTIVE"})  # fmt: skip
    assert crossing.source_ports() == ["po1", "po3"]
    crossing.journal[f"{PORT}po3"] = "down"
    assert crossing.source_ports() == ["po1"]


def test_a_trunk_of_ours_gets_the_subports_that_it_lacks() -> None:
    """What is there stays; what is missing is added in one call."""
    trunk = row("trunks", **trunked(tags=[])["trunks"][0])
    missing = tuple(trunks.parts(trunk, estate({})))
    given = Item(kind="trunks", source_id="tr1", name="vlans", action=Action.UPDATE, reason="",
                 target_id="T", row=trunk, missing=missing)  # fmt: skip
    from pumphouse.tasks.api import Api

    with FakeCloud() as cloud, Api(cloud.block(), "target") as api:
        cloud.route("GET", "network", "/trunks/T", {"trunk": {"id": "T", "description": ""}})
        cloud.route("PUT", "network", "/trunks/T/add_subports", Answer(200, {}))
        assert make_trunk(api, given, IDS) == "T"
        (sent,) = cloud.sent("PUT", "network", "/trunks/T/add_subports")
        assert sent.json() == {"sub_ports": [{**SUB, "port_id": "PO3"}]}
