"""DNS names and domains that ports have of their own."""

from typing import Any

import pytest

from pumphouse import bodies, port_names
from pumphouse.plan import Item, Plan
from pumphouse.planning import plan
from pumphouse.selection import Selection, chosen
from tests.tenants import estate, source, target

BOTH = (port_names.NAMES, port_names.DOMAINS)
IDS: dict[str, dict[str, str]] = {
    "networks": {"n1": "N1"}, "projects": {"p1": "P1"}, "subnets": {"s1": "S1"},
    "security_groups": {"g1": "G1"},
}  # fmt: skip


def planned(aliases: tuple[str, ...], **port: Any) -> Plan:
    here, there = source(), target()
    here["ports"][0] |= {"dns_name": "shop", "dns_domain": "shop.org.", **port}
    there["network_extensions"] = [{"alias": a, "name": a} for a in aliases]
    found = estate(here)
    return plan(chosen(Selection(include=("web-1",)), found), found, estate(there))


def port(made: Plan) -> Item:
    return next(item for item in made.of("ports") if item.source_id == "po1")


def server(made: Plan) -> Item:
    return next(item for item in made.of("servers") if item.source_id == "v1")


def test_a_name_of_its_own_is_given_after_the_boot_and_a_domain_with_the_port() -> None:
    """Nova takes no port that has another name than its server."""
    made = planned(BOTH)
    body = bodies.port(port(made).row, IDS)
    assert ("dns_name" in body, body["dns_domain"]) == (False, "shop.org.")
    assert port_names.own(server(made).row) == {"po1": "shop"}
    assert port(made).losses == ()


def test_the_name_of_its_server_comes_by_itself() -> None:
    """Nova gives it: there is nothing to do and nothing to lose."""
    assert port_names.own(server(planned(BOTH, dns_name="web-1")).row) == {}
    assert port(planned(("qos",), dns_name="web-1", dns_domain="")).losses == ()


@pytest.mark.parametrize(
    ("aliases", "words"),
    [
        (BOTH[:1], ["Its DNS domain shop.org.:"]),
        (("qos",), ["Its DNS name shop:", "Its DNS domain shop.org.:"]),
    ],
)
def test_what_the_target_has_no_place_for_is_lost(
    aliases: tuple[str, ...], words: list[str]
) -> None:
    """It is said before, and not asked of it."""
    made = planned(aliases)
    assert [said.split(" the ")[0] for said in port(made).losses] == words
    assert "dns_domain" not in bodies.port(port(made).row, IDS)
    assert port_names.own(server(made).row) == ({"po1": "shop"} if aliases == BOTH[:1] else {})


def elsewhere(*aliases: str, is_secure: bool = True) -> Plan:
    """Return the plan of what has names and security, for a target with these extensions."""
    here, there = source(), target()
    here["networks"][0] |= {"dns_domain": "shop.org.", "is_port_security_enabled": is_secure}
    here["subnets"][0]["dns_publish_fixed_ip"] = True
    here["ports"][0]["is_port_security_enabled"] = is_secure
    here["floating_ips"][0] |= {"dns_name": "shop", "dns_domain": "shop.org."}
    there["network_extensions"] = [{"alias": a, "name": a} for a in aliases]
    found = estate(here)
    return plan(chosen(Selection(include=("web-1",)), found), found, estate(there))


def of(made: Plan, kind: str, id_: str) -> Item:
    return next(item for item in made.of(kind) if item.source_id == id_)


def test_a_target_without_the_extension_is_not_asked_for_its_fields() -> None:
    """It refuses a whole network, subnet or floating IP for one name that it does not know."""
    made = elsewhere("router")
    network, fip = of(made, "networks", "n1"), of(made, "floating_ips", "fl1")
    assert (
        bodies.network(network.row, IDS).keys().isdisjoint({"dns_domain", "port_security_enabled"})
    )
    ids = {**IDS, "networks": {"n1": "N1", "nx": "NX"}}
    assert bodies.floating_ip(fip.row, ids).keys().isdisjoint({"dns_domain", "dns_name"})
    subnet = of(made, "subnets", "s1")
    assert "dns_publish_fixed_ip" not in bodies.subnet(subnet.row, IDS)
    assert "port_security_enabled" not in bodies.port(port(made).row, IDS)
    said = " ".join([*network.losses, *subnet.losses, *fip.losses])
    assert "Its DNS domain shop.org.: the target's network service has none." in said
    assert "Its DNS name shop:" in said
    assert "published in DNS" in said
    assert "port security" not in said


def test_a_target_with_the_extensions_is_asked_for_all() -> None:
    """Nothing is lost there."""
    every = {alias for needed in port_names.NEEDED.values() for alias in needed.values()}
    made = elsewhere(*sorted(every))
    network = of(made, "networks", "n1")
    assert bodies.network(network.row, IDS)["dns_domain"] == "shop.org."
    assert bodies.port(port(made).row, IDS)["port_security_enabled"] is True
    assert [network.losses, port(made).losses, of(made, "floating_ips", "fl1").losses] == [()] * 3


def test_security_that_cannot_be_off_is_said() -> None:
    """Such a port forwards others' packets; the target would drop them."""
    made = elsewhere(*BOTH, is_secure=False)
    said = "That its port security is off: the target's network service filters every port."
    assert said in of(made, "networks", "n1").losses
    assert said in port(made).losses
