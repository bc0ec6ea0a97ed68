"""What an operator names is what is selected, and unknown names teach what exists."""

import pytest

from pumphouse.errors import ConfigError
from pumphouse.selection import Chosen, Selection, chosen
from tests.tenants import estate, source

SOURCE = estate(source())


def test_a_project_brings_its_servers() -> None:
    """A project selects every server that it owns, and itself."""
    found = chosen(Selection(projects=("shop",)), SOURCE)
    assert Chosen(project_ids=("p1",), server_ids=("v1",)) == found


def test_criteria_add_up() -> None:
    """A host, a name and a match each add servers; none narrows another."""
    found = chosen(Selection(hosts=("cmp2",), servers=("web-1",)), SOURCE)
    assert found.server_ids == ("v1", "v2")
    assert chosen(Selection(matched=("v2",)), SOURCE).server_ids == ("v2",)


def test_an_id_selects_as_a_name_does() -> None:
    """Servers and projects are named by id too."""
    assert chosen(Selection(servers=("v2",)), SOURCE).server_ids == ("v2",)


def test_exclude_wins() -> None:
    """What is excluded stays, whoever else selects it."""
    found = chosen(Selection(projects=("shop",), exclude=("web-1",)), SOURCE)
    assert found.server_ids == ()


def test_every_unknown_name_is_said_at_once() -> None:
    """All unknown names are in one error, each with what exists."""
    with pytest.raises(ConfigError) as caught:
        chosen(Selection(projects=("shap",), servers=("nope",), hosts=("cmp9",)), SOURCE)
    assert len(caught.value.problems) == 3
    assert caught.value.problems[0] == "No project 'shap'; there are admin, other, shop."
    assert "cmp1, cmp2" in caught.value.problems[2]


def test_a_name_with_two_bearers_is_refused() -> None:
    """A name that two servers bear selects neither; the ids are said."""
    rows = source()
    rows["servers"].append({**rows["servers"][0], "id": "v3"})
    with pytest.raises(ConfigError, match=r"2 servers are named 'web-1'.*v1, v3"):
        chosen(Selection(servers=("web-1",)), estate(rows))


def test_nothing_selected_is_an_error() -> None:
    """The whole cloud is never selected by saying nothing."""
    with pytest.raises(ConfigError, match="selects nothing"):
        chosen(Selection(), SOURCE)


def test_long_lists_are_cut() -> None:
    """A cloud with many servers does not drown the operator in names."""
    rows = source()
    rows["servers"] += [{**rows["servers"][0], "id": f"x{i}", "name": f"n{i}"} for i in range(30)]
    with pytest.raises(ConfigError, match="and 20 more"):
        chosen(Selection(servers=("nope",)), estate(rows))
