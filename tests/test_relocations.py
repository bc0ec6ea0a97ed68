"""One server moves, whatever Nova answers: the race, failures, time-outs, killed runs."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pumphouse.errors import Interrupted, MoveFailed
from pumphouse.evacuation import Asked, MaintenanceOptions, Move, Way
from pumphouse.leaving import LEAVING
from pumphouse.placing import Needs
from pumphouse.tasks.api import Api
from pumphouse.tasks.relocations import Relocation
from tests.fakecloud import Answer, FakeCloud, Request

HOST, TASK = "OS-EXT-SRV-ATTR:host", "OS-EXT-STS:task_state"


class Nova:
    """A server on cmp1. Each action hands out states, one at each look at the server."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.server: dict[str, Any] = {
            "id": "s1", "name": "web", "status": "ACTIVE", HOST: "cmp1", TASK: None,
            "metadata": {}, "OS-EXT-STS:power_state": 1, "addresses": {"net": []},
        }  # fmt: skip
        self.records: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.coming: list[Callable[[], None]] = []
        self.asked: list[str] = []
        self.on: dict[str, Callable[[], Any]] = {}
        cloud.route("GET", "compute", "/servers/{id}", self.look)
        cloud.route("GET", "compute", "/os-migrations", lambda _: {"migrations": self.records})
        cloud.route("POST", "compute", "/servers/{id}/action", self.act)
        cloud.route("POST", "compute", "/servers/{id}/metadata", self.note)
        cloud.route("DELETE", "compute", "/servers/{id}/metadata/{key}", self.forget)
        cloud.route("DELETE", "compute", "/servers/{id}/migrations/{m}", self.abort)
        cloud.route(
            "GET", "compute", "/servers/{id}/os-instance-actions/{r}",
            lambda _: {"instanceAction": {"events": self.events}},
        )  # fmt: skip

    def look(self, _: Request) -> dict[str, Any]:
        """Return the server, and let the next thing happen afterwards."""
        seen = {"server": dict(self.server)}
        if self.coming:
            self.coming.pop(0)()
        return seen

    def act(self, request: Request) -> Answer:
        """Note the action and do what the test says that it does."""
        (name,) = request.json()
        self.asked.append(name)
        said = self.on.get(name, lambda: None)()
        headers = {"x-openstack-request-id": "req-1"}
        return said if isinstance(said, Answer) else Answer(202, headers=headers)

    def note(self, request: Request) -> dict[str, Any]:
        """Add metadata."""
        self.server["metadata"] |= request.json()["metadata"]
        return {"metadata": self.server["metadata"]}

    def forget(self, request: Request) -> Answer:
        """Take one key of the metadata away."""
        self.server["metadata"].pop(request.parts["key"].replace("%3A", ":"), None)
        return Answer(204)

    def abort(self, _: Request) -> Answer:
        """Call a live migration off; one that has not begun yet is refused, and then begins."""
        self.asked.append("abort")
        if self.records[-1]["status"] == "accepted":
            self.records[-1]["status"] = "preparing"
            return Answer(400, {"badRequest": {"message": "It is accepted.", "code": 400}})
        self.records[-1]["status"] = "cancelled"
        self.server[TASK] = None
        return Answer(202)

    def record(self, kind: str, status: str) -> None:
        """Write the record of a move, or change it."""
        if self.records and self.records[-1]["migration_type"] == kind:
            self.records[-1]["status"] = status
            return
        row = {"id": len(self.records) + 1, "migration_type": kind, "status": status}
        self.records.append(row | {"source_compute": "cmp1"})

    def becomes(self, **values: Any) -> Callable[[], None]:
        """Return what changes the server."""
        names = {"host": HOST, "task": TASK}
        return lambda: self.server.update({names.get(k, k): v for k, v in values.items()})


@pytest.fixture(name="nova")
def _nova() -> Iterator[Nova]:
    with FakeCloud() as cloud:
        nova = Nova(cloud)
        nova.api = Api(cloud.block(), "source")  # type: ignore[attr-defined]
        with nova.api:  # type: ignore[attr-defined]
            yield nova


def relocation(
    nova: Nova, way: Way, fallback: Way | None = None, stop: Any = None, **options: Any
) -> Relocation:
    move = Move(
        server_id="s1", name="web", status="ACTIVE", way=way, fallback=fallback, reason="",
        needs=Needs(),
    )  # fmt: skip
    asked = Asked(host="cmp1", options=MaintenanceOptions(**options))
    api: Api = nova.api  # type: ignore[attr-defined]
    return Relocation(api, asked, move, lambda _: None, stop or threading.Event())


def goes_live(nova: Nova) -> None:
    """Let a live migration begin late, as in a real cloud, and succeed."""
    nova.coming = [
        nova.becomes(task="migrating"),
        lambda: nova.record("live-migration", "running"),
        nova.becomes(host="cmp2"),
        nova.becomes(task=None),
        lambda: nova.record("live-migration", "completed"),
    ]


def goes_cold(nova: Nova) -> None:
    """Let a cold migration arrive and wait for its confirmation."""
    nova.record("migration", "migrating")
    nova.coming = [
        nova.becomes(status="RESIZE", task="resize_migrating"),
        nova.becomes(status="VERIFY_RESIZE", task=None, host="cmp2"),
    ]


def confirms(nova: Nova) -> None:
    """Let a confirmation end."""
    nova.server |= {"status": "ACTIVE", TASK: None}
    nova.record("migration", "confirmed")


def test_an_active_server_that_has_not_begun_is_not_taken_for_moved(nova: Nova) -> None:
    """The race: ACTIVE on the old host is what a server is before its migration begins."""
    nova.record("live-migration", "completed")  # of last year
    nova.record("resize", "confirmed")
    nova.on["os-migrateLive"] = lambda: goes_live(nova)

    assert relocation(nova, Way.LIVE).run() == (Way.LIVE, "cmp2")
    assert nova.server[HOST] == "cmp2"
    assert nova.coming == []


def test_a_failed_live_migration_is_followed_by_a_cold_one(nova: Nova) -> None:
    """As allowed; the way that worked is the one that is told."""
    nova.on["os-migrateLive"] = lambda: nova.record("live-migration", "failed")
    nova.on["migrate"] = lambda: goes_cold(nova)
    nova.on["confirmResize"] = lambda: confirms(nova)

    assert relocation(nova, Way.LIVE, Way.COLD).run() == (Way.COLD, "cmp2")
    assert nova.asked == ["os-migrateLive", "migrate", "confirmResize"]
    assert nova.server["metadata"] == {}


def test_without_a_fallback_it_stays_with_novas_reason(nova: Nova) -> None:
    """The words are those of the action that our request began."""
    nova.events = [{"event": "c", "result": "Error", "details": "No valid host was found."}]

    with pytest.raises(MoveFailed, match=r"No valid host was found\. It is ACTIVE on cmp1"):
        relocation(nova, Way.LIVE).run()


def test_a_refusal_is_a_failure_of_this_server(nova: Nova) -> None:
    """400 and 409 are Nova's answers about one server; nothing is left behind."""
    nova.on["migrate"] = lambda: Answer(409, {"conflict": {"message": "It is locked."}})

    with pytest.raises(MoveFailed, match="It is locked"):
        relocation(nova, Way.COLD).run()

    assert nova.server["metadata"] == {}


UNSERVED = Answer(409, {"conflictingRequest": {"message": "Service is unavailable at this time."}})


def test_a_service_that_is_down_for_a_moment_is_waited_for(nova: Nova) -> None:
    """Nova refuses a cold migration and its confirmation while it has not heard of the host."""
    refusals = [UNSERVED, UNSERVED]
    confirmations = [UNSERVED]
    nova.on["migrate"] = lambda: refusals.pop() if refusals else goes_cold(nova)
    nova.on["confirmResize"] = lambda: confirmations.pop() if confirmations else confirms(nova)

    way, host = relocation(nova, Way.COLD).run()

    assert (way, host) == (Way.COLD, "cmp2")
    assert nova.asked == ["migrate"] * 3 + ["confirmResize"] * 2


def test_a_service_that_stays_down_is_an_error_that_says_what_it_may_be(nova: Nova) -> None:
    """A deleted record of the same name is purged by an operator, not waited for."""
    nova.on["migrate"] = lambda: UNSERVED

    with pytest.raises(MoveFailed, match=r"archive_deleted_rows.*It is ACTIVE on cmp1"):
        relocation(nova, Way.COLD, service_timeout_s=0.1).run()

    assert nova.server["metadata"] == {}


def test_a_live_migration_that_takes_too_long_is_called_off(nova: Nova) -> None:
    """It runs where it was, and the error says so."""

    def hangs() -> None:
        nova.record("live-migration", "running")
        nova.server[TASK] = "migrating"

    nova.on["os-migrateLive"] = hangs

    with pytest.raises(MoveFailed, match=r"called off. It is ACTIVE on cmp1\."):
        relocation(nova, Way.LIVE, live_timeout_s=0.5).run()

    assert nova.asked == ["os-migrateLive", "abort"]


def test_a_run_that_is_told_to_stop_calls_it_off_and_says_that_it_was_stopped(nova: Nova) -> None:
    """No fallback is tried then."""
    stop = threading.Event()

    def hangs() -> None:
        nova.record("live-migration", "running")
        nova.server[TASK] = "migrating"
        stop.set()

    nova.on["os-migrateLive"] = hangs

    with pytest.raises(Interrupted):
        relocation(nova, Way.LIVE, Way.COLD, stop).run()

    assert nova.asked == ["os-migrateLive", "abort"]


def test_one_that_has_not_begun_is_called_off_as_soon_as_it_has(nova: Nova) -> None:
    """Nova refuses to end what it has accepted only, and would go on with it."""
    stop = threading.Event()

    def is_slow() -> None:
        nova.record("live-migration", "accepted")
        nova.server[TASK] = "migrating"
        stop.set()

    nova.on["os-migrateLive"] = is_slow

    with pytest.raises(Interrupted):
        relocation(nova, Way.LIVE, None, stop).run()

    assert nova.asked == ["os-migrateLive", "abort", "abort"]
    assert nova.records[-1]["status"] == "cancelled"


def test_what_runs_already_is_waited_for_and_not_begun_again(nova: Nova) -> None:
    """A killed run's live migration goes on in Nova."""
    nova.record("live-migration", "running")
    nova.server[TASK] = "migrating"
    nova.coming = [
        nova.becomes(host="cmp3"),
        nova.becomes(task=None),
        lambda: nova.record("live-migration", "completed"),
    ]

    assert relocation(nova, Way.LIVE).run() == (Way.LIVE, "cmp3")
    assert nova.asked == []


@pytest.mark.parametrize("is_confirmed", [False, True])
def test_a_cold_migration_of_a_killed_run_is_ended(nova: Nova, is_confirmed: bool) -> None:
    """Confirmed if it waits for that; in both cases the note is taken away."""
    nova.server |= {HOST: "cmp2", "metadata": {LEAVING: "cmp1"}}
    nova.record("migration", "confirmed" if is_confirmed else "finished")
    nova.server["status"] = "ACTIVE" if is_confirmed else "VERIFY_RESIZE"
    nova.on["confirmResize"] = lambda: confirms(nova)

    assert relocation(nova, Way.COLD).run() == (Way.COLD, "cmp2")
    assert nova.asked == ([] if is_confirmed else ["confirmResize"])
    assert nova.server["metadata"] == {}


def test_what_arrives_changed_is_taken_back(nova: Nova) -> None:
    """A server that ran before has to run there, or runs here again."""

    def arrives_off() -> None:
        goes_cold(nova)
        nova.coming.append(nova.becomes(**{"OS-EXT-STS:power_state": 4}))

    nova.on["migrate"] = arrives_off
    nova.on["revertResize"] = nova.becomes(status="ACTIVE", task=None, host="cmp1")

    with pytest.raises(MoveFailed, match="power state 4 instead of 1"):
        relocation(nova, Way.COLD).run()

    assert nova.asked == ["migrate", "revertResize"]
    assert nova.server["metadata"] == {}


def test_a_cloud_that_confirms_by_itself_is_no_failure(nova: Nova) -> None:
    """Our confirmation comes second and is refused."""

    def too_late() -> Answer:
        confirms(nova)
        return Answer(400, {"badRequest": {"message": "Instance has not been resized."}})

    nova.on["migrate"] = lambda: goes_cold(nova)
    nova.on["confirmResize"] = too_late

    assert relocation(nova, Way.COLD).run() == (Way.COLD, "cmp2")


def test_off_a_dead_host(nova: Nova) -> None:
    """Done is when the record is, and the server is elsewhere and free."""

    def rebuilt() -> None:
        nova.record("evacuation", "accepted")
        nova.coming = [
            nova.becomes(host="cmp2", task="rebuild_spawning"),
            nova.becomes(task=None),
            lambda: nova.record("evacuation", "done"),
        ]

    nova.on["evacuate"] = rebuilt

    assert relocation(nova, Way.EVACUATE).run() == (Way.EVACUATE, "cmp2")


def test_a_shelved_server_is_offloaded(nova: Nova) -> None:
    """It is on no host then."""
    nova.server["status"] = "SHELVED"
    nova.on["shelveOffload"] = nova.becomes(status="SHELVED_OFFLOADED", host=None)

    assert relocation(nova, Way.OFFLOAD).run() == (Way.OFFLOAD, "")
