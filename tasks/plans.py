"""Read both clouds for a plan, what earlier runs measured, and plans that were written."""

import io
from collections.abc import Callable, Sequence

import pandas as pd
from prefect.futures import PrefectFuture

from pumphouse.blocks.site import Site
from pumphouse.errors import ConfigError
from pumphouse.estate import Estate
from pumphouse.estimates import Rates, rates
from pumphouse.fingerprints import changes
from pumphouse.health import assigned, notes
from pumphouse.models import OF_SERVERS, Mover, Role
from pumphouse.plan import DONE, Plan, PlanRow
from pumphouse.plan_files import Edits, Header, PlanFile
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Selection, chosen
from pumphouse.tasks import storage
from pumphouse.tasks.reading import estate, read_cloud
from pumphouse.tasks.storage import Folder

LEDGERS = 50
"""How many of the newest runs estimates rest on."""


def read_clouds(pair: Site, folder: Folder) -> tuple[Estate, Estate]:
    """
    Read both clouds side by side, a task each, and keep the tables in *folder*.

    Raises:
        ConfigError: They cannot be kept there. Neither was read.
    """
    folder.require_writable()
    folders = {role: folder / "inventory" / role.value for role in Role}
    futures: list[PrefectFuture[str]] = [
        read_cloud.submit(pair, role, folders[role]) for role in Role
    ]
    for future in futures:
        future.result()
    return estate(folders[Role.SOURCE]), estate(folders[Role.TARGET])


def make(
    pair: Site,
    clouds: tuple[Estate, Estate],
    selection: Selection,
    mover: Mover,
    edits: Edits | None = None,
) -> Plan:
    """
    Return the plan of *selection* at the clouds as they were just read.

    Raises:
        ConfigError: The selection names what does not exist.
    """
    if mover not in OF_SERVERS:
        problem = f"{mover.value} is for volumes; choose one of {', '.join(OF_SERVERS)}."
        raise ConfigError("mover", [problem])
    edits = edits or Edits()
    source, target = clouds
    wishes = Wishes(
        mover=mover,
        movers=edits.movers,
        skipped=edits.skipped,
        mappings=pair.mappings,
        passwords=pair.passwords,
        shared=pair.migrate.shared,
        rates=measured(pair.storage.url),
        parallel_copies=pair.limits.copies,
        parallel_cutovers=pair.limits.cutovers,
    )
    made = plan(chosen(selection, source), source, target, wishes)
    checked = notes(assigned(pair.health_checks, source), _moved(made))
    return made.model_copy(update={"notes": (*made.notes, *checked)})


def _moved(made: Plan) -> list[str]:
    return [item.source_id for item in made.of("servers") if item.action not in DONE]


def measured(url: str) -> Rates:
    """Return what the ledgers below *url* measured; what cannot be read tells nothing."""
    runs = Folder(url) / "runs"
    found = []
    for name in reversed(runs.names()[-LEDGERS:]):
        try:
            found.append(pd.read_parquet(io.BytesIO((runs / name).read("ledger.parquet"))))
        except FileNotFoundError:
            # A run that only planned, or that was refused.
            continue
    return rates(found)


def header(site: str, folder: Folder, selection: Selection, mover: Mover) -> Header:
    """Return the header of a plan that is made now."""
    return Header(
        site=site,
        made_at=f"{storage.utc_now():%Y-%m-%dT%H:%M:%SZ}",
        include=selection.include,
        exclude=selection.exclude,
        kinds=selection.kinds,
        snapshots=selection.snapshots,
        mover=mover,
        inventory=(folder / "inventory").location,
    )


def explanation(file: PlanFile, source: Estate) -> Callable[[PlanRow], Sequence[str]]:
    """
    Return what says which columns of a source row changed since *file* was made.

    It rests on the tables that were kept then; without them nothing is said.
    """
    then: list[Estate] = []

    def explain(row: PlanRow) -> Sequence[str]:
        if not then:
            then.append(estate(Folder(file.header.inventory) / Role.SOURCE.value))
        old, new = then[0].get(row.kind, row.source_id), source.get(row.kind, row.source_id)
        return changes(row.kind, old, new) if old and new else ()

    return explain if file.header.inventory else lambda row: ()
