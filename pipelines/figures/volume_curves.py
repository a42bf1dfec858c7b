"""Volume over the cardiac cycle: the model's curve and the expert's points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from components.operations.segmentation_frames import EXPERT, PREDICTED
from pipelines.figures.canvas import COLOURS, new_figure, readable


def draw_volume_curves(frames: pd.DataFrame, structures: Sequence[str], *, patients: int = 6) -> Figure:
    """One panel for each of the first patients with a cine case; lines: predicted, dots: expert.

    Args:
        frames: ``Evaluation.frames`` of a segmentation model.
    """
    cines = frames.dropna(subset=["phase_percent"]).sort_values(["case_id", "phase_percent"])
    cases = cines["case_id"].drop_duplicates().tolist()[:patients]
    columns = min(3, max(1, len(cases)))
    rows = max(1, -(-len(cases) // columns))
    width, height = max(3.6 * columns, 7.2), 2.8 * rows + 1.0
    figure = new_figure(width, height)
    figure.subplots_adjust(
        left=0.7 / width, right=0.98, bottom=1.1 / height, top=1 - 0.7 / height, hspace=0.45, wspace=0.3
    )
    for place, case in enumerate(cases):
        axes = figure.add_subplot(rows, columns, place + 1)
        cine = cines[cines["case_id"] == case]
        phase = cine["phase_percent"].to_numpy(np.float64)
        for colour, name in zip(COLOURS, structures, strict=False):
            if f"{PREDICTED}{name}" in cine:
                axes.plot(phase, cine[f"{PREDICTED}{name}"], "-", color=colour, label=readable(name))
            if f"{EXPERT}{name}" in cine:
                axes.plot(phase, cine[f"{EXPERT}{name}"], "o", color=colour, markersize=4)
        axes.set_title(f"{str(case)[:14]}", fontsize=9)
        axes.set_xlabel("phase of R-R, %")
        axes.set_ylabel("ml")
    if cases:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncols=4, fontsize=8)
    figure.suptitle("Volume over the cycle: model (line), expert (dots)")
    return figure
