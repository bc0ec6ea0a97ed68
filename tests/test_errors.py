"""Errors reach the operator whole."""

import inspect
import pickle
from typing import Any

import pytest

from pumphouse import errors
from pumphouse.errors import PumphouseError, Refused, exit_code

CLASSES = [
    found
    for found in vars(errors).values()
    if inspect.isclass(found) and issubclass(found, PumphouseError) and found is not PumphouseError
]


def example(kind: type[PumphouseError]) -> PumphouseError:
    """Return an error of *kind* with a value for each argument, by its annotation."""
    values: dict[Any, Any] = {str: "text", int: 4}
    signature = inspect.signature(kind.__init__, eval_str=True)
    given = [p for name, p in signature.parameters.items() if name != "self"]
    return kind(*[values.get(p.annotation, ["one", "two"]) for p in given])


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_errors_survive_pickling(kind: type[PumphouseError]) -> None:
    """Prefect stores exceptions by pickling them; none loses its words."""
    error = example(kind)

    again = pickle.loads(pickle.dumps(error))

    assert str(error) == str(again)
    assert vars(error) == vars(again)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_is_in_the_tree_at_the_top(kind: type[PumphouseError]) -> None:
    """Who reads the module's head knows all of them."""
    assert kind.__name__ in (errors.__doc__ or "")


def test_exit_codes_are_found_by_name() -> None:
    """A run on the server leaves only the name of its error."""
    assert Refused.exit_code == exit_code("Refused") == 3
    assert exit_code("ConfigError") == 2
    assert 1 == exit_code("KeyError") == exit_code("Sequence") == exit_code("RequestFailed")
