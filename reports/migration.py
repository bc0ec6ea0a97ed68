"""The report of a migration: downtimes, bytes, and every action."""

from typing import Any

import pandas as pd

from pumphouse.ledger import Status
from pumphouse.reports.pages import page

GIB = 1 << 30
MIB = 1 << 20

STATUSES = tuple(status.value for status in Status)


def html(title: str, plan: pd.DataFrame, ledger: pd.DataFrame, seconds: float) -> str:
    """Return the report of one run. *plan* and *ledger* are the tables of their modules."""
    servers = ledger[ledger["kind"] == "servers"]
    longest = _number(servers["downtime_s"].max()) or 1.0
    return page(
        "migration.html",
        {
            "title": title,
            "started": _when(ledger),
            "figures": figures(ledger, seconds),
            "failed": _lines(ledger[ledger["status"].isin(["failed", "left"])]),
            "servers": [
                {**line, "share": 100 * (line["downtime_s"] or 0) / longest}
                for line in _lines(servers)
            ],
            "losses": _lines(plan[plan["losses"] != ""]),
            "kinds": kinds(ledger),
            "statuses": [s for s in STATUSES if (ledger["status"] == s).any()],
            "lines": _lines(ledger),
        },
    )


def figures(ledger: pd.DataFrame, seconds: float) -> list[dict[str, Any]]:
    """Return the numbers at the head of the report: label, value, unit."""
    servers = ledger[ledger["kind"] == "servers"]
    ready = int((ledger["status"] == "ready").sum())
    moved = servers[servers["status"] == "done"]
    return [
        {"label": "servers moved", "value": len(moved), "unit": ""},
        {"label": "actions done", "value": int((ledger["status"] == "done").sum()), "unit": ""},
        {"label": "there before", "value": int((ledger["status"] == "found").sum()), "unit": ""},
        {
            "label": "failed or left",
            "value": int(ledger["status"].isin(["failed", "left"]).sum()),
            "unit": "",
        },
        *([{"label": "ready", "value": ready, "unit": ""}] if ready else []),
        {"label": "carried", "value": round(float(ledger["bytes"].sum()) / MIB, 1), "unit": "MiB"},
        {
            "label": "longest downtime",
            "value": round(_number(moved["downtime_s"].max()) or 0.0, 1),
            "unit": "s",
        },
        {"label": "in all", "value": round(seconds, 1), "unit": "s"},
    ]


def kinds(ledger: pd.DataFrame) -> list[dict[str, Any]]:
    """Return, by kind, how many actions ended how."""
    found = []
    for kind, group in ledger.groupby("kind", sort=False):
        counts = group["status"].value_counts()
        found.append(
            {
                "kind": str(kind).replace("_", " "),
                **{s: int(counts.get(s, 0)) for s in STATUSES},
                "mib": round(float(group["bytes"].sum()) / MIB, 1),
                "seconds": round(float(group["seconds"].sum()), 1),
            }
        )
    return found


def markdown(ledger: pd.DataFrame, report: str, what: str = "Migration") -> str:
    """Return the summary that Prefect's UI shows."""
    lines = [
        f"# {what}",
        "",
        f"Report: [{report}]({report})",
        "",
        "| server | project | status | downtime (s) | MiB | seconds |",
        "|---|---|---|--:|--:|--:|",
    ]
    for line in _lines(ledger[ledger["kind"] == "servers"]):
        downtime = "" if line["downtime_s"] is None else f"{line['downtime_s']:.1f}"
        cells = [line["name"], line["project"], line["status"], downtime, f"{line['mib']:.1f}"]
        lines.append(f"| {' | '.join(map(_cell, cells))} | {line['seconds']:.1f} |")
    failed = _lines(ledger[ledger["status"].isin(["failed", "left"])])
    if failed:
        lines += ["", "## Failed or left", ""]
        lines += [f"- **{e['kind']} {_cell(e['name'])}**: {_cell(e['message'])}" for e in failed]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Keep a name from breaking out of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _lines(table: pd.DataFrame) -> list[dict[str, Any]]:
    found = []
    for record in table.to_dict("records"):
        line = {str(key): None if pd.isna(value) else value for key, value in record.items()}
        line["mib"] = round((line.get("bytes") or 0) / MIB, 1)
        line["kind"] = str(line["kind"]).replace("_", " ")
        found.append(line)
    return found


def _when(ledger: pd.DataFrame) -> str:
    first = ledger["started_at"].min()
    return "" if pd.isna(first) else f"{first:%Y-%m-%d %H:%M:%S} UTC"


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
