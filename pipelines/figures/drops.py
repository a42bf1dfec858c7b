"""An external test at a glance: a metric at home and on the other site, and beside it the drop with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipelines.figures.canvas import COLOURS, new_figure, readable

_APART = 0.16  # of a row, between the two sides
_SIDES = {"held_out": (-_APART, COLOURS[0], "o"), "external": (_APART, COLOURS[1], "s")}


def draw_drops(rows: Sequence[Mapping[str, Any]], *, first: str) -> Figure:
    """A line per row of one metric of ``components.operations.drops``, the largest drop below ``first`` on top."""
    ordered = sorted(rows, key=lambda row: (row["label"] != first, -_known(row["drop"]["value"])))
    height = 0.9 + 0.36 * len(ordered)
    figure = new_figure(9.0, height)
    figure.subplots_adjust(left=0.27, right=0.98, bottom=0.5 / height, top=1 - 0.3 / height, wspace=0.08)
    both, drop = figure.subplots(1, 2, sharey=True)
    for place, row in enumerate(ordered):
        for side, (shift, colour, mark) in _SIDES.items():
            _interval(both, row[side], place + shift, colour, mark)
        _interval(drop, row["drop"], place, "#000000", "o")
    drop.axvline(0.0, color="0.6", linewidth=0.8, linestyle="--")
    both.set_yticks(range(len(ordered)), [readable(row["label"]) for row in ordered])
    both.invert_yaxis()
    both.set_title("own held-out (blue) and here (orange)", fontsize=9, loc="left")
    drop.set_title("drop", fontsize=9, loc="left")
    for axes in (both, drop):
        axes.tick_params(labelsize=8, length=2)
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _interval(axes: Axes, item: Mapping[str, Any], place: float, colour: str, mark: str) -> None:
    if item["value"] is None:
        return
    if item["low"] is not None:
        axes.plot([item["low"], item["high"]], [place, place], color=colour, linewidth=1.8)
    axes.plot([item["value"]], [place], mark, color=colour, markersize=5)


def _known(value: float | None) -> float:
    return float("-inf") if value is None else value
