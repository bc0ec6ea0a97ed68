"""A plan that is limited to some kinds has these, and what they need."""

import pytest

from pumphouse.errors import ConfigError
from pumphouse.kinds import named
from pumphouse.plan import Plan
from pumphouse.planning import plan
from pumphouse.selection import Selection, chosen
from tests.tenants import estate, source, target


def limited(*kinds: str, include: str = "project:shop") -> Plan:
    here = estate(source())
    what = chosen(Selection(include=(include,), kinds=kinds), here)
    return plan(what, here, estate(target()))


def test_without_kinds_there_is_no_limit() -> None:
    """No words give no kinds, and the plan has all of them."""
    assert frozenset() == named([])
    assert {"servers", "images", "users"} <= {item.kind for item in limited().items}


def test_a_word_means_its_kinds() -> None:
    """identity is a word for several kinds; a kind is a word for itself."""
    assert {"domains", "projects", "users", "keypairs"} <= named(["identity", "keypairs"])
    assert frozenset({"images"}) == named(["images"])


def test_an_unknown_kind_is_answered_with_those_there_are() -> None:
    """A slip is an error before anything is read, and says what is allowed."""
    with pytest.raises(
        ConfigError, match="'identities' is no kind; there are address_groups"
    ) as no:
        named(["identities", "image"])
    assert len(no.value.problems) == 2


def test_identity_alone_leaves_everything_else() -> None:
    """Nothing but identity is in a plan of identity."""
    assert {item.kind for item in limited("identity").items} <= named(["identity"])


def test_what_a_kind_needs_comes_with_it() -> None:
    """An image brings its project and domain, and no server."""
    kinds = {item.kind for item in limited("images").items}
    assert {"domains", "projects", "images"} == kinds


def test_attached_volumes_stay_without_their_servers() -> None:
    """A plan of volumes has the free ones, says how many stay, and blocks nothing."""
    made = limited("volumes")
    assert [item.source_id for item in made.of("volumes")] == ["vol2"]
    assert made.notes == ("1 attached volume(s) stay: they go with their servers.",)
    assert made.obstacles == []


def test_an_attached_volume_that_was_chosen_by_itself_is_blocked() -> None:
    """Who names an attached volume is told why it cannot go alone."""
    made = limited("volumes", include="volumes:vol1")
    assert "which is not in the plan" in made.obstacles[0]
