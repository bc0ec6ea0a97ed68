"""Read the tables of load balancers that take more than one listing."""

from collections.abc import Callable, Iterator

from pumphouse import rows_balancing
from pumphouse.listings import RAW
from pumphouse.tables import Row
from pumphouse.tasks.readers import Raw, Reading


def lb_pools(reading: Reading) -> Iterator[list[Row]]:
    """Yield the pools; their members are asked of each pool that has any."""

    def members(pool_id: str) -> list[Raw]:
        return reading.api.list("load-balancer", f"/lbaas/pools/{pool_id}/members", "members")

    for page in reading.pages(RAW["lb_pools"]):
        found = dict(reading.each([p["id"] for p in page if p.get("members")], members))
        yield [rows_balancing.pool(raw, found) for raw in page]


def lb_policies(reading: Reading) -> Iterator[list[Row]]:
    """Yield the L7 policies; their rules are asked of each policy that has any."""

    def rules(policy_id: str) -> list[Raw]:
        return reading.api.list("load-balancer", f"/lbaas/l7policies/{policy_id}/rules", "rules")

    for page in reading.pages(RAW["lb_policies"]):
        found = dict(reading.each([p["id"] for p in page if p.get("rules")], rules))
        yield [rows_balancing.policy(raw, found) for raw in page]


EXTRACTORS: dict[str, Callable[[Reading], Iterator[list[Row]]]] = {
    "lb_pools": lb_pools,
    "lb_policies": lb_policies,
}
"""By kind."""
