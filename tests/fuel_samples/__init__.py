"""Answers of a real Nailgun, condensed, and what condensing means."""

import json
import re
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parent / "samples.jsonl"
"""One line for each request and answer, in the order in which they were recorded."""

TRACES = Path(__file__).parent / "traces.jsonl"
"""One line for each task that was watched: its polls, with the state of the nodes."""

WORDY = {
    "description",
    "label",
    "max",
    "metadata",
    "min",
    "nullable",
    "regex",
    "restrictions",
    "weight",
}
"""What Fuel's web pages show beside a setting; no client reads it."""

HARDWARE = {"spec", "devices", "numa_topology", "pci_devices"}
"""Long lists of equal processors and memory modules."""

OTHER = {
    "Cache-Control",
    "ui_settings",
    "network_data",
    "vips",
    "public_vip",
    "management_vip",
    "public_vrouter_vip",
    "management_vrouter_vip",
}
RELEASE = {"id", "name", "version", "operating_system", "state", "is_deployable"}
NETWORK = {"id", "name", "cidr", "ip_ranges", "gateway", "vlan_start", "group_id"}


def condense(value: Any) -> Any:
    """Return an answer or a request without what no client of Fuel reads."""
    if isinstance(value, list):
        return [condense(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if "modes_metadata" in value or {"is_deployable", "state"} <= value.keys():
        return {key: value[key] for key in RELEASE}
    if "volumes_roles_mapping" in value:
        return {"name": value["name"]}
    if {"product", "serial"} <= value.keys():
        return {"manufacturer": value.get("manufacturer"), "product": value["product"]}
    if "task_name" in value:
        return {key: value[key] for key in ("task_name", "node_id", "status", "type")}
    if {"cidr", "ip_ranges"} <= value.keys():
        return {key: value[key] for key in NETWORK}
    if set(value) == {"message", "errors"}:
        return {"message": _first_line(str(value["message"])), "errors": value["errors"]}
    if set(value) == {"__raw__"}:
        return {"__raw__": _first_line(value["__raw__"])}
    dropped = WORDY | HARDWARE | OTHER
    return {key: condense(entry) for key, entry in value.items() if key not in dropped}


def samples() -> list[dict[str, Any]]:
    """Return all recorded requests with their answers."""
    return [json.loads(line) for line in SAMPLES.read_text().splitlines()]


def traces() -> dict[str, list[dict[str, Any]]]:
    """Return the watched tasks by the name of their recording."""
    found = map(json.loads, TRACES.read_text().splitlines())
    return {trace["name"]: trace["polls"] for trace in found}


def _first_line(text: str) -> str:
    """Return what matters of a message: of a traceback its last line, of a schema's its first."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    if lines[0].startswith("Traceback"):
        errors = [line for line in lines if re.match(r"[A-Za-z]+Error", line)]
        return re.sub(r"\(psycopg2[^)]*\) ", "", errors[-1]) if errors else lines[-1]
    if lines[0].startswith("<!DOCTYPE"):
        return "<!DOCTYPE"
    return lines[0] if "Failed validating" in text else text
