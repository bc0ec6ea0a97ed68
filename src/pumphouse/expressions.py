"""
Conditions on the rows of a table, as an operator types them.

The language is that of pandas' ``query``, without what reaches outside the table: no ``@``, no
functions, no attributes. A condition is parsed, every node of it is looked at, and it is then
worked out here, node by node: its text is never given to ``eval``, pandas' or Python's.

    status == "ACTIVE" and vcpus >= 8
    name.str.startswith("web-") and not host in ["cmp1", "cmp2"]
    metadata["tier"] == "web" or "blue" in tags
    created_at < "2024-01-01"
"""

import ast
import difflib
import json
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any

import pandas as pd

from pumphouse.errors import ConfigError
from pumphouse.nested import Nested
from pumphouse.schemas import SCHEMAS

LONGEST = 2000
DEEPEST = 40

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_METHODS = frozenset({"isna", "notna", "isin", "between"})
_TEXT_METHODS = frozenset(
    {"contains", "startswith", "endswith", "match", "fullmatch", "lower", "upper", "len"}
)
_OPTIONS = frozenset({"case", "regex"})
_SORTS = {"i": "number", "u": "number", "f": "number", "b": "bool", "M": "time"}
"""By the kind of a column's dtype: what sort of values it has, beside text."""
_ALIKE = {
    "number": "is a number; compare it with one, written without quotes",
    "bool": "is yes or no; compare it with True or False, written without quotes",
    "text": "is text; compare it with text, written in quotes",
    "time": 'is a time; compare it with one in quotes, as in "2026-05-04"',
}


class _Refused(Exception):
    """A sentence that says what of the condition is refused."""


def mask(text: str, table: pd.DataFrame, kind: str) -> "pd.Series[bool]":
    """
    Return, for each row of *table*, whether the condition *text* holds.

    A missing value makes a comparison false. *kind* names the schema: its JSON columns can be
    looked into with ``column["key"]`` and ``"element" in column``.

    Raises:
        ConfigError: The condition is no condition, or asks for what is not allowed; says
            what, and which columns there are.
    """
    columns = [str(name) for name in table.columns]
    nested = {c.name for c in SCHEMAS[kind].columns if c.dtype == "json"} & set(columns)
    try:
        tree = _parsed(text)
        result = _Conditions(table, columns, nested).value(tree, 0)
    except _Refused as refused:
        raise ConfigError(f"condition {text!r}", [str(refused), _known(columns)]) from None
    except (AttributeError, TypeError, ValueError, ArithmeticError) as error:
        problem = f"It cannot be worked out: {error}."
        raise ConfigError(f"condition {text!r}", [problem, _known(columns)]) from None
    if not isinstance(result, pd.Series) or not pd.api.types.is_bool_dtype(result.dtype):
        problem = 'It is no condition: compare a column, as in status == "ACTIVE".'
        raise ConfigError(f"condition {text!r}", [problem, _known(columns)])
    return result.fillna(False).astype(bool)


def selected(text: str, table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the rows of *table* for which *text* holds; all when it is empty. See `mask`."""
    return table[mask(text, table, kind)] if text.strip() else table


def _known(columns: Collection[str]) -> str:
    return f"Columns: {', '.join(columns)}."


def _parsed(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise _Refused(f"It has more than {LONGEST} characters.")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        if "@" in text:
            raise _Refused("@ is refused: only the table's columns can be named.") from None
        raise _Refused(f"It is not well-formed: {error.msg} (column {error.offset}).") from None
    except (ValueError, RecursionError, MemoryError):
        raise _Refused("It is not well-formed.") from None


class _Conditions:
    """Works out the nodes of one condition over one table."""

    def __init__(
        self, table: pd.DataFrame, columns: Collection[str], nested: Collection[str]
    ) -> None:
        self.table = table
        self.columns = columns
        self.nested = nested
        self.of: Mapping[type[ast.expr], Callable[[Any, int], Any]] = {
            ast.Constant: self.constant,
            ast.List: self.several,
            ast.Tuple: self.several,
            ast.Name: self.name,
            ast.Subscript: self.subscript,
            ast.Compare: self.compare,
            ast.BoolOp: self.boolean,
            ast.UnaryOp: self.unary,
            ast.BinOp: self.binary,
            ast.Call: self.call,
        }

    def value(self, node: ast.expr, depth: int) -> Any:
        """Return what *node* is worth: a column, a `Nested`, a list, or a constant."""
        if depth > DEEPEST:
            raise _Refused(f"It is nested more than {DEEPEST} deep.")
        work = self.of.get(type(node))
        if work is None:
            raise _Refused(f"{_words(node)} is refused.")
        return work(node, depth + 1)

    def flat(self, node: ast.expr, depth: int) -> Any:
        """As `value`, with what was looked up in a JSON column made a plain column."""
        return _plain(self.value(node, depth))

    def constant(self, node: ast.Constant, _depth: int) -> Any:
        if node.value is None:
            raise _Refused("None is refused: write column.isna() or column.notna().")
        if not isinstance(node.value, str | int | float | bool):
            raise _Refused(f"{_words(node)} is refused.")
        return node.value

    def several(self, node: ast.List | ast.Tuple, depth: int) -> list[Any]:
        if not all(isinstance(e, ast.Constant | ast.UnaryOp) for e in node.elts):
            raise _Refused("A list may hold constants only.")
        return [self.value(element, depth) for element in node.elts]

    def name(self, node: ast.Name, _depth: int) -> Any:
        if node.id not in self.columns:
            near = difflib.get_close_matches(node.id, self.columns, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise _Refused(f"There is no column {node.id}.{hint}")
        column = self.table[node.id]
        if node.id not in self.nested:
            return column
        return Nested(Nested(column).each(lambda v: None if pd.isna(v) else json.loads(v)))

    def subscript(self, node: ast.Subscript, depth: int) -> Nested:
        base, key = self.value(node.value, depth), self.value(node.slice, depth)
        if not isinstance(base, Nested) or not isinstance(key, str | int):
            raise _Refused(f"{_words(node)} is refused: only JSON columns take [key].")
        return base[key]

    def compare(self, node: ast.Compare, depth: int) -> Any:
        sides = [node.left, *node.comparators]
        found = None
        for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
            one = self._compared(left, op, right, depth)
            found = one if found is None else found & one
        return found

    def _compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr, depth: int) -> Any:
        if isinstance(op, ast.In):
            return self._within(left, right, depth)
        if isinstance(op, ast.NotIn):
            return ~self._within(left, right, depth)
        if type(op) not in _COMPARE:
            raise _Refused("is and is not are refused: write == or column.isna().")
        a, b = self.value(left, depth), self.value(right, depth)
        b, a = _alike(a, b, left), _alike(b, a, right)
        a, b = _plain(a), _plain(b)
        try:
            return _present(_COMPARE[type(op)](a, b), a, b)
        except TypeError:
            pair = f"{_words(left)} and {_words(right)}"
            raise _Refused(f"{pair} are of different types and have no order.") from None

    def _within(self, left: ast.expr, right: ast.expr, depth: int) -> Any:
        among = self.value(right, depth)
        if isinstance(among, list):
            column = self.value(left, depth)
            if not isinstance(column, pd.Series | Nested):
                raise _Refused("Left of in there must be a column.")
            plain = _plain(column)
            return _present(plain.isin(_alike(column, among, left)), plain)
        element = self.value(left, depth)
        if isinstance(element, pd.Series | Nested | list):
            raise _Refused("Right of in there must be a list, or left of it a constant.")
        if isinstance(among, Nested):
            return among.holds(element)
        if isinstance(among, pd.Series) and isinstance(element, str):
            return among.str.contains(element, regex=False)
        raise _Refused("Right of in there must be a list or a column.")

    def boolean(self, node: ast.BoolOp, depth: int) -> Any:
        parts = [self._condition(part, depth) for part in node.values]
        result = parts[0]
        for part in parts[1:]:
            result = result & part if isinstance(node.op, ast.And) else result | part
        return result

    def _condition(self, node: ast.expr, depth: int) -> Any:
        value = self.flat(node, depth)
        if not isinstance(value, pd.Series) or not pd.api.types.is_bool_dtype(value.dtype):
            raise _Refused(f"{_words(node)} is no condition; put a comparison in parentheses.")
        return value

    def unary(self, node: ast.UnaryOp, depth: int) -> Any:
        if isinstance(node.op, ast.Not | ast.Invert):
            return ~self._condition(node.operand, depth)
        value = self.flat(node.operand, depth)
        if isinstance(value, list | str):
            raise _Refused(f"{_words(node)} is refused.")
        return -value if isinstance(node.op, ast.USub) else value

    def binary(self, node: ast.BinOp, depth: int) -> Any:
        if isinstance(node.op, ast.BitAnd | ast.BitOr):
            a, b = self._condition(node.left, depth), self._condition(node.right, depth)
            return a & b if isinstance(node.op, ast.BitAnd) else a | b
        if type(node.op) not in _ARITHMETIC:
            raise _Refused(f"{_words(node)} is refused: its operator is not allowed.")
        a, b = self.flat(node.left, depth), self.flat(node.right, depth)
        if any(isinstance(side, str | list) for side in (a, b)):
            raise _Refused(f"{_words(node)} is refused: arithmetic is for numbers.")
        return _ARITHMETIC[type(node.op)](a, b)

    def call(self, node: ast.Call, depth: int) -> Any:
        function = node.func
        if not isinstance(function, ast.Attribute):
            raise _Refused(f"Calling {_words(function)} is refused.")
        on_text = isinstance(function.value, ast.Attribute) and function.value.attr == "str"
        owner = function.value.value if on_text else function.value  # type: ignore[attr-defined]
        if function.attr not in (_TEXT_METHODS if on_text else _METHODS):
            raise _Refused(f"Calling {_words(function)} is refused.")
        value = self.value(owner, depth)
        column = _plain(value)
        if not isinstance(column, pd.Series):
            raise _Refused(f"{_words(owner)} is no column.")
        if on_text and not pd.api.types.is_string_dtype(column.dtype):
            raise _Refused(f"{_words(owner)} is no text.")
        arguments = [self._argument(a, depth) for a in node.args]
        if function.attr == "isin":
            arguments = [_alike(value, among, owner) for among in arguments]
        options = {str(k.arg): self._option(k, depth) for k in node.keywords}
        return getattr(column.str if on_text else column, function.attr)(*arguments, **options)

    def _argument(self, node: ast.expr, depth: int) -> Any:
        value = self.value(node, depth)
        if isinstance(value, pd.Series | Nested):
            raise _Refused("An argument must be a constant.")
        return value

    def _option(self, keyword: ast.keyword, depth: int) -> Any:
        value = self._argument(keyword.value, depth)
        if keyword.arg not in _OPTIONS or not isinstance(value, bool):
            raise _Refused(f"The option {keyword.arg} is refused.")
        return value


def _plain(value: Any) -> Any:
    return value.plain() if isinstance(value, Nested) else value


def _present(result: Any, *sides: Any) -> Any:
    """Return a comparison whose rows are missing where a side is: pandas takes NaT as unequal."""
    for side in sides:
        if isinstance(side, pd.Series) and isinstance(result, pd.Series):
            result = result.astype("boolean").mask(side.isna())
    return result


def _alike(column: Any, other: Any, node: ast.expr) -> Any:
    """
    Return *other*, which *column* is compared with; a text as a time (UTC) if *column* has times.

    What is of another sort is refused: it equals no row, so that ``!=`` would select them all.
    What a JSON column holds may be of any sort. *node* is what the column is called.
    """
    if not isinstance(column, pd.Series):
        return other
    if isinstance(other, list):
        return [_alike(column, each, node) for each in other]
    sort, given = _sort(column), _sort(other)
    if (sort, isinstance(other, str)) == ("time", True):
        moment = pd.Timestamp(other)
        if not pd.isna(moment):
            return moment.tz_localize("UTC") if moment.tzinfo is None else moment
    if sort and given and sort != given:
        raise _Refused(f"{_words(node)} {_ALIKE[sort]}.")
    return other


def _sort(value: Any) -> str:
    """Return the key of `_ALIKE` for a column or a constant; nothing when that is not known."""
    if isinstance(value, pd.Series):
        is_text = isinstance(value.dtype, pd.StringDtype)
        return "text" if is_text else _SORTS.get(value.dtype.kind, "")
    return {bool: "bool", int: "number", float: "number", str: "text"}.get(type(value), "")


def _words(node: ast.AST) -> str:
    """Return the source of *node*, short."""
    text = ast.unparse(node)
    return text if len(text) <= 60 else f"{text[:57]}…"
