"""Load YAML so that a value which is not what it looks like is told with its place."""

from typing import Any

import yaml
from yaml.constructor import ConstructorError

_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Told:
    """Words as an error of YAML what the constructors of values raise: 2024-13-45 is no date."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value of *node*."""
        try:
            return super().construct_object(node, deep)  # type: ignore[misc]
        except (ValueError, KeyError, AttributeError):
            kind = node.tag.rpartition(":")[2]
            problem = f"this is no {kind}; put it in quotes if it is a text"
            raise ConstructorError(None, None, problem, node.start_mark) from None


class Loader(_Told, yaml.SafeLoader):
    """For what people write: its errors are worded well."""


class FastLoader(_Told, _FAST):  # type: ignore[misc]
    """For what we write: ten times as fast where LibYAML is."""
