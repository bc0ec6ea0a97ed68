"""The page of a plan: what will be done, what is lost, what stands in the way, what it costs."""

from collections.abc import Sequence
from typing import Any

from pumphouse.models import Action
from pumphouse.plan import DONE, STOPS, Cost, Plan, PlanRow
from pumphouse.reports.pages import page
from pumphouse.reports.summary import number

GIB = 1 << 30
SHOWN = 2000
"""Lines that a section of the page has at most: a browser draws all of them."""


def html(title: str, plan: Plan, selection: Sequence[str], changed: Sequence[str] = ()) -> str:
    """Return the page of *plan*, with what *changed* since an earlier one."""
    rows = plan.items
    servers = [row for row in rows if row.kind == "servers"]
    longest = max((row.downtime_estimate_s for row in servers), default=0) or 1.0
    short = [cost for cost in plan.costs if not cost.fits]
    return page(
        "plan.html",
        {
            "title": title,
            "selection": list(selection),
            "figures": figures(plan),
            "origin": plan.rates.origin,
            "notes": list(plan.notes),
            "changed": list(changed),
            "obstacles": [line(row) for row in rows if row.action in STOPS],
            "servers": [
                {**line(row), "share": 100 * row.downtime_estimate_s / longest}
                for row in servers[:SHOWN]
            ],
            "losses": [line(row) for row in rows if row.losses and row.action not in DONE][:SHOWN],
            "mapped": [line(row) for row in rows if row.mapping][:SHOWN],
            "costs": [_cost(cost) for cost in [*short, *_tight(plan.costs)][:SHOWN]],
            "kinds": kinds(rows),
            "lines": [line(row) for row in rows if row.action not in DONE][:SHOWN],
            "more": max(0, sum(row.action not in DONE for row in rows) - SHOWN),
        },
    )


def figures(plan: Plan) -> list[dict[str, Any]]:
    """Return the numbers at the head: label, value, unit."""
    moved = [row for row in plan.items if row.action in (Action.CREATE, Action.UPDATE)]
    servers = [row for row in moved if row.kind == "servers"]
    stopped = sum(row.action in STOPS for row in plan.items)
    time = plan.duration
    return [
        {"label": "servers move", "value": len(servers), "unit": ""},
        {"label": "actions", "value": len(moved), "unit": ""},
        {"label": "cannot be done", "value": stopped, "unit": "", "is_bad": stopped > 0},
        {"label": "to carry", "value": round(plan.carried_bytes / GIB, 1), "unit": "GiB"},
        {"label": "longest downtime", "value": round(time.longest_downtime_s), "unit": "s"},
        {"label": "preparation", "value": round(time.preparation_s / 60, 1), "unit": "min"},
        {"label": "cut-overs", "value": round(time.cutovers_s / 60, 1), "unit": "min"},
    ]


def kinds(rows: Sequence[PlanRow]) -> list[dict[str, Any]]:
    """Return, by kind, how many rows have which action."""
    counted: dict[str, dict[str, Any]] = {}
    for row in rows:
        found = counted.setdefault(row.kind, {action.value: 0 for action in Action})
        found[row.action.value] += 1
    return [{"kind": _words(kind), **counts} for kind, counts in counted.items()]


def markdown(plan: Plan, report: str, address: str, selection: Sequence[str]) -> str:
    """Return the summary that Prefect's UI shows."""
    chosen = ", ".join(f"`{text}`" for text in selection)
    lines = ["# Plan", "", f"Of: {chosen}", "", f"Page: [{report}]({address})", ""]
    lines += [
        f"- {each['label']}: **{number(each['value'])}** {each['unit']}".rstrip()
        for each in figures(plan)
    ]
    lines += ["", plan.rates.origin]
    stopped = [row for row in plan.items if row.action in STOPS]
    if stopped:
        lines += ["", "## Stands in the way", ""]
        lines += [f"- **{r.kind} {_cell(r.label)}**: {_cell(r.reason)}" for r in stopped[:100]]
    servers = [row for row in plan.items if row.kind == "servers"]
    if servers:
        lines += ["", "| server | project | action | mover | GiB | downtime (s) |"]
        lines += ["|---|---|---|---|--:|--:|"]
        for row in servers[:100]:
            cells = [row.name, row.project, row.action.value, row.mover or ""]
            size, down = row.size_bytes / GIB, row.downtime_estimate_s
            lines.append(f"| {' | '.join(map(_cell, cells))} | {size:.1f} | {down:.0f} |")
    return "\n".join(lines)


def line(row: PlanRow) -> dict[str, Any]:
    """Return a row as the page's tables show it."""
    return {
        "kind": _words(row.kind),
        "name": row.name,
        "id": row.source_id,
        "project": row.project,
        "action": row.action.value,
        "mover": row.mover.value if row.mover else "",
        "reason": row.reason,
        "losses": list(row.losses),
        "mapping": row.mapping,
        "gib": round(row.size_bytes / GIB, 1),
        "downtime_s": row.downtime_estimate_s,
        "target_id": row.target_id or "",
    }


def _tight(costs: Sequence[Cost]) -> list[Cost]:
    """Return what fits and has a limit, what is nearest to it first."""
    limited = [cost for cost in costs if cost.free is not None and cost.fits and cost.needed]
    return sorted(limited, key=lambda cost: -(cost.needed / (cost.free or 1)))[:200]


def _cost(cost: Cost) -> dict[str, Any]:
    share = 100.0 if not cost.free else min(100.0, 100 * cost.needed / cost.free)
    return {**cost.model_dump(), "fits": cost.fits, "share": share}


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _cell(text: str) -> str:
    """Keep a name from breaking out of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
