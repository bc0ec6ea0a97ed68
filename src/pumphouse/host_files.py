"""
Hosts from a file of their own: a CSV table, or an ``inventory.yaml`` as the first Pumphouse had.

Pure: a text comes in, and the section ``hosts`` of config.yaml comes out, still unchecked, with
what was wrong with the text itself.
"""

import csv
import io
import re
from typing import Any

import yaml

from pumphouse.yaml_loaders import Loader

RawHosts = dict[str, Any]
"""Host -> its keys, as config.yaml would have them."""

OF_HOST = ("boot_mac", "macs", "boot_mode", "notes")
OF_BMC = (
    "protocol", "address", "port", "user", "password", "privilege", "cipher_suite", "system",
    "verify_tls", "ca_file", "timeout_s", "power_timeout_s",
)  # fmt: skip
COLUMNS = ("host", *OF_HOST, *OF_BMC)

PXE_TAGS = frozenset({"pxe", "fuel.pxe", "admin", "fuel.admin", "fuelweb_admin"})
"""Tags of an interface in inventory.yaml that say that it boots from the network."""

_LIST = re.compile(r"[\s;,]+")


def read(text: str, name: str) -> tuple[RawHosts, list[str]]:
    """
    Return the hosts in the file called *name*, and a sentence for each thing wrong with it.

    A name that ends with .csv is a table; everything else is YAML: either the section ``hosts``
    alone, or the first Pumphouse's inventory.
    """
    return from_csv(text) if name.lower().endswith(".csv") else from_yaml(text)


def from_csv(text: str) -> tuple[RawHosts, list[str]]:
    """
    Return the hosts of a table whose first line names its columns, some of `COLUMNS`.

    One row is one host. An empty cell takes the default. ``macs`` holds several, with spaces
    or semicolons between them.
    """
    lines = "\n".join(text.removeprefix("\ufeff").splitlines())
    try:
        return _from_table(csv.DictReader(io.StringIO(lines), skipinitialspace=True))
    except csv.Error as error:
        return {}, [f"It is not a CSV table: {error}."]


def _from_table(reader: "csv.DictReader[str]") -> tuple[RawHosts, list[str]]:
    header = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = header
    problems = [
        f"Column {name!r} is not known. Known here: {', '.join(COLUMNS)}."
        for name in header
        if name not in COLUMNS
    ]
    if "host" not in header:
        return {}, [*problems, "The first line must name the columns, host among them."]
    hosts: RawHosts = {}
    for row in reader:
        problems += _add_row(hosts, row, reader.line_num)
    return hosts, problems


def _add_row(hosts: RawHosts, row: dict[Any, Any], line: int) -> list[str]:
    if None in row or None in row.values():
        return [f"Line {line} does not have as many cells as the first line."]
    cells = {name: value.strip() for name, value in row.items() if value.strip()}
    host = cells.pop("host", "")
    if not host:
        return [f"Line {line} has no host."] if cells else []
    if host in hosts:
        return [f"Line {line} is a second one for host {host}."]
    found: dict[str, Any] = {key: cells[key] for key in OF_HOST if key in cells}
    if "macs" in found:
        found["macs"] = [mac for mac in _LIST.split(found["macs"]) if mac]
    if bmc := {key: cells[key] for key in OF_BMC if key in cells}:
        found["bmc"] = bmc
    hosts[host] = found
    return []


def from_yaml(text: str) -> tuple[RawHosts, list[str]]:
    """Return the hosts of a YAML text: the section alone, or the first Pumphouse's inventory."""
    try:
        raw = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        return {}, [f"It is not valid YAML: {where}{getattr(error, 'problem', None)}."]
    if not isinstance(raw, dict):
        return {}, ["It must be a mapping of hosts."]
    if not isinstance(raw.get("hosts"), dict):
        return raw, []
    hosts: RawHosts = {}
    problems: list[str] = []
    for name, described in raw["hosts"].items():
        try:
            hosts[str(name)] = _from_inventory(described or {})
        except (AttributeError, TypeError):
            problems.append(f"hosts.{name} is not described as an inventory.yaml does it.")
    return hosts, problems


def _from_inventory(described: dict[str, Any]) -> dict[str, Any]:
    """Translate one host: ``ipmi`` (host, auth), ``interfaces`` (hwaddr, tags) and ``notes``."""
    interfaces = {
        name: interface
        for name, interface in (described.get("interfaces") or {}).items()
        if interface and interface.get("hwaddr")
    }
    tagged = [i for i in interfaces.values() if PXE_TAGS & set(i.get("tags") or [])]
    only = list(interfaces.values()) if len(interfaces) == 1 else tagged
    found: dict[str, Any] = {
        "macs": [interface["hwaddr"] for interface in interfaces.values()],
        "notes": ", ".join(map(str, described.get("notes") or [])),
    }
    # With several NICs and no tag it is not known which one boots; the guards ask for it.
    if len(only) == 1:
        found["boot_mac"] = only[0]["hwaddr"]
    if ipmi := described.get("ipmi"):
        auth = ipmi.get("auth") or {}
        given = {"address": ipmi.get("host"), **{k: auth.get(k) for k in ("user", "password")}}
        found["bmc"] = {key: str(value) for key, value in given.items() if value is not None}
    return found
