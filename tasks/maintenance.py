"""
Maintenance of a host, as plain functions: empty it, ask whether it is, give it back, remove it.

The flows do the same with a task for each server. Here is no Prefect, so that other flows and
tasks may call these wherever they are.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pumphouse import service_marks, tables
from pumphouse.blocks.site import Site
from pumphouse.comparison import MIGRATED_TO
from pumphouse.errors import EvacuationIncomplete, Refused, WaitFailed
from pumphouse.estate import Estate
from pumphouse.evacuation import Asked, Evacuation, evacuation
from pumphouse.ledger import Entry, Status, failures
from pumphouse.models import Role
from pumphouse.tasks import emptiness, removals
from pumphouse.tasks.api import Api
from pumphouse.tasks.compute_services import at_most, disable, read_service, restore
from pumphouse.tasks.departures import RECORDS
from pumphouse.tasks.discovery import order
from pumphouse.tasks.evacuating import Batch, move_one
from pumphouse.tasks.extraction import batches
from pumphouse.tasks.readers import CloudReader, Reading
from pumphouse.tasks.waiting import NEVER, poll

Log = Callable[[str], None]
READ = ("projects", "servers", "server_groups", "hypervisors", "compute_services", "aggregates")
"""The tables that decide how a host is emptied."""

CHOOSING = (
    "amphorae",
    "domains",
    "flavors",
    "images",
    "networks",
    "ports",
    "volumes",
    "availability_zones",
)
"""What a selection of servers may name besides."""

_log = logging.getLogger(__name__)


def open_source(pair: Site) -> Api:
    """Return the source, to be used in ``with``."""
    return Api(pair.source, Role.SOURCE.value)


def read_source(pair: Site, is_chosen_from: bool = False) -> Estate:
    """Return the tables that decide how a host is emptied, or also those to choose from."""
    kinds = order((*READ, *CHOOSING) if is_chosen_from else READ)
    with CloudReader(pair.source, Role.SOURCE, pair.limits.api_calls) as reader:

        def read(kind: str) -> Any:
            pages = batches(kind, Reading(reader))
            return kind, tables.frame(kind, [row for page in pages for row in page])

        with ThreadPoolExecutor(pair.limits.api_calls) as pool:
            return Estate(dict(pool.map(read, kinds)))


def look(pair: Site, asked: Asked, estate: Estate | None = None) -> Evacuation:
    """
    Return how every server leaves the host, and every problem at once. Changes nothing.

    Raises:
        ConfigError: There is no such host.
        CloudUnreachable, MissingRights, RequestFailed: The source could not be read.
    """
    estate = estate or read_source(pair)
    with open_source(pair) as api:
        params = {"source_compute": asked.host, "status": "finished"}
        version = at_most(api, RECORDS)
        unconfirmed = api.get("compute", "/os-migrations", params, version)["migrations"]
    # Older releases do not know the filter by source, and answer with all.
    unconfirmed = [raw for raw in unconfirmed if raw["source_compute"] == asked.host]
    return evacuation(estate, asked, unconfirmed)


def enter_maintenance(
    pair: Site, asked: Asked, stop: threading.Event = NEVER, log: Log = _log.info
) -> Sequence[Entry]:
    """
    Disable the host's compute service, move every server off it, and return what was done.

    What goes to the target has to be there already. The service stays disabled, also after a
    failure. Safe to repeat: what left is not there any more, what was begun is finished.

    Raises:
        ConfigError: There is no such host.
        Refused: Something stands in the way. Nothing was changed.
        EvacuationIncomplete: Servers are still there.
    """
    intended = look(pair, asked)
    if asked.fence and not asked.is_fenced:
        raise Refused(f"Emptying host {asked.host}", ["It is not fenced yet; do that first."])
    if intended.problems:
        raise Refused(f"Emptying host {asked.host}", intended.problems)
    with open_source(pair) as api:
        disable(api, read_service(api, asked.host), force_down=intended.is_dead)
    batch = Batch(asked, stop, log)
    with ThreadPoolExecutor(asked.options.parallel) as pool:
        entries = list(pool.map(lambda move: move_one(pair, batch, move), intended.moves))
    require_empty(pair, asked, entries, intended.is_dead, stop)
    return entries


def require_empty(
    pair: Site,
    asked: Asked,
    entries: Iterable[Entry],
    is_dead: bool = False,
    stop: threading.Event = NEVER,
) -> None:
    """
    Return when Nova, Placement and the hypervisor agree that the host is empty.

    Raises:
        EvacuationIncomplete: A server failed, or they do not agree in time.
    """
    entries = list(entries)
    moved = [entry.name for entry in entries if entry.status is Status.DONE]
    left = failures(entries)
    if not left:
        left = wait_empty(pair, asked, is_dead, stop)
    if left:
        raise EvacuationIncomplete(asked.host, left, moved, service_words(pair, asked.host))


def wait_empty(
    pair: Site, asked: Asked, is_dead: bool = False, stop: threading.Event = NEVER
) -> list[str]:
    """Return what still says that the host is not empty when the time is up; mostly nothing."""
    seen: list[str] = []

    def read() -> list[str]:
        seen[:] = emptiness.problems(api, asked.host, is_dead=is_dead)
        return seen

    with open_source(pair) as api:
        try:
            poll(
                f"host {asked.host} to be empty",
                read,
                lambda problems: not problems,
                asked.options.empty_timeout_s,
                stop,
            )
        except WaitFailed:
            return list(seen)
    return []


def host_is_empty(pair: Site, host: str) -> list[str]:
    """Return a sentence for each thing that says the host is not empty; none when it is."""
    with open_source(pair) as api:
        service = read_service(api, host)
        is_dead = service["state"] != "up" or bool(service.get("forced_down"))
        return emptiness.problems(api, host, is_dead=is_dead)


def at_target(pair: Site, ids: Iterable[str]) -> set[str]:
    """Return which of the source's servers have a verified copy at the target."""
    with open_source(pair) as api:
        version = api.microversion("compute")
        found = {
            id_: api.get("compute", f"/servers/{id_}", None, version)["server"]["metadata"]
            for id_ in ids
        }
    return {id_ for id_, metadata in found.items() if MIGRATED_TO in metadata}


def leave_maintenance(pair: Site, host: str) -> str:
    """
    Make the host's service as it was before maintenance, and say what was done.

    Servers do not come back by themselves. Safe to repeat; a host that others disabled stays so.
    """
    with open_source(pair) as api:
        return restore(api, read_service(api, host))


def service_words(pair: Site, host: str) -> str:
    """Return how the host's compute service is now, as one clause."""
    with open_source(pair) as api:
        service = read_service(api, host)
    reason = service.get("disabled_reason")
    forced = ", forced down" if service.get("forced_down") else ""
    return f"{service['status']} and {service['state']}{forced}" + (
        f" ({reason})" if reason and service["status"] == "disabled" else ""
    )


def maintenance_status(pair: Site, host: str) -> dict[str, Any]:
    """
    Return how a host is: whether we hold it, its service, its servers, what contradicts.

    Keys: host, in_maintenance, service, servers (name, id, status each), not_empty.
    """
    with open_source(pair) as api:
        service = read_service(api, host)
        servers = emptiness.servers_on(api, host)
    mark = service_marks.parse(service.get("disabled_reason"))
    return {
        "host": host,
        "in_maintenance": mark is not None and service["status"] == "disabled",
        "service": service_words(pair, host),
        "servers": [{key: s[key] for key in ("name", "id", "status")} for s in servers],
        "not_empty": host_is_empty(pair, host),
    }


def remove_from_source(pair: Site, host: str) -> list[str]:
    """
    Remove the service, the provider and the network agents of a host that left the source.

    Return what was removed: nothing the second time.

    Raises:
        Refused: Its nova-compute is up, or it is not empty. Nothing was changed.
    """
    with open_source(pair) as api:
        return removals.remove(api, host)
