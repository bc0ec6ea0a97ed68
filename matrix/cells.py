"""One cell of the matrix, and which of them are to be run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Cell:
    """
    One fault at one effect of one operation, and what became of it.

    Attributes:
        effect: Its number and what it was, for example ``3 POST /v2.1/servers/…/action``.

        outcome: How it ended, or everything that is wrong.
    """

    operation: str
    effect: str
    fault: str
    outcome: str
    holds: bool

    @property
    def place(self) -> tuple[str, str, str]:
        """Where it is in the matrix."""
        return self.operation, self.effect, self.fault


@dataclass(frozen=True)
class Choice:
    """
    Which cells are run.

    Attributes:
        every: Only those of every so many effects. Where there are fewer effects, of the last:
            the one that says it is done.

        known: By its place: a cell that is taken over as it was found before.
    """

    every: int = 1
    known: Mapping[tuple[str, str, str], Cell] = field(default_factory=dict)

    def cells(
        self,
        operation: str,
        found: Sequence[str],
        faults: Sequence[str],
        run: Callable[[int, str, Any], Cell],
    ) -> Iterator[Cell]:
        """Yield the cells of effects that were *found*; *run* takes number, effect and fault."""
        for number, name in self._chosen(found):
            effect = f"{number} {name}"
            for fault in faults:
                yield self.known.get((operation, effect, fault)) or run(number, effect, fault)

    def _chosen(self, found: Sequence[str]) -> Iterator[tuple[int, str]]:
        if self.every > len(found):
            yield len(found), found[-1]
            return
        for number, name in enumerate(found, 1):
            if (number - 1 - self.every // 2) % self.every == 0:
                yield number, name


ALL = Choice()
