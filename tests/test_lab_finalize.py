"""The source of what was migrated is deleted: on real clouds."""

from pathlib import Path

import pandas as pd
import pytest
from openstack.connection import Connection

from pumphouse.blocks.site import Site
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
    pair.save("lab-finalize", overwrite=True)
    migrate(projects=[tenant.name], site="lab-finalize")
    options = {"selection": [f"project:{tenant.name}"], "site": "lab-finalize"}
    writes = Writes(monkeypatch.setattr)
    planned = finalize(**options)
    assert writes.seen == []
    assert {"servers", "server_groups", "networks", "images", "users", "projects"} <= {
        r.kind for r in planned.removed
    }
    # What is ready is neither failed nor left.
    ledger = pd.read_parquet(f"{planned.location}/ledger.parquet")
    assert set(ledger["status"]) == {"ready", "found"}
    finalize(**options, delete=True)
    groups = source.compute.server_groups(all_projects=True)
    assert group.id not in [each.id for each in groups]
    assert source.identity.find_project(tenant.name) is None
    assert not [s for s in source.compute.servers(all_projects=True) if s.name == server.name]
    (copy,) = [s for s in target.compute.servers(all_projects=True) if s.name == server.name]
    assert copy.status == "ACTIVE"
