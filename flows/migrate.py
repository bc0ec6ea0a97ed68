"""Move chosen servers, and everything that they depend on, to the target."""

import threading
from collections import Counter
from collections.abc import Sequence
from time import monotonic
from typing import Any

from prefect import flow, get_run_logger, runtime
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import BaseModel, ConfigDict

from pumphouse.blocks.site import Site, load_site
from pumphouse.bonds import groups as bound_groups
from pumphouse.drift import drift
from pumphouse.errors import ConfigError, MigrationIncomplete, PlanDrifted, Refused
from pumphouse.estate import Estate
from pumphouse.flows.take_back import take_back_the_rest
from pumphouse.health import assigned
from pumphouse.kinds import named as named_kinds
from pumphouse.ledger import Entry, Status, failures
from pumphouse.models import MoverChoice
from pumphouse.pacing import paced
from pumphouse.passwords import Passwords
from pumphouse.plan import DONE, Plan
from pumphouse.plan_files import Edits, PlanFile
from pumphouse.selection import Selection, written
from pumphouse.tasks import plans, storage
from pumphouse.tasks.bandwidth import Bandwidth
from pumphouse.tasks.bookkeeping import GRACE_S, Book
from pumphouse.tasks.gate import Gate
from pumphouse.tasks.migration_report import publish_ledger, publish_plan
from pumphouse.tasks.moving import Slots, Work
from pumphouse.tasks.plan_storage import read_plan
from pumphouse.tasks.stages import carry_out
from pumphouse.tasks.storage import Folder
from pumphouse.tasks.volume_movers import look, needs_ceph
from pumphouse.together import LARGEST
from pumphouse.together import groups as together_groups

MIB = 1 << 20
RUNNER: Any = ThreadPoolTaskRunner(max_workers=LARGEST)


class Migration(BaseModel):
    """What a migration did, and where it is written."""

    model_config = ConfigDict(frozen=True)

    site: str
    dry_run: bool
    location: str
    report: str
    plan: str
    actions: dict[str, int]
    changed: list[str]
    done: int = 0
    found: int = 0
    bytes: int = 0
    downtimes_s: dict[str, float] = {}
    seconds: float


@flow(
    name="migrate",
    flow_run_name="migrate at {site}",
    task_runner=RUNNER,
    on_cancellation=[take_back_the_rest],
    on_crashed=[take_back_the_rest],
)
def migrate(
    # Empty lists, and not None, make plain lists in the form of Prefect's UI.
    projects: list[str] = [],  # noqa: B006
    hosts: list[str] = [],  # noqa: B006
    servers: list[str] = [],  # noqa: B006
    query: str = "",
    selection: list[str] = [],  # noqa: B006
    exclude: list[str] = [],  # noqa: B006
    kinds: list[str] = [],  # noqa: B006
    mover: MoverChoice = MoverChoice.CONFIGURED,
    snapshots: bool = False,
    plan: str = "",
    replan: bool = False,
    move_unhealthy: bool = False,
    max_parallel: int = 0,
    canary: int = 0,
    max_failures: int = 0,
    until: str = "",
    together: list[str] = [],  # noqa: B006
    dry_run: bool = False,
    site: str = "default",
) -> Migration:
    """
    Move chosen servers, and everything that they depend on, to the target.

    What is chosen is everything that projects, hosts, servers or the query name. All is
    checked before anything is touched. The source's servers are stopped and locked, never
    deleted. Run it again to go on after a failure: what is done is found.

    Args:
        projects: Names or ids of projects to move whole: servers, and also images, networks
            and volumes that no server uses.

        hosts: Hypervisors of the source whose servers move.

        servers: Names or ids of servers.

        query: Servers that match an expression over the columns of the table servers, for
            example: status == "ACTIVE" and ram_mib <= 2048

        selection: What to move, in the words of the flow plan: everything, zone:az1, tag:blue …

        exclude: What stays: names or ids of servers, or the words of the flow plan.

        kinds: What is moved of it, with what that needs: identity, images, networks, volumes,
            servers, or any kind of a plan. Empty is everything.

        mover: How root disks get there. image takes the disk as it is; rebuild boots the base
            image anew, for servers that keep nothing on it; auto asks the server's metadata;
            configured is as the site says.

        snapshots: Volumes bring their snapshots, also where the site does not say so. A plan says
            it itself.

        plan: Location of a plan that was made before, and perhaps edited. Exactly that is done,
            or nothing if what it rests on is no longer so. It says what is selected.

        replan: Make that plan anew, show what changed since, and change nothing.

        move_unhealthy: Move servers too that fail some of their health checks before; those
            checks are not asked again.

        max_parallel: How many servers are cut over at once. 0 is as many as the site's limit lets.

        canary: How many servers go first, one by one. If one fails, no other is begun.

        max_failures: After so many failed servers no other is begun. 0 is no limit.

        until: End of the maintenance window: no server is begun after it; what was begun is
            finished. 05:30 is UTC, 05:30 Europe/Berlin is there. Empty is no end.

        together: Servers that belong together, a line for each group, in the words of the flow
            plan: group:web, project:shop, tag:blue. All of a group stop before any is copied,
            and all arrive or all run at the source as before.

        dry_run: Do all the checks and write the plan, and change nothing.

        site: Name of the saved Pumphouse Site block: the pair of clouds, limits and storage.

    Raises:
        ConfigError: The selection or a kind names what does not exist.
        PlanDrifted: What the plan rests on is no longer so. Nothing was touched.
        Refused: Something stands in the way. Nothing was touched.
        MigrationIncomplete: Something failed; the rest is done.
    """
    began = monotonic()
    named_kinds(kinds)
    pacing = paced(max_parallel, canary, max_failures, until, storage.utc_now())
    pair = load_site(site)
    run = f"{storage.utc_now():%Y%m%dT%H%M%SZ}-{str(runtime.flow_run.id)[:8]}"
    folder = Folder(pair.storage.url) / "runs" / run
    named = written(selection, projects, hosts, servers, query)
    wanted = Selection(
        include=named,
        exclude=tuple(exclude),
        kinds=tuple(kinds),
        snapshots=snapshots or pair.migrate.snapshots,
    )
    given, edits = read_plan(plan, site) if plan else (None, None)
    if given:
        _require_alone(wanted, mover, snapshots, given.header.kinds)
        header = given.header
        wanted = Selection(
            include=header.include,
            exclude=header.exclude,
            kinds=header.kinds,
            snapshots=header.snapshots,
        )
    how = given.header.mover if given else mover.over(pair.migrate.mover)
    clouds = plans.read_clouds(pair, folder)
    asked = together_groups(together, clouds[0])
    intended = plans.make(pair, clouds, wanted, how, edits)
    groups = _groups(asked, intended)
    changed = _changes(given, edits, intended, clouds[0])
    header = plans.header(site, folder, wanted, how)
    published = publish_plan(folder, intended, header, pair.storage.link, changed)
    if changed and not replan:
        raise PlanDrifted(plan, changed, published.plan)
    if not replan and (obstacles := _obstacles(pair, intended)):
        raise Refused("The migration", obstacles)
    planned = Migration(
        site=site,
        dry_run=True,
        location=folder.location,
        report=published.report,
        plan=published.plan,
        actions=intended.actions,
        changed=changed,
        seconds=round(monotonic() - began, 3),
    )
    get_run_logger().info("planned: %s", planned.actions)
    if dry_run or replan:
        return planned
    work = Work(
        pair,
        _slots(pair, site, max_parallel),
        checks=assigned(pair.health_checks, clouds[0]),
        moves_unhealthy=move_unhealthy,
        gate=Gate(pacing),
        domains={row["id"]: row["name"] for row in clouds[0].rows("domains")},
        bandwidth=Bandwidth(pair.limits.bandwidth_mib_s * MIB),
    )
    book = Book(intended)
    try:
        carry_out(work, book, clouds[1], groups)
    except BaseException:
        # Threads get no exception: they look at this, undo what they are at, and end.
        work.stop.set()
        book.close(GRACE_S)
        raise
    finally:
        entries, seconds = book.entries, round(monotonic() - began, 3)
        report = publish_ledger(site, folder, intended, entries, seconds, pair.storage.link)
    if failed := failures(entries):
        done = [e for e in entries if e.status in (Status.DONE, Status.FOUND)]
        raise MigrationIncomplete(failed, len(done), report)
    return _done(planned, entries, seconds, report)


def _groups(asked: Sequence[frozenset[str]], intended: Plan) -> list[frozenset[str]]:
    """Return the servers that move together: because they are to, or because they must."""
    rows = [item.row for item in intended.of("servers") if item.action not in DONE]
    found = bound_groups(asked, rows)
    if large := [group for group in found if len(group) > LARGEST]:
        raise ConfigError("together", [
            f"With what shares a volume or a floating IP with them, {len(group)} servers would "
            f"move together; that can be {LARGEST} at most." for group in large
        ])  # fmt: skip
    return found


def _changes(
    given: PlanFile | None, edits: Edits | None, intended: Plan, source: Estate
) -> list[str]:
    """Return what differs from the plan that was *given*, a sentence each."""
    if not given or not edits:
        return []
    explain = plans.explanation(given, source)
    return [each.sentence for each in drift(given.rows, intended.items, explain, edits.movers)]


def _obstacles(pair: Site, intended: Plan) -> list[str]:
    """Return what stands in the way: in the plan, of the passwords, and on this worker."""
    return [
        *intended.obstacles,
        *(_unreadable_hashes(pair.passwords) if intended.of("users") else ()),
        *(look(pair, intended) if needs_ceph(intended) else ()),
    ]


def _unreadable_hashes(passwords: Passwords) -> list[str]:
    if passwords.mode != "hashes":
        return []
    # A database's library takes a second to import, and most runs copy no hash.
    from pumphouse.tasks.password_hashes import problems

    return problems(passwords)


def _require_alone(
    wanted: Selection, mover: MoverChoice, snapshots: bool, kinds: Sequence[str]
) -> None:
    """A plan says what is selected and how it moves; nothing else may, only repeat its kinds."""
    if wanted.include or wanted.exclude or snapshots or mover is not MoverChoice.CONFIGURED:
        problem = "It says what is selected and by which mover; give it alone."
        raise ConfigError("plan", [problem])
    if wanted.kinds and named_kinds(wanted.kinds) != named_kinds(kinds):
        problem = f"It was made for {', '.join(kinds) or 'all kinds'}; give it without kinds."
        raise ConfigError("plan", [problem])


def _slots(pair: Site, site: str, max_parallel: int) -> Slots:
    return Slots(
        site,
        threading.Semaphore(pair.limits.copies),
        threading.Semaphore(min(max_parallel or pair.limits.cutovers, pair.limits.cutovers)),
        is_shared=bool(runtime.deployment.id),
        backends={name: threading.Semaphore(n) for name, n in pair.limits.backends.items()},
    )


def _done(planned: Migration, entries: Sequence[Entry], seconds: float, report: str) -> Migration:
    """Return what was planned with what was done."""
    done = [e for e in entries if e.status is Status.DONE]
    down = [e for e in done if e.downtime_s is not None]
    times = Counter(e.name for e in down)
    return planned.model_copy(
        update={
            "dry_run": False,
            "report": report,
            "done": len(done),
            "found": sum(e.status is Status.FOUND for e in entries),
            "bytes": sum(e.bytes for e in done),
            "downtimes_s": {
                e.name if times[e.name] == 1 else f"{e.name} ({e.source_id})": e.downtime_s
                for e in down
            },
            "seconds": seconds,
        }
    )
