"""Every table of two real clouds of different releases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.layout import Lab
from pumphouse import expressions, tables
from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.models import Role
from pumphouse.schemas import SCHEMAS
from pumphouse.tasks import storage
from pumphouse.tasks.discovery import AFTER_SERVERS, Job, order, read_and_store
from pumphouse.tasks.readers import CloudReader
from pumphouse.tasks.storage import Folder, StoredTable
from tests.lab_tenants import Tenant

pytest_plugins = ["tests.lab"]
pytestmark = pytest.mark.lab

Read = dict[str, StoredTable]

ABSENT = {"dns": "dns", "load balancing": "load-balancer"}
"""What the lab has no packages for: by a table's service, as the catalogue would call it."""


@pytest.fixture(params=Role, ids=str)
def read(
    lab: Lab, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Read, Folder]]:
    """Every table of one cloud, and the folder that they are in."""
    role: Role = request.param
    folder = Folder(str(tmp_path))
    block = OpenStackCloud(entry=role.value, clouds_yaml=str(lab.clouds_file))
    with CloudReader(block, role, 8) as reader:
        kinds = [*order(SCHEMAS), *AFTER_SERVERS]
        yield {k: read_and_store(Job(role, k, reader, folder)) for k in kinds}, folder


def test_every_table_of_both_releases_is_read(read: tuple[Read, Folder]) -> None:
    """With the declared columns; missing are the services that the lab does not have alone."""
    stored, folder = read

    assert {kind: table.note for kind, table in stored.items() if table.note} == {
        kind: f"Cloud {table.role.value} has no {ABSENT[SCHEMAS[kind].service]} service."
        for kind, table in stored.items()
        if SCHEMAS[kind].service in ABSENT
    }
    for kind in SCHEMAS:
        table = storage.read_table(folder, kind)
        assert table is not None
        assert tables.problems(kind, table) == []
    for kind in ("services", "endpoints", "projects", "users", "quotas", "hypervisors"):
        assert stored[kind].rows > 0


def test_capacity_is_placements(read: tuple[Read, Folder]) -> None:
    """The lab's allocation ratios are not 1."""
    hosts = storage.read_table(read[1], "hypervisors")

    assert hosts is not None
    assert (hosts["vcpus_allocatable"] > hosts["vcpus"]).all()


def test_a_tenants_things_are_found(lab: Lab, tenant: Tenant, tmp_path: Path) -> None:
    """What a member creates through the SDK is in the tables a moment later."""
    network = tenant.create_network()
    image = tenant.create_image()
    flavor = tenant.create_flavor(is_public=False)
    folder = Folder(str(tmp_path))
    block = OpenStackCloud(entry="source", clouds_yaml=str(lab.clouds_file))
    with CloudReader(block, Role.SOURCE, 8) as reader:
        for kind in ("networks", "images", "flavors", "quotas"):
            read_and_store(Job(Role.SOURCE, kind, reader, folder))

    def found(kind: str, condition: str) -> list[tables.Row]:
        table = storage.read_table(folder, kind)
        assert table is not None
        return tables.rows(kind, expressions.selected(condition, table, kind))

    (row,) = found("networks", f'id == "{network.id}"')
    assert row["project_id"] == tenant.project_id
    (row,) = found("images", f'id == "{image.id}"')
    assert row["size_bytes"] == image.size
    (row,) = found("flavors", f'id == "{flavor.id}"')
    assert row["access_project_ids"] == [tenant.project_id]
    quotas = found("quotas", f'project_id == "{tenant.project_id}" and used >= 0')
    assert {row["service"] for row in quotas} == {"compute", "network", "volume"}
