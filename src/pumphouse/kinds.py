"""The words that limit a plan to some kinds, and what else these need."""

from collections.abc import Callable, Iterable, Sequence

from pumphouse.closure import KINDS
from pumphouse.drafts import Draft
from pumphouse.errors import ConfigError
from pumphouse.plan import STAGES

WORDS: dict[str, tuple[str, ...]] = {
    "identity": tuple(kind for kind, stage in STAGES.items() if stage == "identity"),
    "networks": ("networks", "subnets", "security_groups", "routers", "rbac_policies"),
    "volumes": ("volume_types", "snapshots", "volumes"),
}
"""Words that mean several kinds; every kind by itself is a word too."""


def named(words: Sequence[str]) -> frozenset[str]:
    """
    Return the kinds that *words* mean; no words mean no limit, and give no kinds.

    Raises:
        ConfigError: A word means none; says which there are.
    """
    known = sorted({*WORDS, *KINDS})
    unknown = [word for word in words if word not in known]
    if unknown:
        raise ConfigError(
            "kinds", [f"{word!r} is no kind; there are {', '.join(known)}." for word in unknown]
        )
    return frozenset(kind for word in words for kind in WORDS.get(word, (word,)))


def limited(
    every: list[Draft],
    kinds: frozenset[str],
    referred: Callable[[Draft], Iterable[str]],
    chosen: frozenset[str] = frozenset(),
) -> tuple[list[Draft], list[str]]:
    """
    Return the drafts of *kinds* with everything that these refer to, and what stays, as notes.

    Without kinds there is no limit. An attached volume goes with its server: it stays when
    servers do, unless it is among the *chosen* ids.
    """
    if not kinds:
        return every, []
    by_key = {draft.key: draft for draft in every}
    wanted = [draft for draft in every if draft.kind in kinds]
    notes = []
    if "servers" not in kinds:
        attached = [d for d in wanted if _goes_with_server(d) and d.row["id"] not in chosen]
        if attached:
            notes = [f"{len(attached)} attached volume(s) stay: they go with their servers."]
        staying = {draft.key for draft in attached}
        wanted = [draft for draft in wanted if draft.key not in staying]
    kept = {draft.key for draft in wanted}
    while wanted:
        draft = wanted.pop()
        for key in referred(draft):
            if key in by_key and key not in kept:
                kept.add(key)
                wanted.append(by_key[key])
    return [draft for draft in every if draft.key in kept], notes


def _goes_with_server(draft: Draft) -> bool:
    return draft.kind == "volumes" and bool(draft.row["attachments"])
