"""Where two plans differ: what an operator approved, and what the clouds are now."""

from collections.abc import Callable, Collection, Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from pumphouse.models import Action
from pumphouse.plan import MOVED, PlanRow
from pumphouse.plan_files import Header

AFTER = {
    # What a run that was cut short, or an earlier one, makes of a row.
    Action.CREATE: (Action.CREATE, Action.UPDATE, Action.ADOPT, Action.SKIP),
    Action.UPDATE: (Action.UPDATE, Action.ADOPT, Action.SKIP),
}

ASKED = ("site", "include", "exclude", "kinds", "snapshots", "mover")
"""What a plan was asked for, of its header."""


class Difference(BaseModel):
    """One row that differs: ``added``, ``removed`` or ``changed``, and what of it."""

    model_config = ConfigDict(frozen=True)

    change: str
    kind: str
    label: str
    what: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """All of it, in one line."""
        return f"{self.kind} {self.label} {self.change}: {'; '.join(self.what)}."


Explain = Callable[[PlanRow], Sequence[str]]
"""Says which columns of the source's row changed since the plan was made; empty if unknown."""


def _unexplained(row: PlanRow) -> Sequence[str]:
    return ()


def drift(
    planned: Sequence[PlanRow],
    now: Sequence[PlanRow],
    explain: Explain = _unexplained,
    edited: Collection[str] = (),
) -> list[Difference]:
    """
    Return where what a plan rests on is no longer so. What a run of it did is no drift.

    planned: The rows as they were approved, with what was edited.
    now: The rows of the same selection with the same edits, made of the clouds as they are.
    edited: Keys of rows with another mover than was planned: what that loses was chosen.
    """

    def judge(old: PlanRow, new: PlanRow) -> list[str]:
        found = _drifted(old, new, explain)
        return found if old.key in edited else found + _more_lost(old, new)

    return list(_compared(planned, now, judge))


def differences(old: Sequence[PlanRow], new: Sequence[PlanRow]) -> list[Difference]:
    """Return everything in which two plans differ."""
    return list(_compared(old, new, _changed))


def header_differences(old: Header, new: Header) -> list[Difference]:
    """Return in what two plans were asked for otherwise: one difference, or none."""
    what = tuple(
        f"{name}: {_listed(getattr(old, name))} → {_listed(getattr(new, name))}"
        for name in ASKED
        if getattr(old, name) != getattr(new, name)
    )
    label = f"of {old.site}"
    return [Difference(change="changed", kind="plan", label=label, what=what)] if what else []


def _listed(value: object) -> str:
    return _word(", ".join(value) if isinstance(value, tuple) else value)


def _compared(
    old: Sequence[PlanRow],
    new: Sequence[PlanRow],
    judge: Callable[[PlanRow, PlanRow], list[str]],
) -> Iterator[Difference]:
    after = {row.key: row for row in new}
    before = {row.key for row in old}
    for row in old:
        found = after.get(row.key)
        what = [f"it was to be: {row.action.value}"] if found is None else judge(row, found)
        if what:
            change = "removed" if found is None else "changed"
            yield Difference(change=change, kind=row.kind, label=row.label, what=tuple(what))
    for row in new:
        if row.key not in before:
            what = [f"{row.action.value} ({row.reason.rstrip('.')})"]
            yield Difference(change="added", kind=row.kind, label=row.label, what=tuple(what))


def _drifted(old: PlanRow, new: PlanRow, explain: Explain) -> list[str]:
    is_done = new.action in (Action.SKIP, Action.ADOPT) and old.action in (*MOVED, new.action)
    found = []
    if new.action not in AFTER.get(old.action, (old.action,)):
        reason = new.reason.rstrip(".")
        found.append(f"action: {old.action.value} → {new.action.value} ({reason})")
    if old.target_id and old.target_id != new.target_id:
        found.append(f"at the target: {old.target_id} → {new.target_id or 'none'}")
    if is_done:
        return found
    if old.fingerprint != new.fingerprint:
        found += list(explain(new)) or ["its content at the source changed"]
    if old.mapping != new.mapping:
        found.append(f"mapping: {old.mapping or 'none'} → {new.mapping or 'none'}")
    if old.mover != new.mover:
        found.append(f"mover: {old.mover or 'none'} → {new.mover or 'none'}")
    return found


def _more_lost(old: PlanRow, new: PlanRow) -> list[str]:
    if new.action in (Action.SKIP, Action.ADOPT):
        return []
    lost = [loss for loss in new.losses if loss not in old.losses]
    return [f"it would now lose: {loss.rstrip('.')}" for loss in lost]


def _changed(old: PlanRow, new: PlanRow) -> list[str]:
    shown = ("action", "target_id", "mover", "mapping", "size_bytes", "downtime_estimate_s")
    found = [
        f"{name}: {_word(getattr(old, name))} → {_word(getattr(new, name))}"
        for name in shown
        if getattr(old, name) != getattr(new, name)
    ]
    if old.reason != new.reason:
        was = f"{old.reason.rstrip('.')} → " if old.action == new.action else ""
        found.append(f"reason: {was}{new.reason.rstrip('.')}")
    if old.fingerprint != new.fingerprint:
        found.append("its content at the source")
    found += [f"no longer loses: {x.rstrip('.')}" for x in old.losses if x not in new.losses]
    return found + [f"also loses: {x.rstrip('.')}" for x in new.losses if x not in old.losses]


def _word(value: object) -> str:
    return "none" if value in (None, "") else str(getattr(value, "value", value))
