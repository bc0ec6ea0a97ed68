"""Make an HTML page from a template: one file, nothing loaded from elsewhere."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from pumphouse.reports.summary import number


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pumphouse.reports"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment


def page(template: str, values: Mapping[str, Any]) -> str:
    """Return the page that *template* makes of *values*; all text is escaped but `plot`'s."""
    return _environment().get_template(template).render(values)


def plot(svg: str) -> Markup:
    """Mark SVG text of `pumphouse.reports.plots`, which escapes what it is given, as safe."""
    return Markup(svg)
