"""
How the text of config.yaml becomes checked values, with every problem told at once.

Pure: `parse` gets the text, the environment, and a way to read the one file that the text may
name. It opens nothing itself.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from types import NoneType
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from pumphouse import host_files
from pumphouse.config import Config
from pumphouse.errors import ConfigError
from pumphouse.yaml_loaders import Loader

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

Reader = Callable[[str], str]
"""Returns the text of a file that config.yaml names; raises OSError."""


def _read_nothing(name: str) -> str:
    raise OSError(f"{name} cannot be read from here")


def parse(
    text: str,
    environment: Mapping[str, str],
    origin: str = "config.yaml",
    read: Reader = _read_nothing,
) -> Config:
    """
    Return the configuration that *text* (YAML) says; ``${NAME}`` comes from *environment*.

    Raises:
        ConfigError: With every problem at once: the key, and what is allowed.
    """
    try:
        raw = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ConfigError(origin, [_yaml_problem(error)]) from None
    if not isinstance(raw, dict):
        raise ConfigError(origin, ["It must be a mapping with the keys source and target."])
    problems = _take_hosts_in(raw, read)
    for section in ("mappings", "health_checks"):
        if raw.get(section, raw) is None:
            del raw[section]
    filled = _fill(raw, environment, problems, "")
    if problems:
        raise ConfigError(origin, problems)
    try:
        return Config.model_validate(filled)
    except ValidationError as error:
        raise ConfigError(origin, [_problem(e) for e in error.errors()]) from None


def _take_hosts_in(raw: dict[str, Any], read: Reader) -> list[str]:
    """Replace the name of a file in ``hosts`` by what is in it; return what is wrong there."""
    named = raw.get("hosts")
    if named is None:
        raw.pop("hosts", None)
    if not isinstance(named, str):
        return []
    try:
        raw["hosts"], problems = host_files.read(read(named), named)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        return [f"hosts names the file {named}, which cannot be read: {reason}."]
    return [f"hosts, in {named}: {problem}" for problem in problems]


def _fill(value: Any, environment: Mapping[str, str], missing: list[str], path: str) -> Any:
    """Replace references in every text below *value*; note the unset ones in *missing*."""
    if isinstance(value, dict):
        return {
            key: _fill(v, environment, missing, f"{path}.{key}".lstrip("."))
            for key, v in value.items()
        }
    if isinstance(value, list):
        return [_fill(v, environment, missing, f"{path}[{i}]") for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in environment:
            missing.append(f"{path} refers to ${{{name}}}, which is not set; export {name}.")
        return environment.get(name, "")

    return _REFERENCE.sub(replace, value)


def _yaml_problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"It is not valid YAML: {where}{getattr(error, 'problem', None) or error}."


def _problem(error: Any) -> str:
    """Word one pydantic error as key, and what is allowed; never the value, it may be secret."""
    key = ".".join(str(part) for part in error["loc"]) or "the file"
    if error["type"] == "extra_forbidden":
        return _unknown(key, keys_of(error["loc"][:-1]), str(error["loc"][-1]))
    if error["type"] == "missing":
        return f"{key} is required."
    hint = ""
    if error["type"] == "string_type" and isinstance(error.get("input"), int | float):
        hint = "; put the number in quotes"
    return f"{key}: {error['msg'].removeprefix('Value error, ')}{hint}."


def _unknown(key: str, allowed: Sequence[str], given: str) -> str:
    close = get_close_matches(given, allowed, n=1)
    guess = f"; did you mean {close[0]}?" if close else "."
    return f"{key} is not a known key{guess} Known here: {', '.join(allowed)}."


def keys_of(path: Sequence[str | int]) -> list[str]:
    """Return the keys that the section at *path* of config.yaml may have, in their order."""
    section: Any = Config
    for part in path:
        if isinstance(section, type) and issubclass(section, BaseModel):
            section = _plain(section.model_fields[str(part)].annotation)
        else:
            # A mapping, of hosts for example: the part is one of its keys.
            section = _plain(get_args(section)[1])
    return list(section.model_fields)


def _plain(annotation: Any) -> Any:
    """Return what is left of *annotation* without ``| None``."""
    options = [option for option in get_args(annotation) if option is not NoneType]
    is_optional = NoneType in get_args(annotation) and get_origin(annotation) is not dict
    return options[0] if is_optional else annotation
