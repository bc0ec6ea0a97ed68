"""A copied security group never lets out more than the source's, wherever a run is cut short."""

from typing import Any
from urllib.parse import unquote

import pytest

from pumphouse.bodies import tag
from pumphouse.errors import RequestFailed
from pumphouse.ledger import Status
from pumphouse.models import Action
from pumphouse.plan import Item
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import do_batch
from pumphouse.tasks.networks import make_rules, make_security_group
from tests.fakecloud import Answer, FakeCloud, Request

RULE = dict.fromkeys(
    ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "description",
     "remote_address_group_id", "remote_group_id")
)  # fmt: skip
BEGAN, LATER = "2026-03-01T00:00:00Z", "2026-03-01T08:00:00Z"
IDS = {"security_groups": {"g": "G"}, "projects": {"p": "P"}, "address_groups": {}}


class Groups:
    """One security group with Neutron's own rules, as Neutron makes it."""

    def __init__(self, cloud: FakeCloud, project_tags: tuple[str, ...] = ()) -> None:
        self.group: dict[str, Any] = {"id": "G", "name": "default", "tags": [],
                                      "description": "", "created_at": BEGAN}  # fmt: skip
        self.rules: dict[str, dict[str, Any]] = {}
        self.own()
        group, rules = "/security-groups/G", "/security-group-rules"
        cloud.route(
            "GET", "network", "/security-groups", lambda r: {"security_groups": [self.said]}
        )
        cloud.route("POST", "network", "/security-groups", self._create)
        cloud.route("GET", "network", group, lambda r: {"security_group": self.said})
        cloud.route("PUT", "network", group, self._change)
        cloud.route("PUT", "network", f"{group}/tags", self._tag)
        cloud.route("PUT", "network", f"{group}/tags/{{tag}}", self._add_tag)
        cloud.route("GET", "network", rules, self._list)
        cloud.route("POST", "network", rules, self._add)
        cloud.route("DELETE", "network", f"{rules}/{{id}}", self._remove)
        project = {"id": "P", "tags": list(project_tags)}
        cloud.route("GET", "identity", "/projects/P", {"project": project})

    @property
    def said(self) -> dict[str, Any]:
        return {**self.group, "security_group_rules": list(self.rules.values())}

    @property
    def directions(self) -> list[str]:
        return [rule["direction"] for rule in self.rules.values()]

    def own(self) -> None:
        for version in ("IPv4", "IPv6"):
            self.add(version, direction="egress", ethertype=version, created_at=BEGAN)

    def add(self, id_: str, **values: Any) -> None:
        made = {**RULE, "id": id_, "security_group_id": "G", **values}
        self.rules[id_] = made

    def _create(self, request: Request) -> Answer:
        self.group |= request.json()["security_group"]
        return Answer(201, {"security_group": self.said})

    def _change(self, request: Request) -> dict[str, Any]:
        self.group |= request.json()["security_group"]
        return {"security_group": self.said}

    def _tag(self, request: Request) -> dict[str, Any]:
        self.group |= request.json()
        return request.json()

    def _add_tag(self, request: Request) -> Answer:
        self.group["tags"].append(unquote(request.parts["tag"]))
        return Answer(201, {})

    def _list(self, request: Request) -> dict[str, Any]:
        return {"security_group_rules": list(self.rules.values())}

    def _add(self, request: Request) -> Answer:
        self.add("new", **request.json()["security_group_rule"], created_at=LATER)
        return Answer(201, {})

    def _remove(self, request: Request) -> Answer:
        del self.rules[request.parts["id"]]
        return Answer(204)


def group(name: str, action: Action = Action.CREATE) -> Item:
    rule = {**RULE, "security_group_id": "g", "direction": "ingress", "ether_type": "IPv4"}
    row = {"id": "g", "name": name, "description": "mine", "project_id": "p", "tags": [],
           "is_stateful": True, "rules": [rule]}  # fmt: skip
    return Item(kind="security_groups", source_id="g", name=name, action=action, row=row,
                reason="why", target_id=None if action is Action.CREATE else "G")  # fmt: skip


def test_a_group_loses_neutrons_rules_before_it_is_marked() -> None:
    """A run that dies before the rules are made leaves a group that lets nothing out."""
    with FakeCloud() as cloud, Api(cloud.block(retries=0), "target") as api:
        groups = Groups(cloud)
        make_security_group(api, group("web"), IDS)
        assert (groups.rules, groups.group["tags"]) == ({}, [tag("g")])
        assert groups.group["description"] == "mine"


def test_a_group_that_was_cut_short_is_finished_without_neutrons_rules() -> None:
    """It is known by its description; a rule that its tenant adds once it is marked stays."""
    with FakeCloud() as cloud, Api(cloud.block(retries=0), "target") as api:
        groups = Groups(cloud)
        cloud.fault("DELETE", "network", "/security-group-rules/{id}", times=1, status=500)
        with pytest.raises(RequestFailed):
            make_security_group(api, group("web"), IDS)
        assert (groups.group["description"], groups.group["tags"]) == (tag("g"), [])
        make_security_group(api, group("web", Action.UPDATE), IDS)
        assert (groups.rules, groups.group["tags"]) == ({}, [tag("g")])
        groups.own()
        make_security_group(api, group("web", Action.UPDATE), IDS)
        make_rules(api, group("web", Action.UPDATE), IDS)
        assert groups.directions == ["egress", "egress", "ingress"]


def test_a_rule_that_names_a_group_that_failed_fails_its_own_group_alone() -> None:
    """What it says of others is made; the run goes on, and the next one adds the rest."""
    web = group("web")
    web.row["rules"].append({**web.row["rules"][0], "remote_group_id": "lost"})
    with FakeCloud() as cloud, Api(cloud.block(retries=0), "target") as api:
        groups = Groups(cloud)
        make_security_group(api, web, IDS)
        (done,) = do_batch(api, [web], make_rules, IDS, frozenset({"security_groups:lost"}))
        assert (done.status, groups.directions) == (Status.FAILED, ["ingress"])
        assert "Rules of it name lost, which could not be made." in done.message


def test_a_default_group_is_marked_when_it_is_exact() -> None:
    """A run that is cut short leaves it without the mark."""
    path = "/security-group-rules"
    with FakeCloud() as cloud, Api(cloud.block(retries=0), "target") as api:
        groups = Groups(cloud)
        assert make_security_group(api, group("default"), IDS) == "G"
        cloud.fault("POST", "network", path, times=1, status=500)
        with pytest.raises(RequestFailed):
            make_rules(api, group("default"), IDS)
        assert groups.group["tags"] == []
        make_rules(api, group("default"), IDS)
        assert (groups.directions, groups.group["tags"]) == (["ingress"], [tag("g")])


def test_a_default_group_that_was_cut_short_loses_neutrons_rules_only() -> None:
    """What came after the group is its tenant's; and a group that is marked is only added to."""
    with FakeCloud() as cloud, Api(cloud.block(retries=0), "target") as api:
        groups = Groups(cloud, (tag("p"),))
        groups.add("tenants", direction="egress", ethertype="IPv4", protocol="tcp",
                   created_at=LATER)  # fmt: skip
        make_rules(api, group("default", Action.UPDATE), IDS)
        assert (groups.directions, groups.group["tags"]) == (["egress", "ingress"], [tag("g")])
        groups.own()
        make_rules(api, group("default", Action.UPDATE), IDS)
        assert groups.directions == ["egress", "ingress", "egress", "egress"]


def test_a_default_group_of_others_keeps_all_rules() -> None:
    """The project was there before us: what its group says is not ours to take away."""
    with FakeCloud() as cloud, Api(cloud.block(retries=0), "target") as api:
        groups = Groups(cloud)
        make_rules(api, group("default", Action.UPDATE), IDS)
        assert (groups.directions, groups.group["tags"]) == (["egress", "egress", "ingress"], [])
