"""What is asked of the target's Keystone for domains and roles."""

from typing import Any, cast

from pumphouse.models import Action
from pumphouse.plan import Item
from pumphouse.tasks import identity
from pumphouse.tasks.api import Api
from tests.tenants import row


class Keystone:
    """An Api that notes what is posted."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def call(self, method: str, service: str, path: str, json: Any) -> "Keystone":
        self.asked.append((method, path, json))
        return self

    def json(self) -> Any:
        (what,) = self.asked[-1][2]
        return {what: {"id": "NEW"}}


def asked(effect: Any, kind: str, **values: Any) -> Any:
    """Return what making a row asks for."""
    keystone = Keystone()
    made = row(kind, id="x", name="x", **values)
    item = Item(kind=kind, source_id="x", name="x", action=Action.CREATE, reason="", row=made)
    assert effect(cast(Api, keystone), item, {"domains": {"d": "D"}}) == "NEW"
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
