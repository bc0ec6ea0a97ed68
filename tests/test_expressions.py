"""Conditions: what they select, and what they refuse."""

import ast
import builtins
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pumphouse import expressions, rows_compute, tables
from pumphouse.errors import ConfigError
from tests import answers

SERVERS = tables.frame("servers", [rows_compute.server(answers.server(i), {}) for i in range(60)])
COLUMNS = list(SERVERS.columns)


def count(condition: str) -> int:
    """Return how many of the sixty servers *condition* holds for."""
    return int(expressions.mask(condition, SERVERS, "servers").sum())


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('status == "ACTIVE"', 54),
        ('status != "ACTIVE" and vcpus >= 4', 4),
        ("vcpus == 1 or vcpus == 16", 40),
        ("(vcpus == 1) | (vcpus == 16)", 40),
        ("(vcpus == 1) & (ram_mib == 2048)", 20),
        ("not vcpus == 1", 40),
        ("~is_locked", 60),
        ("1 < vcpus < 16", 20),
        ("vcpus * 2 + 1 > 8", 40),
        ("-vcpus < -3", 40),
        ("ram_mib / vcpus == 4096", 20),
        ("disk_gib // 100 == 1", 20),
        ("vcpus % 2 == 1", 20),
        ('host in ["compute-001", "compute-002"]', 2),
        ('host not in ("compute-001",)', 59),
        ('"0005" in name', 11),
        ('name.str.startswith("web-0000")', 10),
        ('name.str.contains("WEB", case=False)', 60),
        ('name.str.lower().str.endswith("7")', 6),
        ("name.str.len() == 9", 60),
        ("name.isin(['web-00001'])", 1),
        ("vcpus.between(2, 5)", 20),
        ("image_id.isna()", 15),
        ("image_id.notna()", 45),
        ('created_at < "2026-12-01"', 60),
        ('created_at > "2026-05-04T10:11:12Z"', 0),
        ('"2026-01-01" < created_at', 60),
        ('created_at in ["2026-05-04T10:11:12Z", "2020-01-01"]', 60),
        ('created_at not in ["2026-05-04T12:11:12+02:00"]', 0),
        ('created_at.isin(["2026-05-04T10:11:12"])', 60),
        ('metadata["ticket"] in ["CHG5", 5]', 1),
        ("vcpus == 1.0", 20),
        ('metadata["ticket"] == "CHG5"', 1),
        ('"tier" in metadata', 60),
        ('"blue" in tags', 60),
        ('"red" in tags', 0),
        ('tags["a"]["b"] == 1', 0),
        ('volumes[0]["delete_on_termination"] == True', 15),
        ('addresses["front"][0]["version"] + 0 == 4', 60),
        ('addresses["front"][0]["addr"].str.startswith("10.0.0.5")', 11),
        ("tags == '[\"blue\"]'", 60),
    ],
)
def test_conditions_select(condition: str, expected: int) -> None:
    """What an operator may type, and what it selects."""
    assert count(condition) == expected


ATTACKS = {
    "@os.system('id')": "@ is refused",
    "name == @x": "@ is refused",
    "__import__('os').system('id')": "Calling __import__",
    "().__class__.__bases__[0].__subclasses__()": "is refused",
    "name.__class__ == 1": "is refused",
    "name.str.__init__.__globals__['x'] == 1": "is refused",
    "name.values == 1": "is refused",
    "name.to_csv('x')": "Calling name.to_csv",
    "name.apply(print)": "Calling name.apply",
    "name.map(len)": "Calling name.map",
    "name.pipe(print)": "Calling name.pipe",
    "name.eval('1')": "Calling name.eval",
    "name.str.cat()": "Calling name.str.cat",
    "name.str.replace('a', 'b') == 'x'": "Calling name.str.replace",
    "name.str.contains('a', na=True)": "option na",
    "name.str.contains('a', flags=1)": "option flags",
    "name.str.contains(**{'regex': True})": "is refused",
    "name.isin(name)": "must be a constant",
    "name.isin(*[1])": "is refused",
    "print(1)": "Calling print",
    "eval('1')": "Calling eval",
    "open('/etc/passwd').read() == ''": "Calling open",
    "(lambda: 1)()": "is refused",
    "[x for x in name]": "is refused",
    "{1: 2}": "is refused",
    "{1}": "is refused",
    "f'{name}' == 'x'": "is refused",
    "(x := 1) == 1": "is refused",
    "name if 1 else name": "is refused",
    "await name": "is refused|not well-formed",
    "name[:1] == 'x'": "is refused",
    "name['a'] == 'x'": "only JSON columns",
    "metadata[name] == 'x'": "only JSON columns",
    "pd == 1": "There is no column pd",
    "os == 1": "There is no column os",
    "status is None": "is and is not",
    "status is name": "is and is not",
    "name == None": "isna",
    "name == ...": "is refused",
    "name == b'x'": "is refused",
    "name == 1j": "is refused",
    "vcpus ** 9999999999": "not allowed",
    "vcpus << 99": "not allowed",
    "vcpus @ vcpus == 1": "not allowed",
    "'a' * 9999999999 == name": "arithmetic is for numbers",
    "name == ['a']": "cannot be worked out|different types",
    "import os": "not well-formed",
    "status = 'ACTIVE'": "not well-formed",
    "status == 'ACTIVE'; vcpus": "not well-formed",
    "": "not well-formed",
    "vcpus": "no condition",
    "1 == 1": "no condition",
    "vcpus == 1 & ram_mib == 2": "no condition",
    "not vcpus": "no condition",
    "vcpus and is_locked": "no condition",
    "-name == 'x'": "cannot be worked out|refused",
    "-'x' == name": "is refused",
    "vcpus in 3": "Right of in",
    "name in name": "must be a list",
    "1 in [1]": "must be a column",
    "[name, 1] == 1": "constants only",
    "vcpus > 'a'": "vcpus is a number; compare it with one, written without quotes",
    'ram_mib != "512"': "ram_mib is a number",
    "not 1 == name": "name is text; compare it with text, written in quotes",
    "name.str.len() != '9'": "is a number",
    "vcpus not in ['1']": "vcpus is a number",
    "vcpus not in [1, True]": "vcpus is a number",
    "~vcpus.isin(['1'])": "vcpus is a number",
    "vcpus != name": "vcpus is a number",
    "is_locked != 'true'": "is_locked is yes or no; compare it with True or False",
    "is_locked != 1": "is_locked is yes or no",
    "created_at != 5": "created_at is a time; compare it with one in quotes",
    "created_at != ''": "created_at is a time",
    "created_at not in ['2026-05-04', 5]": "created_at is a time",
    "created_at not in ['soon']": "cannot be worked out",
    "metadata['ticket'] > 5": "different types",
    "vcpus.str.len() == 1": "is no text",
    "'x'.isna()": "is no column",
    "created_at > 'yesterday-ish'": "cannot be worked out",
    "name.str.contains('(')": "cannot be worked out",
    "1 / 0 > vcpus": "cannot be worked out",
    "(" * 300: "not well-formed",
    "not " * 60 + "is_locked": "nested",
    "vcpus == 1 or " * 300 + "is_locked": "characters",
    "vcpus == 1\x00": "not well-formed",
}


@pytest.mark.parametrize(("condition", "said"), ATTACKS.items())
def test_what_reaches_outside_is_refused(condition: str, said: str) -> None:
    """The error names what is refused, and the columns that there are."""
    with pytest.raises(ConfigError, match=said) as caught:
        count(condition)

    assert "status" in caught.value.problems[-1]
    assert caught.value.exit_code == 2


def test_a_near_miss_is_suggested() -> None:
    """A typo is the usual mistake."""
    with pytest.raises(ConfigError, match="Did you mean status"):
        count('statsu == "ACTIVE"')


def test_a_missing_value_fulfils_no_comparison() -> None:
    """Neither equal nor unequal: nothing is known about it."""
    assert count('fault == "x"') == 0
    assert count('fault != "x"') == 0
    assert count('fault not in ["x"]') == 0
    never = SERVERS.assign(launched_at=SERVERS["launched_at"].mask(SERVERS["vcpus"] > 0))
    for condition in ('launched_at != "2026-01-01"', 'not launched_at < "2026-01-01"'):
        assert not expressions.mask(condition, never, "servers").any()


def test_an_empty_condition_selects_all() -> None:
    """The command line leaves it out."""
    assert len(expressions.selected("", SERVERS, "servers")) == len(SERVERS)
    assert len(expressions.selected("vcpus == 1", SERVERS, "servers")) == 20


NODES = st.recursive(
    st.sampled_from([*COLUMNS, "1", "'a'", "os", "print", "__import__", "name.str", "[1, 'a']"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["==", "<", "in", "and", "+", "**", "is"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        st.tuples(inner, inner).map(lambda parts: f"{parts[0]}({parts[1]})"),
        st.tuples(inner, st.sampled_from(["str", "__class__", "isna()", "values"])).map(
            lambda parts: f"{parts[0]}.{parts[1]}"
        ),
        st.tuples(inner, inner).map(lambda parts: f"{parts[0]}[{parts[1]}]"),
        inner.map(lambda part: f"not {part}"),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(NODES | st.text(max_size=40))
@example("'a' in vcpus")
def test_any_text_is_a_condition_or_refused(condition: str) -> None:
    """Never another exception, and never code that runs."""
    ran: list[Any] = []
    real = builtins.print
    builtins.print = ran.append  # type: ignore[assignment]
    try:
        found = expressions.mask(condition, SERVERS, "servers")
    except ConfigError:
        pass
    else:
        assert isinstance(found, pd.Series)
        assert [name for name in attributes(condition) if name.startswith("_")] == []
    finally:
        builtins.print = real
    assert ran == []


def attributes(condition: str) -> list[str]:
    """Return the name of every attribute in *condition*."""
    nodes = ast.walk(ast.parse(condition.strip(), mode="eval"))
    return [node.attr for node in nodes if isinstance(node, ast.Attribute)]
