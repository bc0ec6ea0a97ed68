"""Slots of Prefect's global concurrency limits."""

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from pumphouse.errors import ConfigError


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
