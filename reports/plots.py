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

Values: TypeAlias = "pd.Series[float] | pd.Series[int]"
"""What is drawn, by its label."""

WIDTH_IN = 5.0
BAR_IN = 0.27
MARGIN_IN = 0.35
TOP = 15
"""Bars in a plot; what is left is one bar more."""

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
    return pd.concat([ordered.iloc[:count], pd.Series({f"… {len(rest)} others": rest.sum()})])


def short(label: str) -> str:
    """Return *label*, its middle left out when it is too long for a plot."""
    if len(label) <= LONGEST_LABEL:
        return label
    half = LONGEST_LABEL // 2
    return f"{label[: half - 1]}…{label[-half:]}"


def number(value: float) -> str:
    """Return *value* for a reader: no needless digits, thousands set apart."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def bars(values: Values, unit: str, role: Role, title: str) -> str:
    """Return a bar for each of *values*, by their index, with its number beside it."""
    figure, axes = _figure(len(values))
    largest = max(values.max(), 1e-9)
    places = range(len(values))
    axes.barh(places, values, color=COLORS[role], height=0.7)
    for place, value in zip(places, values, strict=True):
        text = f"{number(value)} {unit}".strip()
        axes.text(value + largest * 0.015, place, text, va="center", parse_math=False)
    axes.set_xlim(0, largest * 1.28)
    _finish(axes, [str(label) for label in values.index])
    return _svg(figure, title)


def shares(
    labels: Sequence[str],
    used: Sequence[float],
    capacity: Sequence[float],
    unit: str,
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
        text = f"{number(u)} of {number(c)} {unit}".strip()
        axes.text(1.02, place, text, va="center", parse_math=False)
    axes.set_xlim(0, 1.62)
    _finish(axes, labels)
    return _svg(figure, title)


def _figure(count: int) -> tuple[Figure, Axes]:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH_IN, MARGIN_IN + BAR_IN * max(count, 1)))
        axes = figure.add_axes((0.34, 0.02, 0.65, 0.96))
    return figure, axes


def _finish(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels=[short(label) for label in labels])
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xticks([])
    axes.invert_yaxis()


def _svg(figure: Figure, title: str) -> str:
    buffer = io.StringIO()
    # The salt keeps ids of several plots in one page apart, and a report reproducible.
    with mpl.rc_context({**_STYLE, "svg.hashsalt": title}), warnings.catch_warnings():
        # A glyph that our font lacks is drawn by the browser's.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
