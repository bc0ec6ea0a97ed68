"""Which servers of a host that is emptied go to the target: the words of ``--to-target``."""

import re
from collections.abc import Sequence

from pumphouse import tables
from pumphouse.comparison import MIGRATED_TO
from pumphouse.errors import ConfigError
from pumphouse.estate import Estate
from pumphouse.expressions import selected
from pumphouse.leaving import metadata_of
from pumphouse.tables import Row

EVERYTHING = "all"
_NAMED = re.compile(r"^(server|project)=([^=].*)$")


def chosen_for_target(estate: Estate, host: str, words: Sequence[str]) -> tuple[str, ...]:
    """
    Return the ids of the servers on *host* that any of *words* means, in table order.

    A word is ``all``, ``server=NAME``, ``project=NAME`` (a name or an id each), or an expression
    over the columns of the table servers. Those that are at the target already are left out.

    Raises:
        ConfigError: A word means nothing on this host, or is no expression.
    """
    rows = [row for row in estate.rows("servers") if row["host"] == host]
    problems: list[str] = []
    chosen: set[str] = set()
    for word in words:
        found = _found(estate, rows, word.strip())
        if not found:
            names = ", ".join(sorted(row["name"] or row["id"] for row in rows)) or "no server"
            problems.append(f"{word!r} means no server of host {host}, which has {names}.")
        chosen |= found
    if problems:
        raise ConfigError("--to-target", problems)
    return tuple(
        row["id"] for row in rows if row["id"] in chosen and MIGRATED_TO not in metadata_of(row)
    )


def _found(estate: Estate, rows: Sequence[Row], word: str) -> set[str]:
    if word == EVERYTHING:
        return {row["id"] for row in rows}
    named = _NAMED.match(word)
    if named is None:
        matched = selected(word, tables.frame("servers", rows), "servers")
        return set(matched["id"])
    kind, name = named[1], named[2]
    if kind == "server":
        return {row["id"] for row in rows if name in (row["id"], row["name"])}
    projects = {p["id"] for p in estate.rows("projects") if name in (p["id"], p["name"])}
    return {row["id"] for row in rows if row["project_id"] in projects}
