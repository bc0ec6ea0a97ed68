"""What an operator chose: projects, servers, and single things of other kinds."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from pumphouse.criteria import EVERYTHING, Found, found, parsed
from pumphouse.errors import ConfigError
from pumphouse.estate import Estate
from pumphouse.kinds import named as named_kinds


class Selection(BaseModel):
    """
    What to migrate: everything that any criterion names, without what `exclude` names.

    A project brings all it owns, also what no server uses; servers bring what they depend on.
    Each criterion is a text, as `pumphouse.criteria` has them. `kinds` are words of
    `pumphouse.kinds` that the plan is limited to; without any it has all kinds. With
    `snapshots` volumes bring theirs.
    """

    model_config = ConfigDict(frozen=True)

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    snapshots: bool = False


class Chosen(BaseModel):
    """
    The ids that a selection means, in table order.

    Attributes:
        others: By kind, things that were chosen by themselves.

        left_out: By kind, what must not come along, whatever owns or needs it.

        is_everything: Whether the whole cloud was asked for.

        kinds: What the plan is limited to, and what that needs; empty for no limit.

        snapshots: Whether volumes bring their snapshots.

        amphora_ids: Servers that would be among them, and work for load balancers.
    """

    model_config = ConfigDict(frozen=True)

    project_ids: tuple[str, ...]
    server_ids: tuple[str, ...]
    others: dict[str, tuple[str, ...]] = {}
    left_out: dict[str, frozenset[str]] = {}
    is_everything: bool = False
    kinds: frozenset[str] = frozenset()
    snapshots: bool = False
    amphora_ids: tuple[str, ...] = ()


def written(
    criteria: Sequence[str],
    projects: Sequence[str] = (),
    hosts: Sequence[str] = (),
    servers: Sequence[str] = (),
    query: str = "",
) -> tuple[str, ...]:
    """Return the criteria of the options of a command or flow, as texts."""
    return (
        *criteria,
        *(f"project:{name}" for name in projects),
        *(f"host:{name}" for name in hosts),
        *(f"server:{name}" for name in servers),
        *([f"servers[{query.strip()}]"] if query.strip() else []),
    )


def chosen(selection: Selection, estate: Estate) -> Chosen:
    """
    Return what *selection* means in *estate*.

    Raises:
        ConfigError: A name is unknown or has several bearers, a criterion or kind is none, or
            nothing is selected; every such mistake at once, with what exists.
    """
    kinds = named_kinds(selection.kinds)
    problems: list[str] = []
    taken = _found(selection.include, estate, problems)
    out = _found(selection.exclude, estate, problems)
    if problems:
        raise ConfigError("selection", problems)
    ids, away = _by_kind(taken), _by_kind(out)
    projects = ids.pop("projects", set()) - away.get("projects", set())
    away["servers"] = away.get("servers", set()) | {
        row["id"]
        for project in away.get("projects", ())
        for row in estate.where("servers", "project_id", project)
    }
    named = ids.pop("servers", set())
    meant = tuple(
        row["id"]
        for row in estate.rows("servers")
        if row["id"] not in away["servers"]
        and (row["id"] in named or row["project_id"] in projects)
    )
    # Octavia's servers are no tenants': they come and go with the load balancers.
    amphorae = {row["compute_id"] for row in estate.rows("amphorae")}
    servers = tuple(id_ for id_ in meant if id_ not in amphorae)
    others = {
        kind: tuple(
            row["id"]
            for row in estate.rows(kind)
            if row["id"] in of - away.get(kind, set())
            and (row.get("project_id") or row.get("owner_id")) not in away.get("projects", ())
        )
        for kind, of in ids.items()
    }
    if not (servers or projects or any(others.values())):
        raise ConfigError(
            "selection",
            [f"It selects nothing; name projects, hosts or servers, or say {EVERYTHING}."],
        )
    return Chosen(
        project_ids=tuple(r["id"] for r in estate.rows("projects") if r["id"] in projects),
        server_ids=servers,
        others={kind: of for kind, of in others.items() if of},
        left_out={kind: frozenset(of) for kind, of in away.items() if of},
        is_everything=EVERYTHING in (text.strip() for text in selection.include),
        kinds=kinds,
        snapshots=selection.snapshots,
        amphora_ids=tuple(id_ for id_ in meant if id_ in amphorae),
    )


def _found(texts: Sequence[str], estate: Estate, problems: list[str]) -> Found:
    every: Found = []
    for text in texts:
        try:
            every += found(parsed(text), estate, problems)
        except ConfigError as error:
            problems += [f"{error.origin}: {problem}" for problem in error.problems]
    return every


def _by_kind(things: Found) -> dict[str, set[str]]:
    kinds: dict[str, set[str]] = {}
    for kind, id_ in things:
        kinds.setdefault(kind, set()).add(id_)
    return kinds
