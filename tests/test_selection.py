"""What criteria select, and how an unknown name is answered."""

from typing import Any

import pytest

from pumphouse.errors import ConfigError
from pumphouse.selection import Chosen, Selection, chosen, written
from tests.tenants import Rows, estate, source


def rich() -> Rows:
    """Return the source with a zone, an aggregate, a server group and a snapshot."""
    rows = source()
    rows["servers"][0]["availability_zone"] = "az1"
    rows["aggregates"] = [{"id": "a", "name": "gold", "hosts": ["cmp2"]}]
    rows["server_groups"] = [{"id": "sg", "name": "pair", "member_ids": ["v1", "gone"]}]
    rows["snapshots"] = [{"id": "sn", "name": "friday", "volume_id": "vol2"}]
    return rows


SOURCE = estate(rich())


def of(*include: str, exclude: tuple[str, ...] = ()) -> Chosen:
    return chosen(Selection(include=include, exclude=exclude), SOURCE)


def test_a_project_brings_its_servers() -> None:
    """A project selects every server that it owns, and itself."""
    assert Chosen(project_ids=("p1",), server_ids=("v1",)) == of("project:shop")
    assert of("project:shop") == of("projects:p1") == of("project:Default/shop")


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("web-1", ("v1",)),
        ("v2", ("v2",)),
        ("server:job", ("v2",)),
        ("host:cmp2", ("v2",)),
        ("zone:az1", ("v1",)),
        ("flavor:small", ("v1",)),
        ("flavor:f1", ("v1",)),
        ("flavor:gone", ("v2",)),
        ("image:base", ("v1",)),
        ("image:i1", ("v1",)),
        ("network:front", ("v1",)),
        ("tag:x", ("v1",)),
        ("metadata:role=web", ("v1",)),
        ("metadata:role", ("v1",)),
        ('servers[status == "SHUTOFF"]', ("v2",)),
        ('hypervisors[host == "cmp1"]', ("v1",)),
        ('aggregates[name == "gold"]', ("v2",)),
        ('server_groups[name == "pair"]', ("v1",)),
        ('ports[mac_address == "fa:1"]', ("v1",)),
        ('keypairs[fingerprint == "aa"]', ("v1",)),
    ],
)
def test_servers_are_chosen_by_anything_about_them(text: str, servers: tuple[str, ...]) -> None:
    """Every criterion of the design finds its servers, and no others."""
    assert servers == of(text).server_ids


@pytest.mark.parametrize(
    ("text", "kind", "ids"),
    [
        ("volumes:spare", "volumes", ("vol2",)),
        ("networks:front", "networks", ("n1",)),
        ("networks:Default/shop/front", "networks", ("n1",)),
        ("images:i1", "images", ("i1",)),
        ("floating_ips:198.51.100.8", "floating_ips", ("fl2",)),
        ("users[is_enabled == True]", "users", ("u1", "u2")),
        ('snapshots[name == "friday"]', "volumes", ("vol2",)),
    ],
)
def test_things_are_chosen_by_themselves(text: str, kind: str, ids: tuple[str, ...]) -> None:
    """A kind's own name chooses its things, not servers."""
    assert (of(text).server_ids, of(text).others) == ((), {kind: ids})


def test_criteria_add_up() -> None:
    """Each criterion adds; none narrows another."""
    assert of("host:cmp2", "web-1").server_ids == ("v1", "v2")


def test_the_options_of_a_command_are_criteria_too() -> None:
    """Names and a query are written as the texts that choose the same."""
    texts = written(["everything"], ["shop"], ["cmp1"], ["web-1"], " vcpus > 1 ")
    assert texts[:2] == ("everything", "project:shop")
    assert texts[2:] == ("host:cmp1", "server:web-1", "servers[vcpus > 1]")


def test_the_whole_cloud_is_one_word() -> None:
    """Everything is every project and server, and is never meant by saying nothing."""
    found = of("everything")
    assert (found.project_ids, found.server_ids) == (("p1", "p2", "p0"), ("v1", "v2"))
    assert found.is_everything
    with pytest.raises(ConfigError, match="selects nothing"):
        of()


@pytest.mark.parametrize("out", ["web-1", "project:shop", "tag:x", "host:cmp1"])
def test_exclude_wins(out: str) -> None:
    """What is excluded stays, whoever else selects it; an excluded project takes its servers."""
    assert of("everything", exclude=(out,)).server_ids == ("v2",)


def test_things_are_left_out_of_a_project() -> None:
    """A volume that is excluded does not come with its project."""
    assert of("project:shop", exclude=("volumes:spare",)).left_out["volumes"] == {"vol2"}


def test_every_mistake_is_said_at_once() -> None:
    """All unknown names are in one error, each with what exists."""
    with pytest.raises(ConfigError) as caught:
        of("project:shap", "nope", "host:cmp9", "planet:mars", "servers[vcpu > 1]", "flavor:x")
    said = caught.value.problems
    assert said[0] == "No project 'shap'; there are admin, other, shop."
    assert "cmp1, cmp2" in said[2]
    assert "planet is no criterion; there are project, host" in said[3]
    assert "Did you mean vcpus?" in said[4]
    assert "gone, small" in said[-1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tag:none", "No server has the tag 'none'; there are x."),
        ("metadata:a=b", "there are keys role"),
        ("image:nope", "No image 'nope'; there are base."),
        ("zone:nope", "No zone 'nope'; there are az1."),
        ("services[name == 'a']", "services cannot be selected by; these can: address_groups"),
        ("quotas:x", "quotas have no names"),
    ],
)
def test_what_finds_nothing_says_what_there_is(text: str, said: str) -> None:
    """No criterion is silently empty."""
    with pytest.raises(ConfigError) as caught:
        of(text)
    assert said in " ".join(caught.value.problems)


@pytest.mark.parametrize("text", ["projects[]", "servers[ ]", "volumes[\n]"])
def test_an_empty_condition_is_not_the_whole_cloud(text: str) -> None:
    """A shell's variable that is not set must not select everything, nor leave all of it out."""
    for include, exclude in ((text, ()), ("web-1", (text,))):
        with pytest.raises(ConfigError, match="The condition is empty; say everything for the"):
            of(include, exclude=exclude)


def test_a_name_with_two_bearers_is_refused() -> None:
    """A name that two servers bear selects neither; the ids are said."""
    rows: Any = source()
    rows["servers"].append({**rows["servers"][0], "id": "v3"})
    with pytest.raises(ConfigError, match=r"2 servers are named 'web-1'.*v1, v3"):
        chosen(Selection(include=("web-1",)), estate(rows))


def test_long_lists_are_cut() -> None:
    """A cloud with many servers does not drown the operator in names."""
    rows = source()
    rows["servers"] += [{**rows["servers"][0], "id": f"x{i}", "name": f"n{i}"} for i in range(30)]
    with pytest.raises(ConfigError, match="and 20 more"):
        chosen(Selection(include=("nope",)), estate(rows))
