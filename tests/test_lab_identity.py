"""Identity between the lab's real Keystones: hierarchies, groups, roles in every way, keys."""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from openstack.connection import Connection
from openstack.exceptions import NotFoundException

from pumphouse.blocks.site import Site
from pumphouse.ledger import failures
from pumphouse.plan import DONE, Plan
from pumphouse.planning import plan
from pumphouse.selection import Selection, chosen
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import do_batch
from pumphouse.tasks.migration import EFFECTS
from tests.lab import LABEL
from tests.migrations import ORDER, Writes, estates, site

pytest_plugins = ["tests.lab"]
pytestmark = pytest.mark.lab

KINDS = ("identity", "quotas", "keypairs")
FIXED = {"immutable": True}


@pytest.fixture(name="pair")
def _pair(clouds_file: Path, tmp_path: Path) -> Site:
    return site(clouds_file, tmp_path / "store", ("source", "target"))


@pytest.fixture(name="corp")
def _corp(source: Connection, target: Connection) -> Iterator[SimpleNamespace]:
    """Make a hierarchy with a group, roles and assignments at the source; remove both copies."""
    name = f"{LABEL}-{uuid.uuid4().hex[:6]}"
    keystone = source.identity
    corp = keystone.create_project(name=f"{name}-corp", domain_id="default")
    shop = keystone.create_project(
        name=f"{name}-shop", domain_id="default", parent_id=corp.id, tags=["blue"]
    )
    user = keystone.create_user(
        name=f"{name}-user", domain_id="default", default_project_id=shop.id,
        email="a@example.org", description="Of the shop", is_enabled=False,
        options={"ignore_password_expiry": True},
    )  # fmt: skip
    group = keystone.create_group(name=f"{name}-staff", domain_id="default")
    keystone.add_user_to_group(user, group)
    roles = [
        keystone.create_role(name=f"{name}-{word}", options=options)
        for word, options in (("boss", {}), ("clerk", FIXED))
    ]
    # Not immutable: Zed's Keystone never lets a domain be anything else again.
    keystone.post("/domains", json={"domain": {"name": f"{name}-domain", "tags": ["gold"]}})
    keystone.put(f"/roles/{roles[0].id}/implies/{roles[1].id}")
    keystone.assign_project_role_to_user(shop, user, roles[1])
    inherited = f"/OS-INHERIT/projects/{corp.id}/groups/{group.id}/roles/{roles[0].id}"
    keystone.put(f"{inherited}/inherited_to_projects")
    keystone.put(f"/system/users/{user.id}/roles/{roles[1].id}")
    keystone.assign_domain_role_to_group("default", group, roles[1])
    source.compute.put(f"/os-quota-sets/{shop.id}", json={"quota_set": {"cores": 7, "ram": -1}})
    source.compute.create_keypair(name=f"{name}-key", user_id=user.id)
    yield SimpleNamespace(name=name, corp=corp, shop=shop, user=user, group=group, roles=roles)
    for cloud in (source, target):
        _remove(cloud, name)


def _remove(cloud: Connection, name: str) -> None:
    keystone = cloud.identity
    for user in [u for u in keystone.users() if u.name.startswith(name)]:
        with suppress(NotFoundException):
            cloud.compute.delete(f"/os-keypairs/{name}-key", params={"user_id": user.id})
        keystone.delete_user(user)
    for group in [g for g in keystone.groups() if g.name.startswith(name)]:
        keystone.delete_group(group)
    for word in ("shop", "corp"):
        for project in keystone.projects(name=f"{name}-{word}"):
            keystone.delete_project(project)
    loose = {"options": {"immutable": None}}
    for role in [r for r in keystone.roles() if r.name.startswith(name)]:
        keystone.patch(f"/roles/{role.id}", json={"role": loose})
        keystone.delete_role(role)
    for domain in keystone.domains(name=f"{name}-domain"):
        keystone.update_domain(domain, is_enabled=False)
        keystone.delete_domain(domain)


def planned(pair: Site, folder: Path, *include: str) -> Plan:
    here, there = estates(pair, folder)
    return plan(chosen(Selection(include=include, kinds=KINDS), here), here, there)


def carry_out(pair: Site, made: Plan) -> int:
    """Do a plan of identity as a run does, and return how many items were done."""
    assert made.obstacles == []
    ids = {kind: dict(of) for kind, of in made.ids.items()}
    count = 0
    with Api(pair.target, "target") as api:
        for kind in ORDER:
            if kind == "rules":
                continue
            todo = [item for item in made.of(kind) if item.action not in DONE]
            entries = do_batch(api, todo, EFFECTS[kind], ids, frozenset(), parallel=8)
            assert failures(entries) == []
            for done in entries:
                ids[done.kind][done.source_id] = done.target_id or ""
            count += len(entries)
    return count


def roles_of(cloud: Connection, name: str) -> set[tuple[Any, ...]]:
    """Return the assignments of a test's roles, in names."""
    listed = cloud.identity.get("/role_assignments?include_names=true").json()
    return {
        (
            each["role"]["name"],
            (each.get("user") or each["group"])["name"],
            *sorted(
                (kind, of["name"] if isinstance(of, dict) and "name" in of else str(of))
                for kind, of in each["scope"].items()
            ),
        )
        for each in listed["role_assignments"]
        if each["role"]["name"].startswith(name)
    }


def test_identity_arrives_whole_and_a_second_run_writes_nothing(
    pair: Site, corp: SimpleNamespace, source: Connection, target: Connection, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Parents, options, groups, implied and inherited roles, keys and limits are at the target."""
    include = (f"project:{corp.shop.id}", f"users:{corp.user.id}", f"groups:{corp.group.id}",
               f"domains:{corp.name}-domain")  # fmt: skip
    assert carry_out(pair, planned(pair, tmp_path / "1", *include)) > 10
    keystone = target.identity
    (above,) = keystone.projects(name=corp.corp.name)
    (below,) = keystone.projects(name=corp.shop.name)
    assert below.parent_id == above.id
    assert "blue" in below.tags
    (user,) = keystone.users(name=corp.user.name)
    was = source.identity.get_user(corp.user.id)
    assert (user.email, user.description, user.is_enabled) == (was.email, was.description, False)
    assert user.default_project_id == below.id
    raw = keystone.get(f"/users/{user.id}").json()["user"]
    assert raw["options"] == {"ignore_password_expiry": True}
    (group,) = keystone.groups(name=corp.group.name)
    assert [u.name for u in keystone.group_users(group)] == [user.name]
    assert roles_of(target, corp.name) == roles_of(source, corp.name)
    prior = next(keystone.roles(name=corp.roles[0].name))
    implied = keystone.get(f"/roles/{prior.id}/implies").json()["role_inference"]["implies"]
    assert [role["name"] for role in implied] == [corp.roles[1].name]
    assert [keystone.get_role(r["id"]).options for r in implied] == [FIXED]
    (domain,) = keystone.get(f"/domains?name={corp.name}-domain").json()["domains"]
    assert domain["tags"] == ["gold"]
    limits = target.compute.get(f"/os-quota-sets/{below.id}").json()["quota_set"]
    assert (limits["cores"], limits["ram"]) == (7, -1)
    keys = {
        cloud: cloud.compute.get(f"/os-keypairs?user_id={id_}", microversion="2.10").json()
        for cloud, id_ in ((source, corp.user.id), (target, user.id))
    }
    assert (
        keys[source]["keypairs"][0]["keypair"]["fingerprint"]
        == (keys[target]["keypairs"][0]["keypair"]["fingerprint"])
    )
    writes = Writes(monkeypatch.setattr)
    assert carry_out(pair, planned(pair, tmp_path / "2", *include)) == 0
    assert writes.seen == []


def test_what_a_killed_run_left_is_found_and_completed(
    pair: Site, corp: SimpleNamespace, source: Connection, target: Connection, tmp_path: Path
) -> None:
    """With the user and the parent made and nothing else, a run makes the rest, once each."""
    include = (f"project:{corp.shop.id}", f"groups:{corp.group.id}")
    made = planned(pair, tmp_path / "1", *include)
    only = {corp.corp.id, corp.user.id}
    ids = {kind: dict(of) for kind, of in made.ids.items()}
    with Api(pair.target, "target") as api:
        for kind in ("projects", "users"):
            some = [item for item in made.of(kind) if item.source_id in only]
            assert failures(do_batch(api, some, EFFECTS[kind], ids, frozenset())) == []
    assert carry_out(pair, planned(pair, tmp_path / "2", *include)) > 5
    for listing in (target.identity.projects, target.identity.users, target.identity.groups):
        names = [each.name for each in listing() if each.name.startswith(corp.name)]
        assert len(names) == len(set(names))
    inherited = {each for each in roles_of(source, corp.name) if "system" not in str(each)}
    assert {e for e in inherited if e[1] == corp.group.name} <= roles_of(target, corp.name)
