"""Work out what a migration would do, and write it down to be read, edited and carried out."""

from time import monotonic
from typing import Any

from prefect import flow, get_run_logger, runtime
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import BaseModel, ConfigDict

from pumphouse.blocks.site import load_site
from pumphouse.errors import Refused
from pumphouse.kinds import named as named_kinds
from pumphouse.models import MoverChoice
from pumphouse.selection import Selection
from pumphouse.tasks import plans, storage
from pumphouse.tasks.migration_report import publish_plan
from pumphouse.tasks.storage import Folder

RUNNER: Any = ThreadPoolTaskRunner(max_workers=2)


class Planned(BaseModel):
    """What a plan says in short, and where it is written."""

    model_config = ConfigDict(frozen=True)

    site: str
    plan: str
    report: str
    location: str
    actions: dict[str, int]
    obstacles: list[str]
    notes: list[str]
    bytes: int
    longest_downtime_s: float
    duration_s: float
    estimates: str
    seconds: float


@flow(name="plan", flow_run_name="plan at {site}", task_runner=RUNNER)
def plan(
    selection: list[str],
    # Empty lists, and not None, make plain lists in the form of Prefect's UI.
    exclude: list[str] = [],  # noqa: B006
    kinds: list[str] = [],  # noqa: B006
    mover: MoverChoice = MoverChoice.CONFIGURED,
    snapshots: bool = False,
    strict: bool = False,
    site: str = "default",
) -> Planned:
    """
    Work out what a migration would do, what it would lose, and what stands in its way.

    Reads both clouds, and changes nothing. The plan is a file: read it, change in it what
    shall be skipped or moved otherwise, and give its location to the flow migrate.

    Args:
        selection: What to move; all of these together. project:shop is a project whole;
            host:cmp1, zone:az1, flavor:m1.tiny, image:cirros, network:front, tag:blue and
            metadata:tier=web choose servers; a name alone is a server; volumes:data is one
            thing of a kind; servers[ram_mib <= 2048] what fulfils a condition over a table;
            everything is the whole cloud.

        exclude: What stays, in the same words.

        kinds: What the plan is limited to, with what that needs: identity, images, networks,
            volumes, servers, or any kind of a plan. Empty is no limit.

        mover: How root disks get there; configured is as the site says.

        snapshots: Volumes bring their snapshots, also where the site does not say so.

        strict: The run fails if something stands in the way. The plan is written all the same.

        site: Name of the saved Pumphouse Site block.

    Raises:
        ConfigError: The selection or a kind names what does not exist.
        Refused: Something stands in the way, and *strict* was asked for.
    """
    began = monotonic()
    named_kinds(kinds)
    pair = load_site(site)
    run = f"{storage.utc_now():%Y%m%dT%H%M%SZ}-{str(runtime.flow_run.id)[:8]}"
    folder = Folder(pair.storage.url) / "runs" / run
    what = Selection(
        include=tuple(selection),
        exclude=tuple(exclude),
        kinds=tuple(kinds),
        snapshots=snapshots or pair.migrate.snapshots,
    )
    how = mover.over(pair.migrate.mover)
    made = plans.make(pair, plans.read_clouds(pair, folder), what, how)
    published = publish_plan(
        folder, made, plans.header(site, folder, what, how), pair.storage.link
    )
    actions = made.actions
    get_run_logger().info("planned: %s", actions)
    if strict and made.obstacles:
        raise Refused("A migration by this plan", made.obstacles)
    return Planned(
        site=site,
        plan=published.plan,
        report=published.report,
        location=folder.location,
        actions=actions,
        obstacles=made.obstacles,
        notes=list(made.notes),
        bytes=made.carried_bytes,
        longest_downtime_s=made.duration.longest_downtime_s,
        duration_s=made.duration.total_s,
        estimates=made.rates.origin,
        seconds=round(monotonic() - began, 3),
    )
