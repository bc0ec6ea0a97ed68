"""A host is kept free, found empty, given back and removed; what is refused writes nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from pumphouse.errors import Refused, RequestFailed
from pumphouse.service_marks import LONGEST, Mark, mark_of, parse
from pumphouse.tasks import emptiness, removals
from pumphouse.tasks.api import Api
from pumphouse.tasks.compute_services import disable, read_service, restore
from tests.fakecloud import Answer, FakeCloud, Request


class Nova:
    """One host as a fake cloud has it: its service, servers, provider and allocations."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.service: dict[str, Any] = {
            "id": "s1", "binary": "nova-compute", "host": "cmp1", "status": "enabled",
            "state": "up", "forced_down": False, "disabled_reason": None,
        }  # fmt: skip
        self.services = [self.service]
        self.servers: list[dict[str, Any]] = []
        self.running = 0
        self.providers = [{"uuid": "rp1", "name": "cmp1"}]
        self.allocations: dict[str, dict[str, Any]] = {}
        self.agents: list[dict[str, Any]] = []
        cloud.route("GET", "compute", "/os-services", lambda _: {"services": self.services})
        cloud.route("PUT", "compute", "/os-services/{id}", self.change)
        cloud.route("DELETE", "compute", "/os-services/{id}", self.delete)
        cloud.route("GET", "compute", "/servers/{id}", self.server)
        cloud.route(
            "GET", "compute", "/servers/detail",
            lambda r: {"servers": [s for s in self.servers if s["host"] == r.query["host"]]},
        )  # fmt: skip
        cloud.route("GET", "compute", "/os-hypervisors/detail", lambda _: self.hypervisors())
        cloud.route(
            "GET", "placement", "/resource_providers",
            lambda _: {"resource_providers": self.providers},
        )  # fmt: skip
        cloud.route(
            "GET", "placement", "/resource_providers/{id}/allocations",
            lambda r: {"allocations": {
                c: of for c, of in self.allocations.items() if r.parts["id"] in of["allocations"]
            }},
        )  # fmt: skip
        cloud.route("GET", "placement", "/allocations/{id}", self.allocation)
        cloud.route("PUT", "placement", "/allocations/{id}", self.allocate)
        cloud.route("DELETE", "placement", "/resource_providers/{id}", self.drop)
        cloud.route("GET", "network", "/agents", lambda _: {"agents": self.agents})
        cloud.route("DELETE", "network", "/agents/{id}", Answer(204))

    def change(self, request: Request) -> dict[str, Any]:
        """Change the service as Nova does: enabling forgets the reason."""
        body = request.json()
        self.service |= body
        if "status" in body:
            self.service["disabled_reason"] = body.get("disabled_reason")
        return {"service": self.service}

    def delete(self, _: Request) -> Answer:
        """Delete the service and, if nothing is allocated there, its provider."""
        self.services = []
        if not self.allocations:
            self.providers = []
        return Answer(204)

    def drop(self, request: Request) -> Answer:
        """Delete a provider."""
        self.providers = [p for p in self.providers if p["uuid"] != request.parts["id"]]
        return Answer(204)

    def server(self, request: Request) -> Any:
        """Return one server."""
        found = [s for s in self.servers if s["id"] == request.parts["id"]]
        return {"server": found[0]} if found else Answer(404, {"message": "No such server."})

    def hypervisors(self) -> dict[str, Any]:
        """Return the only hypervisor."""
        raw = {"hypervisor_hostname": "cmp1", "running_vms": self.running}
        return {"hypervisors": [raw | {"service": {"host": "cmp1"}}] if self.services else []}

    def allocation(self, request: Request) -> dict[str, Any]:
        """Return what one consumer has."""
        return self.allocations[request.parts["id"]]

    def allocate(self, request: Request) -> Answer:
        """Replace what one consumer has; newer microversions want to know what it is."""
        assert request.headers["openstack-api-version"] == "placement 1.28"
        self.allocations[request.parts["id"]] = request.json()
        return Answer(204)

    def has(self, name: str, host: str, **values: Any) -> None:
        """Add a server."""
        row = {"id": f"id-{name}", "name": name, "status": "ACTIVE", "host": host, **values}
        self.servers.append(row | {"OS-EXT-SRV-ATTR:host": host, "OS-EXT-STS:task_state": None})

    def holds(self, consumer: str, *providers: str) -> None:
        """Give a consumer allocations of providers."""
        resources = {p: {"resources": {"VCPU": 1}, "generation": 3} for p in providers}
        self.allocations[consumer] = {"allocations": resources, "consumer_generation": 1}


@pytest.fixture(name="cloud")
def _cloud() -> Iterator[FakeCloud]:
    with FakeCloud() as cloud:
        yield cloud


@pytest.fixture(name="nova")
def _nova(cloud: FakeCloud) -> Nova:
    return Nova(cloud)


@pytest.fixture(name="api")
def _api(cloud: FakeCloud) -> Iterator[Api]:
    with Api(cloud.block(), "source") as api:
        yield api


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("enabled", None),
        ("disabled", "disk is loud"),
        ("disabled", None),
        ("disabled", "a; was b"),
    ],
)
@pytest.mark.parametrize("force_down", [False, True])
def test_a_service_is_afterwards_exactly_as_it_was(
    nova: Nova, api: Api, status: str, reason: str | None, force_down: bool
) -> None:
    """Also after maintenance was entered twice, and when others had disabled it."""
    nova.service |= {"status": status, "disabled_reason": reason}
    before = dict(nova.service)

    for _ in range(2):
        disable(api, read_service(api, "cmp1"), force_down=force_down)
    held = dict(nova.service)
    restore(api, read_service(api, "cmp1"))

    assert held["status"] == "disabled"
    assert held["disabled_reason"].startswith("pumphouse:")
    assert held["forced_down"] == force_down
    assert nova.service == before


def test_entering_twice_writes_once(nova: Nova, api: Api) -> None:
    """What is there already is not written again."""
    disable(api, read_service(api, "cmp1"))
    before = len(api.changes) + api.calls

    disable(api, read_service(api, "cmp1"))

    assert before + 1 == len(api.changes) + api.calls


def test_a_service_that_others_disabled_is_left_alone(nova: Nova, api: Api) -> None:
    """Leave takes back only what we did."""
    nova.service |= {"status": "disabled", "disabled_reason": "by hand"}

    said = restore(api, read_service(api, "cmp1"))

    assert "Nothing was changed" in said
    assert api.changes == []
    assert nova.service["disabled_reason"] == "by hand"


def test_a_reason_that_cannot_be_kept_is_refused(nova: Nova, api: Api) -> None:
    """Rather nothing than to lose somebody's words."""
    nova.service |= {"status": "disabled", "disabled_reason": "x" * LONGEST}

    with pytest.raises(Refused):
        disable(api, read_service(api, "cmp1"))

    assert nova.service["disabled_reason"] == "x" * LONGEST


def test_a_mark_survives_its_text() -> None:
    """What is written is what is read; a stranger's reason is none of ours."""
    for mark in (
        Mark(),
        Mark(was_enabled=False),
        Mark(was_enabled=False, reason="a: b; was enabled", is_forced_down=True),
        Mark(is_forced_down=True, is_powered_off=True, reset_at="2026-01-01T00:00:00Z"),
        Mark(is_powered_off=True),
    ):
        assert mark == parse(mark.text) == mark_of("disabled", mark.text)
    assert parse("pumphouse is broken") is None
    assert parse(None) is None


def test_empty_is_what_all_three_say(nova: Nova, api: Api) -> None:
    """Each of them alone can contradict, and is named."""
    assert emptiness.problems(api, "cmp1") == []
    nova.running = 1
    assert "counts 1 server" in emptiness.problems(api, "cmp1")[0]
    nova.running = 0
    nova.holds("m1", "rp1")
    assert "allocations of m1" in emptiness.problems(api, "cmp1")[0]
    nova.has("web", "cmp1")
    assert "web (id-web, ACTIVE)" in emptiness.problems(api, "cmp1")[0]


def test_what_nova_leaves_of_a_dead_host_is_not_held_against_it(nova: Nova, api: Api) -> None:
    """The allocation of a server that was evacuated; not one that nobody can explain."""
    nova.running = 2
    nova.has("web", "cmp2")
    nova.holds("id-web", "rp1", "rp2")

    assert emptiness.problems(api, "cmp1", is_dead=True) == []
    assert len(emptiness.problems(api, "cmp1")) == 2
    nova.holds("stranger", "rp1")
    assert "stranger" in emptiness.problems(api, "cmp1", is_dead=True)[0]


def test_a_host_is_removed_with_its_provider_and_agents(nova: Nova, api: Api) -> None:
    """Nova leaves the provider where something is allocated; the second time nothing is left."""
    nova.service |= {"state": "down"}
    nova.has("web", "cmp2")
    nova.holds("id-web", "rp1", "rp2")
    nova.agents = [{"id": "a1", "binary": "ovs", "alive": False}]

    removed = removals.remove(api, "cmp1")
    nova.agents = []

    assert [line.split()[0] for line in removed] == [
        "allocation", "compute", "resource", "network"
    ]  # fmt: skip
    assert nova.services == nova.providers == []
    assert list(nova.allocations["id-web"]["allocations"]) == ["rp2"]
    assert removals.remove(api, "cmp1") == []


def test_a_host_that_lives_or_is_full_is_not_removed(nova: Nova, api: Api) -> None:
    """All reasons at once, and nothing is written."""
    nova.has("web", "cmp1")
    nova.agents = [{"id": "a1", "binary": "ovs", "alive": True}]

    with pytest.raises(Refused) as raised:
        removals.remove(api, "cmp1")

    assert len(raised.value.reasons) == 3
    assert api.changes == []


def test_a_provider_that_somebody_uses_is_kept(nova: Nova, api: Api) -> None:
    """Its service is gone, so nobody else would ever say so."""
    nova.services = []
    nova.holds("stranger", "rp1")

    with pytest.raises(Refused, match="stranger"):
        removals.remove(api, "cmp1")

    assert nova.providers


def test_a_failing_cloud_is_not_taken_for_an_empty_host(
    cloud: FakeCloud, nova: Nova, api: Api
) -> None:
    """No answer is no agreement."""
    cloud.fault("GET", "placement", "/resource_providers", status=503)

    with pytest.raises(RequestFailed):
        emptiness.problems(api, "cmp1")
