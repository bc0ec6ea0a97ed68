"""Which lab is meant: from options and environment, then from what runs already."""

import json
import os
from pathlib import Path

from lab.errors import LabError
from lab.layout import Lab
from lab.releases import find_release

DEFAULT_SOURCE = "zed"
DEFAULT_TARGET = "2026.2"


def default_root() -> Path:
    """Return `$PUMPHOUSE_LAB_DIR` or the directory in the user's cache."""
    given = os.environ.get("PUMPHOUSE_LAB_DIR")
    return Path(given) if given else Path.home() / ".cache" / "pumphouse-lab"


def load_lab(
    root: Path | None = None,
    source: str | None = None,
    target: str | None = None,
    port_offset: int | None = None,
) -> Lab:
    """Return the lab below `root`; what is not given comes from the lab that exists.

    Raises LabError when the lab that exists was made with other settings.
    """
    root = root or default_root()
    recorded = _recorded(root)
    if port_offset is None:
        port_offset = recorded.get("port_offset", _offset_from_environment())
    asked = {
        "source": source or recorded.get("source", DEFAULT_SOURCE),
        "target": target or recorded.get("target", DEFAULT_TARGET),
        "port_offset": port_offset,
    }
    if recorded and recorded != asked:
        raise LabError(
            f"the lab below {root} was made with {_words(recorded)} and not with "
            f"{_words(asked)}; nothing was changed; run 'down --wipe' first"
        )
    return Lab(root, find_release(asked["source"]), find_release(asked["target"]), port_offset)


def record_lab(lab: Lab) -> None:
    """Remember the settings beside the state that they made."""
    lab.run.mkdir(parents=True, exist_ok=True)
    _file(lab.root).write_text(
        json.dumps(
            {
                "source": lab.source.name,
                "target": lab.target.name,
                "port_offset": lab.port_offset,
            }
        )
    )


def _file(root: Path) -> Path:
    return root / "run" / "settings.json"


def _recorded(root: Path) -> dict:
    try:
        return json.loads(_file(root).read_text())
    except FileNotFoundError:
        return {}


def _offset_from_environment() -> int:
    given = os.environ.get("PUMPHOUSE_LAB_PORT_OFFSET", "0")
    if not given.isdigit() or int(given) > 9000:
        raise LabError(f"PUMPHOUSE_LAB_PORT_OFFSET is {given!r}; allowed are 0 to 9000")
    return int(given)


def _words(settings: dict) -> str:
    return "source {source}, target {target}, port offset {port_offset}".format(**settings)
