"""Sensitivity, specificity and workload of each finding, with their intervals and the bounds that were asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipelines.figures.canvas import COLOURS, new_figure, readable

_PANELS = ("sensitivity", "specificity", "workload")


def draw_finding_calls(
    calls: Mapping[str, Mapping[str, Any]], bounds: Mapping[tuple[str, str], float]
) -> Figure:
    """A row per finding: dot and line for value and interval; a bar where something was asked.

    Args:
        calls: of ``components.operations.finding_calls``.
        bounds: (finding, panel) → what was asked.
    """
    height = 1.0 + 0.3 * max(len(calls), 1)
    figure = new_figure(9.0, height)
    figure.subplots_adjust(left=0.235, right=0.98, bottom=0.5 / height, top=1 - 0.34 / height, wspace=0.08)
    names = list(calls)
    for place, panel in enumerate(_PANELS):
        axes = figure.add_subplot(1, len(_PANELS), place + 1)
        _draw(axes, [calls[name][panel] for name in names], [bounds.get((name, panel)) for name in names])
        axes.set_title(f"{panel}, %", fontsize=10)
        axes.set_yticks(range(len(names)), [readable(name) for name in names] if not place else [])
        axes.tick_params(labelsize=9)
        axes.grid(axis="x", alpha=0.3)
    return figure


def _draw(axes: Axes, intervals: Sequence[Mapping[str, Any]], bounds: Sequence[float | None]) -> None:
    for at, (item, bound) in enumerate(zip(intervals, bounds, strict=True)):
        if item["low"] is not None:
            axes.plot([100 * item["low"], 100 * item["high"]], [at, at], color=COLOURS[0], linewidth=2)
        if item["value"] is not None:
            axes.plot([100 * item["value"]], [at], "o", color=COLOURS[0], markersize=5)
        if bound is not None:
            axes.plot([100 * bound] * 2, [at - 0.38, at + 0.38], color=COLOURS[1], linewidth=2)
    axes.set(xlim=(-3, 103), ylim=(len(intervals) - 0.4, -0.6), xticks=(0, 25, 50, 75, 100))
