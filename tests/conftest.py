"""Fixtures that several test modules share."""

from collections.abc import Iterator

import pytest
from hypothesis import settings as of_hypothesis

# How long one example takes says more about the machine than about the code.
of_hypothesis.register_profile("pumphouse", deadline=None)
of_hypothesis.load_profile("pumphouse")


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """Give the flows of a test session a Prefect server and database of their own."""
    from prefect import settings
    from prefect.testing.utilities import prefect_test_harness

    # In batches, as `make server` has it: one at a time, eighty task runs lock SQLite for so
    # long on a busy machine that the next flow gets a 503.
    tuned = {
        settings.PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE: 100,
        settings.PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE: 100,
        settings.PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL: 1,
        settings.PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE: 200,
        settings.PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE: 100,
        settings.PREFECT_API_DATABASE_TIMEOUT: 60,
        settings.PREFECT_SERVER_ANALYTICS_ENABLED: False,
    }
    # Each flow waits up to a second for its heartbeat's thread.
    quick = {
        settings.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        settings.PREFECT_LOGGING_TO_API_ENABLED: False,
    }
    with (
        settings.temporary_settings(tuned),
        prefect_test_harness(server_startup_timeout=180),
        settings.temporary_settings(quick),
    ):
        yield
