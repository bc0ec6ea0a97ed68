"""What a stand-in does not do: break connections, send nonsense, have a bad certificate."""

from collections.abc import Iterator

import httpx
import pytest
import respx

from pumphouse.errors import ConfigError, FuelRefused, FuelUnreachable
from pumphouse.fuel_access import FuelAccess
from pumphouse.tasks import nailgun
from pumphouse.tasks.fuel import FuelClient

URL = "http://fuel.example:8000"
TOKEN = {"access": {"token": {"id": "secret-token"}}}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nailgun, "FIRST_PAUSE_S", 0.001)


@pytest.fixture
def fuel() -> Iterator[respx.MockRouter]:
    """A master that lets everyone in and answers as each test says."""
    with respx.mock(base_url=URL, assert_all_called=False) as router:
        router.post("/keystone/v3/auth/tokens").respond(404)
        router.post("/keystone/v2.0/tokens").respond(json=TOKEN)
        yield router


def client(**changes: object) -> FuelClient:
    """Return a client of the master that is not there."""
    values = {"url": URL, "password": "secret", "retries": 2, **changes}
    return FuelClient(FuelAccess.model_validate(values))


def test_a_reset_connection_is_tried_again_when_reading(fuel: respx.MockRouter) -> None:
    """A read is harmless."""
    version = httpx.Response(200, json={"release": "10.0"})
    route = fuel.get("/api/version").mock(side_effect=[httpx.ReadError("reset"), version])
    assert client().version() == "10.0"
    assert route.call_count == 2


def test_a_lost_answer_to_a_job_does_not_start_it_twice(fuel: respx.MockRouter) -> None:
    """A write that may have been carried out is not sent again; what runs is looked up."""
    node = {"id": 7, "mac": "52:54:00:00:00:07", "status": "provisioned", "online": True}
    fuel.get("/api/nodes/7/").respond(json={**node, "cluster": 1, "roles": ["compute"]})
    fuel.get("/api/tasks/").respond(json=[])
    route = fuel.put("/api/clusters/1/deploy/").mock(side_effect=httpx.ReadError("reset"))
    with pytest.raises(FuelUnreachable, match="goes on"):
        client().deploy(1, [7])
    assert route.call_count == 1
    assert route.calls[0].request.url.query == b"nodes=7"


def test_a_refused_connection_is_tried_again_for_every_request(fuel: respx.MockRouter) -> None:
    """Nothing was sent, so that nothing can happen twice."""
    done = httpx.Response(200, json={"id": 3, "name": "node_deletion", "status": "ready"})
    route = fuel.delete("/api/nodes/7/")
    route.mock(side_effect=[httpx.ConnectError("refused"), httpx.ConnectError("refused"), done])
    task = client().delete_node(7)
    assert task is not None
    assert task.over
    assert route.call_count == 3


def test_a_master_that_stays_away_is_named(fuel: respx.MockRouter) -> None:
    """With its URL, after the retries, and without the password."""
    route = fuel.get("/api/version").mock(side_effect=httpx.ConnectError("refused"))
    with pytest.raises(FuelUnreachable) as caught:
        client().version()
    assert route.call_count == 3
    assert URL in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_heal_is_tried_again_and_then_unreachable(
    fuel: respx.MockRouter, status: int
) -> None:
    """The web server answers while Nailgun restarts."""
    route = fuel.get("/api/version").respond(status, headers={"Retry-After": "0"})
    with pytest.raises(FuelUnreachable, match=str(status)):
        client().version()
    assert route.call_count == 3


def test_what_cannot_heal_is_not_tried_again(fuel: respx.MockRouter) -> None:
    """A 4xx would come again."""
    route = fuel.get("/api/version").respond(404, text="not found")
    with pytest.raises(FuelRefused, match="not found"):
        client().version()
    assert route.call_count == 1


def test_a_traceback_to_a_write_is_not_tried_again(fuel: respx.MockRouter) -> None:
    """Nailgun answers 500 to what it did not foresee."""
    text = "Traceback (most recent call last):\nIndexError: list index out of range\n"
    route = fuel.put("/api/nodes/7/").respond(500, text=text)
    with pytest.raises(FuelRefused, match="IndexError: list index out of range"):
        client().rename(7, "cmp1")
    assert route.call_count == 1


@pytest.mark.parametrize("text", ["{half", "[1, 2]", '{"id": "x"}', "null"])
def test_nonsense_is_told_by_the_request_that_it_answers(
    fuel: respx.MockRouter, text: str
) -> None:
    """Not JSON, or not a node: no stack of a parser reaches the operator."""
    fuel.get("/api/nodes/7/").respond(200, text=text)
    with pytest.raises(FuelRefused, match="GET /nodes/7/"):
        client().node(7)


def test_a_keystone_that_gives_no_token_is_told(fuel: respx.MockRouter) -> None:
    """As when another web server listens there."""
    fuel.post("/keystone/v2.0/tokens").respond(200, text="<html>welcome</html>")
    with pytest.raises(FuelUnreachable, match="gives no token"):
        client().version()


def test_a_token_that_is_refused_twice_ends_it(fuel: respx.MockRouter) -> None:
    """No endless round of logging in."""
    route = fuel.get("/api/version").respond(401)
    with pytest.raises(FuelRefused, match="401"):
        client().version()
    assert route.call_count == 2


def test_v3_is_used_where_there_is_one(fuel: respx.MockRouter) -> None:
    """Real Keystones answer 201, Fuel's fake one 200; the token is in a header."""
    fuel.post("/keystone/v3/auth/tokens").respond(201, headers={"X-Subject-Token": "three"})
    version = fuel.get("/api/version").respond(json={"release": "10.0"})
    client().version()
    assert version.calls[0].request.headers["X-Auth-Token"] == "three"


def test_the_first_type_accepted_is_json(fuel: respx.MockRouter) -> None:
    """Nailgun looks at nothing but the first, and answers 415."""
    version = fuel.get("/api/version").respond(json={"release": "10.0"})
    client().version()
    assert version.calls[0].request.headers["Accept"] == "application/json"


def test_a_missing_ca_file_is_a_mistake_in_the_configuration() -> None:
    """Told by its key before anything is asked."""
    with pytest.raises(ConfigError, match=r"ca_file nowhere\.pem"):
        client(ca_file="nowhere.pem")
