"""What of the source may be deleted: only what has a whole copy and that nothing else needs."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pumphouse.checks import AS_OF, RETURNED, WITH_SERVER
from pumphouse.finalization import ORDER, Removal, removals
from pumphouse.mappings import Mappings
from pumphouse.models import SOURCE_ID
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Selection, chosen
from pumphouse.staying import Bounds
from tests.tenants import Rows, estate, source, target

NOW = datetime(2026, 3, 10, tzinfo=UTC)
DAY = 86400.0


def copied(kind: str, row: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Return the copy of *row* with our mark: in metadata, as a property, or as a tag."""
    made = {**row, "id": row["id"].upper(), **values}
    if kind in ("servers", "volumes"):
        made["metadata"] = {SOURCE_ID: row["id"]}
    elif kind == "images":
        made["properties"] = {SOURCE_ID: row["id"]}
    else:
        made["tags"] = [f"{SOURCE_ID}={row['id']}"]
    return made


def moved() -> tuple[Rows, Rows]:
    """Return both clouds after project shop has moved whole, a week and more ago."""
    here, there = source(), target()
    here["snapshots"] = []
    here["assignments"] = [a for a in here["assignments"] if a.get("user_id")]
    for server in here["servers"]:
        server["metadata"] = {
            "pumphouse:migrated_to": server["id"].upper(),
            "pumphouse:migrated_at": "2026-03-01T00:00:00+00:00",
            "pumphouse:was": "ACTIVE",
        }
        server["status"] = "SHUTOFF"
    mine = [s for s in here["servers"] if s["project_id"] == "p1"]
    here["servers"] = mine
    there["projects"].append(copied("projects", here["projects"][0]))
    there["users"] = [{**here["users"][0], "id": "U1"}]
    there["servers"] = [copied("servers", s, status="ACTIVE", project_id="P1") for s in mine]
    there["volumes"] = [
        copied(
            "volumes", v, project_id="P1", created_at="2026-03-01T00:00:00+00:00",
            attachments=[{**a, "server_id": a["server_id"].upper()} for a in v["attachments"]],
        )
        for v in here["volumes"]
    ]  # fmt: skip
    there["server_groups"] = [
        {**g, "id": "SG1", "project_id": "P1"} for g in here["server_groups"]
    ]
    owned = [n for n in here["networks"] if n["project_id"] == "p1"]
    there["networks"] += [copied("networks", n, project_id="P1") for n in owned]
    there["subnets"].append(copied("subnets", here["subnets"][0], network_id="N1"))
    there["ports"] = [
        copied(
            "ports", p, network_id="N1", project_id="P1", security_group_ids=["G1"],
            device_id=p["device_id"].upper(),
        )
        for p in here["ports"]
    ]  # fmt: skip
    there["routers"] = [
        copied("routers", r, project_id="P1", external_gateway=None) for r in here["routers"]
    ]
    there["security_groups"] = [
        copied("security_groups", g, project_id="P1") for g in here["security_groups"]
    ]
    there["security_group_rules"] = [
        {
            **r,
            "security_group_id": r["security_group_id"].upper(),
            "remote_group_id": r["remote_group_id"].upper(),
        }
        for r in here["security_group_rules"]
    ]
    there["floating_ips"] = [
        copied("floating_ips", f, project_id="P1") for f in here["floating_ips"]
    ]
    for kind in ("qos_policies", "subnet_pools"):
        there[kind] = [copied(kind, each, project_id="P1") for each in here[kind]]
    for kind in ("address_scopes", "address_groups"):
        there[kind] = [{**r, "id": r["id"].upper(), "project_id": "P1"} for r in here[kind]]
    there["subnet_pools"][0]["address_scope_id"] = "AS1"
    there["rbac_policies"] = [
        {**here["rbac_policies"][0], "id": "RB1", "object_id": "N1", "target_project_id": "P0"}
    ]
    there["trunks"] = [copied("trunks", t, project_id="P1", port_id="PO1") for t in here["trunks"]]
    there["images"] = [copied("images", i, owner_id="P1") for i in here["images"]]
    return here, there


def judged(
    here: Rows,
    there: Rows,
    *words: str,
    grace_s: float = 7 * DAY,
    wishes: Wishes | None = None,
    **bounds: Any,
) -> dict[str, Removal]:
    """Return what becomes of everything that *words* select, by key."""
    clouds = estate(here), estate(there)
    what = chosen(Selection(include=words or ("project:shop",)), clouds[0])
    whole = frozenset(what.project_ids)
    limits = Bounds(now=NOW, grace_s=grace_s, whole=whole, **bounds)
    return {r.key: r for r in removals(plan(what, *clouds, wishes), *clouds, limits)}


def test_a_project_that_moved_whole_goes_whole() -> None:
    """Everything of it, in the order in which it can be deleted; what is the cloud's stays."""
    found = judged(*moved())

    stays = {key: r.reason for key, r in found.items() if not r.is_removed}
    assert stays == {
        "networks:nx": "The target had one of its own, which was taken: this one was not "
        "migrated.",
        "projects:p0": "The target had one of its own, which was taken: this one was not "
        "migrated.",
    }
    kinds = [r.kind for r in found.values()]
    assert kinds == sorted(kinds, key=ORDER.index)
    assert {"servers", "volumes", "ports", "networks", "users", "projects"} <= set(kinds)
    assert {"qos_policies", "subnet_pools", "address_scopes", "address_groups", "trunks"} <= set(
        kinds
    )


def test_what_moved_under_another_name_goes_too() -> None:
    """A mapping that made the copy's name does not make the copy somebody else's."""
    here, there = moved()
    names = {"projects": "store", "networks": "prod", "images": "gold", "server_groups": "couple"}
    for kind, name in names.items():
        there[kind][-1]["name"] = name
    mappings = {kind: {"names": {here[kind][0]["name"]: name}} for kind, name in names.items()}
    wishes = Wishes(mappings=Mappings.model_validate(mappings))
    found = judged(here, there, wishes=wishes)
    for kind in names:
        first = found[f"{kind}:{here[kind][0]['id']}"]
        assert first.is_removed, first


def test_a_policy_that_something_uses_stays() -> None:
    """A network that stays keeps its QoS policy, and a group's rules keep their address group."""
    here, there = moved()
    here["networks"][1]["qos_policy_id"] = "q1"
    here["qos_policies"][0]["tags"] = []
    found = judged(here, there)
    assert found["qos_policies:q1"].reason == "It is used by networks nx, which stays."
    kept = judged(*moved(), kept=frozenset({"networks:n1"}))
    assert kept["subnet_pools:sp1"].is_removed
    here, there = moved()
    here["subnets"][0]["subnet_pool_id"] = "sp1"
    kept = judged(here, there, kept=frozenset({"networks:n1"}))
    assert "networks n1" in kept["subnet_pools:sp1"].reason
    assert "subnet_pools sp1" in kept["address_scopes:as1"].reason


def test_a_trunk_goes_with_its_server() -> None:
    """It goes before its port; while its server stays, so does it."""
    here, there = moved()
    keys = [key for key, r in judged(here, there).items() if r.is_removed]
    assert keys.index("servers:v1") < keys.index("trunks:tr1") < keys.index("ports:po1")
    here["servers"][0]["status"] = "ACTIVE"
    assert judged(here, there)["trunks:tr1"].reason == "Server v1 stays."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"migrated_at": "2026-03-09T00:00:00+00:00"}, "Its grace period ends at 2026-03-16"),
        ({"migrated_at": ""}, "not known since when"),
        ({"migrated_to": ""}, "It was not migrated, or never verified."),
        ({"returning": "ACTIVE"}, "Its return to the source was cut short"),
        ({"was": "SHUTOFF"}, "Its copy V1 is ACTIVE, and not SHUTOFF as it was."),
    ],
)
def test_a_server_stays_unless_its_journal_allows_it(change: dict[str, str], said: str) -> None:
    """Young, unverified, on its way back, or not as it was: nothing of its own goes either."""
    here, there = moved()
    server = next(s for s in here["servers"] if s["id"] == "v1")
    for key, value in change.items():
        server["metadata"][f"pumphouse:{key}"] = value
    found = judged(here, there)

    assert said in found["servers:v1"].reason
    assert "server v1, which stays" in found["volumes:vol1"].reason
    assert not found["networks:n1"].is_removed
    assert not found["images:i1"].is_removed
    assert "It still has" in found["projects:p1"].reason
    assert not found["users:u1"].is_removed
    assert not any(r.is_removed for r in found.values() if r.kind in ("keypairs", "quotas"))


def test_a_server_whose_copy_lost_something_stays() -> None:
    """Its copy gone, its disk elsewhere, its port deleted: the source is the last of it."""
    for kind, said in (
        ("servers", "Its copy V1 is gone"),
        ("volumes", "volume vol1 is not at its copy"),
        ("ports", "has no port fa:1"),
    ):
        here, there = moved()
        first = {"servers": "V1", "volumes": "VOL1", "ports": "PO1"}[kind]
        there[kind] = [row for row in there[kind] if row["id"] != first]
        assert said in judged(here, there)["servers:v1"].reason


def test_a_server_that_somebody_started_stays() -> None:
    """It is in use at the source, whatever its journal says."""
    here, there = moved()
    here["servers"][0]["status"] = "ACTIVE"
    found = judged(here, there)[f"servers:{here['servers'][0]['id']}"]
    assert "somebody uses it" in found.reason


def test_what_others_need_stays() -> None:
    """A snapshot, a stranger's port, a role elsewhere, an image that is shared."""
    here, there = moved()
    here["snapshots"] = [{"id": "sn", "volume_id": "vol2", "project_id": "p1"}]
    here["ports"].append(
        {"id": "po9", "network_id": "n1", "project_id": "p2", "device_id": "x", "device_owner": ""}
    )
    here["assignments"].append({"role_id": "r1", "user_id": "u1", "project_id": "p2"})
    here["images"][0]["visibility"] = there["images"][0]["visibility"] = "shared"
    found = judged(here, there)

    assert "1 snapshot(s)" in found["volumes:vol2"].reason
    assert "Port po9 on it" in found["networks:n1"].reason
    assert found["users:u1"].reason == "It has a role somewhere that stays."
    assert "It is shared" in found["images:i1"].reason
    assert "1 volumes, 1 networks, 1 snapshots, 1 images" in found["projects:p1"].reason


@pytest.mark.parametrize(
    "where", [{"project_id": "p2"}, {"domain_id": "default"}, {"system": "all"}]
)
def test_a_user_with_a_role_elsewhere_by_a_group_stays(where: dict[str, str]) -> None:
    """One on what goes keeps nobody; on another project, a domain or the system it does."""
    here, there = moved()
    here["assignments"].append({"role_id": "r1", "group_id": "g1", "project_id": "p1"})
    assert judged(here, there)["users:u1"].is_removed
    here["assignments"].append({"role_id": "r1", "group_id": "g1", **where})
    found = judged(here, there)
    assert found["users:u1"].reason == (
        "It has a role somewhere that stays, by its group Default/staff."
    )
    assert found["keypairs:u1:k1"].reason == "Its user stays."
    assert found["projects:p1"].is_removed


def test_a_user_of_a_directory_stays_with_its_key_pairs() -> None:
    """Keystone refuses to delete it, whatever becomes of its projects; a federated one may go."""
    here, there = moved()
    id_ = "a" * 64
    here["users"][0]["id"] = here["assignments"][0]["user_id"] = id_
    here["keypairs"][0]["user_id"] = id_
    found = judged(here, there)
    assert "directory (LDAP)" in found[f"users:{id_}"].reason
    assert found[f"keypairs:{id_}:k1"].reason == "Its user stays."
    assert found["projects:p1"].is_removed
    here["users"][0]["identity_provider"] = "sso"
    assert judged(here, there)[f"users:{id_}"].is_removed


def test_a_server_by_itself_takes_no_project_along() -> None:
    """Projects and users go only when the project was chosen by name."""
    found = judged(*moved(), "server:v1")
    assert found["servers:v1"].is_removed
    assert found["projects:p1"].reason == "It was not chosen as a whole (project:NAME)."


def test_we_never_delete_ourselves() -> None:
    """The user and the project that we work as stay, wherever they are chosen."""
    found = judged(*moved(), protected=frozenset({"p1"}))
    assert found["projects:p1"].reason == "It is the project that we work in."
    assert not found["users:u1"].is_removed


def test_what_failed_keeps_what_it_uses() -> None:
    """A server that could not be deleted keeps its disks, its network and its project."""
    found = judged(*moved(), kept=frozenset({"servers:v1"}))
    assert found["servers:v1"].reason == "It could not be deleted."
    stay = ("volumes:vol1", "networks:n1", "projects:p1", "security_groups:g1")
    assert not any(found[key].is_removed for key in stay)


def test_a_server_group_goes_after_its_servers() -> None:
    """One that a staying server is in stays, and so does one that the target had itself."""
    here, there = moved()
    here["server_groups"][0]["member_ids"] = ["v1"]
    assert judged(here, there)["server_groups:sg1"].is_removed
    there["projects"][-1]["tags"] = []
    assert "had one of its own" in judged(here, there)["server_groups:sg1"].reason
    here, there = moved()
    here["server_groups"][0]["member_ids"] = ["v1", "x9"]
    assert judged(here, there)["server_groups:sg1"].reason == "1 of its servers stay."


def test_an_immutable_project_stays() -> None:
    """Keystone would refuse; what to do is said before."""
    here, there = moved()
    here["projects"][0]["options"] = {"immutable": True}
    assert "set that option to false" in judged(here, there)["projects:p1"].reason


HA = "network:ha_router_replicated_interface"


def test_a_highly_available_router_goes_with_its_network() -> None:
    """Its interfaces have an owner of their own, and its own network is none of the plan's."""
    here, there = moved()
    for rows, port in ((here, "po2"), (there, "PO2")):
        next(p for p in rows["ports"] if p["id"] == port)["device_owner"] = HA
    next(p for p in there["ports"] if p["id"] == "PO2")["device_id"] = "RO1"
    here["networks"].append(
        {"id": "nha", "name": "HA network", "project_id": "", "is_external": False}
    )
    here["ports"].append(
        {"id": "po9", "network_id": "nha", "device_id": "ro1",
         "device_owner": "network:router_ha_interface",
         "fixed_ips": [{"subnet_id": "sha", "ip_address": "169.254.192.1"}]}
    )  # fmt: skip
    found = judged(here, there, "project:shop", "routers:edge")
    assert found["routers:ro1"].is_removed
    assert found["networks:n1"].is_removed
    assert "networks:nha" not in found


def test_a_router_of_a_network_that_was_not_chosen_stays() -> None:
    """Its copy has no interface there and no routes by it: here is all that is left of them."""
    here, there = moved()
    here["networks"].append(
        {**here["networks"][0], "id": "n2", "name": "back", "project_id": "p2"}
    )
    here["ports"].append({**here["ports"][1], "id": "po3", "network_id": "n2"})
    found = judged(here, there)["routers:ro1"]
    assert "also in network Default/other/back, which was not chosen" in found.reason


@pytest.mark.parametrize(
    "owner", ["network:dhcp", "network:distributed", "network:floatingip_agent_gateway"]
)
def test_a_port_that_neutron_deletes_with_its_network_keeps_nothing(owner: str) -> None:
    """OVN gives each network a port for its metadata; another one of Neutron's keeps it."""
    here, there = moved()
    port = {"id": "po9", "network_id": "n1", "device_id": "ovnmeta-n1", "device_owner": owner}
    here["ports"].append(port)
    assert judged(here, there)["networks:n1"].is_removed
    port["device_owner"] = "network:local_ip"
    assert not judged(here, there)["networks:n1"].is_removed


def test_a_shared_image_without_members_goes() -> None:
    """Glance's default visibility says only that members may be added; one that is keeps it."""
    here, there = moved()
    for rows in (here, there):
        rows["images"][0] |= {"visibility": "shared", "members": []}
    found = judged(here, there)
    assert {found["images:i1"].is_removed, found["projects:p1"].is_removed} == {True}
    for rows in (here, there):
        rows["images"][0]["members"] = [{"member_id": "p9", "status": "pending"}]
    assert judged(here, there)["images:i1"].reason == "It is shared: others may use it."


def test_a_project_whose_default_group_is_not_finished_stays() -> None:
    """Its source would go with it, and the copy may let out what that did not."""
    here, there = moved()
    group = {"id": "g4", "name": "default", "project_id": "p1", "is_stateful": True, "tags": []}
    here["security_groups"].append(group)
    there["security_groups"].append({**group, "id": "G4", "project_id": "P1"})
    reason = judged(here, there)["projects:p1"].reason
    assert "security group default is not complete: No run has made it equal" in reason
    there["security_groups"][-1]["tags"] = [f"{SOURCE_ID}=g4"]
    assert judged(here, there)["projects:p1"].is_removed


def test_servers_that_share_a_volume_go_together() -> None:
    """One whose partner stays would leave it no way back."""
    here, there = moved()
    second = {**here["servers"][0], "id": "v9", "name": "web-9"}
    second["metadata"] = {**second["metadata"], "pumphouse:migrated_to": "V9"}
    here["servers"].append(second)
    there["servers"].append(copied("servers", second, status="ACTIVE", project_id="P1"))
    for rows, ids in ((here, ("v1", "v9")), (there, ("V1", "V9"))):
        rows["volumes"][0]["attachments"] = [{"server_id": i, "device": "x"} for i in ids]
    there["ports"][0]["device_id"] = "V1"

    assert {r.is_removed for r in judged(here, there).values() if r.kind == "servers"} == {True}
    alone = judged(here, there, "server:v1")
    assert alone["servers:v1"].reason.startswith("It shares volume data (vol1) with server v9")
    assert not alone["volumes:vol1"].is_removed

    there["servers"][1]["status"] = "ERROR"
    found = judged(here, there)
    assert "with server web-9 (v9), which stays: Its copy V9 is ERROR" in (
        found["servers:v1"].reason
    )
    assert not found["volumes:vol1"].is_removed


LATER = "2026-03-05T00:00:00+00:00"
OLD = "its copy VOL1 may be older. Delete that, and migrate it anew."


@pytest.mark.parametrize(
    ("copied", "is_returned", "is_there", "goes"),
    [
        # It was copied with its server, which was returned, and then it was detached.
        ({AS_OF: WITH_SERVER}, True, True, False),
        ({}, True, False, False),
        ({AS_OF: WITH_SERVER}, False, True, False),
        # Its server is finalized, and the run was cut short before the volume's turn.
        ({AS_OF: WITH_SERVER}, False, False, True),
        ({}, False, False, True),
        # It was copied when nobody used it. The same moment, as tables have it; or another.
        ({AS_OF: "2026-03-05T00:00:00.000000"}, False, True, True),
        ({AS_OF: "2026-03-01T00:00:00.000000"}, False, True, False),
        ({AS_OF: "2026-03-01T00:00:00.000000"}, False, False, False),
        # An earlier version noted nothing: Cinder changed it after the copy was made.
        ({}, False, True, False),
        # It was handed over: there is no other.
        ({"pumphouse:mover": "manage", AS_OF: WITH_SERVER}, True, True, True),
    ],
)
def test_a_volume_that_was_written_to_since_stays(
    copied: dict[str, str], is_returned: bool, is_there: bool, goes: bool
) -> None:
    """Its old copy is not all that it has; the plan says so too, and what to do."""
    here, there = moved()
    (volume,) = [v for v in here["volumes"] if v["id"] == "vol1"]
    volume |= {"attachments": [], "updated_at": LATER}
    for server in here["servers"]:
        server["volumes"] = [v for v in server["volumes"] if v["id"] != "vol1"]
    (copy,) = [v for v in there["volumes"] if v["id"] == "VOL1"]
    copy["metadata"] = {**copy["metadata"], **copied}
    user = copy["attachments"][0]["server_id"]
    if is_returned:
        (server,) = [s for s in there["servers"] if s["id"] == user]
        server["metadata"] = {**server["metadata"], RETURNED: "2026-03-02"}
    if not is_there:
        here["servers"] = [s for s in here["servers"] if s["id"].upper() != user]

    found = judged(here, there, "volumes:vol1")["volumes:vol1"]

    assert (found.is_removed, OLD in found.reason) == (goes, not goes)
    clouds = estate(here), estate(there)
    made = plan(chosen(Selection(include=("volumes:vol1",)), clouds[0]), *clouds)
    (item,) = made.of("volumes")
    assert (item.action.value, OLD in item.reason) == ("skip", not goes)
