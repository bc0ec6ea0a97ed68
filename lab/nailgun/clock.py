"""The stand-in's time: real, faster, or moved by hand for tests."""

import asyncio
import heapq
import itertools
import time
from datetime import UTC, datetime

SETTLE_STEPS = 25
"""How often others get their turn after a sleeper woke: more than any job needs."""


class Clock:
    """Time in seconds since 1970. With speed 0 it stands still until `advance`."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._now = time.time()
        self._real = time.monotonic()
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._numbers = itertools.count()

    def now(self) -> float:
        """Return the time."""
        if self.speed:
            real = time.monotonic()
            self._now += (real - self._real) * self.speed
            self._real = real
        return self._now

    def text(self) -> str:
        """Return the time as Nailgun writes it in tasks: UTC, microseconds, no zone."""
        moment = datetime.fromtimestamp(self.now(), UTC).replace(tzinfo=None)
        return moment.isoformat(timespec="microseconds")

    async def sleep(self, seconds: float) -> None:
        """Wait until so much of this clock's time has gone by."""
        if self.speed:
            await asyncio.sleep(seconds / self.speed)
            return
        event = asyncio.Event()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._numbers), event))
        await event.wait()

    async def advance(self, seconds: float) -> None:
        """Move a standing clock on, waking those whose time comes, in their order."""
        until = self._now + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            due, _, event = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            event.set()
            await _settle()
        self._now = until


async def _settle() -> None:
    for _ in range(SETTLE_STEPS):
        await asyncio.sleep(0)
