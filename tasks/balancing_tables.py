"""Read the tables of load balancers that take more than one listing."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from pumphouse import rows_balancing
from pumphouse.listings import RAW
from pumphouse.tables import Row
from pumphouse.tasks.readers import Raw, Reading

Built = Callable[[Raw, Mapping[str, list[Raw]]], Row]


def nested(kind: str, part: str, row: Built, reading: Reading) -> Iterator[list[Row]]:
    """Yield the rows of *kind*, whose *part*s are asked of each one that has any."""
    listing = RAW[kind]

    def parts(id_: str) -> list[Raw]:
        return reading.api.list(listing.service, f"{listing.path}/{id_}/{part}", part)

    for page in reading.pages(listing):
        found = dict(reading.each([raw["id"] for raw in page if raw.get(part)], parts))
        yield [row(raw, found) for raw in page]


EXTRACTORS: dict[str, Callable[[Reading], Iterator[list[Row]]]] = {
    "lb_pools": partial(nested, "lb_pools", "members", rows_balancing.pool),
    "lb_policies": partial(nested, "lb_policies", "rules", rows_balancing.policy),
}
"""By kind."""
