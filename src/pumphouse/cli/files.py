"""Find and read the configuration file."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pumphouse.errors import ConfigError

if TYPE_CHECKING:
    from pumphouse.config import Config

VARIABLE = "PUMPHOUSE_CONFIG"
USUAL_PLACES = (Path("config.yaml"), Path("~/.config/pumphouse/config.yaml"))

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help=f"Configuration file. Else ${VARIABLE}, ./config.yaml, "
        "~/.config/pumphouse/config.yaml.",
        show_default=False,
    ),
]


def find(given: Path | None) -> Path:
    """
    Return the configuration file to use.

    Raises:
        ConfigError: There is none; the message names every place that was looked at.
    """
    named = given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named:
        return named.expanduser()
    for place in USUAL_PLACES:
        if place.expanduser().is_file():
            return place.expanduser()
    looked = ", ".join(str(place) for place in USUAL_PLACES)
    raise ConfigError(
        "config.yaml",
        [f"No configuration was found in {looked}; give --config FILE or ${VARIABLE}."],
    )


def load(given: Path | None) -> "Config":
    """
    Read and check the configuration.

    Raises:
        ConfigError: It is missing, unreadable or wrong.
    """
    from pumphouse.config_text import parse

    path = find(given)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(path), [f"It cannot be read: {error.strerror}."]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), ["It is not UTF-8 text."]) from error
    return parse(text, os.environ, str(path), lambda name: _beside(path, name).read_text("utf-8"))


def _beside(path: Path, name: str) -> Path:
    """Return the file *name* that the configuration at *path* names: relative to its folder."""
    return path.parent / Path(name).expanduser()


def load_if_any(given: Path | None) -> "Config | None":
    """Return the configuration, or None when no file was named and none is in its place."""
    named = given or os.environ.get(VARIABLE)
    found = named or any(place.expanduser().is_file() for place in USUAL_PLACES)
    return load(given) if found else None
