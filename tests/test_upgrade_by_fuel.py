"""The upgrade of a host that Fuel installed in the source: Fuel releases it, not its BMC."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pumphouse.errors import Refused, UpgradeFailed
from pumphouse.flows.upgrade_host import upgrade_host
from tests.fuel_server import ENVIRONMENT
from tests.rack import HOST, SITE, Rack, standing

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Rack]:
    """A host that is empty and in maintenance, and in the source's environment."""
    with standing(tmp_path, by_fuel=True) as found:
        found.save(tmp_path, source_environment="source")
        yield found


def deletions(rack: Rack) -> list[str]:
    """Return the requests to delete a node."""
    return [call for call in rack.fuel.calls() if call.startswith("DELETE /api/nodes/")]


def test_fuel_takes_it_out_of_one_environment_and_into_the_other(rack: Rack) -> None:
    """It is deleted once, comes back under another id, and is a node of the target only."""
    before = rack.node()

    done = upgrade_host(host=HOST, site=SITE)

    node = rack.node()
    assert done.found == ("evacuate",)
    assert done.done[:3] == ("release", "register", "assign")
    assert done.state == "It is a compute node of the target; nothing is left to do."
    assert before.cluster_id not in (None, ENVIRONMENT)
    assert (node.cluster_id, node.status, node.name) == (ENVIRONMENT, "ready", HOST)
    assert node.id != before.id
    assert deletions(rack) == [f"DELETE /api/nodes/{before.id}/"]
    assert rack.bmc.machine.told == []
    assert HOST not in rack.source.services
    assert rack.target.services[HOST]["status"] == "enabled"

    assert upgrade_host(host=HOST, site=SITE).done == ()
    assert len(deletions(rack)) == 1


def test_a_node_of_another_environment_is_not_released(rack: Rack, tmp_path: Path) -> None:
    """Without the source's environment in the configuration it is somebody else's."""
    rack.save(tmp_path)

    with pytest.raises(Refused, match=r"belongs to environment \d+.*upgrade\.source_environment"):
        upgrade_host(host=HOST, site=SITE)

    assert deletions(rack) == []
    assert rack.bmc.machine.told == []


def test_a_refused_deletion_leaves_the_host_and_says_the_way_back(
    rack: Rack, tmp_path: Path
) -> None:
    """It still runs the source's system; the next run deletes it, once."""
    rack.save(tmp_path, source_environment="source", retries={"release": 0})
    rack.fuel.fault("answer", pattern="DELETE /api/nodes/", status=500, times=9)

    with pytest.raises(UpgradeFailed) as caught:
        upgrade_host(host=HOST, site=SITE)

    assert caught.value.step == "release"
    assert f"Back: pumphouse maintenance leave {HOST}" in str(caught.value)
    assert rack.source.services[HOST]["state"] == "up"
    rack.fuel.world.faults.clear()
    assert upgrade_host(host=HOST, site=SITE).done[0] == "release"
    assert rack.node().cluster_id == ENVIRONMENT


def test_a_deletion_of_a_killed_run_is_waited_for(rack: Rack) -> None:
    """Fuel is removing it already, or has: nothing is deleted again, and it gets its name."""
    with rack.fuel.client() as client:
        client.delete_node(rack.node().id)

    done = upgrade_host(host=HOST, site=SITE)

    node = rack.node()
    assert done.done[-1] == "retire"
    assert len(deletions(rack)) == 1
    assert (node.cluster_id, node.name, node.status) == (ENVIRONMENT, HOST, "ready")
