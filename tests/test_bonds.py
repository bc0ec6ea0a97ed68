"""Servers that share a volume, or a floating IP's port forwardings: together or not at all."""

from typing import Any

import pytest

from pumphouse.bonds import groups, joined
from pumphouse.models import Action, Mover
from pumphouse.plan import Item, Plan
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Selection, chosen
from tests.tenants import Rows, estate, source, target

SHARED = {"multiattach": "<is> True"}


def sharing() -> Rows:
    """Return a source whose servers v1 and v3, of one project, share the volume vol1."""
    rows = source()
    rows["servers"][0]["status"] = "SHUTOFF"
    rows["servers"].append({**rows["servers"][0], "id": "v3", "name": "web-3"})
    ends = [{"server_id": id_, "device": "/dev/vdb"} for id_ in ("v1", "v3")]
    rows["volumes"][0] |= {"is_multiattach": True, "attachments": ends}
    return rows


def planned(here: Rows, *words: str, specs: Any = SHARED, **wishes: Any) -> Plan:
    there = target()
    there["volume_types"][0]["extra_specs"] = specs
    found = estate(here)
    what = chosen(Selection(include=words), found)
    return plan(what, found, estate(there), Wishes(**wishes))


def server(made: Plan, id_: str) -> Item:
    return next(item for item in made.of("servers") if item.source_id == id_)


def test_sets_with_a_member_in_common_are_one() -> None:
    """Also when only a third one shows that."""
    found = joined([["a", "b"], ["c", "d"], ["e"], ["b", "c"]])
    assert set(found) == {frozenset("abcd"), frozenset("e")}


def test_servers_that_share_a_volume_move_together() -> None:
    """The plan says so of each, and forms the group."""
    made = planned(sharing(), "web-1", "web-3")
    assert made.obstacles == []
    words = "It moves together with web-3 because of volume data (vol1)."
    assert server(made, "v1").reason.endswith(words)
    assert groups((), (i.row for i in made.of("servers"))) == [{"v1", "v3"}]
    assert groups([frozenset({"v3", "x"})], (i.row for i in made.of("servers"))) == [
        {"v1", "v3", "x"}
    ]


def test_the_shared_volume_is_one_row_of_the_plan() -> None:
    """It is made once, by its bytes, whatever the site says of its back end."""
    (volume,) = [i for i in planned(sharing(), "web-1", "web-3").of("volumes")]
    assert (volume.action, volume.mover) == (Action.CREATE, Mover.IMAGE)


def test_one_alone_is_blocked_with_the_other_ones_name() -> None:
    """Nobody has said that the other may be stopped."""
    found = server(planned(sharing(), "web-1"), "v1")
    assert found.action is Action.BLOCKED
    assert "with server web-3 (v3), which is not in the plan" in found.reason
    assert "select that too (server:v3), or detach the volume from one of them" in found.reason


def test_one_that_the_plan_skips_holds_the_other() -> None:
    """An editor of the plan moves both or none."""
    made = planned(sharing(), "web-1", "web-3", skipped=frozenset({"servers:v3"}))
    assert "which the plan leaves where it is" in server(made, "v1").reason


def test_a_copy_of_a_volume_that_is_older_is_not_taken() -> None:
    """The other one was migrated before this one came to the volume."""
    rows = sharing()
    rows["servers"][2]["metadata"] = {"pumphouse:migrated_to": "V3"}
    assert "was migrated without it" in server(planned(rows, "web-1"), "v1").reason
    rows["servers"][0]["metadata"] = {"pumphouse:was": "ACTIVE"}
    assert server(planned(rows, "web-1"), "v1").action is Action.CREATE


@pytest.mark.parametrize("specs", [{}, {"multiattach": "<is> False"}])
def test_a_type_that_is_not_shared_blocks_the_volume(specs: dict[str, str]) -> None:
    """Cinder would refuse the second server, in the downtime."""
    (said,) = planned(sharing(), "web-1", "web-3", specs=specs).obstacles
    assert "attached to 2 servers" in said
    assert "multiattach '<is> True'" in said


def test_other_movers_do_not_carry_it() -> None:
    """They hand one server's volume over."""
    movers = {"volumes:vol1": Mover.RBD}
    said = " ".join(planned(sharing(), "web-1", "web-3", movers=movers).obstacles)
    assert "only the mover image carries such a one" in said


def test_a_floating_ip_that_forwards_to_both_ties_them_too() -> None:
    """Its address is at one cloud or at the other."""
    rows = sharing()
    rows["volumes"][0]["attachments"] = rows["volumes"][0]["attachments"][:1]
    rows["ports"].append(
        {**rows["ports"][0], "id": "po7", "mac_address": "fa:7", "device_id": "v3",
         "fixed_ips": [{"subnet_id": "s1", "ip_address": "10.0.0.7"}]}
    )  # fmt: skip
    rows["floating_ips"][1]["port_forwardings"] = [
        {"id": f"pf{n}", "protocol": "tcp", "external": str(n), "internal": "22", "port_id": port,
         "address": "10.0.0.5"} for n, port in ((1, "po1"), (2, "po7"))
    ]  # fmt: skip
    made = planned(rows, "web-1", "web-3")
    assert "because of the port forwardings of floating IP 198.51.100.8." in (
        server(made, "v3").reason
    )
    assert groups((), (i.row for i in made.of("servers"))) == [{"v1", "v3"}]
