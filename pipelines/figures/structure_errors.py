"""Each patient's error in each structure: who drags a mean down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from components.operations.segmentation_frames import DICE, HD95, RELATIVE_BIAS, SURFACE_DICE
from pipelines.figures.canvas import COLOURS, new_figure, readable

# column prefix → heading, factor, the value of a perfect model
_PANELS = (
    (DICE, "Dice", 1.0, 1.0),
    (SURFACE_DICE, "surface Dice", 1.0, 1.0),
    (HD95, "HD95, mm", 1.0, 0.0),
    (RELATIVE_BIAS, "volume error, %", 100.0, 0.0),
)


def draw_structure_errors(per_patient: pd.DataFrame, structures: Sequence[str]) -> Figure:
    """A panel per metric, a row per structure: a dot per patient, a bar at the median, a line where perfect is.

    Args:
        per_patient: ``Evaluation.per_patient`` of a segmentation model.
        structures: in their order; those that nobody judged have no row.
    """
    shown = [name for name in structures if f"{DICE}{name}" in per_patient]
    height = 1.1 + 0.36 * max(len(shown), 1)
    figure = new_figure(10.5, height)
    figure.subplots_adjust(left=0.13, right=0.985, bottom=0.5 / height, top=1 - 0.35 / height, wspace=0.12)
    for place, (prefix, heading, factor, perfect) in enumerate(_PANELS):
        axes = figure.add_subplot(1, len(_PANELS), place + 1)
        for row, name in enumerate(shown):
            if f"{prefix}{name}" in per_patient:  # no volume error where every frame failed
                _row(axes, row, factor * per_patient[f"{prefix}{name}"].dropna().to_numpy(np.float64))
        axes.axvline(perfect, color="0.55", linewidth=1, linestyle="--")
        axes.set_yticks(range(len(shown)), [readable(name) for name in shown] if not place else [])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_title(heading, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    return figure


def _row(axes: Axes, row: int, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    values = np.sort(values)
    # A fixed pattern keeps equal values apart without a random number.
    spread = row + 0.09 * np.array([0, 1, -1, 2, -2])[np.arange(len(values)) % 5]
    axes.plot(values, spread, "o", color=COLOURS[0], alpha=0.85, markersize=5, markeredgewidth=0)
    if len(values):
        axes.plot([np.median(values)] * 2, [row - 0.32, row + 0.32], color=COLOURS[1], linewidth=2)
