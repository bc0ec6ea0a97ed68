"""Servers of a plan that can only move together: said of each, or why they cannot."""

from collections.abc import Iterator
from dataclasses import replace

from pumphouse.bonds import Bond, bonds, joined
from pumphouse.checks import WAS, migrated
from pumphouse.drafts import Draft, moved
from pumphouse.estate import Estate
from pumphouse.together import LARGEST


def tie(every: list[Draft], source: Estate) -> None:
    """Say of servers that share something with which they move, and block those that cannot."""
    moving = {draft.row["id"]: draft for draft in moved(every, "servers")}
    planned = {draft.row["id"]: draft for draft in every if draft.kind == "servers"}
    found = bonds(draft.row for draft in moving.values())
    for bond in found:
        for id_ in bond.servers:
            if id_ in moving:
                moving[id_].problems += _problems(bond, id_, planned, source)
                _tell(bond, moving[id_], moving)
    for group in joined(bond.servers for bond in found):
        if len(group) > LARGEST:
            for id_ in group & moving.keys():
                moving[id_].problems.append(
                    f"It shares something with {len(group) - 1} servers, and no more than "
                    f"{LARGEST} can move together; take some of them off."
                )


def _problems(bond: Bond, own: str, planned: dict[str, Draft], source: Estate) -> Iterator[str]:
    for id_ in bond.servers:
        row = source.get("servers", id_)
        if id_ == own or row is None:
            continue
        name = f"server {row['name']} ({id_})"
        draft = planned.get(id_)
        if draft is None and not migrated(row):
            yield (
                f"It shares {bond.label} with {name}, which is not in the plan, and they can only "
                f"stop together; select that too (server:{id_}), or {_way_out(bond)}."
            )
        elif draft and not draft.is_moved and not migrated(row):
            yield (
                f"It shares {bond.label} with {name}, which the plan leaves where it is; move "
                f"both or none, or {_way_out(bond)}."
            )
        elif migrated(row) and bond.kind == "volumes" and not _is_half_way(planned[own]):
            yield (
                f"It shares {bond.label} with {name}, which was migrated without it: the copy of "
                f"the volume is older; return that one (pumphouse rollback), or {_way_out(bond)}."
            )


def _is_half_way(draft: Draft) -> bool:
    """Tell whether it began to move with the others."""
    return WAS in (draft.row["metadata"] or {})


def _way_out(bond: Bond) -> str:
    what = "detach the volume from" if bond.kind == "volumes" else "take the forwarding off"
    return f"{what} one of them"


def _tell(bond: Bond, draft: Draft, moving: dict[str, Draft]) -> None:
    others = [moving[id_].name for id_ in bond.servers if id_ in moving]
    others.remove(draft.name)
    if others:
        reason = f"It moves together with {', '.join(others)} because of {bond.label}."
        draft.match = replace(draft.match, reason=f"{draft.match.reason} {reason}".strip())
