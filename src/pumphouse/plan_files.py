"""
A plan as it is kept in a file: what it was made of, its rows, and what an editor may change.

An editor may change two things of a row: its action to ``skip``, and its mover. All else is
sealed, by a hash of each row and of each column, so that another change is found and named.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator

from pumphouse.errors import ConfigError
from pumphouse.estimates import Duration, Rates
from pumphouse.models import Action, Mover
from pumphouse.plan import COLUMNS, MOVERS, STAGES, Cost, Plan, PlanRow

EDITABLE = ("action", "mover")
_encode = json.JSONEncoder(default=str, separators=(",", ":")).encode


class Header(BaseModel):
    """
    What a plan was made of, beside its rows.

    Attributes:
        inventory: Folder with the tables that it rests on, a cloud each below it.

        seals: Hash of each of its own fields and of each column that must not be edited.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    site: str
    made_at: str
    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    snapshots: bool = False
    mover: Mover
    inventory: str = ""
    rates: Rates = Rates()
    duration: Duration = Duration()
    costs: tuple[Cost, ...] = ()
    notes: tuple[str, ...] = ()
    rows: int = 0
    seals: dict[str, str] = {}


SEALED_HEADER = ("site", "include", "exclude", "kinds", "snapshots", "mover", "rows")


class SealedRow(PlanRow):
    """A row as the file has it: with the hash of what it was when the plan was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seal: str = ""

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in STAGES:
            raise ValueError(f"allowed: {', '.join(STAGES)}")
        return kind


class PlanFile(BaseModel):
    """A plan as it was written, and perhaps edited."""

    model_config = ConfigDict(frozen=True)

    header: Header
    rows: tuple[SealedRow, ...]


class Edits(BaseModel):
    """What an editor changed: keys of rows that are skipped, and movers by key."""

    model_config = ConfigDict(frozen=True)

    skipped: frozenset[str] = frozenset()
    movers: dict[str, Mover] = {}


def sealed(plan: Plan, header: Header) -> PlanFile:
    """Return *plan* as a file, with what is known of it filled into *header*."""
    names = [name for name in PlanRow.model_fields]
    rows = tuple(
        SealedRow.model_construct(**{n: getattr(item, n) for n in names}, seal=_row_seal(item))
        for item in plan.items
    )
    filled = header.model_copy(
        update={
            "rates": plan.rates,
            "duration": plan.duration,
            "costs": plan.costs,
            "notes": plan.notes,
            "rows": len(rows),
        }
    )
    return PlanFile(header=filled.model_copy(update={"seals": _seals(filled, rows)}), rows=rows)


SEALED = tuple(name for name in COLUMNS if name not in EDITABLE)


def _hash(*values: object) -> str:
    return hashlib.sha256(_encode(values).encode()).hexdigest()[:12]


def _row_seal(row: PlanRow) -> str:
    fixed = _hash(*(getattr(row, name) for name in SEALED))
    return f"{fixed}-{_choice_seal(row.key, row.action, row.mover)}"


def _choice_seal(key: str, action: Action, mover: Mover | None) -> str:
    return _hash(key, action.value, mover.value if mover else "")


def _seals(header: Header, rows: Sequence[PlanRow]) -> dict[str, str]:
    columns = {name: _hash(*(getattr(row, name) for row in rows)) for name in SEALED}
    return {name: _hash(getattr(header, name)) for name in SEALED_HEADER} | columns


def edits(file: PlanFile, origin: str) -> Edits:
    """
    Return what was edited in *file*.

    Raises:
        ConfigError: Something else was changed than actions and movers, or to what is not
            allowed; every such change at once, with row and field.
    """
    problems = list(_header_problems(file))
    skipped: set[str] = set()
    movers: dict[str, Mover] = {}
    for row in file.rows:
        fixed, _, chosen = row.seal.partition("-")
        if fixed != _hash(*(getattr(row, name) for name in SEALED)):
            problems.append(f"{row.kind} {row.label}: {_fields(file)} was changed; {_ALLOWED}")
        elif chosen != _choice_seal(row.key, row.action, row.mover):
            problem = _taken(row, chosen, skipped, movers)
            problems += [problem] if problem else []
    if problems:
        raise ConfigError(origin, problems)
    return Edits(skipped=frozenset(skipped), movers=movers)


_ALLOWED = "only action (to skip) and mover may be; make a new plan for anything else."


def _fields(file: PlanFile) -> str:
    """Return the names of the columns in which something was changed."""
    now = _seals(file.header, file.rows)
    changed = [name for name in SEALED if now[name] != file.header.seals.get(name)]
    return ", ".join(changed) or "its seal"


def _header_problems(file: PlanFile) -> Iterator[str]:
    header = file.header
    now = _seals(header, ())
    for name in SEALED_HEADER:
        if now[name] != header.seals.get(name):
            yield f"{name} was changed; make a new plan for another one."
    if header.rows != len(file.rows):
        yield (
            f"It has {len(file.rows)} rows of {header.rows}; put back what was taken out or "
            "added, and set the action of what is not wanted to skip."
        )
    keys = [row.key for row in file.rows]
    if len(set(keys)) != len(keys):
        yield "A row is in it twice; take one of them out."


def _taken(row: SealedRow, chosen: str, skipped: set[str], movers: dict[str, Mover]) -> str:
    """Note the change of one row's action or mover; return why it is not allowed."""
    if row.action is Action.SKIP:
        skipped.add(row.key)
        return ""
    before = (None, *Mover)
    if not any(chosen == _choice_seal(row.key, row.action, mover) for mover in before):
        return (
            f"{row.kind} {row.label}: action {row.action.value} is not what was planned; "
            "allowed is the planned one, or skip."
        )
    allowed = MOVERS.get(row.kind, ())
    if row.mover not in allowed:
        words = ", ".join(allowed) or "none"
        return f"{row.kind} {row.label}: mover {row.mover or 'nothing'}; allowed: {words}."
    movers[row.key] = row.mover
    return ""
