"""One cell of the matrix."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


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


def chosen(found: Sequence[str], every: int) -> Iterator[tuple[int, str]]:
    """
    Yield every *every*-th of the effects that were found, with its number from 1.

    Where there are fewer, the last: the one that says it is done.
    """
    if every > len(found):
        yield len(found), found[-1]
        return
    for number, name in enumerate(found, 1):
        if (number - 1 - every // 2) % every == 0:
            yield number, name
