"""Variants of a model side by side: the mean metric of each with its interval, and each seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from pipelines.figures.canvas import new_figure, readable


def draw_comparison(table: Sequence[Mapping[str, Any]]) -> Figure:
    """Rows of ``pipelines.compare.table_of``, from top to bottom."""
    height = 0.5 * len(table) + 1.2
    figure = new_figure(7.0, height)
    figure.subplots_adjust(left=0.27, right=0.97, bottom=0.6 / height, top=1 - 0.2 / height)
    axes = figure.subplots()
    for place, row in enumerate(reversed(table)):
        known = [row["auroc"][end] for end in ("low", "value", "high")]
        if None not in known:
            low, value, high = known
            axes.errorbar(value, place, xerr=[[value - low], [high - value]], fmt="o", color="C0", capsize=3)
        seeds = row["auroc_by_seed"]
        axes.plot(seeds, [place] * len(seeds), "|", color="C1", markersize=12)
    axes.set_yticks(range(len(table)), [readable(row["variant"]) for row in reversed(table)])
    axes.axvline(0.5, color="0.6", linewidth=0.8)  # chance
    axes.set_xlabel("macro AUROC of the judging patients; dashes: each seed")
    return figure
