"""Writing files so that a crash leaves either the old or the new one."""

import os
import uuid
from collections.abc import Mapping
from pathlib import Path

Ini = Mapping[str, Mapping[str, object]]


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file by way of a neighbor and a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    part.write_text(text)
    part.chmod(mode)
    os.replace(part, path)


def mark(path: Path) -> None:
    """Leave a marker that a step is done."""
    write(path, "")


def render_ini(sections: Ini) -> str:
    """Return an oslo.config file; booleans are in lower case as everywhere in OpenStack."""
    lines: list[str] = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {_value(value)}" for key, value in options.items()]
        lines.append("")
    return "\n".join(lines)


def write_ini(path: Path, sections: Ini) -> None:
    """Write an oslo.config file."""
    write(path, render_ini(sections))


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
