"""
How long a plan will take: from what earlier runs measured, else from cautious guesses.

Pure. A server's downtime is taken to be a part that does not depend on its disks (stop, boot,
checks) and a part that grows with them.
"""

import heapq
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from pumphouse.models import Action

STOP_AND_BOOT_S = 30.0
ASSUMED_BYTES_PER_S = 100e6 / 3
"""Three passes over the disks (snapshot, copy, creation) at 100 MB/s each."""

ASSUMED_COPY_BYTES_PER_S = 100e6
FEWEST = 3
"""Servers that must have moved before their times are believed."""

MOVED = (Action.CREATE.value, Action.UPDATE.value)
"""Actions of what a migration makes."""

SMALL_S = 0.3
"""Of one tiny resource: a few API calls."""


class Rates(BaseModel):
    """
    What estimates rest on.

    Attributes:
        base_s: Downtime of a server with nothing to copy.

        bytes_per_s: By which its disks pass during the downtime.

        copy_bytes_per_s: Of an image or a detached volume.

        servers, copies: How many were measured; 0 when the numbers are assumed.
    """

    model_config = ConfigDict(frozen=True)

    base_s: float = STOP_AND_BOOT_S
    bytes_per_s: float = ASSUMED_BYTES_PER_S
    copy_bytes_per_s: float = ASSUMED_COPY_BYTES_PER_S
    servers: int = 0
    copies: int = 0

    @property
    def origin(self) -> str:
        """A sentence that says where the numbers come from."""
        measured = (
            f"Downtimes are from {self.servers} measured cut-overs"
            if self.servers
            else f"Downtimes are assumed (fewer than {FEWEST} cut-overs were measured)"
        )
        copied = (
            f"copies from {self.copies} measured ones" if self.copies else "copies are assumed"
        )
        return (
            f"{measured}: {self.base_s:.0f} s and {self.bytes_per_s / 1e6:.0f} MB/s of its disks; "
            f"{copied}: {self.copy_bytes_per_s / 1e6:.0f} MB/s."
        )

    def downtime_s(self, size_bytes: int) -> float:
        """Return the downtime of a server with *size_bytes* of disks to move."""
        return round(self.base_s + size_bytes / self.bytes_per_s, 1)

    def copy_s(self, size_bytes: int) -> float:
        """Return how long an image or a detached volume takes."""
        return round(SMALL_S + size_bytes / self.copy_bytes_per_s, 1)


def rates(ledgers: Iterable[pd.DataFrame]) -> Rates:
    """
    Return what *ledgers* of earlier runs measured; what they did not, is assumed.

    A ledger has the columns of `pumphouse.ledger.Entry`; ones that are older than a column are
    read without it.
    """
    moved, copied = _measured(ledgers)
    found: dict[str, float] = {}
    if len(moved) >= FEWEST:
        found |= _fitted(moved) | {"servers": len(moved)}
    if copied:
        sizes, seconds = np.array(copied).T
        found |= {"copy_bytes_per_s": sizes.sum() / max(seconds.sum(), 0.1)}
        found["copies"] = len(copied)
    return Rates(**found)


Pairs = list[tuple[float, float]]


def _measured(ledgers: Iterable[pd.DataFrame]) -> tuple[Pairs, Pairs]:
    """Return size and downtime of servers, and size and seconds of images and volumes."""
    moved: Pairs = []
    copied: Pairs = []
    for ledger in ledgers:
        # Rollbacks and finalizations have ledgers too, and neither moves anything to the target.
        done = ledger[(ledger["status"] == "done") & ledger["action"].isin(MOVED)]
        sizes = done["size_bytes"] if "size_bytes" in done else done["bytes"]
        done = done.assign(size=sizes.fillna(0).astype(float))
        servers = done[(done["kind"] == "servers") & done["downtime_s"].notna()]
        moved += [(float(s), float(d)) for s, d in servers[["size", "downtime_s"]].to_numpy()]
        # What was handed over, or went with its server, has a size: nothing of it was copied.
        sent = (done["bytes"].fillna(0) > 0) & (done["seconds"].fillna(0) > 0)
        others = done[done["kind"].isin(["images", "volumes"]) & (done["size"] > 0) & sent]
        copied += [(float(s), float(d)) for s, d in others[["size", "seconds"]].to_numpy()]
    return moved, copied


def _fitted(moved: Pairs) -> dict[str, float]:
    """Return the line through downtimes over sizes; never one that falls."""
    sizes, downtimes = np.array(moved).T
    spread = sizes.max() - sizes.min()
    if spread > 0:
        slope, base = np.polyfit(sizes / spread, downtimes, 1)
        if slope > 0 and base > 0:
            return {"base_s": float(base), "bytes_per_s": float(spread / slope)}
    return {"base_s": float(np.median(downtimes - sizes / ASSUMED_BYTES_PER_S).clip(min=1.0))}


class Duration(BaseModel):
    """
    How long a plan will take, in seconds.

    Attributes:
        preparation_s: Tiny things, images and detached volumes: nothing is down meanwhile.

        cutovers_s: From the first stop to the last verified copy.

        longest_downtime_s: Of one server.
    """

    model_config = ConfigDict(frozen=True)

    preparation_s: float = 0
    cutovers_s: float = 0
    longest_downtime_s: float = 0

    @property
    def total_s(self) -> float:
        """All of it."""
        return round(self.preparation_s + self.cutovers_s, 1)


def preparation_s(small: int, copies_s: Sequence[float], parallel: int) -> float:
    """Return how long *small* tiny things take, and then copies, so many side by side."""
    return round(small * SMALL_S + makespan_s(copies_s, parallel), 1)


def makespan_s(seconds: Sequence[float], parallel: int) -> float:
    """Return when the last of *seconds* ends, each begun in order as soon as a place is free."""
    ends = [0.0] * max(1, parallel)
    for each in seconds:
        heapq.heapreplace(ends, ends[0] + each)
    return round(max(ends), 1)
