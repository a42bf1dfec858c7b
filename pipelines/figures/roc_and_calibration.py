"""Ranking and calibration of each finding that has positive and negative cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from components.metrics.calibration import reliability
from components.metrics.ranking import roc_curve
from components.metrics.weighting import Array
from components.operations.evaluate_classification import probability_of, truth_of
from pipelines.figures.canvas import COLOURS, new_figure, readable


def draw_roc_and_calibration(
    table: pd.DataFrame, findings: Sequence[str], auroc: Mapping[str, Mapping[str, Any]]
) -> Figure:
    """Left: ROC curve per finding; right: share of positives over said probability, all findings pooled.

    Args:
        table: ``Evaluation.per_patient`` of a classification model.
        auroc: the metric's entries, for the legend.
    """
    truth, probability = truth_of(table, findings), probability_of(table, findings)
    figure = new_figure(12.5, 4.8)
    figure.subplots_adjust(left=0.06, right=0.98, bottom=0.12, top=0.92, wspace=0.85)
    left, right = figure.subplots(1, 2)
    for place, name in enumerate(findings):
        said, is_so = probability[:, place], truth[:, place]
        if {0.0, 1.0} <= set(is_so):
            value = auroc[name]["value"]
            style = "-" if place < len(COLOURS) else "--"
            colour = COLOURS[place % len(COLOURS)]
            known = ~np.isnan(is_so)
            false, true = roc_curve(is_so[known], said[known])
            left.plot(false, true, style, color=colour, label=f"{readable(name)} {value:.2f}")
    for axes in (left, right):
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    left.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC (AUROC per finding)")
    if left.get_legend_handles_labels()[0]:
        left.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False)
    _draw_reliability(right, truth.ravel(), probability.ravel())
    return figure


def _draw_reliability(axes: Any, truth: Array, probability: Array) -> None:
    known = ~np.isnan(truth)
    said, share, count = reliability(truth[known], probability[known])
    axes.scatter(said, share, s=10 + 200 * count / max(count.sum(), 1), color=COLOURS[0])
    axes.set(xlabel="said probability", ylabel="share of positives", title="Calibration, findings pooled")
