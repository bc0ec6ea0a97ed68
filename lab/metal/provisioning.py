"""Finding the machine that Fuel means, and having it install itself."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.metal.protocol import ask


def describe_all(home: Path) -> list[dict[str, Any]]:
    """Return what is known about every machine, by the names of hosts."""
    return [json.loads(ask(path, "get machine")) for path in sorted(home.glob("*.sock"))]


def macs_in(order: Mapping[str, Any], given: Iterable[str] = ()) -> set[str]:
    """Return the MACs that name a machine: those given, and the node's and its interfaces'."""
    interfaces = order.get("interfaces") or (order.get("meta") or {}).get("interfaces") or []
    found = [order.get("mac"), *(order.get("macs") or []), *given]
    found += [interface.get("mac") for interface in interfaces]
    return {mac.lower() for mac in found if mac}


def install(home: Path, order: Mapping[str, Any], given: Iterable[str], limit_s: float) -> str:
    """Let the machine install itself; return its host name when it runs from its disk.

    Raises LabError, with what happened to the machine, when it does not.
    """
    macs = macs_in(order, given)
    machines = describe_all(home)
    matches = [machine["host"] for machine in machines if macs & set(machine["macs"])]
    if len(matches) != 1:
        raise LabError(
            f"{len(matches)} machines have one of the MACs {', '.join(sorted(macs)) or '(none)'}; "
            f"nothing was installed; there are {', '.join(m['host'] for m in machines) or 'none'}"
        )
    ask(home / f"{matches[0]}.sock", f"install {json.dumps(order)}", limit_s)
    return str(matches[0])
