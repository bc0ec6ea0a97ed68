"""Servers that belong together: all of them arrive at the target, or all run at the source."""

from collections.abc import Sequence

from pumphouse.criteria import found, parsed
from pumphouse.errors import ConfigError
from pumphouse.estate import Estate

LARGEST = 24
"""Servers of one group: each is held by a thread of its own until all are done."""


def groups(texts: Sequence[str], source: Estate) -> tuple[frozenset[str], ...]:
    """
    Return the ids of the servers that each criterion of *texts* means.

    Raises:
        ConfigError: A criterion is none or means no server, a server is in two groups, or a
            group is too large; every such mistake at once.
    """
    problems: list[str] = []
    made: list[frozenset[str]] = []
    for text in texts:
        try:
            things = found(parsed(text), source, problems)
        except ConfigError as error:
            problems += [f"{error.origin}: {problem}" for problem in error.problems]
            continue
        members = {id_ for kind, id_ in things if kind == "servers"}
        for kind, id_ in things:
            if kind == "projects":
                members |= {row["id"] for row in source.where("servers", "project_id", id_)}
        made.append(frozenset(members))
    for group in made:
        if len(group) > LARGEST:
            problems.append(
                f"A group has {len(group)} servers; together can be {LARGEST} at most."
            )
    if not all(made) and not problems:
        problems.append("A group means no server.")
    problems += _twice(made, source)
    if problems:
        raise ConfigError("together", problems)
    return tuple(made)


def _twice(made: Sequence[frozenset[str]], source: Estate) -> list[str]:
    seen: set[str] = set()
    twice: set[str] = set()
    for members in made:
        twice |= seen & members
        seen |= members
    return [f"Server {source.label('servers', id_)} is in two groups." for id_ in sorted(twice)]
