"""A plan that is limited to some kinds has these, and what they need."""

import pytest

from pumphouse.errors import ConfigError
from pumphouse.forwardings import Forwarding
from pumphouse.kinds import named
from pumphouse.plan import Plan
from pumphouse.planning import plan
from pumphouse.selection import Selection, chosen
from tests.tenants import Rows, estate, source, target


def limited(*kinds: str, include: str = "project:shop", rows: Rows | None = None) -> Plan:
    here = estate(rows or source())
    what = chosen(Selection(include=(include,), kinds=kinds), here)
    return plan(what, here, estate(target()))


def test_without_kinds_there_is_no_limit() -> None:
    """No words give no kinds, and the plan has all of them."""
    assert frozenset() == named([])
    assert {"servers", "images", "users"} <= {item.kind for item in limited().items}


def test_a_word_means_its_kinds() -> None:
    """identity is a word for several kinds; a kind is a word for itself."""
    assert {"domains", "projects", "users", "keypairs"} <= named(["identity", "keypairs"])
    assert frozenset({"images"}) == named(["images"])


def test_an_unknown_kind_is_answered_with_those_there_are() -> None:
    """A slip is an error before anything is read, and says what is allowed."""
    with pytest.raises(
        ConfigError, match="'identities' is no kind; there are address_groups"
    ) as no:
        named(["identities", "image"])
    assert len(no.value.problems) == 2


def test_identity_alone_leaves_everything_else() -> None:
    """Nothing but identity is in a plan of identity."""
    assert {item.kind for item in limited("identity").items} <= named(["identity"])


def test_what_a_kind_needs_comes_with_it() -> None:
    """An image brings its project and domain, and no server."""
    kinds = {item.kind for item in limited("images").items}
    assert {"domains", "projects", "images"} == kinds


def test_attached_volumes_stay_without_their_servers() -> None:
    """A plan of volumes has the free ones, says how many stay, and blocks nothing."""
    made = limited("volumes")
    assert [item.source_id for item in made.of("volumes")] == ["vol2"]
    assert made.notes == ("1 attached volume(s) stay: they go with their servers.",)
    assert made.obstacles == []


def test_an_attached_volume_that_was_chosen_by_itself_is_blocked() -> None:
    """Who names an attached volume is told why it cannot go alone."""
    made = limited("volumes", include="volumes:vol1")
    assert "which is not in the plan" in made.obstacles[0]


def ids(made: Plan, kind: str) -> list[str]:
    return [item.source_id for item in made.of(kind)]


def test_a_group_brings_those_that_its_rules_name() -> None:
    """Also those that no port of the plan is in: no rule is made without its remote group."""
    made = limited("servers", include="server:web-1")
    assert ids(made, "security_groups") == ["g1", "g2"]
    assert made.obstacles == []


def test_servers_bring_their_floating_ips_and_the_routers_to_these() -> None:
    """A server is not stopped before what it is reached by is there; it depends on that."""
    made = limited("servers", include="server:web-1")
    assert (ids(made, "floating_ips"), ids(made, "routers")) == (["fl1"], ["ro1"])
    assert "floating_ips:fl1" in made.of("servers")[0].depends_on
    kinds = [item.kind for item in made.items]
    assert kinds.index("floating_ips") < kinds.index("servers")


def test_servers_bring_floating_ips_below_trunks_and_of_a_killed_cut_over() -> None:
    """One bound to a subport, one that forwards, and one that the journal has alone."""
    rows = source()
    below = {"id": "po3", "mac_address": "fa:3", "device_id": "", "device_owner": "trunk:subport"}
    fixed = [{"subnet_id": "s1", "ip_address": "10.0.0.7"}]
    rows["ports"].append({**rows["ports"][0], **below, "fixed_ips": fixed})
    rows["trunks"][0]["sub_ports"] = [
        {"port_id": "po3", "segmentation_type": "vlan", "segmentation_id": 7}
    ]
    web = Forwarding(
        id="pf", protocol="tcp", external="80", internal="80", port_id="po1", address="10.0.0.5"
    )
    rows["floating_ips"][1]["port_id"] = "po3"
    rows["floating_ips"] += [
        {**rows["floating_ips"][0], "id": id_, "floating_ip_address": f"198.51.100.{at}",
         "port_id": None, "port_forwardings": those}
        for at, (id_, those) in enumerate({"fl3": [web.model_dump()], "fl4": []}.items(), 20)
    ]  # fmt: skip
    rows["servers"][0]["metadata"] |= {"pumphouse:fip:fl4": "po1"}
    made = limited("servers", include="server:web-1", rows=rows)
    assert {"fl1", "fl2", "fl3", "fl4"} == set(ids(made, "floating_ips"))
