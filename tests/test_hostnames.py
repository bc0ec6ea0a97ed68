"""The hostnames of servers, which Nova asks for in ASCII and makes by itself in more."""

from typing import Any, cast

import pytest

from pumphouse import hostnames
from pumphouse.plan import Item
from pumphouse.planning import plan
from pumphouse.port_names import NAMES
from pumphouse.selection import Selection, chosen
from pumphouse.tasks.api import Api
from pumphouse.tasks.booting import boot
from pumphouse.tasks.crossing import Crossing
from tests.fakecloud import FakeCloud
from tests.tenants import estate, source, target


def planned(name: str, hostname: str, *aliases: str) -> Item:
    here, there = source(), target()
    here["servers"][0] |= {"name": name, "hostname": hostname, "volumes": []}
    here["ports"][0]["device_id"] = ""
    there["network_extensions"] = [{"alias": alias} for alias in ("qos", *aliases)]
    found = estate(here)
    made = plan(chosen(Selection(include=(name,)), found), found, estate(there))
    return next(item for item in made.of("servers") if item.source_id == "v1")


@pytest.mark.parametrize(
    ("name", "hostname", "aliases", "asked", "copys"),
    [
        ("web-1", "web-1", (), "web-1", ""),
        ("renamed", "web-1", (NAMES,), "web-1", ""),
        ("Büro-Server", "büro-server", (), None, ""),
        ("Büro-Server", "büro-server", (NAMES,), "buro-server", "buro-server"),
        ("neu", "büro-server", (), None, "neu"),
        ("x", "x", (NAMES,), None, ""),
        ("ü", "ü", (NAMES,), None, ""),
        ("my_x.", "my_x", (), None, "my-x"),
        ("web.example.org", "web.example.org", (), "web", "web"),
        ("日本", "日本", (), None, "made of its id"),
        ("web", "w" * 64, (), None, "web"),
    ],
)
def test_nova_is_asked_for_what_it_takes_and_another_name_is_a_loss(
    name: str, hostname: str, aliases: tuple[str, ...], asked: str | None, copys: str
) -> None:
    """What Nova would refuse after the stop is left to it: it makes the same of the name."""
    item = planned(name, hostname, *aliases)
    assert item.row["target_hostname"] == asked
    assert item.losses == ((f"Its hostname {hostname}: the copy's is {copys}.",) if copys else ())


@pytest.mark.parametrize(
    ("name", "hostname"),
    [
        ("Büro Server_1.x", "büro-server-1-x"),
        (".-a", "a"),
        ("a日b!", "ab"),
        ("Ü" * 70, "ü" * 63),
        ("日本", ""),
    ],
)
def test_what_nova_makes_of_a_name_is_known(name: str, hostname: str) -> None:
    """As nova.utils.sanitize_hostname does it."""
    assert hostnames.made(name) == hostname


@pytest.mark.parametrize(("hostname", "sent"), [("own", "own"), ("büro", None)])
def test_a_boot_asks_only_for_what_nova_takes(hostname: str, sent: str | None) -> None:
    """The schema of Nova's 2.90 refuses any other with 400, when the server is stopped."""
    item = planned("Büro", hostname)
    with FakeCloud() as cloud, Api(cloud.block(), "target") as api:
        cloud.route("POST", "compute", "/servers", {"server": {"id": "V1"}})
        ids: dict[str, Any] = {"ports": {}}
        crossing = Crossing(cast(Any, None), api, cast(Any, None), item, ids, cast(Any, None))
        crossing.live = {"addresses": {}}
        boot(crossing, api)
        (request,) = cloud.sent("POST", "compute", "/servers")
    assert request.json()["server"].get("hostname") == sent
