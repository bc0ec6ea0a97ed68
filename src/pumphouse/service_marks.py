"""
What a compute service was before maintenance, written where everybody looks: its reason.

Pure. Nova keeps 255 characters. The reason says who disabled the service and how it was
before, so that any machine can restore that, with an empty database.
"""

import re

from pydantic import BaseModel, ConfigDict

LONGEST = 255
PREFIX = "pumphouse: maintenance"
_MARK = re.compile(
    rf"^{PREFIX}(?P<forced>, forced down)?; was (?P<was>enabled|disabled)(?:: (?P<reason>.*))?$",
    re.DOTALL,
)


class Mark(BaseModel):
    """
    How a service was before we disabled it, and what we did to it besides.

    Attributes:
        reason: Why somebody else had disabled it; None when nobody said.

        is_forced_down: Whether we forced it down, and have to take that back.
    """

    model_config = ConfigDict(frozen=True)

    was_enabled: bool = True
    reason: str | None = None
    is_forced_down: bool = False

    @property
    def text(self) -> str:
        """The reason that we give; longer than `LONGEST` when the former one is too long."""
        forced = ", forced down" if self.is_forced_down else ""
        if self.was_enabled:
            return f"{PREFIX}{forced}; was enabled"
        former = "" if self.reason is None else f": {self.reason}"
        return f"{PREFIX}{forced}; was disabled{former}"


def parse(text: str | None) -> Mark | None:
    """Return the mark that a service's reason is; None when the reason is not ours."""
    found = _MARK.match(text or "")
    if not found:
        return None
    return Mark(
        was_enabled=found["was"] == "enabled",
        reason=found["reason"],
        is_forced_down=bool(found["forced"]),
    )


def mark_of(status: str, reason: str | None) -> Mark:
    """Return the mark to write on a service that is *status* now, for *reason*."""
    return parse(reason) or Mark(
        was_enabled=status == "enabled", reason=None if status == "enabled" else reason
    )
