"""A value with its interval for each structure or finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from pipelines.figures.canvas import COLOURS, new_figure, readable


def draw_intervals(metric: Mapping[str, Mapping[str, Any]], *, title: str, unit: str) -> Figure:
    """One row per defined entry of a metric: a dot for the value, a line for the interval."""
    rows = [(name, item) for name, item in metric.items() if item["value"] is not None]
    height = 1.2 + 0.28 * max(len(rows), 1)
    figure = new_figure(7.0, height)
    figure.subplots_adjust(left=0.42, right=0.97, bottom=0.55 / height, top=1 - 0.4 / height)
    axes = figure.add_subplot()
    for place, (_, item) in enumerate(rows):
        if item["low"] is not None:
            axes.plot([item["low"], item["high"]], [place, place], color=COLOURS[0], linewidth=2)
        axes.plot([item["value"]], [place], "o", color=COLOURS[1])
    labels = [f"{readable(name)}  (n={item['patients']})" for name, item in rows]
    axes.set_yticks(range(len(rows)), labels)
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.set_title(title)
    axes.grid(axis="x", alpha=0.3)
    return figure
