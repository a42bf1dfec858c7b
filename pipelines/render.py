"""HTML reports: Jinja templates with autoescape, one self-contained file each."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.scorecard.columns import EMBEDDING, IMAGE, META, OUTPUT

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **context: Any) -> str:
    """Fill ``pipelines/templates/TEMPLATE``. Templates extend ``base.html``.

    Filters: ``data_uri`` (PNG, WebP or SVG bytes → an image source), ``number`` (three significant digits, a dash for
    what is unknown), ``score`` (three decimals), ``percent``, ``measured`` (a scorecard column in words).
    """
    return _environment().get_template(template).render(**context)


def data_uri(image: bytes) -> str:
    """PNG, WebP or SVG bytes as an image source."""
    starts = {b"\x89PNG": "png", b"RIFF": "webp"}
    kind = starts.get(image[:4], "svg+xml")
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def number(value: float | None) -> str:
    """Three significant digits; a dash for what is unknown."""
    if value is None or value != value:
        return "–"
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "−∞"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}".replace("-", "−")


def score(value: float | None) -> str:
    """Three decimals, so that scores, their differences and bounds stand below each other."""
    return "–" if value is None or value != value else f"{value:.3f}".replace("-", "−")


def percent(value: float | None) -> str:
    """A share as a percentage."""
    return "–" if value is None or value != value else f"{100 * value:.0f} %"


def measured(column: str) -> str:
    """``meta_slice_thickness_mm`` → ``slice thickness mm``."""
    for prefix in (EMBEDDING, OUTPUT, IMAGE, META):
        column = column.removeprefix(prefix)
    return column.replace("_", " ")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        data_uri=data_uri, number=number, score=score, percent=percent, measured=measured
    )
    return environment
