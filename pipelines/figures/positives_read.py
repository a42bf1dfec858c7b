"""How many positive studies of a backlog are read as time goes on, in each order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from pipelines.figures.canvas import COLOURS, new_figure

ORDERS = {
    "fifo": ("first in, first out", COLOURS[1], "-"),
    "urgency": ("by urgency", COLOURS[0], "-"),
    "oracle": ("oracle: the truth known", COLOURS[2], "--"),
}


def draw_positives_read(simulation: Mapping[str, Any]) -> Figure:
    """A line per order; bands hold each share's time in resampled backlogs.

    Args:
        simulation: of ``components.operations.simulate_reading``.
    """
    figure = new_figure(9.0, 4.6)
    figure.subplots_adjust(left=0.09, right=0.97, bottom=0.14, top=0.96)
    axes = figure.add_subplot()
    read = simulation["positives_read"]
    total = simulation["positive"]
    for order, (label, colour, style) in ORDERS.items():
        hours = [0.0, *(minutes / 60 for minutes in read[order])]
        axes.plot(hours, [0, *read["positives"]], style, color=colour, linewidth=2, label=label)
        if order != "oracle":
            _band(axes, simulation["backlog"]["orders"][order], total, colour)
    axes.set(
        xlabel="hours of reading", ylabel="positive studies read", xlim=(0, None), ylim=(0, total * 1.03)
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=9)
    return figure


def _band(axes: Any, measured: Mapping[str, Mapping[str, Any]], total: int, colour: str) -> None:
    shares = [
        (float(name.removeprefix("read_")) / 100, item)
        for name, item in measured.items()
        if name.startswith("read_") and item["low"] is not None
    ]
    if shares:
        heights = [share * total for share, _ in shares]
        low, high = ([item[end] / 60 for _, item in shares] for end in ("low", "high"))
        axes.fill_betweenx(heights, low, high, color=colour, alpha=0.15, linewidth=0)
