"""The ROC curve of each finding, with the point at which it is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from components.metrics.ranking import roc_curve
from components.operations.finding_scores import FindingScores
from pipelines.figures.canvas import COLOURS
from pipelines.figures.finding_panels import finding_panels


def draw_roc_curves(scores: FindingScores, metrics: Mapping[str, Mapping[str, Any]]) -> Figure:
    """A panel per finding; the dot is the threshold in use, the number the AUROC.

    Args:
        scores: of findings that can be judged.
        metrics: ``Evaluation.metrics``, for the numbers.
    """
    figure, panels = finding_panels(scores.findings, across="1 − specificity", up="sensitivity")
    for k, (name, axes) in enumerate(zip(scores.findings, panels, strict=True)):
        known = ~np.isnan(scores.truth_nk[:, k])
        false, true = roc_curve(
            scores.truth_nk[known, k], scores.probability_nk[known, k], scores.share_nk[known, k]
        )
        axes.plot(false, true, color=COLOURS[0], linewidth=1.5)
        value = {metric: metrics[metric][name]["value"] for metric in ("specificity", "sensitivity", "auroc")}
        axes.plot([1 - value["specificity"]], [value["sensitivity"]], "o", color=COLOURS[1], markersize=5)
        axes.text(0.98, 0.05, f"{value['auroc']:.2f}", fontsize=9, ha="right")
    return figure
