"""The seam to a cloud: pages, retries and words, against a real HTTP server."""

from collections.abc import Iterator
from typing import Any

import pytest

from pumphouse.errors import CloudUnreachable, MissingRights, RequestFailed
from pumphouse.tasks import api as api_module
from pumphouse.tasks.api import Api, ServiceMissing
from tests.fakecloud import FakeCloud, Request

LISTINGS = {
    "identity": ("/users", "users"),
    "compute": ("/servers/detail", "servers"),
    "image": ("/images", "images"),
    "network": ("/ports", "ports"),
    "block-storage": ("/volumes/detail", "volumes"),
    "placement": ("/resource_providers", "resource_providers"),
}
FIVE = [{"id": str(number)} for number in range(5)]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloud]:
    """A cloud with five rows in every service, two a page, and no waiting between retries."""
    monkeypatch.setattr(api_module.random, "uniform", lambda *_: 0.0)
    with FakeCloud() as fake:
        for service, (path, key) in LISTINGS.items():
            fake.listing(service, path, key, FIVE, page=2)
        yield fake


@pytest.mark.parametrize("service", LISTINGS)
def test_every_page_is_read(cloud: FakeCloud, service: str) -> None:
    """Each service links its pages in its own way; a call a page, none more."""
    with Api(cloud.block(), "source") as api:
        assert api.list(service, *LISTINGS[service]) == FIVE
        assert 3 == api.calls == len(cloud.sent("GET", service))


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 503},
        {"status": 429, "retry_after": 1},
        {"reset": True},
        {"cut_at": 4},
        {"delay_s": 1.5},
    ],
    ids=lambda fault: next(iter(fault)) + str(next(iter(fault.values()))),
)
def test_reads_are_repeated(cloud: FakeCloud, fault: dict[str, Any]) -> None:
    """What may heal is asked again, on the page where it happened."""
    cloud.fault("GET", "compute", "/servers/detail", times=2, after=1, **fault)

    with Api(cloud.block(request_timeout_s=1), "source") as api:
        assert api.list("compute", "/servers/detail", "servers") == FIVE
        assert api.calls == 5


def test_retries_end(cloud: FakeCloud) -> None:
    """A service that stays broken fails the call, with its own words."""
    cloud.fault("GET", "compute", "/servers/detail", status=500, message="Database is down.")

    with (
        Api(cloud.block(), "source") as api,
        pytest.raises(RequestFailed, match=r"source answered 500: Database is down\."),
    ):
        api.list("compute", "/servers/detail", "servers")

    assert len(cloud.sent("GET", "compute")) == 3


def test_writes_are_not_repeated(cloud: FakeCloud) -> None:
    """A second create may be a second server."""
    cloud.fault("POST", "compute", "/servers", status=500)

    with Api(cloud.block(), "target") as api, pytest.raises(RequestFailed):
        api.call("POST", "compute", "/servers", json={"server": {}})

    assert len(cloud.sent("POST", "compute")) == 1


def test_an_expired_token_is_renewed(cloud: FakeCloud) -> None:
    """A run may last longer than a token."""
    with Api(cloud.block(), "source") as api:
        api.list("compute", "/servers/detail", "servers")
        cloud.expire_tokens()

        assert api.list("compute", "/servers/detail", "servers") == FIVE

    assert cloud.logins == 2


def test_a_truncated_listing_is_no_listing(cloud: FakeCloud) -> None:
    """Keystone's list_limit cuts off without a link: half the users must not pass for all."""
    cloud.route("GET", "identity", "/users", {"users": FIVE, "truncated": True})

    with Api(cloud.block(), "source") as api, pytest.raises(RequestFailed, match="list_limit"):
        api.list("identity", "/users", "users")


def test_a_link_that_is_called_otherwise_is_followed(cloud: FakeCloud) -> None:
    """Cinder's volume_types come with volume_type_links."""

    def types(request: Request) -> dict[str, object]:
        if "marker" in request.query:
            return {"volume_types": [{"id": "b"}]}
        link = {"rel": "next", "href": "http://inside.example/v3/types?marker=a"}
        return {"volume_types": [{"id": "a"}], "volume_type_links": [link]}

    cloud.route("GET", "block-storage", "/types", types)

    with Api(cloud.block(), "source") as api:
        found = api.list("block-storage", "/types", "volume_types")

    assert [row["id"] for row in found] == ["a", "b"]


def test_a_missing_service_is_told_from_a_broken_one() -> None:
    """Tables of a service that the cloud does not have are empty, not failed."""
    with (
        FakeCloud(["identity"]) as fake,
        Api(fake.block(), "source") as api,
        pytest.raises(ServiceMissing, match="source has no image service"),
    ):
        api.get("image", "/images")


def test_a_wrong_password_says_so(cloud: FakeCloud) -> None:
    """Without the password in the message."""
    with (
        Api(cloud.block(password="hunter2"), "source") as api,
        pytest.raises(CloudUnreachable, match="refused the credentials") as caught,
    ):
        api.get("compute", "/servers/detail")

    assert "hunter2" not in str(caught.value)


def test_a_forbidden_call_names_the_right(cloud: FakeCloud) -> None:
    """403 is not worth a retry."""
    cloud.fault("GET", "compute", "/servers/detail", status=403, message="Role admin.")

    with Api(cloud.block(), "source") as api, pytest.raises(MissingRights, match="Role admin"):
        api.get("compute", "/servers/detail")

    assert len(cloud.sent()) == 1
