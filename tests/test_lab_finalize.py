"""The source of what was migrated is deleted: on real clouds."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from openstack.connection import Connection

from pumphouse.blocks.site import Site
from pumphouse.models import SOURCE_ID
from tests.lab_tenants import Tenant
from tests.migrations import Writes, site

pytest_plugins = ["tests.lab"]
pytestmark = [pytest.mark.lab, pytest.mark.prefect]


@pytest.fixture(name="pair")
def _pair(clouds_file: Path, tmp_path: Path) -> Site:
    made = site(clouds_file, tmp_path / "store", ("source", "target"))
    return made.model_copy(
        update={"finalize": made.finalize.model_copy(update={"grace_period": "0m"})}
    )


def snapped(tenant: Tenant, image: Any) -> list[Any]:
    """Return two snapshots of one volume, the older first."""
    cinder = tenant.connection.block_storage
    volume = tenant.create_volume(image_id=image.id)
    made = []
    for word in ("one", "two"):
        made.append(
            cinder.create_snapshot(
                volume_id=volume.id, name=f"{tenant.name}-{word}", metadata={"why": word}
            )
        )
        cinder.wait_for_status(made[-1], "available", wait=120)
    return made


def assert_snapped(source: Connection, target: Connection, snapshots: list[Any]) -> None:
    """The snapshots are at the target, each of a volume of its own, and only there."""
    every = target.block_storage.snapshots(all_projects=True)
    there = {each.metadata.get(SOURCE_ID): each for each in every}
    copies = [there[each.id] for each in snapshots]
    assert [each.metadata["why"] for each in copies] == ["one", "two"]
    assert len({each.volume_id for each in copies}) == 2
    left = [each.id for each in source.block_storage.snapshots(all_projects=True)]
    assert not {each.id for each in snapshots} & set(left)
    names = [v.name for v in source.block_storage.volumes(all_projects=True)]
    assert not [name for name in names if any(each.id in (name or "") for each in snapshots)]


@pytest.mark.usefixtures("prefect_server")
def test_a_project_that_moved_is_deleted_whole_when_told(
    pair: Site, tenant: Tenant, source: Connection, target: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Without the word no write; with it the project is gone from the source, its copy runs."""
    from pumphouse.flows.finalize import finalize
    from pumphouse.flows.migrate import migrate

    image, flavor = tenant.create_image(), tenant.create_flavor()
    group = tenant.connection.compute.create_server_group(
        name=f"{tenant.name}-apart", policy="soft-anti-affinity"
    )
    hints = {"scheduler_hints": {"group": group.id}}
    server = tenant.create_server(image, flavor, tenant.create_network(), **hints)
    snapshots = snapped(tenant, image)
    pair.save("lab-finalize", overwrite=True)
    done = migrate(projects=[tenant.name], snapshots=True, site="lab-finalize")
    carried = pd.read_parquet(f"{done.location}/ledger.parquet")
    carried = carried[carried["kind"] == "snapshots"]
    assert list(carried["name"]) == [each.name for each in snapshots]
    assert carried["checksum"].str.startswith("sha512:").all()
    assert migrate(projects=[tenant.name], snapshots=True, site="lab-finalize").done == 0
    options = {"selection": [f"project:{tenant.name}"], "site": "lab-finalize"}
    writes = Writes(monkeypatch.setattr)
    planned = finalize(**options)
    assert writes.seen == []
    assert {
        "servers",
        "server_groups",
        "snapshots",
        "volumes",
        "networks",
        "images",
        "users",
        "projects",
    } <= {r.kind for r in planned.removed}
    # What is ready is neither failed nor left.
    ledger = pd.read_parquet(f"{planned.location}/ledger.parquet")
    assert set(ledger["status"]) == {"ready"}
    finalize(**options, delete=True)
    groups = source.compute.server_groups(all_projects=True)
    assert group.id not in [each.id for each in groups]
    assert source.identity.find_project(tenant.name) is None
    assert_snapped(source, target, snapshots)
    assert not [s for s in source.compute.servers(all_projects=True) if s.name == server.name]
    (copy,) = [s for s in target.compute.servers(all_projects=True) if s.name == server.name]
    assert copy.status == "ACTIVE"
