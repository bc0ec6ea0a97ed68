"""What finalize asks of Neutron: deletions in the order that it takes, and marks taken off."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import unquote

import pytest

from pumphouse.config import Timeouts
from pumphouse.finalization import Removal
from pumphouse.flows import finalize as flow
from pumphouse.ledger import Entry, Status
from pumphouse.models import SOURCE_ID
from pumphouse.tasks import finalizing, plans
from pumphouse.tasks.api import Api
from pumphouse.tasks.finalizing import DELETE, _unmark, delete_batch
from pumphouse.tasks.moving import Work
from tests.fakecloud import Answer, FakeCloud, Request

REMOVAL = Removal(kind="routers", source_id="r", name="edge", project="shop", target_id="R",
                  is_removed=True, reason="Its copy has taken its place.")  # fmt: skip
CONFLICT = Answer(409, {"NeutronError": {"message": "The router is in use."}})


class Router:
    """A router that goes only without interfaces, which stay as long as routes use them."""

    def __init__(self, cloud: FakeCloud, owner: str, routes: list[dict[str, str]]) -> None:
        self.router: dict[str, Any] = {"id": "r", "routes": routes}
        self.ports = [
            {"id": "in", "device_owner": owner},
            {"id": "ha", "device_owner": "network:router_ha_interface"},
        ]
        cloud.route("GET", "network", "/ports", lambda request: {"ports": self.ports})
        cloud.route("GET", "network", "/routers/r", lambda request: {"router": self.router})
        cloud.route("PUT", "network", "/routers/r", self._change)
        cloud.route("PUT", "network", "/routers/r/remove_router_interface", self._remove)
        cloud.route("DELETE", "network", "/routers/r", self._delete)

    def _change(self, request: Request) -> dict[str, Any]:
        self.router |= request.json()["router"]
        return {"router": self.router}

    def _remove(self, request: Request) -> Any:
        if self.router["routes"]:
            return CONFLICT
        self.ports = [port for port in self.ports if port["id"] != request.json()["port_id"]]
        return {}

    def _delete(self, request: Request) -> Answer:
        return CONFLICT if len(self.ports) > 1 else Answer(204)


@pytest.mark.parametrize("kind", ["router_interface", "ha_router_replicated_interface",
                                  "router_interface_distributed"])  # fmt: skip
def test_a_router_goes_after_its_routes_and_interfaces(kind: str) -> None:
    """Of whichever kind it is; the port of its HA goes with it, and no write is in vain."""
    for routes in ([{"destination": "10.9.0.0/24", "nexthop": "10.0.0.2"}], []):
        with FakeCloud() as cloud, Api(cloud.block(retries=0), "source") as api:
            Router(cloud, f"network:{kind}", list(routes))
            DELETE["routers"](cast(Work, None), api, REMOVAL)
            assert len(cloud.sent("PUT", "network", "/routers/r")) == len(routes)
            assert len(cloud.sent("DELETE", "network", "/routers/r")) == 1


def test_a_router_that_is_gone_is_fine() -> None:
    """Another run, or its tenant, was quicker."""
    with FakeCloud() as cloud, Api(cloud.block(retries=0), "source") as api:
        cloud.route("GET", "network", "/ports", {"ports": []})
        DELETE["routers"](cast(Work, None), api, REMOVAL)
        assert cloud.sent("PUT") == []


def three(kind: str) -> list[Removal]:
    """Return three things of one kind that are deleted."""
    return [REMOVAL.model_copy(update={"kind": kind, "source_id": id_}) for id_ in "abc"]


@pytest.mark.parametrize(
    ("error", "ended"),
    [(KeyError("host"), "done failed done"), (KeyboardInterrupt(), "done failed")],
)
def test_what_was_deleted_is_told_whatever_comes_after_it(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, ended: str
) -> None:
    """An error that nobody foresaw leaves the others; a cancelled batch has told what it did."""

    def delete(work: Work, source: Api, removal: Removal) -> None:
        if removal.source_id == "b":
            raise error

    told: list[Entry] = []
    api = SimpleNamespace(changes=[])
    work = cast(Work, SimpleNamespace(
        open=lambda *_: api, pair=SimpleNamespace(migrate=None, timeouts=Timeouts())
    ))  # fmt: skip
    monkeypatch.setattr(finalizing, "get_run_logger", lambda: SimpleNamespace(error=print))
    monkeypatch.setitem(DELETE, "images", delete)

    with nullcontext() if isinstance(error, Exception) else pytest.raises(KeyboardInterrupt):
        delete_batch.fn(work, "images", three("images"), told.append)

    assert " ".join(done.status for done in told) == ended
    said = "KeyError: 'host'" if isinstance(error, Exception) else "stopped while it was"
    assert said in told[1].message


def test_a_cancelled_finalize_has_a_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no way back: what is gone is known, and what is not."""
    found = [*three("volumes"), *three("ports")[:2], REMOVAL]
    found[-1] = REMOVAL.model_copy(update={"is_removed": False, "reason": "It is shared."})

    def delete(work: Work, kind: str, batch: list[Removal], told: Any) -> None:
        for removal in batch:
            told(finalizing.note(removal, Status.DONE, ""))
            if kind == "ports":
                raise KeyboardInterrupt

    written: list[Entry] = []
    pair = SimpleNamespace(
        storage=SimpleNamespace(url="/nowhere", link=str),
        migrate=SimpleNamespace(mover=None),
        finalize=SimpleNamespace(grace_s=0),
    )
    fakes = {
        "load_site": lambda site: pair,
        "chosen": lambda *_: SimpleNamespace(project_ids=()),
        "own_ids": lambda pair: [],
        "removals": lambda *_: found,
        "delete_batch": delete,
        "publish_ledger": lambda site, folder, plan, entries, *_: written.extend(entries),
        "get_run_logger": lambda: SimpleNamespace(info=print),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(flow, name, fake)
    monkeypatch.setattr(plans, "read_clouds", lambda *_: (None, None))
    monkeypatch.setattr(plans, "make", lambda *_: None)

    with pytest.raises(KeyboardInterrupt):
        flow.finalize.fn(["everything"], delete=True)

    assert [(e.key, e.status.value) for e in written] == [
        ("volumes:a", "done"), ("volumes:b", "done"), ("volumes:c", "done"), ("ports:a", "done"),
        ("ports:b", "left"), ("routers:r", "found"),
    ]  # fmt: skip


def test_the_default_group_loses_its_mark_with_its_project() -> None:
    """Its source went with the project's, so it is in no plan; its other tags stay."""
    project = REMOVAL.model_copy(update={"kind": "projects", "source_id": "p", "target_id": "P"})
    mark = f"{SOURCE_ID}=g"
    with FakeCloud() as cloud, Api(cloud.block(retries=0), "target") as api:
        groups = {"security_groups": [{"id": "G", "tags": ["blue", mark]}]}
        cloud.route("GET", "network", "/security-groups", groups)
        for service, path in (("identity", "/projects/P"), ("network", "/security-groups/G")):
            cloud.route("DELETE", service, f"{path}/tags/{{tag}}", Answer(204))
        _unmark(api, project)
        (sent,) = cloud.sent("DELETE", "network")
        assert unquote(sent.path) == f"/security-groups/G/tags/{mark}"
