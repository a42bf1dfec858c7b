"""Variants of a model side by side: the mean metric of each with its interval, and each seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from pipelines.figures.canvas import new_figure, readable


def draw_comparison(table: Sequence[Mapping[str, Any]]) -> Figure:
    """Rows of ``pipelines.compare.table_of``, from top to bottom."""
    figure = new_figure(7.0, 0.5 * len(table) + 1.2)
    axes = figure.subplots()
    for place, row in enumerate(reversed(table)):
        known = [row["auroc"][end] for end in ("low", "value", "high")]
        if None not in known:
            low, value, high = known
            axes.errorbar(value, place, xerr=[[value - low], [high - value]], fmt="o", color="C0", capsize=3)
        seeds = row["auroc_by_seed"]
        axes.plot(seeds, [place] * len(seeds), "|", color="C1", markersize=12)
    axes.set_yticks(range(len(table)), [readable(row["variant"]) for row in reversed(table)])
    axes.set_xlabel("macro AUROC on the judging patients: mean over seeds with its interval, and each seed")
    return figure
