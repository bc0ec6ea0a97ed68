"""Slots of Prefect's global concurrency limits."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound

from pumphouse.errors import ConfigError, Refused
from pumphouse.limits import host_limit

_held: ContextVar[frozenset[str]] = ContextVar("held", default=frozenset())
"""Limits whose slot this flow, or the one that called it, holds already."""

LEASE_S = 60.0
"""A killed run's slot is free again after this, and what the server needs to notice."""

PATIENCE_S = 300.0
"""Longer than a killed run's slot stays taken, also where Prefect is slow to look again."""


def available(name: str, wanted: int) -> int:
    """
    Return how many of *wanted* slots the limit can ever give: all that it has, at most.

    Asking Prefect for more slots than a limit has waits for ever, without a word.

    Raises:
        ConfigError: The limit is missing, or lets nothing run.
    """
    with get_client(sync_client=True) as client:
        try:
            limit = client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            raise ConfigError(
                f"concurrency limit {name}",
                ["It does not exist. Run pumphouse config register, then run this again."],
            ) from None
    if not limit.active:
        return wanted
    if limit.limit < 1:
        raise ConfigError(
            f"concurrency limit {name}",
            ["It has no slots, so nothing may run. Raise it in Prefect's UI to at least 1."],
        )
    return min(wanted, limit.limit)


def held(name: str, **options: Any) -> AbstractContextManager[None]:
    """
    Hold a slot of the limit *name*, also while Prefect cannot be told so.

    Else Prefect ends the thread that holds it, in the midst of what it is at, as soon as its
    server is away for a while.
    """
    return concurrency(name, strict=True, raise_on_lease_renewal_failure=False, **options)


@contextmanager
def only_run(site: str, host: str) -> Iterator[None]:
    """
    Hold the host's one slot: no other run works on it meanwhile.

    A run that was killed leaves its slot taken until its lease ends, so this waits that long.
    A flow that is called by one that has the slot works under that.

    Raises:
        ConfigError: The host is not registered.
        Refused: Another run works on it.
    """
    name = host_limit(site, host)
    if name in _held.get():
        yield
        return
    available(name, 1)
    with ExitStack() as stack:
        try:
            stack.enter_context(held(name, timeout_seconds=PATIENCE_S, lease_duration=LEASE_S))
        except TimeoutError:
            reason = (
                f"Another run works on it: the concurrency limit {name} has been taken for "
                f"{PATIENCE_S:g} s. Wait for it, or cancel it in Prefect's UI. If there is none, "
                "the slot is one of a run that was killed, and free soon: run this once more."
            )
            raise Refused(f"Working on host {host}", [reason]) from None
        before = _held.set(_held.get() | {name})
        try:
            yield
        finally:
            _held.reset(before)
