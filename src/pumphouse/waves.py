"""In which order several hosts are upgraded, and when no further one is begun."""

from collections.abc import Sequence

from pumphouse.upgrade_options import Waves

Wave = tuple[str, ...]


def waves(hosts: Sequence[str], options: Waves) -> tuple[Wave, ...]:
    """Return the hosts in waves: the canaries one by one, then as many as allowed at once."""
    each = tuple(dict.fromkeys(hosts))
    rest = each[options.canary :]
    together = range(0, len(rest), options.parallel)
    return (
        *((host,) for host in each[: options.canary]),
        *(rest[start : start + options.parallel] for start in together),
    )


def hindrance(failed: Sequence[str], begun: int, options: Waves) -> str:
    """Return why no further wave is begun after *begun* waves; nothing when they go on."""
    if failed and begun <= options.canary:
        return f"The canary {failed[0]} failed."
    if len(failed) > options.failure_budget:
        return (
            f"{len(failed)} host(s) failed, and the budget is {options.failure_budget} "
            "(upgrade.waves.failure_budget)."
        )
    return ""
