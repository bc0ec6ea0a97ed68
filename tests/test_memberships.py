"""Who is in which group and has which role where comes along, and is found again."""

from typing import Any

from pumphouse import bodies
from pumphouse.closure import Rows, closure
from pumphouse.models import Action
from pumphouse.plan import Item, Plan
from pumphouse.planning import plan
from pumphouse.selection import Selection, chosen
from tests.tenants import Rows as Given
from tests.tenants import estate, source, target


def rich() -> Given:
    """Return the source where shop is below corp, with roles given in every way."""
    rows = source()
    rows["projects"].append(
        {"id": "pc", "name": "corp", "domain_id": "default", "is_enabled": True}
    )
    rows["projects"][0]["parent_id"] = "pc"
    rows["domains"].append({"id": "d2", "name": "Second"})
    rows["roles"].append({"id": "r3", "name": "member", "domain_id": "d2"})
    rows["assignments"] += [
        {"role_id": "r2", "user_id": "u2", "project_id": "pc", "is_inherited": True},
        {"role_id": "r2", "user_id": "u2", "project_id": "pc", "is_inherited": False},
        {"role_id": "r1", "group_id": "g1", "domain_id": "default", "is_inherited": True},
        {"role_id": "r1", "user_id": "u2", "domain_id": "d2", "is_inherited": False},
        {"role_id": "r1", "user_id": "u2", "system": "all", "is_inherited": False},
        {"role_id": "r1", "user_id": "deleted", "project_id": "p1", "is_inherited": False},
    ]
    return rows


def found(*include: str, rows: Given | None = None) -> Rows:
    here = estate(rows or rich())
    return closure(here, chosen(Selection(include=include), here))


def ids(rows: Rows, kind: str) -> list[str]:
    return [row["id"] for row in rows[kind]]


def planned(dst: Given | None = None, **changes: Any) -> Plan:
    here = estate(rich())
    what = chosen(Selection(include=("project:shop",), kinds=("identity",)), here)
    return plan(what, here, estate(dst or target()))


def item(made: Plan, key: str) -> Item:
    return next(each for each in made.items if each.key == key)


def test_parents_come_before_what_is_below_them() -> None:
    """A parent that nobody selected comes along, first, and the child depends on it."""
    assert ids(found("project:shop"), "projects") == ["pc", "p1", "p0"]
    made = planned()
    keys = [each.key for each in made.items]
    assert keys.index("projects:pc") < keys.index("projects:p1")
    assert "projects:pc" in item(made, "projects:p1").depends_on


def test_a_circle_of_parents_ends() -> None:
    """Tables that name each other as parents are read once each."""
    rows = rich()
    rows["projects"][-1]["parent_id"] = "p1"
    assert {"p1", "pc"} <= set(ids(found("project:shop", rows=rows), "projects"))


def test_a_project_brings_what_is_assigned_on_it_and_what_it_inherits() -> None:
    """Direct roles of users and groups, and inherited ones of parent and domain; no others."""
    assert ids(found("project:shop"), "assignments") == [
        "r1:u1:p1",
        "r1:g1:p1",
        "r2:u2:pc:inherited",
        "r1:g1:default:inherited",
    ]


def test_the_owner_of_a_shared_thing_is_not_above_a_project() -> None:
    """What admin passes down to its own tree stays: it only owns the external network."""
    rows = rich()
    rows["assignments"].append(
        {"role_id": "r2", "user_id": "u2", "project_id": "p0", "is_inherited": True}
    )
    brought = found("project:shop", rows=rows)
    assert "p0" in ids(brought, "projects")
    assert "r2:u2:p0:inherited" not in ids(brought, "assignments")


def test_members_that_only_the_target_has_are_said() -> None:
    """They get the roles of the source's group, which is what its copy is."""
    dst = target()
    dst["groups"] = [{"id": "G1", "name": "staff", "domain_id": "default"}]
    dst["users"] = [
        {"id": id_, "name": name, "domain_id": "default", "is_enabled": True}
        for id_, name in [("U1", "anna"), *((f"E{at}", f"eve{at:02}") for at in range(12))]
    ]
    dst["group_members"] = [{"group_id": "G1", "user_id": row["id"]} for row in dst["users"]]
    (loss,) = item(planned(dst), "assignments:r1:g1:p1").losses
    assert "the target's group staff has others too (Default/eve00, " in loss
    assert "Default/eve09 and 2 more)" in loss
    assert "anna" not in loss
    dst["group_members"] = dst["group_members"][:1]
    assert item(planned(dst), "assignments:r1:g1:p1").losses == ()
    assert item(planned(), "assignments:r1:g1:p1").losses == ()


def test_what_members_get_by_joining_the_targets_group_is_said() -> None:
    """The target's group has rights that the source's has not; who is in it already has them."""
    dst = target()
    dst["roles"] += [{"id": "R9", "name": "auditor"}]
    dst["groups"] = [{"id": "G1", "name": "staff", "domain_id": "default"}]
    dst["assignments"] = [
        {"role_id": role, "group_id": "G1", "is_inherited": False, **where}
        for role, where in [
            ("R9", {"system": "all"}),
            ("R9", {"project_id": dst["projects"][0]["id"]}),
        ]
    ]
    (loss,) = item(planned(dst), "groups:g1").losses
    project = dst["projects"][0]["name"]
    assert f"has more (auditor on project Default/{project}, auditor on the system)" in loss
    assert "for who joins it (Default/anna)." in loss
    dst["assignments"] = []
    assert item(planned(dst), "groups:g1").losses == ()
    assert item(planned(), "groups:g1").losses == ()


def test_what_a_role_of_the_target_comes_to_imply_is_said() -> None:
    """Everybody who has it there gets more; a role that is new has no other holders."""
    (loss,) = item(planned(), "implied_roles:r1:r2").losses
    assert "everybody who has member there gets rare too" in loss
    dst = target()
    dst["roles"].append({"id": "R2", "name": "rare"})
    dst["implied_roles"] = [{"prior_role_id": "R1", "implied_role_id": "R2"}]
    assert item(planned(dst), "implied_roles:r1:r2").losses == ()
    dst["roles"], dst["implied_roles"] = [], []
    assert item(planned(dst), "implied_roles:r1:r2").losses == ()


def test_a_user_brings_its_roles_on_domains_and_the_system() -> None:
    """A chosen user's roles outside of projects come, and the domain that they are on."""
    rows = found("users:otto")
    assert ids(rows, "assignments") == ["r1:u2:d2", "r1:u2:all"]
    assert {"default", "d2"} == set(ids(rows, "domains"))


def test_everything_brings_every_assignment_whose_holder_exists() -> None:
    """The whole cloud has all of them but the one of a user that Keystone forgot."""
    assert len(found("everything")["assignments"]) == len(rich()["assignments"]) - 1


def test_groups_bring_their_members_and_roles_what_they_imply() -> None:
    """Members become users of the plan, implied roles roles of it."""
    rows = found("groups:staff")
    assert ids(rows, "users") == ["u1"]
    assert ids(rows, "group_members") == ["g1:u1"]
    rows = found("roles:r1")
    assert (ids(rows, "roles"), ids(rows, "implied_roles")) == (["r1", "r2"], ["r1:r2"])


def test_a_role_of_a_domain_is_not_the_global_role_of_its_name() -> None:
    """Names of roles are compared with their domains."""
    from pumphouse.memberships import assignment_key

    here = estate(rich())
    given = here.rows("assignments")[0]
    assert assignment_key(given, here) != assignment_key({**given, "role_id": "r3"}, here)


def test_a_project_below_another_parent_is_a_conflict() -> None:
    """Keystone cannot move a project: one of the name elsewhere is said to differ."""
    dst = target()
    dst["projects"].append(
        {"id": "P1", "name": "shop", "domain_id": "default", "is_enabled": True, "tags": []}
    )
    made = item(planned(dst), "projects:p1")
    assert made.action is Action.CONFLICT
    assert "parent: 'Default/corp' != None" in made.reason


def test_rows_without_names_are_called_by_what_they_say() -> None:
    """A plan names who has which role where."""
    names = {each.key: each.name for each in planned().items}
    assert names["group_members:g1:u1"] == "Default/anna in Default/staff"
    assert names["implied_roles:r1:r2"] == "member implies rare"
    assert names["assignments:r1:g1:default:inherited"] == (
        "group Default/staff is member on domain Default, inherited"
    )


def test_a_default_project_that_does_not_move_is_used_or_said_to_be_lost() -> None:
    """What the target has of it is used; else the user has none, and would never get it later."""
    rows, dst = rich(), target()
    rows["users"][0]["default_project_id"] = "p2"
    here = estate(rows)
    what = chosen(Selection(include=("project:shop",), kinds=("identity",)), here)
    lost = item(plan(what, here, estate(dst)), "users:u1")
    assert "Its default project Default/other, which neither moves" in lost.losses[-1]
    assert "default_project_id" not in bodies.user(lost.row, {"domains": {}, "projects": {}})
    dst["projects"].append(
        {"id": "P2", "name": "other", "domain_id": "default", "is_enabled": True, "tags": []}
    )
    kept = item(plan(what, here, estate(dst)), "users:u1")
    assert not [loss for loss in kept.losses if "default project" in loss]
    body = bodies.user(kept.row, {"domains": {}, "projects": {}})
    assert body["default_project_id"] == "P2"
    assert kept.fingerprint == lost.fingerprint


def test_a_user_waits_for_a_default_project_that_moves() -> None:
    """Made before it, the user would never get it; and it is no loss."""
    rows = rich()
    rows["users"][0]["default_project_id"] = "p1"
    here = estate(rows)
    made = plan(chosen(Selection(include=("project:shop",)), here), here, estate(target()))
    assert "projects:p1" in item(made, "users:u1").depends_on
    assert not [loss for loss in item(made, "users:u1").losses if "default project" in loss]


def test_limits_that_the_target_does_not_know_are_lost() -> None:
    """A name of an older release is a loss with its value, unless that is unlimited."""
    rows, dst = source(), target()
    rows["quotas"].extend(
        {"project_id": "p1", "service": "compute", "resource": name, "limit": limit}
        for name, limit in (("fixed_ips", 9), ("floating_ips", -1))
    )
    dst["quotas"] = [
        {"project_id": "x", "service": "compute", "resource": name, "limit": 1}
        for name in ("cores", "instances")
    ]
    here = estate(rows)
    made = plan(chosen(Selection(include=("project:shop",)), here), here, estate(dst))
    losses = {each.source_id: each.losses for each in made.of("quotas")}
    assert losses["p1:compute"] == ("Limits that the target does not know: fixed_ips 9.",)
    assert losses["p1:volume"] == ()
