"""A wait for a server asks Nova little while nothing happens, and misses nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from pumphouse.errors import WaitFailed
from pumphouse.tasks import servers
from pumphouse.tasks.api import Api
from pumphouse.tasks.servers import TASK
from tests.fakecloud import Answer, FakeCloud, Request


class Nova:
    """Servers whose states come one after another, a step at each look of any kind."""

    def __init__(self, cloud: FakeCloud, *states: tuple[str, str | None]) -> None:
        self.states = list(states)
        self.cloud = cloud
        cloud.route("GET", "compute", "/servers", self.names)
        cloud.route("GET", "compute", "/servers/{id}", self.show)

    def step(self) -> tuple[str, str | None]:
        """Return the state that is seen now; the last one stays."""
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def names(self, request: Request) -> dict[str, Any]:
        """List the server if it has the status that is asked for."""
        status, _ = self.step()
        found = [{"id": "s1", "name": "web"}] if request.query["status"] == status else []
        return {"servers": found}

    def show(self, _: Request) -> dict[str, Any]:
        """Return the whole server."""
        status, task = self.step()
        server = {"id": "s1", "status": status, TASK: task}
        return {
            "server": server | ({"fault": {"message": "No host."}} if status == "ERROR" else {})
        }

    @property
    def shown(self) -> int:
        """How often the whole server was asked for."""
        return len(self.cloud.sent("GET", "compute", "/servers/s1"))


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    with FakeCloud() as cloud:
        yield cloud


@pytest.fixture
def api(cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr("pumphouse.tasks.waiting.FIRST_PAUSE_S", 0.001)
    with Api(cloud.block(), "source") as api:
        yield api


def known(status: str) -> servers.Server:
    """Return what is known of the server before it is waited for."""
    return {"id": "s1", "status": status}


def test_shows_a_server_once_however_long_it_takes(cloud: FakeCloud, api: Api) -> None:
    nova = Nova(cloud, *[("ACTIVE", "powering-off")] * 20, ("SHUTOFF", None))
    assert servers.wait_for(api, known("ACTIVE"), "SHUTOFF", 60)["status"] == "SHUTOFF"
    assert nova.shown == 1


def test_what_was_known_of_it_may_be_old(cloud: FakeCloud, api: Api) -> None:
    """It has the status already, had it and lost it, or has another one."""
    Nova(cloud, ("SHUTOFF", None))
    assert servers.wait_for(api, known("ACTIVE"), "SHUTOFF", 60)["status"] == "SHUTOFF"
    Nova(cloud, ("ACTIVE", None), ("ACTIVE", "powering-off"), ("SHUTOFF", None))
    assert servers.wait_for(api, known("SHUTOFF"), "SHUTOFF", 60)["status"] == "SHUTOFF"
    Nova(cloud, *[("PAUSED", None)] * 3, ("ACTIVE", None))
    assert servers.wait_for(api, known("BUILD"), "ACTIVE", 60)["status"] == "ACTIVE"


def test_waits_until_nova_is_done_with_a_server_that_has_the_status(
    cloud: FakeCloud, api: Api
) -> None:
    nova = Nova(cloud, ("SHUTOFF", "powering-on"), ("SHUTOFF", "powering-on"), ("SHUTOFF", None))
    assert servers.wait_for(api, known("SHUTOFF"), "SHUTOFF", 60)[TASK] is None
    assert nova.shown == 3


def test_goes_through_statuses_in_between(cloud: FakeCloud, api: Api) -> None:
    Nova(cloud, *[("BUILD", "spawning")] * 5, *[("REBUILD", None)] * 5, ("ACTIVE", None))
    assert servers.wait_for(api, known("BUILD"), "ACTIVE", 60)["status"] == "ACTIVE"


def test_says_why_a_server_became_error(cloud: FakeCloud, api: Api) -> None:
    Nova(cloud, *[("BUILD", "spawning")] * 5, ("ERROR", None))
    with pytest.raises(WaitFailed, match=r"It became ERROR: No host\."):
        servers.wait_for(api, known("BUILD"), "ACTIVE", 60)


def test_gives_up_on_a_server_whose_status_stays(cloud: FakeCloud, api: Api) -> None:
    Nova(cloud, ("ACTIVE", None))
    with pytest.raises(WaitFailed, match=r"did not happen within 0\.2 s"):
        servers.wait_for(api, known("ACTIVE"), "SHUTOFF", 0.2)


class Reclaiming:
    """A Nova that marks a server as deleted, and deletes it when it is told by force."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.states = [("ACTIVE", "soft-deleting"), ("SOFT_DELETED", "soft-deleting")]
        self.last: tuple[str, str | None] | None = ("SOFT_DELETED", None)
        self.forced = 0
        cloud.route("DELETE", "compute", "/servers/s1", Answer(204))
        cloud.route("GET", "compute", "/servers/s1", self.show)
        cloud.route("POST", "compute", "/servers/s1/action", self.act)

    def show(self, _: Request) -> Any:
        """Return the server, in each state once and then in the last one."""
        state = self.states.pop(0) if self.states else self.last
        if state is None:
            return Answer(404, {"itemNotFound": {"message": "Instance s1 could not be found."}})
        return {"server": {"id": "s1", "status": state[0], TASK: state[1]}}

    def act(self, request: Request) -> Answer:
        """Delete it, after two more looks."""
        assert request.json() == {"forceDelete": None}
        # What Nova is told while it is still at marking, it ignores.
        if not self.states:
            self.states = [("SOFT_DELETED", "deleting"), ("SOFT_DELETED", None)]
            self.last = None
        self.forced += 1
        return Answer(202)


def test_deletes_a_server_by_force_that_nova_only_marks(cloud: FakeCloud, api: Api) -> None:
    """Until it is reclaimed, it keeps its ports and volumes, which are needed elsewhere."""
    nova = Reclaiming(cloud)
    servers.delete_server(api, "s1", 2)
    assert (nova.forced, nova.last) == (1, None)


def test_a_server_that_is_reclaimed_meanwhile_is_gone(cloud: FakeCloud, api: Api) -> None:
    nova = Reclaiming(cloud)
    cloud.fault("POST", "compute", "/servers/s1/action", status=404)
    servers.delete_server(api, "s1", 2)
    assert nova.forced == 0
