"""Do one kind's tiny resources, several at once where they may: one task run for all."""

import copy
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from pumphouse.bodies import Ids
from pumphouse.errors import PumphouseError
from pumphouse.ledger import Entry, Status, entry
from pumphouse.models import Action
from pumphouse.plan import DONE, Item
from pumphouse.tasks.api import Api
from pumphouse.tasks.waiting import NEVER

Effect = Callable[[Api, Item, Ids], str | tuple[str, str]]
"""Make or complete one item at the target; return its id there, or also what is to be said."""


def do_batch(
    api: Api,
    items: Iterable[Item],
    effect: Effect,
    known: Ids,
    failed: frozenset[str],
    stop: threading.Event = NEVER,
    parallel: int = 1,
) -> list[Entry]:
    """
    Return an entry for each of *items*. One that fails leaves the others alone.

    known: The target's ids so far; items of one batch see those made before them.
    failed: Keys of items that failed earlier: what depends on them is left.
    parallel: How many that do not depend on each other are under way at once.
    """
    ids = {kind: dict(of) for kind, of in known.items()}
    lost = set(failed)
    entries = []
    for wave in _waves(list(items)) if parallel > 1 else [[item] for item in items]:
        for done in _all(api, wave, effect, ids, lost, stop, parallel):
            if done.status in (Status.FAILED, Status.LEFT):
                lost.add(done.key)
            elif done.target_id:
                ids.setdefault(done.kind, {})[done.source_id] = done.target_id
            entries.append(done)
    return entries


def _all(
    api: Api,
    wave: list[Item],
    effect: Effect,
    ids: Ids,
    lost: set[str],
    stop: threading.Event,
    parallel: int,
) -> list[Entry]:
    """Return the entries of items that do not need each other, in their order."""
    if len(wave) == 1:
        return [one(api, wave[0], effect, ids, lost, stop)]

    def alone(item: Item) -> Entry:
        # Each has its own list of changes: the ledger says which request made what.
        mine = copy.copy(api)
        mine.changes = []
        return one(mine, item, effect, ids, lost, stop)

    with ThreadPoolExecutor(min(parallel, len(wave))) as pool:
        entries = list(pool.map(alone, wave))
    for done in entries:
        api.changes += done.request_ids
    return entries


def _waves(items: list[Item]) -> list[list[Item]]:
    """Return *items* so that each is in a later wave than those that it depends on."""
    level: dict[str, int] = {}
    waves: list[list[Item]] = []
    for item in items:
        place = max((level[key] + 1 for key in item.depends_on if key in level), default=0)
        level[item.key] = place
        waves += [[] for _ in range(place + 1 - len(waves))]
        waves[place].append(item)
    return waves


def one(
    api: Api,
    item: Item,
    effect: Effect,
    ids: Ids,
    failed: Iterable[str],
    stop: threading.Event = NEVER,
) -> Entry:
    """Return the entry of one item: found, left because of a dependency, done or failed."""
    if item.action in DONE:
        return entry(item, Status.FOUND, item.reason)
    if left := waits_for(item, failed):
        return entry(item, Status.LEFT, left)
    if stop.is_set():
        return entry(item, Status.LEFT, "The run was cancelled before its turn.")
    began, started, before = time.monotonic(), datetime.now(UTC), len(api.changes)
    try:
        made = effect(api, item, ids)
    except PumphouseError as error:
        done = entry(item, Status.FAILED, str(error))
    except Exception as error:  # noqa: BLE001 - the others can be done
        done = entry(item, Status.FAILED, _unforeseen(error))
    else:
        target_id, words = made if isinstance(made, tuple) else (made, "")
        done = entry(item, Status.DONE, f"{item.reason} {words}".strip(), target_id)
    seconds = round(time.monotonic() - began, 3)
    changes = {"request_ids": tuple(api.changes[before:])}
    return done.model_copy(update={"seconds": seconds, "started_at": started, **changes})


def _unforeseen(error: Exception) -> str:
    """Return the words of an error that is none of ours, with the place where it came up."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error}, {Path(at.filename).name} line {at.lineno}"
    return (
        f"It failed as nobody foresaw ({what}), and may be at the target half-made; the same "
        "migration finds it there and completes it. If it fails again, report this."
    )


def waits_for(item: Item, failed: Iterable[str]) -> str:
    """Return a sentence if something that *item* depends on failed; else nothing."""
    lost = [key for key in item.depends_on if key in set(failed)]
    return f"It was not tried: it depends on {', '.join(lost)}." if lost else ""


def is_new(item: Item) -> bool:
    """Tell whether the target has nothing of it yet."""
    return item.action is Action.CREATE
