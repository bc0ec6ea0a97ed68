"""Reading tables from a cloud that answers, lacks services, and fails."""

import pickle
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pumphouse import tables
from pumphouse.errors import CloudUnreachable, ConfigError, MissingRights, RequestFailed
from pumphouse.models import Role
from pumphouse.schemas import SCHEMAS
from pumphouse.tables import Row
from pumphouse.tasks import api as api_module
from pumphouse.tasks import storage
from pumphouse.tasks.discovery import Job, may_heal, order, read_and_store
from pumphouse.tasks.extraction import batches
from pumphouse.tasks.readers import CloudReader, Reading
from pumphouse.tasks.storage import Folder
from tests import answers
from tests.fakecloud import FakeCloud, Request
from tests.wholecloud import furnish


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module.random, "uniform", lambda *_: 0.0)


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    """A cloud with five servers and something of everything, two a page."""
    with FakeCloud() as fake:
        furnish(fake, servers=5, page=2)
        yield fake


@pytest.fixture
def reader(cloud: FakeCloud) -> Iterator[CloudReader]:
    """A reader of it that sends at most three requests at once."""
    with CloudReader(cloud.block(), Role.SOURCE, 3) as opened:
        yield opened


def read(reader: CloudReader, kind: str) -> tuple[list[Row], Reading]:
    """Return the rows of *kind*, and how they were read."""
    reading = Reading(reader)
    return [row for batch in batches(kind, reading) for row in batch], reading


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_table_is_read(reader: CloudReader, kind: str) -> None:
    """Each with the columns of its schema, and without a note when all is well."""
    rows, reading = read(reader, kind)

    assert tables.problems(kind, tables.frame(kind, rows)) == []
    assert reading.notes == []


@pytest.mark.parametrize("became", ["private", "gone"])
def test_an_image_that_is_shared_no_more_has_no_members(
    cloud: FakeCloud, reader: CloudReader, became: str
) -> None:
    """It was when it was listed; the other images are read all the same."""
    cloud.fault("GET", "image", "/images/{id}/members", status=403)
    if became == "private":
        cloud.route("GET", "image", "/images/{id}", {"visibility": "private"})

    rows, _ = read(reader, "images")

    assert len(rows) == 3


def test_rights_to_read_members_may_be_missing(cloud: FakeCloud, reader: CloudReader) -> None:
    """Of an image that is shared still, a refusal is no answer."""
    cloud.fault("GET", "image", "/images/{id}/members", status=403)
    cloud.route("GET", "image", "/images/{id}", {"visibility": "shared"})

    with pytest.raises(MissingRights):
        read(reader, "images")


def test_neutron_is_woken_before_several_ask_it() -> None:
    """It loads its policies when it first shows something; others get empty lists meanwhile."""
    kinds = ("networks", "subnets", "ports")
    with FakeCloud() as fake, CloudReader(fake.block(), Role.TARGET, 3) as reader:
        for kind in kinds:
            fake.listing("network", f"/{kind}", kind, [])
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda kind: read(reader, kind), kinds))
        first, *others = fake.sent("GET", "network")

    assert (first.path, first.query["limit"]) == ("/networks", "1")
    assert {other.path for other in others} > {"/networks", "/ports", "/subnets"}
    assert sum(request.query.get("limit") == "1" for request in others) == 0


def test_a_listing_costs_pages(cloud: FakeCloud, reader: CloudReader) -> None:
    """Five servers, two a page: three calls, and the groups once."""
    rows, reading = read(reader, "servers")

    assert len(rows) == 5
    assert len(cloud.sent("GET", "compute", "/servers/detail")) == 3
    groups = len(cloud.sent("GET", "compute", "/os-server-groups"))
    assert reading.api.calls == 3 + groups


def test_all_projects_are_asked_for(cloud: FakeCloud, reader: CloudReader) -> None:
    """On every page, with the newest microversion both sides know."""
    read(reader, "servers")

    for request in cloud.sent("GET", "compute", "/servers/detail"):
        assert request.query["all_tenants"] == "1"
        assert request.headers["openstack-api-version"] == "compute 2.96"


def test_what_two_tables_need_is_read_once(cloud: FakeCloud, reader: CloudReader) -> None:
    """API calls are pages, not pages times tables."""
    for kind in ("projects", "quotas", "services", "endpoints", "server_groups", "servers"):
        read(reader, kind)

    for service, path in (("identity", "/projects"), ("identity", "/services")):
        assert len(cloud.sent("GET", service, path)) == len({
            r.query.get("marker") for r in cloud.sent("GET", service, path)
        })  # fmt: skip


@pytest.mark.parametrize("kind", [k for k, s in SCHEMAS.items() if s.service == "image"])
def test_a_missing_service_is_an_empty_table_and_a_note(kind: str) -> None:
    """A cloud without images can be discovered."""
    with FakeCloud(["identity", "compute"]) as fake:
        furnish(fake)
        with CloudReader(fake.block(), Role.TARGET, 3) as reader:
            rows, reading = read(reader, kind)

    assert rows == []
    assert reading.notes == ["Cloud target has no image service."]


def test_tables_of_several_services_keep_what_there_is() -> None:
    """Without volumes and placement: the zones, quotas and hosts of Nova are still told."""
    with FakeCloud(["identity", "compute", "network"]) as fake:
        furnish(fake)
        with CloudReader(fake.block(), Role.TARGET, 3) as reader:
            quotas, quota_reading = read(reader, "quotas")
            zones, zone_reading = read(reader, "availability_zones")
            hosts, host_reading = read(reader, "hypervisors")

    assert {row["service"] for row in quotas} == {"compute", "network"}
    assert {row["service"] for row in zones} == {"compute"}
    assert hosts[0]["vcpus_allocatable"] == 64
    for reading in (quota_reading, zone_reading, host_reading):
        assert len(reading.notes) == 1


def test_a_missing_extension_is_an_empty_table_and_a_note(
    cloud: FakeCloud, reader: CloudReader
) -> None:
    """Neutron answers 404 for what no plugin provides."""
    cloud.fault("GET", "network", "/trunks", status=404, message="Not found.")

    rows, reading = read(reader, "trunks")

    assert rows == []
    assert "The network service has no trunks" in reading.notes[0]


def test_another_404_is_an_error(cloud: FakeCloud, reader: CloudReader) -> None:
    """Nova always has servers: a 404 there is a wrong endpoint, not an empty cloud."""
    cloud.fault("GET", "compute", "/servers/detail", status=404)

    with pytest.raises(RequestFailed, match="answered 404"):
        read(reader, "servers")


def test_a_host_that_placement_does_not_know_is_a_row(
    cloud: FakeCloud, reader: CloudReader
) -> None:
    """It was added a second ago, or its provider was deleted."""
    path = f"/resource_providers/{answers.uuid('hypervisor', 1)}/inventories"
    cloud.fault("GET", "placement", path, status=404)

    rows, reading = read(reader, "hypervisors")

    assert [row["vcpus_allocatable"] for row in rows] == [248, 64, 248]
    assert reading.notes == []


@pytest.mark.parametrize(
    ("kind", "path"),
    [("server_groups", "/os-server-groups"), ("attachments", "/attachments/detail")],
)
@pytest.mark.parametrize(("count", "calls"), [(0, 1), (1, 2), (4, 3), (5, 3)])
def test_a_listing_without_links_is_read_to_its_end(
    cloud: FakeCloud, reader: CloudReader, kind: str, path: str, count: int, calls: int
) -> None:
    """Both cut off at the service's own limit, which may be less than we ask for, silently."""
    rows = [{"id": f"{i}", "name": "n", "volume_id": "v"} for i in range(count)]
    service = "compute" if kind == "server_groups" else "block-storage"
    cloud.listing(service, path, kind, rows, page=2, links=False)

    found, reading = read(reader, kind)

    assert [row["id"] for row in found] == [row["id"] for row in rows]
    assert reading.api.calls == calls


def test_a_domain_with_its_own_driver_is_asked_by_itself(
    cloud: FakeCloud, reader: CloudReader
) -> None:
    """Keystone leaves LDAP domains out of the plain listing."""

    def users(request: Request) -> dict[str, list[dict[str, str]]]:
        of = request.query.get("domain_id")
        return {"users": [{"id": f"user of {of}", "name": "n", "domain_id": of or "default"}]}

    domains = {"domains": [{"id": "default"}, {"id": "ldap"}]}
    cloud.route("GET", "identity", "/domains", domains)
    cloud.route("GET", "identity", "/users", users)

    rows, _ = read(reader, "users")

    assert [row["domain_id"] for row in rows] == ["default", "ldap"]


def test_federated_users_are_told_apart(cloud: FakeCloud, reader: CloudReader) -> None:
    """No listing says who is; each identity provider is asked for its users."""
    providers = [{"id": "sso"}]
    everybody = [{"id": id_, "name": id_, "domain_id": "default"} for id_ in ("a", "b")]

    def users(request: Request) -> dict[str, object]:
        return {"users": everybody[1:] if "idp_id" in request.query else everybody}

    listed = {"identity_providers": providers}
    cloud.route("GET", "identity", "/OS-FEDERATION/identity_providers", listed)
    cloud.route("GET", "identity", "/users", users)

    rows, _ = read(reader, "users")

    assert {row["id"]: row["identity_provider"] for row in rows} == {"a": None, "b": "sso"}


def test_private_flavors_and_types_are_asked_who_may_use_them(
    cloud: FakeCloud, reader: CloudReader
) -> None:
    """Only the private ones: a public one costs no call."""
    flavors = [
        {"id": "a", "name": "a", "os-flavor-access:is_public": True},
        {"id": "b", "name": "b", "os-flavor-access:is_public": False},
    ]
    types = [{"id": "x", "name": "x", "is_public": False}]
    cloud.listing("compute", "/flavors/detail", "flavors", flavors)
    cloud.listing("block-storage", "/types", "volume_types", types)

    flavor_rows, _ = read(reader, "flavors")
    type_rows, _ = read(reader, "volume_types")

    assert [row["access_project_ids"] for row in flavor_rows] == [None, [answers.project_id(1)]]
    assert [row["access_project_ids"] for row in type_rows] == [[answers.project_id(1)]]
    assert len(cloud.sent("GET", "compute", "/flavors/{id}/os-flavor-access")) == 1


def test_requests_under_way_never_exceed_the_limit(cloud: FakeCloud, reader: CloudReader) -> None:
    """Calls for single things run side by side, all tables together within the limit."""
    under_way, most, lock = 0, 0, threading.Lock()

    def slow(_: Request) -> dict[str, object]:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
        return {"quota_set": {}}

    cloud.route("GET", "compute", "/os-quota-sets/{id}/detail", slow)
    cloud.route("GET", "block-storage", "/os-quota-sets/{id}", slow)
    threads = [threading.Thread(target=read, args=(reader, "quotas")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 < most <= 3


def test_one_login_serves_all_tables(cloud: FakeCloud, reader: CloudReader) -> None:
    """And the versions of a service are asked for once."""
    threads = [
        threading.Thread(target=read, args=(reader, kind))
        for kind in ("servers", "ports", "users")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert cloud.logins == 1


def test_a_token_may_expire_between_pages(cloud: FakeCloud, reader: CloudReader) -> None:
    """A large cloud takes longer to read than its tokens live."""
    pages = batches("ports", Reading(reader))
    first = next(pages)
    cloud.expire_tokens()

    assert len(first) + sum(len(page) for page in pages) == 5
    assert cloud.logins == 2


def test_a_cloud_that_refuses_us_is_asked_once(cloud: FakeCloud) -> None:
    """Forty tables that each wait for a time-out would take an hour to say one thing."""
    with CloudReader(cloud.block(password="wrong"), Role.SOURCE, 3) as reader:
        for kind in ("servers", "servers", "ports"):
            with pytest.raises(CloudUnreachable, match="refused the credentials"):
                read(reader, kind)

    assert cloud.sent() == []


def test_a_reader_survives_pickling(cloud: FakeCloud, reader: CloudReader) -> None:
    """Another process opens its own connection."""
    read(reader, "servers")

    with pickle.loads(pickle.dumps(reader)) as again:
        rows, _ = read(again, "servers")

    assert len(rows) == 5
    assert cloud.logins == 2


def test_an_unknown_entry_of_clouds_yaml_is_wrong_input(cloud: FakeCloud, tmp_path: Path) -> None:
    """Said with the file's name, before anything is asked."""
    given = tmp_path / "clouds.yaml"
    given.write_text("clouds: {}\n")
    block = cloud.block(entry="nowhere", clouds_yaml=str(given))

    with pytest.raises(ConfigError, match=r"clouds\.yaml: Cloud nowhere was not found"):
        CloudReader(block, Role.SOURCE, 1).address()


def test_a_table_is_stored_with_its_numbers(
    cloud: FakeCloud, reader: CloudReader, tmp_path: Path
) -> None:
    """Rows, calls and seconds go to the manifest; the rows to Parquet."""
    folder = Folder(str(tmp_path))

    stored = read_and_store(Job(Role.SOURCE, "volumes", reader, folder))

    table = storage.read_table(folder, "volumes")
    assert table is not None
    assert tables.problems("volumes", table) == []
    assert (stored.rows, stored.calls, len(table)) == (5, 3, 5)


def test_keys_of_owners_without_a_role_are_read(
    cloud: FakeCloud, reader: CloudReader, tmp_path: Path
) -> None:
    """Who left the project may still own a key that a server there names."""
    folder = Folder(str(tmp_path))
    read_and_store(Job(Role.SOURCE, "servers", reader, folder))

    read_and_store(Job(Role.SOURCE, "keypairs", reader, folder))

    asked = {r.query["user_id"] for r in cloud.sent("GET", "compute", "/os-keypairs")}
    assert asked == {"user-1", *(f"{number:032x}" for number in range(5))}


def test_long_tables_come_first() -> None:
    """The longest one decides how long all take."""
    ordered = order(SCHEMAS)

    assert ordered[:2] == ["servers", "ports"]
    assert set(SCHEMAS) - set(ordered) == {"keypairs"}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RequestFailed("source", "GET /x", 500, "Broken."), True),
        (CloudUnreachable("source", "Refused."), False),
        (MissingRights("source", "GET /x", "admin"), False),
    ],
)
def test_only_what_may_heal_is_tried_again(error: Exception, expected: bool) -> None:
    """A refused login stays refused."""

    class Failed:
        def result(self, raise_on_failure: bool) -> Exception:
            assert not raise_on_failure
            return error

    assert may_heal(None, None, Failed()) is expected


def test_port_forwardings_are_asked_only_of_floating_ips_that_have_some(
    cloud: FakeCloud, reader: CloudReader
) -> None:
    """Such a one is bound to no port, and yet has a router; a Neutron may know of none."""
    known = {"floating_network_id": "n", "project_id": "p", "tags": []}
    rows = [
        {"id": "spare", "floating_ip_address": "192.0.2.1", **known},
        {"id": "bound", "router_id": "r", "port_id": "p", **known},
        {"id": "both", "router_id": "r", "port_id": None, **known},
    ]
    raw = {"id": "pf", "protocol": "tcp", "external_port": 80, "internal_port": 8080,
           "internal_port_id": "p", "internal_ip_address": "10.0.0.5"}  # fmt: skip
    path = "/floatingips/both/port_forwardings"
    cloud.listing("network", "/floatingips", "floatingips", rows)
    cloud.route("GET", "network", path, {"port_forwardings": [raw]})

    found = {row["id"]: row["port_forwardings"] for row in read(reader, "floating_ips")[0]}

    assert (found["spare"], found["bound"]) == ([], [])
    assert [(one["external"], one["internal"]) for one in found["both"]] == [("80", "8080")]
    assert len(cloud.sent("GET", "network", "/floatingips/{id}/port_forwardings")) == 1
    cloud.fault("GET", "network", path, status=404)
    assert [row["port_forwardings"] for row in read(reader, "floating_ips")[0]] == [[], [], []]


SHARED = {
    "networks": ("/networks", "networks"),
    "subnet_pools": ("/subnetpools", "subnetpools"),
    "security_groups": ("/security-groups", "security_groups"),
    "qos_policies": ("/qos/policies", "policies"),
    "address_scopes": ("/address-scopes", "address_scopes"),
}


@pytest.mark.parametrize("kind", SHARED)
def test_what_is_shared_with_our_project_alone_is_not_shared(
    cloud: FakeCloud, reader: CloudReader, kind: str
) -> None:
    """Neutron says shared of it to us, as it does of what everybody may use."""
    rows = [{"id": id_, "name": id_, "shared": id_ != "own"} for id_ in ("own", "ours", "all")]
    cloud.listing("network", *SHARED[kind], rows)
    grants = [("ours", "admin"), ("all", "admin"), ("all", "*"), ("own", "other")]
    policies = [
        {"object_id": id_, "action": "access_as_shared", "target_tenant": whom}
        for id_, whom in grants
    ]
    policies.append({"object_id": "ours", "action": "access_as_external", "target_tenant": "*"})
    cloud.listing("network", "/rbac-policies", "rbac_policies", policies)

    found = {row["id"]: row["is_shared"] for row in read(reader, kind)[0]}

    assert found == {"own": False, "ours": False, "all": True}


def test_without_policies_the_flag_says_who_shares(cloud: FakeCloud, reader: CloudReader) -> None:
    """A Neutron without RBAC knows only the flag, which is for everybody."""
    cloud.listing("network", "/networks", "networks", [{"id": "n", "name": "n", "shared": True}])
    cloud.fault("GET", "network", "/rbac-policies", status=404)

    rows, reading = read(reader, "networks")

    assert ([row["is_shared"] for row in rows], reading.notes) == ([True], [])
