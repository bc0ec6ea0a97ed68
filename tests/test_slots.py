"""How many slots a discovery may ask Prefect's limit for."""

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate

from pumphouse.errors import ConfigError
from pumphouse.tasks.slots import available

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]


@pytest.mark.parametrize(("size", "wanted", "given"), [(4, 8, 4), (8, 4, 4), (4, 4, 4)])
def test_no_more_is_asked_for_than_the_limit_has(size: int, wanted: int, given: int) -> None:
    """The configuration was raised without a new registration, or the limit was lowered."""
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name("slots-sized", size)

    assert available("slots-sized", wanted) == given


def test_a_limit_that_is_switched_off_limits_nothing() -> None:
    """As Prefect itself takes it."""
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name("slots-off", 2)
        client.update_global_concurrency_limit(
            "slots-off", GlobalConcurrencyLimitUpdate(active=False)
        )

    assert available("slots-off", 8) == 8


def test_a_limit_without_slots_is_said_and_not_waited_for() -> None:
    """Zero slots would keep the run waiting for ever."""
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name("slots-none", 0)

    with pytest.raises(ConfigError, match="slots-none: It has no slots"):
        available("slots-none", 8)


def test_a_missing_limit_is_said_with_what_creates_it() -> None:
    """A deployment runs with a site that was never registered."""
    with pytest.raises(ConfigError, match="pumphouse config register"):
        available("slots-never", 8)
