"""How a batch goes: how many servers at once, who goes first, and when no other is begun."""

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict

from pumphouse.errors import ConfigError

CLOCK = re.compile(r"^(\d{1,2}):(\d{2})(?:\s+(\S+))?$")


class Pacing(BaseModel):
    """
    What an operator wants of one batch. Zero, or nothing, is no limit.

    Attributes:
        max_parallel: Servers that are cut over at once; the site's limits hold too.

        canary: How many servers go first, one by one; if one fails, no other is begun.

        max_failures: After so many failed servers no other is begun.

        until: When the maintenance window ends: no server is begun after it.
    """

    model_config = ConfigDict(frozen=True)

    max_parallel: int = 0
    canary: int = 0
    max_failures: int = 0
    until: datetime | None = None

    def hindrance(self, failures: int, now: datetime) -> str:
        """Return why no further server is begun, as a sentence; empty when they go on."""
        if self.until and now >= self.until:
            return f"The maintenance window ended at {self.until:%Y-%m-%d %H:%M %Z}."
        if self.max_failures and failures >= self.max_failures:
            return f"{failures} server(s) failed, and max_failures is {self.max_failures}."
        return ""


def paced(max_parallel: int, canary: int, max_failures: int, until: str, now: datetime) -> Pacing:
    """
    Return the pacing that parameters of a flow ask for.

    Raises:
        ConfigError: A number is negative, or *until* is no time; every such mistake at once.
    """
    numbers = {"max_parallel": max_parallel, "canary": canary, "max_failures": max_failures}
    problems = [
        f"{name} is {value}; give 1 or more, or 0 for no limit."
        for name, value in numbers.items()
        if value < 0
    ]
    end = None
    try:
        end = window_end(until, now)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError("pacing", problems)
    return Pacing(**numbers, until=end)


def window_end(text: str, now: datetime) -> datetime | None:
    """
    Return the moment that *text* means, the next one after *now*; None for an empty text.

    *text* is ``05:30``, ``05:30 Europe/Berlin`` (without a zone UTC) or a date and time with an
    offset, ``2030-01-31T05:30+01:00``.

    Raises:
        ConfigError: It is something else, or over.
    """
    if not (given := text.strip()):
        return None
    try:
        if clock := CLOCK.match(given):
            return _next(int(clock[1]), int(clock[2]), clock[3] or "UTC", now)
        moment = datetime.fromisoformat(given)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        problem = (
            f"until is {given!r}; give a time as 05:30 or 05:30 Europe/Berlin, or a date and time "
            "with its offset as 2030-01-31T05:30+01:00."
        )
        raise ConfigError("until", [problem]) from None
    if moment.tzinfo is None:
        raise ConfigError("until", [f"until is {given!r}; add its offset, for example +00:00."])
    if moment <= now:
        raise ConfigError("until", [f"until is {given!r}, which is over."])
    return moment


def _next(hour: int, minute: int, zone: str, now: datetime) -> datetime:
    here = now.astimezone(UTC if zone == "UTC" else ZoneInfo(zone))
    today = datetime.combine(here.date(), time(hour, minute), here.tzinfo)
    return (
        today
        if today > here
        else datetime.combine(here.date() + timedelta(days=1), time(hour, minute), here.tzinfo)
    )
