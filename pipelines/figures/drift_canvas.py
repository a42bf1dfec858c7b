"""The look that the monitor's figures share: transparent, readable on light and dark paper."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GRID = "#7c8794", "#7c879440"
REFERENCE, WINDOW = "#5b8def", "#e8833a"


def canvas(width_in: float, height_in: float) -> Figure:
    """An empty figure without any global state of pyplot."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout="constrained", facecolor="none")


def plain(axes: Axes) -> Axes:
    """Quiet axes: no box, grey text."""
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(colors=INK, labelsize=8, length=0)
    for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
        label.set_color(INK)
        label.set_fontsize(9)
    return axes


def png(figure: Figure) -> bytes:
    """PNG bytes without a time stamp: the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()
