"""How sure, how smooth and how familiar: reference and window patients side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from components.scorecard.reference_threshold import ReferenceThreshold
from pipelines.figures.drift_canvas import INK, REFERENCE, WINDOW, canvas, plain, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS: Mapping[str, str] = {
    "uncertainty": "uncertainty",
    "temporal_jump": "temporal jump",
    "novelty": "novelty (1 = typical)",
}


def drift_distributions(
    reference: pd.DataFrame, window: pd.DataFrame, thresholds: Sequence[ReferenceThreshold]
) -> bytes:
    """PNG: one panel per known column, one point per patient (its worst frame), thresholds dashed."""
    shown = [column for column in COLUMNS if column in window and bool(window[column].notna().any())]
    figure = canvas(5.2, 4.2)
    panels = figure.subplots(max(len(shown), 1), 1, squeeze=False)[:, 0]
    bounds = {threshold.column: threshold.value for threshold in thresholds}
    for axes, column in zip(panels, shown, strict=False):
        _panel(plain(axes), column, reference, window, bounds.get(column))
    for axes in panels[len(shown) :]:
        axes.axis("off")
    return png(figure)


def _panel(
    axes: Axes, column: str, reference: pd.DataFrame, window: pd.DataFrame, bound: float | None
) -> None:
    for row, (table, colour) in enumerate(((window, WINDOW), (reference, REFERENCE))):
        worst = (
            table.groupby("patient_id")[column].max().dropna() if column in table else pd.Series(dtype=float)
        )
        values = np.sort(worst.to_numpy(dtype=np.float64))
        # A fixed pattern keeps equal values apart without a random number.
        spread = row + 0.12 * np.array([0, 1, -1, 2, -2])[np.arange(len(values)) % 5]
        axes.plot(values, spread, "o", color=colour, alpha=0.65, markersize=4.5, markeredgewidth=0)
        if len(values):
            axes.plot([np.median(values)] * 2, [row - 0.38, row + 0.38], color=colour, linewidth=2)
    if bound is not None:
        axes.axvline(bound, color=INK, linestyle="--", linewidth=1)
    axes.set_yticks([0, 1], ["window", "reference"])
    axes.set_ylim(-0.55, 1.55)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(COLUMNS[column])
