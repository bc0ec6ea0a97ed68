"""Plots as SVG text to put into a page: narrow enough for a phone, sharp in print."""

import io
import warnings
from collections.abc import Sequence
from typing import Any, TypeAlias

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pumphouse.models import Role
from pumphouse.reports.summary import number

Values: TypeAlias = "pd.Series[float] | pd.Series[int]"
"""What is drawn, by its label."""

WIDTH_IN = 5.0
BAR_IN = 0.235
MARGIN_IN = 0.06
TOP = 12
"""Bars in a plot; what is left over is a line more, without a bar: it would dwarf them."""

REST = "… "
"""How the label of that line begins."""

LONGEST_LABEL = 24
COLORS = {Role.SOURCE: "#b3541e", Role.TARGET: "#1f6f8b"}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.bottom": False,
    "axes.edgecolor": "#999999",
}


def top(values: Values, count: int = TOP) -> Values:
    """Return the *count* largest, largest first, and the sum of the rest as ``… n others``."""
    ordered = values.sort_values(ascending=False, kind="stable")
    if len(ordered) <= count + 1:
        return ordered
    rest = ordered.iloc[count:]
    return pd.concat([ordered.iloc[:count], pd.Series({others(len(rest)): rest.sum()})])


def others(count: int) -> str:
    """Return the label of the line that sums up *count* more."""
    return f"{REST}{count} others"


def short(label: str) -> str:
    """Return *label*, its middle left out when it is too long for a plot."""
    if len(label) <= LONGEST_LABEL:
        return label
    half = LONGEST_LABEL // 2
    return f"{label[: half - 1]}…{label[-half:]}"


def bars(values: Values, unit: str, role: Role, title: str) -> str:
    """Return a bar for each of *values*, by their index, with its number beside it."""
    figure, axes = _figure(len(values))
    labels = [str(label) for label in values.index]
    lengths = [0 if rest else v for v, rest in zip(values, map(_is_rest, labels), strict=True)]
    largest = max([*lengths, 1e-9])
    axes.barh(range(len(values)), lengths, color=COLORS[role], height=0.7)
    for place, (length, value) in enumerate(zip(lengths, values, strict=True)):
        text = f"{number(value)} {unit}".strip()
        axes.text(length + largest * 0.015, place, text, va="center", parse_math=False)
    axes.set_xlim(0, largest * 1.35)
    _finish(axes, labels)
    return _svg(figure, title)


def shares(
    labels: Sequence[str],
    used: Sequence[float],
    capacity: Sequence[float],
    role: Role,
    title: str,
) -> str:
    """Return a bar for each label: how much of its capacity is used, the numbers beside it."""
    figure, axes = _figure(len(labels))
    parts = [u / c if c else 0.0 for u, c in zip(used, capacity, strict=True)]
    places = range(len(labels))
    axes.barh(places, [1] * len(parts), color="#e7e7e4", height=0.7)
    axes.barh(places, [min(part, 1) for part in parts], color=COLORS[role], height=0.7)
    for place, (u, c) in enumerate(zip(used, capacity, strict=True)):
        axes.text(1.02, place, f"{number(u)} of {number(c)}", va="center", parse_math=False)
    axes.set_xlim(0, 1.75)
    _finish(axes, labels)
    return _svg(figure, title)


def _figure(count: int) -> tuple[Figure, Axes]:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH_IN, MARGIN_IN + BAR_IN * max(count, 1)))
        axes = figure.add_axes((0.34, 0, 0.65, 1))
    axes.set_ylim(max(count, 1) - 0.4, -0.6)
    return figure, axes


def _is_rest(label: str) -> bool:
    return label.startswith(REST)


def _finish(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels=[short(label) for label in labels])
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xticks([])


def _svg(figure: Figure, title: str) -> str:
    buffer = io.StringIO()
    # The salt keeps ids of several plots in one page apart, and a report reproducible.
    with mpl.rc_context({**_STYLE, "svg.hashsalt": title}), warnings.catch_warnings():
        # A glyph that our font lacks is drawn by the browser's.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
