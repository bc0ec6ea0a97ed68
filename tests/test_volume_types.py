"""Volume types with what belongs to them: QoS specs, encryption, limits of their own."""

from typing import Any

import pytest

from pumphouse.mappings import Mappings
from pumphouse.models import SOURCE_ID, Action
from pumphouse.plan import Item, Plan
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Selection, chosen
from tests.tenants import Rows, estate, source, target

LUKS = {
    "provider": "luks", "cipher": "aes-xts-plain64", "key_size": 256,
    "control_location": "front-end",
}  # fmt: skip


def planned(src: Rows, dst: Rows, **mappings: Any) -> Plan:
    here = estate(src)
    what = chosen(Selection(include=("project:shop",)), here)
    wishes = Wishes(mappings=Mappings.model_validate(mappings))
    return plan(what, here, estate(dst), wishes)


def item(made: Plan, key: str) -> Item:
    return next(each for each in made.items if each.key == key)


def clouds(**values: Any) -> tuple[Rows, Rows]:
    """Return clouds of which the target lacks the source's type, which has QoS specs."""
    src, dst = source(), target()
    src["volume_types"][0] |= {"qos_specs_id": "q1", **values}
    specs = {"read_iops_sec": "500"}
    src["qos_specs"] = [{"id": "q1", "name": "slow", "consumer": "front-end", "specs": specs}]
    dst["volume_types"] = []
    return src, dst


def test_a_new_type_brings_its_qos_specs() -> None:
    """They are made before it."""
    made = planned(*clouds())
    assert item(made, "qos_specs:q1").action is Action.CREATE
    assert "qos_specs:q1" in item(made, "volume_types:vt1").depends_on


def test_equal_specs_are_adopted_and_others_of_the_name_a_conflict() -> None:
    """Their names are unique in Cinder."""
    src, dst = clouds()
    dst["qos_specs"] = [{**src["qos_specs"][0], "id": "Q1"}]
    assert item(planned(src, dst), "qos_specs:q1").target_id == "Q1"
    dst["qos_specs"][0]["specs"] = {"read_iops_sec": "9"}
    assert item(planned(src, dst), "qos_specs:q1").action is Action.CONFLICT


def test_specs_of_a_type_that_is_there_are_not_needed() -> None:
    """The target's type is taken as it is, and the plan says in what it differs."""
    src, dst = clouds(encryption=LUKS)
    dst["volume_types"] = [{"id": "VT1", "name": "fast", "is_public": True}]
    made = planned(src, dst)
    assert made.of("qos_specs") == []
    (said,) = item(made, "volume_types:vt1").losses
    assert "qos: " in said
    assert "encryption: " in said


def test_a_type_that_was_begun_is_completed() -> None:
    """A killed run's half of a type is not taken for an equal one."""
    src, dst = clouds()
    dst["volume_types"] = [
        {"id": "VT", "name": "fast", "is_public": True, "description": f"{SOURCE_ID}=vt1"}
    ]
    begun = item(planned(src, dst), "volume_types:vt1")
    assert (begun.action, begun.target_id) == (Action.UPDATE, "VT")


def test_a_private_type_is_for_those_whose_volumes_have_it() -> None:
    """Access may have been taken from them since, and the volume is made as theirs."""
    src, dst = clouds(is_public=False, access_project_ids=["p2"])
    new = item(planned(src, dst), "volume_types:vt1")
    assert new.row["access_project_ids"] == ["p2", "p1"]
    begun = {"is_public": False, "description": f"{SOURCE_ID}=vt1", "access_project_ids": []}
    dst["volume_types"] = [{"id": "VT", "name": "fast", **begun}]
    made = planned(src, dst)
    assert item(made, "volume_types:vt1").action is Action.UPDATE
    assert item(made, "volumes:vol1").action is Action.CREATE


def limit(project: str, name: str, value: int) -> dict[str, Any]:
    return {"project_id": project, "service": "volume", "resource": name, "limit": value}


def test_the_limits_of_a_type_that_is_made_are_set_at_once() -> None:
    """The type is made before; a second run finds the limits equal."""
    src, dst = clouds()
    src["quotas"] += [limit("p1", "gigabytes_fast", 50), limit("p1", "snapshots_fast", -1)]
    dst["projects"].append({**src["projects"][0], "id": "P1", "tags": [f"{SOURCE_ID}=p1"]})
    dst["quotas"] = [limit("P1", "volumes", 10)]
    first = item(planned(src, dst), "quotas:p1:volume")
    assert (first.action, first.losses) == (Action.UPDATE, ())
    assert first.missing == ("gigabytes_fast",)
    assert "volume_types:vt1" in first.depends_on
    dst["volume_types"] = [{"id": "VT", "name": "fast", "is_public": True}]
    dst["quotas"] += [limit("P1", "gigabytes_fast", 50), limit("P1", "snapshots_fast", -1)]
    assert item(planned(src, dst), "quotas:p1:volume").action is Action.SKIP


def test_the_limits_of_a_type_follow_its_name() -> None:
    """A mapped type's limits are the target's name's; two that become one are added up."""
    src, dst = clouds()
    src["volume_types"].append({"id": "vt2", "name": "slow", "is_public": True})
    src["quotas"] += [limit("p1", "gigabytes_fast", 50), limit("p1", "gigabytes_slow", 7)]
    src["quotas"] += [limit("p1", "volumes_fast", 5), limit("p1", "volumes_slow", -1)]
    dst["volume_types"] = [{"id": "VT", "name": "gold", "is_public": True}]
    names = {"names": {"fast": "gold", "slow": "gold"}}
    limits = item(planned(src, dst, volume_types=names), "quotas:p1:volume").row["limits"]
    assert (limits["gigabytes_gold"], limits["volumes_gold"]) == (57, -1)
    assert "gigabytes_fast" not in limits


def test_an_encrypted_volume_that_no_server_uses_is_not_copied() -> None:
    """Its copy would be noise that nobody has the key of."""
    src, dst = clouds()
    src["volumes"][1]["is_encrypted"] = True
    blocked = item(planned(src, dst), "volumes:vol2")
    assert blocked.action is Action.BLOCKED
    assert "--exclude volumes:vol2" in blocked.reason


@pytest.mark.parametrize(("spec", "lost"), [("<is> True", False), ("<is> False", True)])
def test_sharing_between_servers_needs_a_type_that_allows_it(spec: str, lost: bool) -> None:
    """Cinder decides it by the type, and the target's may not."""
    src, dst = clouds()
    src["volumes"][1]["is_multiattach"] = True
    specs = {"multiattach": spec}
    dst["volume_types"] = [{"id": "VT", "name": "fast", "is_public": True, "extra_specs": specs}]
    losses = item(planned(src, dst), "volumes:vol2").losses
    assert any("multiattach" in said for said in losses) is lost


def test_a_volume_is_not_larger_than_its_quota_allows() -> None:
    """Cinder would refuse it while its server is down."""
    src, dst = clouds()
    src["quotas"].append(limit("p1", "per_volume_gigabytes", 1))
    dst["projects"].append({**src["projects"][0], "id": "P1", "tags": [f"{SOURCE_ID}=p1"]})
    dst["quotas"] = [limit("P1", "per_volume_gigabytes", 1)]
    assert "raise it to 2" in item(planned(src, dst), "volumes:vol1").reason
    assert item(planned(src, dst), "volumes:vol2").action is Action.CREATE
