"""One cell of the matrix."""

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
