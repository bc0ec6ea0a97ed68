"""Acting as a server's owner: a signed request, a token, and nothing left behind."""

import json
import time
from typing import Any
from urllib.parse import quote, unquote

import pytest

from pumphouse.tasks import claims
from pumphouse.tasks.api import Api
from pumphouse.tasks.owners import LEFT_AFTER_S, owner, signed, sweep
from tests.fakecloud import Answer, FakeCloud, Request

MINE = "/projects/p/users/{}/roles/m"


def test_the_signature_is_the_known_one() -> None:
    """Same input, same signature, as Keystone's own signer computes it."""
    body = signed("access", "secret", "2026-01-01T00:00:00Z")["credentials"]
    assert body["signature"] == "wzwhHz+scqyCrOnG7TZfxOEkUZIiH+DmxIQmIKbEmqM="
    assert "secret" not in json.dumps(body)


class Keystone:
    """Credentials, roles and tags of a fake cloud."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud
        self.credentials: dict[str, dict[str, Any]] = {}
        self.grants: set[str] = set()
        self.tags: set[str] = set()
        role = "/projects/{p}/users/{u}/roles/{r}"
        cloud.route("POST", "identity", "/credentials", self._create)
        cloud.route("GET", "identity", "/credentials", self._list)
        cloud.route("DELETE", "identity", "/credentials/{id}", self._delete)
        cloud.route("POST", "identity", "/ec2tokens", self._token)
        cloud.route("GET", "identity", "/roles", {"roles": [{"id": "m", "name": "member"}]})
        cloud.route("HEAD", "identity", role, self._has)
        cloud.route("PUT", "identity", role, self._grant)
        cloud.route("DELETE", "identity", role, self._revoke)
        cloud.route("PUT", "identity", "/projects/{p}/tags/{t}", self._tag)
        cloud.route("DELETE", "identity", "/projects/{p}/tags/{t}", self._untag)
        cloud.route("GET", "identity", "/projects/{p}/tags", self._list_tags)

    def _create(self, request: Request) -> Answer:
        made = {**request.json()["credential"], "id": f"c{len(self.credentials)}"}
        self.credentials[made["id"]] = made
        return Answer(201, {"credential": made})

    def _list(self, request: Request) -> dict[str, Any]:
        return {"credentials": list(self.credentials.values())}

    def _delete(self, request: Request) -> Answer:
        del self.credentials[request.parts["id"]]
        return Answer(204)

    def _token(self, request: Request) -> Answer:
        return Answer(200, {"token": self.cloud._token()}, headers={"X-Subject-Token": "owner"})

    def _has(self, request: Request) -> Answer:
        return Answer(204 if request.path in self.grants else 404)

    def _grant(self, request: Request) -> Answer:
        self.grants.add(request.path)
        return Answer(204)

    def _revoke(self, request: Request) -> Answer:
        self.grants.discard(request.path)
        return Answer(204)

    def _tag(self, request: Request) -> Answer:
        self.tags.add(request.path)
        return Answer(201)

    def _list_tags(self, request: Request) -> dict[str, Any]:
        of = f"{request.path}/"
        return {"tags": [unquote(t.removeprefix(of)) for t in self.tags if t.startswith(of)]}

    def _untag(self, request: Request) -> Answer:
        self.tags.discard(request.path)
        return Answer(204)


def test_an_owner_acts_with_a_token_of_their_own() -> None:
    """Requests inside the block carry the owner's token; the credential is gone."""
    with FakeCloud() as cloud:
        keystone = Keystone(cloud)
        with (
            Api(cloud.block(), "target") as admin,
            owner(cloud.block(), admin, "u", "p") as (api, lost),
        ):
            assert lost == ""
            assert api.connection.session.get_token() == "owner"
            assert keystone.credentials == {}
        assert keystone.grants == set()


def test_an_owner_who_cannot_act_is_replaced_and_the_role_taken_back() -> None:
    """The administrator's role lasts for the block, marked before, gone after, also on errors."""
    with FakeCloud() as cloud:
        keystone = Keystone(cloud)
        cloud.fault("POST", "identity", "/ec2tokens", status=401, message="disabled")
        with Api(cloud.block(retries=0), "target") as admin:
            acting = owner(cloud.block(), admin, "u", "p")
            _, lost = acting.__enter__()
            assert "owner cannot act" in lost
            assert (len(keystone.grants), len(keystone.tags)) == (1, 1)
            boom = RuntimeError("boom")
            assert not acting.__exit__(RuntimeError, boom, None)
        assert (keystone.grants, keystone.tags, keystone.credentials) == (set(), set(), {})


def test_the_last_who_needs_the_role_takes_it_back() -> None:
    """Of two cut-overs in one project, the first that ends leaves it to the other."""
    with FakeCloud() as cloud:
        keystone = Keystone(cloud)
        cloud.fault("POST", "identity", "/ec2tokens", status=401, message="disabled")
        with Api(cloud.block(retries=0), "target") as admin:
            first, second = (owner(cloud.block(), admin, "u", "p") for _ in range(2))
            first.__enter__()
            second.__enter__()
            first.__exit__(None, None, None)
            assert len(keystone.grants) == 1
            assert "This process needs it." in sweep(admin, {"p": ["pumphouse:rights=member"]})[0]
            assert (len(keystone.grants), len(keystone.tags)) == (1, 1)
            second.__exit__(None, None, None)
        assert (keystone.grants, keystone.tags) == (set(), set())


@pytest.mark.parametrize("is_alive", [True, False])
def test_a_role_that_another_run_gave_us_is_left_while_that_lives(
    monkeypatch: pytest.MonkeyPatch, is_alive: bool
) -> None:
    """Neither the end of this run nor a sweep takes it from under that run's cut-over."""
    said = "Run x needs it." if is_alive else ""
    monkeypatch.setattr(claims, "rival", lambda note, key: said if note == "x h 1 1" else "")
    with FakeCloud() as cloud:
        keystone = Keystone(cloud)
        cloud.fault("POST", "identity", "/ec2tokens", status=401, message="disabled")
        theirs = {"/projects/p/tags/" + quote("pumphouse:rights=member=x h 1 1", safe="")}
        keystone.tags = set(theirs)
        with Api(cloud.block(retries=0), "target") as admin:
            mine = MINE.format(admin.connection.current_user_id)
            keystone.grants = {mine}
            with owner(cloud.block(), admin, "u", "p"):
                assert len(keystone.tags) == 2
            left = (keystone.grants, keystone.tags)
            assert left == (({mine}, theirs) if is_alive else (set(), set()))
            told = sweep(admin, {"p": ["pumphouse:rights=member=x h 1 1"]})
        assert left == (({mine}, theirs) if is_alive else (set(), set()))
        assert ("Run x needs it." in told[0]) is is_alive


def test_a_role_that_we_have_from_others_stays() -> None:
    """It is noted nowhere, and nobody takes it back."""
    with FakeCloud() as cloud:
        keystone = Keystone(cloud)
        cloud.fault("POST", "identity", "/ec2tokens", status=401, message="disabled")
        with Api(cloud.block(retries=0), "target") as admin:
            keystone.grants = {MINE.format(admin.connection.current_user_id)}
            with owner(cloud.block(), admin, "u", "p"):
                assert keystone.tags == set()
        assert len(keystone.grants) == 1


def test_what_killed_runs_left_is_taken_back() -> None:
    """Marked roles and old credentials of ours go; young ones and other people's stay."""
    with FakeCloud() as cloud:
        keystone = Keystone(cloud)
        now = int(time.time())
        for id_, access in (
            ("old", f"pumphouse-{now - LEFT_AFTER_S - 1}-x"),
            ("young", f"pumphouse-{now}-x"),
            ("theirs", "AKIA"),
        ):
            blob = json.dumps({"access": access})
            keystone.credentials[id_] = {"id": id_, "user_id": "u", "blob": blob}
        with Api(cloud.block(), "target") as admin:
            marked = quote("pumphouse:rights=member", safe="")
            keystone.tags = {"/projects/p/tags/a", f"/projects/p/tags/{marked}"}
            keystone.grants = {MINE.format(admin.connection.current_user_id)}
            told = sweep(admin, {"p": ["a", "pumphouse:rights=member"], "q": []})
            assert set(keystone.credentials) == {"young", "theirs"}
            assert (keystone.grants, keystone.tags) == (set(), {"/projects/p/tags/a"})
            assert len(told) == 2
            assert sweep(admin, {"p": [], "q": []}) == []
