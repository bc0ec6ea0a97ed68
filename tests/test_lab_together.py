"""Two servers that belong together, on the lab's two clouds: both arrive, or both stay."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from openstack.connection import Connection

from pumphouse.errors import MigrationIncomplete
from pumphouse.models import SOURCE_ID
from pumphouse.tasks.cutover import CutOver
from tests.lab_tenants import Tenant
from tests.migrations import site

pytest_plugins = ["tests.lab"]
pytestmark = [pytest.mark.lab, pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]


def copies(target: Connection, servers: list[Any]) -> list[str]:
    """Return the names of the copies that the target has of *servers*."""
    ids = {server.id for server in servers}
    every = target.compute.servers(all_projects=True)
    return sorted(s.name for s in every if s.metadata.get(SOURCE_ID) in ids)


def test_if_one_does_not_verify_none_moves(
    clouds_file: Path, tenant: Tenant, source: Connection, target: Connection,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """One fails at its last check: the other, which was there, returns too. Then both move."""
    from pumphouse.flows.migrate import migrate

    image, flavor, network = tenant.create_image(), tenant.create_flavor(), tenant.create_network()
    servers = [tenant.create_server(image, flavor, network) for _ in range(2)]
    site(clouds_file, tmp_path / "store", ("source", "target")).save("together", overwrite=True)
    asked = {"projects": [tenant.name], "together": [f"project:{tenant.name}"], "site": "together"}
    real: Callable[[CutOver], None] = CutOver.do_verify

    def broken(cutover: CutOver) -> None:
        real(cutover)
        if cutover.id == servers[0].id:
            raise OSError("it looks wrong")

    with monkeypatch.context() as patch:
        patch.setattr(CutOver, "do_verify", broken)
        with pytest.raises(MigrationIncomplete) as caught:
            migrate(**asked)

    said = str(caught.value)
    assert "it looks wrong" in said
    assert "belongs together with it" in said
    assert said.count("ACTIVE as before") == 2
    assert copies(target, servers) == []
    for server in servers:
        now = source.compute.get_server(server.id)
        assert (now.status, now.is_locked, dict(now.metadata)) == ("ACTIVE", False, {})

    done = migrate(**asked)

    assert sorted(done.downtimes_s) == sorted(f"{s.name} ({s.id})" for s in servers)
    assert copies(target, servers) == sorted(s.name for s in servers)
    ledger = pd.read_parquet(f"{done.location}/ledger.parquet")
    assert set(ledger[ledger["kind"] == "servers"]["status"]) == {"done"}
