"""Undo what a migration or a rollback left half-way when it was killed."""

from typing import Any

from prefect import flow, get_run_logger
from prefect.logging.loggers import flow_run_logger
from prefect.task_runners import ThreadPoolTaskRunner

from pumphouse.blocks.site import load_site
from pumphouse.errors import PumphouseError, TakeBackIncomplete
from pumphouse.health import assigned
from pumphouse.selection import Selection, written
from pumphouse.tasks import plans, storage
from pumphouse.tasks.migration import half_way, take_back_server
from pumphouse.tasks.storage import Folder

RUNNER: Any = ThreadPoolTaskRunner(max_workers=10)


@flow(name="take-back", flow_run_name="take back what run {run} left", task_runner=RUNNER)
def take_back(run: str, delete_copy: bool = False, site: str = "default") -> list[str]:
    """
    Undo what a dead run left half-way: a server that it moved runs where it did before.

    Of servers that belong together, and of which one had arrived, all arrive. A return that had
    passed its checks is ended.

    Args:
        run: Id of the flow run that is dead.

        delete_copy: Delete the copies of servers whose return is ended.

        site: Name of the saved Pumphouse Site block.

    Returns:
        The servers and what became of each, as sentences.

    Raises:
        TakeBackIncomplete: Not everything could be undone.
    """
    pair = load_site(site)
    servers = half_way(pair, run)
    if not servers:
        return []
    name = f"{storage.utc_now():%Y%m%dT%H%M%SZ}-taken-back-{run[:8]}"
    clouds = plans.read_clouds(pair, Folder(pair.storage.url) / "runs" / name)
    wanted = Selection(include=written((), servers=servers))
    intended = plans.make(pair, clouds, wanted, pair.migrate.mover)
    checks = assigned(pair.health_checks, clouds[0])
    items = [item for item in intended.of("servers") if item.source_id in servers]
    began = []
    for item in items:
        wanted_checks = checks.get(item.source_id, ())
        what = (item, intended.ids, wanted_checks, delete_copy)
        future = take_back_server.submit(pair, run, *what)
        began.append((item, future))
    problems, done = [], []
    for item, future in began:
        try:
            done.append(f"{item.label}: {future.result()}")
            get_run_logger().warning(done[-1])
        except PumphouseError as error:
            problems.append(str(error))
    if problems:
        raise TakeBackIncomplete(run, problems)
    return done


def take_back_the_rest(flow: Any, flow_run: Any, state: Any) -> None:
    """
    Take back what a cancelled or crashed run left: a hook, called when its process is dead.

    Prefect kills a cancelled run after 30 seconds, and to start a server again can take longer.
    """
    logger = flow_run_logger(flow_run, flow)
    site = flow_run.parameters.get("site", "default")
    try:
        deletes = bool(flow_run.parameters.get("delete_copy"))
        done = take_back(run=str(flow_run.id), delete_copy=deletes, site=site)
    except Exception as error:  # noqa: BLE001 - a hook has nobody to raise to
        logger.error("What it left half-way is not taken back: %s", error)
        return
    for sentence in done:
        logger.warning("It was half-way. %s", sentence)
