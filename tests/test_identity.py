"""What is asked of the target's Keystone for domains and roles."""

from typing import Any, cast

import pytest

from pumphouse.errors import PasswordsFailed, RequestFailed
from pumphouse.models import Action
from pumphouse.plan import Item
from pumphouse.tasks import identity
from pumphouse.tasks.api import Api
from tests.tenants import row


class Keystone:
    """An Api that notes what is posted."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.there: list[Any] = []

    def call(self, method: str, service: str, path: str, json: Any) -> "Keystone":
        self.asked.append((method, path, json))
        return self

    def get(self, service: str, path: str, params: Any) -> Any:
        self.asked.append(("GET", path, params))
        return {"users": self.there}

    def json(self) -> Any:
        (what,) = self.asked[-1][2]
        return {what: {"id": "NEW"}}


IDS: Any = {"domains": {"d": "D"}, "projects": {}}


def wanted(kind: str, **values: Any) -> Item:
    """Return an item that is to be made."""
    made = row(kind, id="x", name="x", **values)
    return Item(kind=kind, source_id="x", name="x", action=Action.CREATE, reason="", row=made)


def asked(effect: Any, kind: str, **values: Any) -> Any:
    """Return what making a row asks for."""
    keystone = Keystone()
    assert effect(cast(Api, keystone), wanted(kind, **values), IDS) == "NEW"
    return keystone.asked


def test_a_domain_keeps_its_tags_options_and_whether_it_is_enabled() -> None:
    """What says nothing is not sent: an old Keystone knows neither tags nor options."""
    plain = {"name": "x", "description": "", "enabled": False}
    assert asked(identity.make_domain, "domains", is_enabled=False, tags=[], options={}) == [
        ("POST", "/domains", {"domain": plain})
    ]
    more = {"tags": ["gold"], "options": {"immutable": True}}
    assert asked(identity.make_domain, "domains", is_enabled=False, **more) == [
        ("POST", "/domains", {"domain": plain | more})
    ]


def test_a_role_keeps_its_options_and_its_domain() -> None:
    """A global role names no domain."""
    fixed = {"options": {"immutable": True}}
    assert asked(identity.make_role, "roles", **fixed) == [
        ("POST", "/roles", {"role": {"name": "x", "description": ""} | fixed})
    ]
    assert asked(identity.make_role, "roles", domain_id="d") == [
        ("POST", "/roles", {"role": {"name": "x", "description": "", "domain_id": "D"}})
    ]


class Demanding(Keystone):
    """One that wants passwords changed upon first use, and perhaps has a pattern for them."""

    def __init__(self, empty: int = 200, absent: int = 500) -> None:
        super().__init__()
        self.empty = empty
        self.absent = absent

    def json(self) -> Any:
        given = self.asked[-1][2]["user"]
        status = self.empty if "password" in given else self.absent
        if status != 200 and given.get("password") is None:
            raise RequestFailed("target", "POST /users", status, "It broke.")
        return super().json()


def make_user(keystone: Keystone, password: str | None = None) -> str:
    """Make a user at *keystone*."""
    item = wanted("users", domain_id="d", is_enabled=True)
    return identity.make_user(cast(Api, keystone), item, IDS, password)


def test_a_user_without_a_password_gets_an_empty_one_where_keystone_breaks_otherwise() -> None:
    """It wants to expire one; elsewhere, or with a password, one request is enough."""
    plain, demanding = Keystone(), Demanding()
    assert make_user(plain) == make_user(demanding) == "NEW"
    body = {"name": "x", "domain_id": "D", "enabled": True}
    assert plain.asked == [("POST", "/users", {"user": body})]
    empty = {"user": body | {"password": None}}
    assert demanding.asked == [*plain.asked, ("POST", "/users", empty)]
    demanding.asked = []
    assert make_user(demanding, "secret") == "NEW"
    assert demanding.asked == [("POST", "/users", {"user": body | {"password": "secret"}})]


def test_a_keystone_that_takes_no_empty_password_is_said() -> None:
    """With what helps; other failures are Keystone's own words."""
    with pytest.raises(PasswordsFailed, match="unset one of them there"):
        make_user(Demanding(empty=400))
    with pytest.raises(RequestFailed, match="409"):
        make_user(Demanding(empty=409))
    with pytest.raises(RequestFailed, match="409"):
        make_user(Demanding(absent=409))


def test_a_user_is_looked_for_by_the_targets_domain_and_its_name() -> None:
    """Nothing else tells users apart."""
    keystone = Keystone()
    assert identity.user_there(cast(Api, keystone), wanted("users", domain_id="d"), IDS) is None
    keystone.there = [{"id": "U"}]
    assert identity.user_there(cast(Api, keystone), wanted("users", domain_id="d"), IDS) == "U"
    assert keystone.asked[0] == ("GET", "/users", {"domain_id": "D", "name": "x"})
