"""The flows plan and migrate over made-up tables: written, edited, carried out or refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from pumphouse import tables
from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.blocks.site import Site
from pumphouse.errors import ConfigError, PlanDrifted, Refused
from pumphouse.estate import Estate
from pumphouse.flows import migrate as migrate_module
from pumphouse.flows.migrate import migrate
from pumphouse.flows.plan import plan
from pumphouse.ledger import Status, entry
from pumphouse.models import Role
from pumphouse.plan import Plan
from pumphouse.tasks import plans, storage
from pumphouse.tasks.bookkeeping import Book
from pumphouse.tasks.moving import Work
from pumphouse.tasks.storage import Folder
from tests.tenants import Rows, source, target

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture(name="rows")
def _rows() -> dict[Role, Rows]:
    """What both clouds hold; a test changes it between runs."""
    return {Role.SOURCE: source(), Role.TARGET: target()}


@pytest.fixture(name="site", autouse=True)
def _site(rows: dict[Role, Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Let flows find a site whose clouds are *rows*."""

    def read(pair: Site, folder: Folder) -> tuple[Estate, ...]:
        estates = []
        for role, given in rows.items():
            made = {kind: tables.frame(kind, each) for kind, each in given.items()}
            for kind, table in made.items():
                storage.write_table(folder / "inventory" / role.value, kind, table)
            estates.append(Estate(made))
        return tuple(estates)

    site = Site(
        source=OpenStackCloud(entry="old"),
        target=OpenStackCloud(entry="new"),
        storage={"url": str(tmp_path)},
    )
    monkeypatch.setattr(plans, "read_clouds", read)
    monkeypatch.setattr(Site, "load", staticmethod(lambda _: site))
    return site


@pytest.fixture(name="carried")
def _carried(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """Plans that would have been carried out, instead of doing so."""
    seen: list[Plan] = []

    def carry_out(work: Work, book: Book, there: Estate, groups: Any) -> None:
        seen.append(book.plan)
        for item in book.plan.of("servers"):
            book.note(entry(item, Status.DONE))

    monkeypatch.setattr(migrate_module, "carry_out", carry_out)
    return seen


def edit(location: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change rows of a plan's file, by their keys."""
    raw = yaml.safe_load(Path(location).read_text())
    change({f"{item['kind']}:{item['source_id']}": item for item in raw["items"]})
    Path(location).write_text(yaml.safe_dump(raw))


def test_a_plan_is_written_and_shown(tmp_path: Path) -> None:
    """YAML, Parquet and a page in the run's folder; a table, a summary and a link in Prefect."""
    made = plan(["project:shop"], site="pf")
    names = {path.name for path in Path(made.location).iterdir()}
    assert {"plan.yaml", "plan.parquet", "plan.html", "inventory"} == names
    assert made.actions["create"] > 10
    assert (made.obstacles, made.longest_downtime_s > 30) == ([], True)
    assert "assumed" in made.estimates
    assert "web-1" in Path(made.report).read_text()
    with get_client(sync_client=True) as client:
        keys = ArtifactFilterKey(any_=["pf-plan", "pf-plan-summary", "pf-plan-report"])
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=keys))
    assert len(found) == 3


def test_exactly_the_edited_plan_is_carried_out(carried: list[Plan]) -> None:
    """A skipped row is skipped, another mover is taken, and the ledger has the prediction."""
    made = plan(["project:shop"], site="pf")

    def change(items: dict[str, Any]) -> None:
        items["volumes:vol2"]["action"] = "skip"
        items["servers:v1"]["mover"] = "rebuild"

    edit(made.plan, change)
    done = migrate(plan=made.plan, site="pf")
    (intended,) = carried
    actions = {item.key: item.action.value for item in intended.items}
    assert (actions["volumes:vol2"], actions["volumes:vol1"]) == ("skip", "create")
    assert [i.mover for i in intended.of("servers")] == ["rebuild"]
    ledger = pd.read_parquet(Path(done.location) / "ledger.parquet")
    assert list(ledger["mover"]) == ["rebuild"]
    assert ledger["predicted_s"].iloc[0] > 30


def test_a_plan_that_drifted_is_refused_with_the_column(
    rows: dict[Role, Rows], carried: list[Plan]
) -> None:
    """Code 3, what changed from what to what, and a new plan; replan shows the same."""
    made = plan(["project:shop"], site="pf")
    rows[Role.SOURCE]["servers"][0]["key_name"] = "other"
    with pytest.raises(PlanDrifted, match=r"key_name: .* → other") as caught:
        migrate(plan=made.plan, site="pf")
    assert caught.value.exit_code == 3
    assert Path(caught.value.renewed).is_file()
    shown = migrate(plan=made.plan, replan=True, site="pf")
    assert shown.changed == caught.value.differences
    assert carried == []
    assert migrate(plan=shown.plan, site="pf").done == 1


def test_an_obstacle_refuses_unless_it_is_skipped(
    rows: dict[Role, Rows], carried: list[Plan]
) -> None:
    """What stands in the way of one server does not stop the others, when it is left out."""
    rows[Role.SOURCE]["servers"][0]["status"] = "PAUSED"
    made = plan(["project:shop"], site="pf")
    assert "unpause it" in made.obstacles[0]
    with pytest.raises(Refused, match="unpause it"):
        plan(["project:shop"], strict=True, site="pf")
    with pytest.raises(Refused, match="unpause it"):
        migrate(plan=made.plan, site="pf")

    def change(items: dict[str, Any]) -> None:
        items["servers:v1"]["action"] = "skip"

    edit(made.plan, change)
    migrate(plan=made.plan, site="pf")
    assert len(carried) == 1


def test_a_plan_is_given_alone_and_to_its_own_site() -> None:
    """A selection beside it would be another plan; so would another pair of clouds."""
    made = plan(["project:shop"], site="pf")
    with pytest.raises(ConfigError, match="give it alone"):
        migrate(plan=made.plan, servers=["web-1"], site="pf")
    with pytest.raises(ConfigError, match="give it alone"):
        migrate(plan=made.plan, snapshots=True, site="pf")
    with pytest.raises(ConfigError, match="made for all kinds; give it without kinds"):
        migrate(plan=made.plan, kinds=["images"], site="pf")
    with pytest.raises(ConfigError, match="a plan of the site pf, not of other"):
        migrate(plan=made.plan, site="other")
    with pytest.raises(ConfigError, match="cannot be read"):
        migrate(plan="/none/p.yaml", site="pf")
