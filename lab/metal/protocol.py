"""The line protocol of a machine's socket: one request and one answer per connection.

    get power                              -> power:0|1
    get boot                               -> boot:DEVICE persistent:0|1 uefi:0|1
    get machine                            -> JSON of all that is known
    set power 0|1, set reset 1, set shutdown 1
    set boot DEVICE [persistent] [uefi]
    set fault NAME[,NAME...]|none
    install JSON                           -> answers when the installed system runs

Changes answer `ok` or `error: words`.
"""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import LabError
from lab.metal.booting import DEVICES, FAULTS, Boot

OK = "ok"
ASK_S = 10.0
MAX_BYTES = 2**20


@dataclass(frozen=True)
class Request:
    """One request: the verb, what it is about, and its value."""

    verb: str
    name: str
    value: str = ""
    boot: Boot = field(default_factory=Boot)
    faults: tuple[str, ...] = ()
    order: Mapping[str, object] = field(default_factory=dict)


def parse(line: str) -> Request:
    """Read a request; raise ValueError with words for the caller."""
    verb, _, rest = line.strip().partition(" ")
    words = rest.split()
    match (verb, words):
        case ("get", [("power" | "boot" | "machine") as name]):
            return Request(verb, name)
        case ("set", ["power", ("0" | "1") as value]):
            return Request(verb, "power", value)
        case ("set", [("reset" | "shutdown") as name, "1"]):
            return Request(verb, name, "1")
        case ("set", ["boot", device, *flags]):
            return Request(verb, "boot", device, boot=parse_boot(device, flags))
        case ("set", ["fault", names]):
            return Request(verb, "fault", names, faults=parse_faults(names))
        case ("install", [_, *_]):
            return Request(verb, "order", order=_object(rest))
    raise ValueError(f"unknown request {line.strip()[:80]!r}")


def parse_boot(device: str, flags: list[str]) -> Boot:
    """Read a boot override."""
    unknown = [flag for flag in flags if flag not in ("persistent", "uefi")]
    if device not in DEVICES or unknown:
        raise ValueError(
            f"unknown boot device {' '.join([device, *unknown])!r}; "
            f"there are {', '.join(DEVICES)}, with persistent and uefi"
        )
    return Boot(device, "persistent" in flags, "uefi" in flags)


def parse_faults(names: str) -> tuple[str, ...]:
    """Read a list of faults; `none` is the empty one."""
    faults = () if names == "none" else tuple(dict.fromkeys(names.split(",")))
    unknown = [fault for fault in faults if fault not in FAULTS]
    if unknown:
        raise ValueError(f"unknown fault {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    return faults


def render_boot(boot: Boot) -> str:
    """Return the answer to `get boot`."""
    return f"boot:{boot.device} persistent:{boot.persistent:d} uefi:{boot.uefi:d}"


def ask(path: Path, line: str, timeout_s: float = ASK_S) -> str:
    """Send one request to a machine's socket and return the answer.

    Raises LabError when nobody answers and when the answer is an error.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(line.encode() + b"\n")
            answer = connection.makefile("rb").readline(MAX_BYTES).decode().strip()
    except OSError as error:
        words = "gave no answer" if isinstance(error, TimeoutError) else str(error)
        raise LabError(f"machine {path.stem}: {words} on {path} to {line[:40]!r}") from None
    if not answer or answer.startswith("error:"):
        words = answer.removeprefix("error:").strip() or "hung up without an answer"
        raise LabError(f"machine {path.stem}: {words}")
    return answer


def _object(text: str) -> Mapping[str, object]:
    order = json.loads(text)
    if not isinstance(order, dict):
        raise ValueError("an installation's order is a JSON object")
    return order
