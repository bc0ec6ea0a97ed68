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
    rf"^{PREFIX}(?P<forced>, forced down)?(?P<off>, powered off)?(?:, reset (?P<reset>\S+))?"
    r"; was (?P<was>enabled|disabled)(?:: (?P<reason>.*))?$",
    re.DOTALL,
)


class Mark(BaseModel):
    """
    How a service was before we disabled it, and what we did to it besides.

    Attributes:
        reason: Why somebody else had disabled it; None when nobody said.

        is_forced_down: Whether we forced it down, and have to take that back.

        is_powered_off: Whether we powered the host off, to evacuate it.

        reset_at: When we last reset the host for its upgrade, as ISO 8601 has it.
    """

    model_config = ConfigDict(frozen=True)

    was_enabled: bool = True
    reason: str | None = None
    is_forced_down: bool = False
    is_powered_off: bool = False
    reset_at: str = ""

    @property
    def text(self) -> str:
        """The reason that we give; longer than `LONGEST` when the former one is too long."""
        forced = ", forced down" if self.is_forced_down else ""
        forced += ", powered off" if self.is_powered_off else ""
        reset = f", reset {self.reset_at}" if self.reset_at else ""
        if self.was_enabled:
            return f"{PREFIX}{forced}{reset}; was enabled"
        former = "" if self.reason is None else f": {self.reason}"
        return f"{PREFIX}{forced}{reset}; was disabled{former}"


def parse(text: str | None) -> Mark | None:
    """Return the mark that a service's reason is; None when the reason is not ours."""
    found = _MARK.match(text or "")
    if not found:
        return None
    return Mark(
        was_enabled=found["was"] == "enabled",
        reason=found["reason"],
        is_forced_down=bool(found["forced"]),
        is_powered_off=bool(found["off"]),
        reset_at=found["reset"] or "",
    )


def mark_of(status: str, reason: str | None) -> Mark:
    """Return the mark to write on a service that is *status* now, for *reason*."""
    return parse(reason) or Mark(
        was_enabled=status == "enabled", reason=None if status == "enabled" else reason
    )
