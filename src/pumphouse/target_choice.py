"""Which servers of a host that is emptied go to the target: the words of ``--to-target``."""

from collections.abc import Sequence

from pumphouse.comparison import MIGRATED_TO
from pumphouse.errors import ConfigError
from pumphouse.estate import Estate
from pumphouse.leaving import metadata_of
from pumphouse.selection import Selection, chosen


def chosen_for_target(estate: Estate, host: str, words: Sequence[str]) -> tuple[str, ...]:
    """
    Return the ids of the servers on *host* that any of *words* means, in table order.

    A word is a criterion, as `pumphouse.criteria` has them for every selection. Those that are
    at the target already are left out.

    Raises:
        ConfigError: A word is no criterion, or means nothing on this host.
    """
    rows = [row for row in estate.rows("servers") if row["host"] == host]
    problems: list[str] = []
    taken: set[str] = set()
    for word in words:
        try:
            meant = set(chosen(Selection(include=(word,)), estate).server_ids)
        except ConfigError as error:
            problems += error.problems
            continue
        here = meant & {row["id"] for row in rows}
        if not here:
            names = ", ".join(sorted(row["name"] or row["id"] for row in rows)) or "no server"
            problems.append(f"{word!r} means no server of host {host}, which has {names}.")
        taken |= here
    if problems:
        raise ConfigError("--to-target", problems)
    return tuple(
        row["id"] for row in rows if row["id"] in taken and MIGRATED_TO not in metadata_of(row)
    )
