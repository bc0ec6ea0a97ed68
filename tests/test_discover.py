"""The discovery flow against two clouds on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from pumphouse.blocks.site import Site
from pumphouse.errors import ConfigError, ExtractionFailed
from pumphouse.flows import discover as discover_module
from pumphouse.flows.discover import Discovery, discover
from pumphouse.models import Clouds, Role
from pumphouse.schemas import SCHEMAS
from pumphouse.tasks import api as api_module
from pumphouse.tasks import discovery, storage
from tests.fakecloud import VERSIONS, FakeCloud
from tests.wholecloud import furnish

FEW = ("services", "endpoints", "servers", "keypairs", "ports", "images")

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture
def clouds(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[Role, FakeCloud]]:
    """Two furnished clouds; the target has neither images nor volumes."""
    monkeypatch.setattr(api_module.random, "uniform", lambda *_: 0.0)
    without = [service for service in VERSIONS if service not in ("image", "block-storage")]
    with FakeCloud() as source, FakeCloud(without) as target:
        furnish(source, servers=7, page=3)
        furnish(target, servers=2)
        yield {Role.SOURCE: source, Role.TARGET: target}


@pytest.fixture
def block(clouds: dict[Role, FakeCloud], tmp_path: Path) -> Site:
    """The block of both clouds."""
    return Site(
        source=clouds[Role.SOURCE].block(),
        target=clouds[Role.TARGET].block(),
        storage={"url": str(tmp_path)},
    )


@pytest.fixture
def site(block: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name under which the flow finds the block; not saved, which takes seconds."""
    monkeypatch.setattr(Site, "load", staticmethod(lambda _: block))
    return "fake"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a few kinds of table only: a task run costs the server more than the cloud."""
    monkeypatch.setattr(discover_module, "SCHEMAS", {kind: SCHEMAS[kind] for kind in FEW})


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a table that fails once only, so that a test does not wait for the retries."""
    monkeypatch.setattr(discovery.extract, "retries", 0)


def calls(clouds: dict[Role, FakeCloud]) -> int:
    """Return how many requests both clouds got."""
    return sum(len(cloud.sent()) for cloud in clouds.values())


def test_both_clouds_are_read_whole(
    clouds: dict[Role, FakeCloud], block: Site, tmp_path: Path
) -> None:
    """Every table of both, stored, counted, reported, and no request but reads."""
    site = "fake"
    block.save(site, overwrite=True)

    found = discover(Clouds.BOTH, site=site)

    source = storage.latest(str(tmp_path), site, Role.SOURCE)
    target = storage.latest(str(tmp_path), site, Role.TARGET)
    assert set(source.tables) == set(target.tables) == set(SCHEMAS)
    assert source.counts["servers"] == 7 == found.rows[Role.SOURCE]["servers"]
    assert target.notes["images"] == "Cloud target has no image service."
    assert found.calls == calls(clouds)
    assert "compute-002" in Path(found.report).read_text()
    assert {r.method for cloud in clouds.values() for r in cloud.sent()} == {"GET"}
    assert [cloud.logins for cloud in clouds.values()] == [1, 1]


@pytest.mark.usefixtures("few")
def test_one_cloud_alone(clouds: dict[Role, FakeCloud], site: str) -> None:
    """The other one is not asked anything."""
    found = discover(Clouds.TARGET, site=site)

    assert set(found.locations) == {Role.TARGET}
    assert clouds[Role.SOURCE].sent() == []
    assert clouds[Role.SOURCE].logins == 0


@pytest.mark.usefixtures("few", "once")
def test_a_cloud_that_dies_midway_costs_only_its_tables(
    clouds: dict[Role, FakeCloud], site: str, tmp_path: Path
) -> None:
    """The first page came, the rest did not: no half table, all others kept, and it is said."""
    clouds[Role.SOURCE].fault("GET", "compute", "/servers/detail", after=1, reset=True)
    clouds[Role.SOURCE].fault("GET", "network", "/ports", status=503, message="Down for now.")

    with pytest.raises(ExtractionFailed) as caught:
        discover(Clouds.BOTH, site=site)

    said = str(caught.value)
    assert "source/servers: GET /servers/detail on cloud source gave no answer" in said
    assert "source/ports: GET /ports on cloud source answered 503: Down for now." in said
    assert caught.value.kept == 2 * len(FEW) - 2
    source = storage.latest(str(tmp_path), site, Role.SOURCE)
    assert set(FEW) - set(source.tables) == {"servers", "ports"}
    assert "not read" in Path(caught.value.location, "report.html").read_text()


@pytest.mark.usefixtures("few", "once")
def test_a_cloud_that_refuses_us_does_not_cost_the_other(
    clouds: dict[Role, FakeCloud], block: Site, site: str, tmp_path: Path
) -> None:
    """And what was the newest inventory of it stays the newest."""
    discover(Clouds.SOURCE, site=site)
    before = storage.latest(str(tmp_path), site, Role.SOURCE).location
    block.source = clouds[Role.SOURCE].block(password="wrong")

    with pytest.raises(ExtractionFailed, match="refused the credentials"):
        discover(Clouds.BOTH, site=site)

    assert storage.latest(str(tmp_path), site, Role.SOURCE).location == before
    assert len(storage.latest(str(tmp_path), site, Role.TARGET).tables) == len(FEW)


@pytest.mark.usefixtures("few")
def test_a_table_is_tried_again(
    clouds: dict[Role, FakeCloud], site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that restarts takes longer than one call's retries."""
    monkeypatch.setattr(discovery.extract, "retry_delay_seconds", 0)
    clouds[Role.TARGET].fault("GET", "network", "/ports", status=500, times=4)

    found = discover(Clouds.TARGET, site=site)

    assert found.rows[Role.TARGET]["ports"] == 2


@pytest.mark.usefixtures("few")
def test_young_tables_are_taken_over(clouds: dict[Role, FakeCloud], site: str) -> None:
    """Without a single request; by default everything is read again."""
    first = discover(Clouds.BOTH, site=site)
    after_first = calls(clouds)

    second = discover(Clouds.BOTH, max_age_minutes=60, site=site)

    assert calls(clouds) == after_first
    assert second.rows == first.rows
    assert second.calls == 0
    assert second.locations != first.locations

    discover(Clouds.BOTH, site=site)

    assert calls(clouds) == 2 * after_first


@pytest.mark.usefixtures("few")
def test_a_wrong_entry_touches_nothing(
    clouds: dict[Role, FakeCloud], block: Site, site: str, tmp_path: Path
) -> None:
    """Of either cloud: no table is read when the configuration is wrong."""
    given = tmp_path / "clouds.yaml"
    given.write_text("clouds: {}\n")
    block.target = clouds[Role.TARGET].block(entry="nowhere", clouds_yaml=str(given))

    with pytest.raises(ConfigError, match="nowhere"):
        discover(Clouds.BOTH, site=site)

    assert calls(clouds) == 0


def test_a_site_that_is_not_there_is_told_with_those_that_are(block: Site) -> None:
    """A name that a form got wrong ends in a sentence, and not in Prefect's own error."""
    block.save("here")

    with pytest.raises(ConfigError, match=r"of the name elsewhere; there is (.*, )?here[.,]"):
        discover(Clouds.BOTH, site="elsewhere")


@pytest.mark.usefixtures("few")
def test_the_run_is_speaking(site: str) -> None:
    """Names of the run and its tasks, and artifacts that lead to the report."""
    found: Discovery = discover(Clouds.SOURCE, site=site)

    with get_client(sync_client=True) as client:
        flow_run = max(client.read_flow_runs(), key=lambda run: run.created)
        artifacts = {a.key: a for a in client.read_artifacts() if a.flow_run_id == flow_run.id}
    assert flow_run.name == "discover fake source"
    assert set(artifacts) == {
        "fake-inventory",
        "fake-report",
        "fake-source-tables",
        "fake-source-services",
    }
    page = str(artifacts["fake-inventory"].data)
    assert found.report in page
    assert "/artifacts/key/fake-source-tables" in page
