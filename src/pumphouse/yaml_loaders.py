"""Load YAML so that what it does not mean, or says twice, is told with its place."""

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

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put what ``<<`` names before the own keys of *node*, which are kept to be told apart."""
        own = node.value
        super().flatten_mapping(node)  # type: ignore[misc]
        if node.value is not own:
            vars(node)["own"] = own

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the mapping *node*; a key given twice is refused: the first would be lost."""
        made = super().construct_mapping(node, deep)  # type: ignore[misc]
        if len(made) < len(node.value):
            self._refuse_doubles(getattr(node, "own", node.value), deep)
        return made

    def _refuse_doubles(self, pairs: Any, deep: bool) -> None:
        seen = set()
        for node, _ in pairs:
            key = self.construct_object(node, deep)
            if key in seen:
                raise ConstructorError(
                    None, None, f"the key {key} is there twice", node.start_mark
                )
            seen.add(key)


class Loader(_Told, yaml.SafeLoader):
    """For what people write: its errors are worded well."""


class FastLoader(_Told, _FAST):  # type: ignore[misc]
    """For what we write: ten times as fast where LibYAML is."""
